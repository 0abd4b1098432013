//! Counts copies after a merge.
//!
//! A merge can be right in every hunk and still lose or double a line that occurs several times or
//! was moved. So three things are checked for every line. All copies that both sides added must be
//! there, and no more. If a clash drops one half of a move, the other half is dropped too. A line
//! that all three texts have equally often must be there that often. This counts equal lines.
//! `fates` counts the lines of the base in each form that a side gave them.

use super::blanks;
use super::cut::{Side, Three};
use super::diff::part;
use super::fates::{self, Fates};
use super::token::Tokens;
use super::weave::{Chunk, How, Region};
use imara_diff::Token;

/// Whether the copies of every line add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audit {
    AddsUp,
    DoesNot,
}

// LIMIT: in how many rounds giving up edits may spread to others. Then all are given up.
const ROUNDS: usize = 16;

/// Counts copies. If the copies of a line do not add up, the earlier side's edits of it become
/// clashes.
pub(super) fn audit(
    chunks: &mut Vec<Chunk>,
    tokens: &Tokens,
    fates: &Fates<'_>,
    later: Side,
) -> Audit {
    for chunk in chunks.iter_mut().filter(|chunk| fates.invents(chunk)) {
        crate::mark::hit!(text_lines_that_nobody_wrote_are_given_up);
        chunk.how = How::Clash;
    }
    let has_clash = chunks.iter().any(Chunk::clashes);
    if has_clash && !chunks.iter().any(|chunk| chunk.has_edit_of(later.other())) {
        // The text is the later side's already.
        return Audit::AddsUp;
    }
    let mut bad = Bad::of(chunks, tokens, fates, later);
    if bad.is_empty() {
        return Audit::AddsUp;
    }
    crate::mark::hit!(text_copies_do_not_add_up);
    for _ in 0..ROUNDS {
        if !give_up(chunks, tokens, fates, later, &bad) {
            return Audit::DoesNot;
        }
        // INVARIANT: no edits of the bad lines are left to give up. So other lines follow, or none.
        bad = Bad::of(chunks, tokens, fates, later);
    }
    crate::mark::hit!(text_all_is_given_up);
    for chunk in chunks.iter_mut().filter(|chunk| chunk.has_edit_of(later.other())) {
        chunk.how = How::Clash;
    }
    Audit::DoesNot
}

/// By token, whether the line does not add up.
struct Bad {
    /// By equal lines, when spare blank lines are left out.
    equal: Vec<bool>,
    /// By the lines of the base in all their forms.
    any_form: Vec<bool>,
}

impl Bad {
    fn of(chunks: &mut Vec<Chunk>, tokens: &Tokens, fates: &Fates<'_>, later: Side) -> Self {
        let equal = bad_lines(chunks, tokens, later);
        let any_form = fates.bad(chunks, later);
        if !equal.contains(&true) && any_form.contains(&true) {
            crate::mark::hit!(text_a_line_in_another_form_does_not_add_up);
        }
        Self { equal, any_form }
    }

    fn is_empty(&self) -> bool {
        !self.equal.contains(&true) && !self.any_form.contains(&true)
    }
}

/// By token, whether equal lines do not add up, when spare blank lines are left out.
fn bad_lines(chunks: &mut Vec<Chunk>, tokens: &Tokens, later: Side) -> Vec<bool> {
    let mut ledger = Ledger::of(chunks, tokens, later);
    if ledger.has_spare_blanks(tokens)
        && blanks::leave_out(chunks, tokens, later, |token| ledger.take_spare(token))
    {
        crate::mark::hit!(text_blank_line_is_left_out);
        ledger = Ledger::of(chunks, tokens, later);
    }
    ledger.bad(tokens)
}

/// Whether the copies of every word add up; for merges without a clash.
pub(super) fn adds_up(chunks: &[Chunk], tokens: &Tokens) -> bool {
    let ledger = Ledger::of(chunks, tokens, Side::Server);
    ledger.lines().all(|(token, line)| tokens.is_blank(token) || line.edits.adds_up())
}

/// How the number of copies of one line changed.
#[derive(Clone, Copy, Default)]
struct Change {
    server: i32,
    pushed: i32,
    merged: i32,
}

impl Change {
    fn side(&mut self, side: Side) -> &mut i32 {
        match side {
            Side::Server => &mut self.server,
            Side::Pushed => &mut self.pushed,
        }
    }

    fn add(&mut self, other: Change) {
        self.server += other.server;
        self.pushed += other.pushed;
        self.merged += other.merged;
    }

    /// Leaves out the copies that the sides added and that became lines with words of both.
    fn without_mixed(self) -> Self {
        let most = self.merged.max(0);
        Self { server: self.server.min(most), pushed: self.pushed.min(most), ..self }
    }

    /// As if the earlier side had done only what the later side did, too.
    fn without_lost(mut self, later: Side) -> Self {
        let kept = *self.side(later);
        let lost = self.side(later.other());
        *lost = (*lost).clamp(kept.min(0), kept.max(0));
        self
    }

    /// Whether both sides' changes are in the merge. If both changed in one direction, some of it
    /// may be the same edit.
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

/// What is known of one line after a merge.
#[derive(Clone, Copy, Default)]
struct Line {
    /// How its copies changed. Lines with words of both sides are left out, since they count as the
    /// same line in all three texts. Edits that the earlier side lost in clashes are left out, too.
    edits: Change,
    /// How its copies changed, with nothing left out.
    copies: Change,
    /// Whether the earlier side added or removed copies, and a clash dropped that edit.
    lost: Ways,
    /// Whether the earlier side added or removed copies, and the merge has that edit.
    kept: Ways,
}

#[derive(Clone, Copy, Default)]
struct Ways {
    added: bool,
    removed: bool,
}

impl Ways {
    fn note(&mut self, change: i32) {
        self.added |= 0 < change;
        self.removed |= change < 0;
    }
}

impl Line {
    fn note(&mut self, how: &How, copies: Change, later: Side) {
        let mut all = copies;
        self.copies.add(copies);
        match how {
            How::MixedLine(..) => {}
            How::MixedLines(..) => self.edits.add(copies.without_mixed()),
            How::Clash | How::Rows => {
                let mut kept = copies.without_lost(later);
                self.lost.note(*all.side(later.other()) - *kept.side(later.other()));
                self.edits.add(kept);
            }
            How::Kept | How::Take(_) | How::Alike | How::Gone => self.edits.add(copies),
        }
        self.kept.note(copies.merged - *all.side(later));
    }

    fn is_bad(&self, is_blank: bool) -> bool {
        let is_half_a_move =
            (self.lost.added && self.kept.removed) || (self.lost.removed && self.kept.added);
        // Blank lines are everywhere, so edits of them say little.
        let is_wrong = !is_blank && (!self.edits.adds_up() || is_half_a_move);
        is_wrong || self.n_spare() != 0
    }

    /// How many copies too many there are of a line that all three texts have equally often.
    fn n_spare(&self) -> i32 {
        let Change { server, pushed, merged } = self.copies;
        if server == 0 && pushed == 0 { merged } else { 0 }
    }
}

/// By token, what is known of the line.
struct Ledger(Vec<Line>);

impl Ledger {
    fn of(chunks: &[Chunk], tokens: &Tokens, later: Side) -> Self {
        let mut ledger = Self(vec![Line::default(); tokens.n_tokens()]);
        let mut tally = Tally::new(tokens.n_tokens());
        for chunk in chunks {
            tally.each_change(chunk, tokens, later, |token, copies| {
                if let Some(line) = ledger.0.get_mut(token.0 as usize) {
                    line.note(&chunk.how, copies, later);
                }
            });
        }
        ledger
    }

    /// By token, whether the line does not add up.
    fn bad(&self, tokens: &Tokens) -> Vec<bool> {
        self.lines().map(|(token, line)| line.is_bad(tokens.is_blank(token))).collect()
    }

    fn has_spare_blanks(&self, tokens: &Tokens) -> bool {
        self.lines().any(|(token, line)| 0 < line.n_spare() && tokens.is_blank(token))
    }

    /// Takes one copy of a line that has too many copies.
    fn take_spare(&mut self, token: Token) -> bool {
        let line = self.0.get_mut(token.0 as usize).filter(|line| 0 < line.n_spare());
        line.map(|line| line.copies.merged -= 1).is_some()
    }

    fn lines(&self) -> impl Iterator<Item = (Token, &Line)> {
        // The numbers fit `u32`, because the interner gave them.
        self.0.iter().enumerate().map(|(at, line)| (Token(at as u32), line))
    }
}

/// Counts the copies in one chunk after the other.
struct Tally {
    of: Vec<Change>,
    touched: Vec<Token>,
}

impl Tally {
    fn new(n_tokens: usize) -> Self {
        Self { of: vec![Change::default(); n_tokens], touched: Vec::new() }
    }

    /// Calls `f` with each line of which `chunk` may have more or fewer copies than the base.
    fn each_change(
        &mut self,
        chunk: &Chunk,
        tokens: &Tokens,
        later: Side,
        mut f: impl FnMut(Token, Change),
    ) {
        if matches!(chunk.how, How::Kept) {
            return;
        }
        let texts = pieces(&chunk.region, tokens);
        let none = Change::default();
        self.count(texts.base, Change { server: -1, pushed: -1, merged: -1 });
        self.count(texts.server, Change { server: 1, ..none });
        self.count(texts.pushed, Change { pushed: 1, ..none });
        let merged = match &chunk.how {
            How::MixedLine(_, lines) | How::MixedLines(_, lines) => lines,
            _ => chunk.pieces(tokens, later).unwrap_or_default(),
        };
        self.count(merged, Change { merged: 1, ..none });
        for token in self.touched.drain(..) {
            // A line that is there several times was counted several times.
            if let Some(change) = self.of.get_mut(token.0 as usize) {
                f(token, std::mem::take(change));
            }
        }
    }

    fn count(&mut self, pieces: &[Token], change: Change) {
        for token in pieces {
            if let Some(of) = self.of.get_mut(token.0 as usize) {
                of.add(change);
                self.touched.push(*token);
            }
        }
    }
}

/// Turns chunks into clashes if the earlier side changed a bad line in them.
fn give_up(
    chunks: &mut [Chunk],
    tokens: &Tokens,
    fates: &Fates<'_>,
    later: Side,
    bad: &Bad,
) -> bool {
    let is_in = |bad: &[bool], token: Token| bad.get(token.0 as usize) == Some(&true);
    let mut tally = Tally::new(tokens.n_tokens());
    let mut in_any_form = fates::Tally::new(tokens);
    let mut has_given_up = false;
    for chunk in chunks.iter_mut().filter(|chunk| chunk.has_edit_of(later.other())) {
        let mut is_involved = false;
        tally.each_change(chunk, tokens, later, |token, mut copies| {
            is_involved |= copies.merged != *copies.side(later) && is_in(&bad.equal, token);
        });
        in_any_form.each(fates, chunk, later, &mut |token, copies| {
            is_involved |= copies.merged != copies.side(later) && is_in(&bad.any_form, token);
        });
        if is_involved {
            chunk.how = How::Clash;
            has_given_up = true;
        }
    }
    has_given_up
}

fn pieces<'t>(region: &Region, tokens: &'t Tokens) -> Three<&'t [Token]> {
    Three {
        base: part(&tokens.of.base, region.base.clone()),
        server: part(&tokens.of.server, region.server.clone()),
        pushed: part(&tokens.of.pushed, region.pushed.clone()),
    }
}
