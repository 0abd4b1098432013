//! Counts copies after a merge.
//!
//! Hunk by hunk a merge can be right and still lose or double a line that occurs several times, or
//! that both sides moved. So for every line: what both added must be there, and no more than that.

use super::cut::{Side, Three};
use super::diff::part;
use super::token::Tokens;
use super::weave::{Chunk, How, Region};
use imara_diff::Token;
use std::collections::BTreeMap;

/// Whether the copies of every line add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audit {
    AddsUp,
    DoesNot,
}

/// Counts copies, and turns into clashes the earlier side's edits of lines that do not add up.
pub(super) fn audit(chunks: &mut [Chunk], tokens: &Tokens, later: Side) -> Audit {
    let net = Net::of(chunks, tokens);
    let mut bad: Vec<bool> = net.0.iter().map(|change| !change.adds_up()).collect();
    for (token, bad) in bad.iter_mut().enumerate() {
        // Numbers fit u32: the interner gave them.
        *bad = *bad && !tokens.is_blank(Token(token as u32));
    }
    if !bad.contains(&true) {
        return Audit::AddsUp;
    }
    cov_mark::hit!(text_copies_do_not_add_up);
    give_up_edits_of(&mut bad, chunks, tokens, later);
    Audit::DoesNot
}

/// How the number of copies of one line changed.
#[derive(Clone, Copy, Default)]
struct Change {
    server: i64,
    pushed: i64,
    merged: i64,
}

impl Change {
    fn add(&mut self, other: Change) {
        self.server += other.server;
        self.pushed += other.pushed;
        self.merged += other.merged;
    }

    /// As if the sides had not added the copies that became lines with words of both.
    fn without_mixed(self) -> Self {
        let most = self.merged.max(0);
        Self { server: self.server.min(most), pushed: self.pushed.min(most), ..self }
    }

    /// Both sides' changes are there; where both went the same way, some may be the same edit.
    fn adds_up(&self) -> bool {
        let sum = self.server + self.pushed;
        let (least, most) = (self.server.min(self.pushed), self.server.max(self.pushed));
        if 0 <= least {
            most <= self.merged && self.merged <= sum
        } else if most <= 0 {
            sum <= self.merged && self.merged <= least
        } else {
            self.merged == sum
        }
    }
}

/// By token, how its number of copies changed.
struct Net(Vec<Change>);

impl Net {
    /// Leaves out clashes, which are reported anyway, and lines that have words of both sides: for
    /// all three they count as the same line.
    fn of(chunks: &[Chunk], tokens: &Tokens) -> Self {
        let mut net = Self(vec![Change::default(); tokens.n_tokens()]);
        for Chunk { region, how } in chunks {
            let pieces = pieces(region, tokens);
            let merged = match how {
                How::Take(Side::Server) | How::Alike => pieces.server,
                How::Take(Side::Pushed) => pieces.pushed,
                How::Gone => &[],
                How::MixedLines(_, lines) => {
                    for (token, change) in changes(&pieces, lines) {
                        net.add(Token(token), change.without_mixed());
                    }
                    continue;
                }
                How::Kept | How::MixedLine(_) | How::Rows | How::Clash => continue,
            };
            each_change(&pieces, merged, |token, change| net.add(token, change));
        }
        net
    }

    fn add(&mut self, token: Token, change: Change) {
        if let Some(net) = self.0.get_mut(token.0 as usize) {
            net.add(change);
        }
    }
}

fn changes(pieces: &Three<&[Token]>, merged: &[Token]) -> BTreeMap<u32, Change> {
    let mut changes: BTreeMap<u32, Change> = BTreeMap::new();
    each_change(pieces, merged, |token, change| changes.entry(token.0).or_default().add(change));
    changes
}

fn each_change(pieces: &Three<&[Token]>, merged: &[Token], mut f: impl FnMut(Token, Change)) {
    let none = Change::default();
    pieces.server.iter().for_each(|token| f(*token, Change { server: 1, ..none }));
    pieces.pushed.iter().for_each(|token| f(*token, Change { pushed: 1, ..none }));
    merged.iter().for_each(|token| f(*token, Change { merged: 1, ..none }));
    let gone = Change { server: -1, pushed: -1, merged: -1 };
    pieces.base.iter().for_each(|token| f(*token, gone));
}

// LIMIT: how far giving up one edit may spread to others before all are given up.
const ROUNDS: usize = 16;

/// Gives up the earlier side's edits that touch a bad line, and with each such edit the rest of
/// what it touches: half a move would double or lose a line.
fn give_up_edits_of(bad: &mut [bool], chunks: &mut [Chunk], tokens: &Tokens, later: Side) {
    let earlier = later.other();
    for round in 0..=ROUNDS {
        let mut spread = false;
        for chunk in chunks.iter_mut() {
            if !matches!(chunk.how, How::Take(side) if side == earlier) {
                continue;
            }
            let Three { base, server, pushed } = pieces(&chunk.region, tokens);
            let touched = base.iter().chain(server).chain(pushed);
            let is_bad = |token: &Token| bad.get(token.0 as usize).is_some_and(|&bad| bad);
            if round < ROUNDS && !touched.clone().any(is_bad) {
                continue;
            }
            chunk.how = How::Clash;
            spread = true;
            for token in touched.filter(|token| !tokens.is_blank(**token)) {
                if let Some(bad) = bad.get_mut(token.0 as usize) {
                    *bad = true;
                }
            }
        }
        if !spread {
            return;
        }
    }
}

fn pieces<'t>(region: &Region, tokens: &'t Tokens) -> Three<&'t [Token]> {
    Three {
        base: part(&tokens.of.base, region.base.clone()),
        server: part(&tokens.of.server, region.server.clone()),
        pushed: part(&tokens.of.pushed, region.pushed.clone()),
    }
}
