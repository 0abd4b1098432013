//! Verses that one side moved and the other edited.
//!
//! A diff shows a move as a deletion and an insertion. An edit of a deleted line is a clash. So
//! after a clash, each side's moves are first made in the base and in the other side's text. The
//! other edits are left, such as the edited line in its new place, and they are merged as usual. A
//! move is made only if it is certain: the verse is still recognisable on the other side, and the
//! other side changed nothing at the verse's edges or at its new place.

use super::cut::{Cut, Side, Three, split_line_end};
use super::diff::{Budget, Edits, Hunk, part};
use super::token::Tokens;
use super::words;
use super::write::first_line_end;
use imara_diff::Token;
use std::ops::Range;

// LIMIT: moves that one merge makes in the other text.
const MOVES: usize = 64;

/// Lines of the base that one side moved.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Move {
    lines: Range<usize>,
    /// The line of the base before which they are now.
    to: usize,
}

/// Returns the three texts with the moves of both sides made in all of them; `None` if there are no
/// moves, or if one is not certain.
pub(super) fn make_moves(
    lines: &Three<Cut<'_>>,
    tokens: &Tokens,
    edits: &Edits,
    budget: &mut Budget,
) -> Option<Three<String>> {
    let by_server = moves(tokens, Side::Server, &edits.server);
    let by_pushed = moves(tokens, Side::Pushed, &edits.pushed);
    if MOVES < by_server.len() + by_pushed.len() {
        crate::mark::hit!(text_too_many_moves);
        return None;
    }
    let both = in_order(&by_server, &by_pushed)?;
    let in_server = carried_over(&by_pushed, &edits.server, Side::Server, lines, budget)?;
    let in_pushed = carried_over(&by_server, &edits.pushed, Side::Pushed, lines, budget)?;
    Some(Three {
        base: rearranged(&lines.base, &both)?,
        server: rearranged(&lines.server, &in_server)?,
        pushed: rearranged(&lines.pushed, &in_pushed)?,
    })
}

/// Finds the lines that `side` removed in one hunk and inserted in another. A line that it removed
/// once and inserted once shows a move. Equal lines beside it moved along.
fn moves(tokens: &Tokens, side: Side, hunks: &[Hunk]) -> Vec<Move> {
    if hunks.len() < 2 {
        return Vec::new();
    }
    let mut finder = Finder {
        base: &tokens.of.base,
        side: tokens.of.side(side),
        removed: vec![Seen::Never; tokens.n_tokens()],
        added: vec![Seen::Never; tokens.n_tokens()],
        found: Vec::new(),
    };
    for (at, hunk) in hunks.iter().enumerate() {
        see(&mut finder.removed, part(finder.base, hunk.base.clone()), at, hunk.base.start);
        see(&mut finder.added, part(finder.side, hunk.side.clone()), at, hunk.side.start);
    }
    for hunk in hunks {
        finder.search(hunk, hunks, |token| !tokens.is_blank(token));
    }
    // If several moves go to one place, they are in the order in which that side has them.
    let starts = finder.found.iter().map(|(start, _)| *start).enumerate();
    let mut order: Vec<Placed> = starts.map(|(at, start)| (start as u64, 0, at)).collect();
    order.sort_unstable();
    let moves = order.iter().filter_map(|(.., at)| finder.found.get(*at));
    moves.map(|(_, found)| found.clone()).collect()
}

/// The sort key: a rank, and what orders those with the same rank. All sorts of this module use one
/// type, since each further type makes a page larger.
pub(super) type Placed = (u64, usize, usize);

/// The hunk in which a line was seen, and its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Never,
    Once(usize, usize),
    Often,
}

fn see(seen: &mut [Seen], pieces: &[Token], hunk: usize, start: usize) {
    for (offset, token) in pieces.iter().enumerate() {
        if let Some(seen) = seen.get_mut(token.0 as usize) {
            *seen = match seen {
                Seen::Never => Seen::Once(hunk, start + offset),
                _ => Seen::Often,
            };
        }
    }
}

struct Finder<'t> {
    base: &'t [Token],
    side: &'t [Token],
    removed: Vec<Seen>,
    added: Vec<Seen>,
    /// Each move, and where the side has the lines.
    found: Vec<(usize, Move)>,
}

impl Finder<'_> {
    fn search(&mut self, hunk: &Hunk, hunks: &[Hunk], is_sign: impl Fn(Token) -> bool) {
        let mut from = hunk.base.start;
        let mut at = from;
        while at < hunk.base.end {
            let sign = self.base.get(at).copied().filter(|token| is_sign(*token));
            let place = sign.and_then(|token| self.place(token));
            let Some((target, start)) = place.and_then(|(i, at)| Some((hunks.get(i)?, at))) else {
                at += 1;
                continue;
            };
            let before = part(self.side, target.side.start..start);
            let back = run(part(self.base, from..at).iter().rev(), before.iter().rev());
            let after = part(self.side, start..target.side.end);
            let on = run(part(self.base, at..hunk.base.end).iter(), after.iter());
            let lines = at - back..at + on;
            (from, at) = (lines.end, lines.end);
            self.found.push((start, Move { lines, to: target.base.start }));
        }
    }

    /// The place where a line that was removed once was inserted once, in another hunk.
    fn place(&self, token: Token) -> Option<(usize, usize)> {
        match (self.removed.get(token.0 as usize)?, self.added.get(token.0 as usize)?) {
            (Seen::Once(from, _), Seen::Once(to, at)) if from != to => Some((*to, *at)),
            _ => None,
        }
    }
}

fn run<'t>(a: impl Iterator<Item = &'t Token>, b: impl Iterator<Item = &'t Token>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

/// The moves of both sides. A move that both made is there once. It is empty if two moves affect
/// each other.
fn in_order(by_server: &[Move], by_pushed: &[Move]) -> Option<Vec<Move>> {
    let mut all = by_server.to_vec();
    all.extend(by_pushed.iter().filter(|by_pushed| !by_server.contains(by_pushed)).cloned());
    let of_one = |a: &Move, b: &Move| {
        [by_server, by_pushed].iter().any(|side| side.contains(a) && side.contains(b))
    };
    // If two moves go to one place, their order is known only for moves of the same side.
    let is_shared = |a: &Move| by_server.contains(a) && by_pushed.contains(a);
    let is_apart = |a: &Move, b: &Move| {
        let overlaps = a.lines.start < b.lines.end && b.lines.start < a.lines.end;
        let lands_inside = |a: &Move, b: &Move| b.lines.start < a.to && a.to < b.lines.end;
        let touches = |a: &Move, b: &Move| b.lines.start <= a.to && a.to <= b.lines.end;
        let meets = lands_inside(a, b) || lands_inside(b, a);
        let meets_other = a.to == b.to || touches(a, b) || touches(b, a);
        let has_no_order = a.to == b.to && (is_shared(a) || is_shared(b));
        !overlaps && !meets && !has_no_order && (of_one(a, b) || !meets_other)
    };
    let is_certain =
        all.iter().enumerate().all(|(i, a)| all.iter().skip(i + 1).all(|b| is_apart(a, b)));
    (is_certain && !all.is_empty()).then_some(all)
}

/// The other side's `moves` as moves of the lines of `which`, if that is certain.
fn carried_over(
    moves: &[Move],
    hunks: &[Hunk],
    which: Side,
    lines: &Three<Cut<'_>>,
    budget: &mut Budget,
) -> Option<Vec<Move>> {
    let mut carried = Vec::with_capacity(moves.len());
    for Move { lines: range, to } in moves {
        let here = edge(range.start, hunks)?..edge(range.end, hunks)?;
        let is_edited =
            hunks.iter().any(|hunk| range.start < hunk.base.end && hunk.base.start < range.end);
        if is_edited {
            let (was, is) = (lines.base.slice(range), lines.side(which).slice(&here));
            if words::differ_in_most(was, is, which, budget) {
                return None;
            }
        }
        carried.push(Move { lines: here, to: edge(*to, hunks)? });
    }
    Some(carried)
}

/// Where the edge before line `at` of the base is on a side; `None` if the side added lines there
/// that could belong to either part.
fn edge(at: usize, hunks: &[Hunk]) -> Option<usize> {
    let next = hunks.partition_point(|hunk| hunk.base.end < at);
    let before = next.checked_sub(1).and_then(|last| hunks.get(last));
    let mut here = before.map_or(at, |hunk| at - hunk.base.end + hunk.side.end);
    for hunk in hunks.iter().skip(next).take_while(|hunk| hunk.base.start <= at) {
        if hunk.base.start < at && at < hunk.base.end || hunk.base.len() < hunk.side.len() {
            return None;
        }
        if hunk.base.end == at {
            here = hunk.side.end;
        }
    }
    Some(here)
}

/// The text of `lines` with `moves` made.
fn rearranged(lines: &Cut<'_>, moves: &[Move]) -> Option<String> {
    let mut places: Vec<Placed> = (0..lines.len()).map(|at| (2 * at as u64 + 1, 0, at)).collect();
    for (order, Move { lines: range, to }) in moves.iter().enumerate() {
        for place in places.get_mut(range.clone()).unwrap_or_default() {
            (place.0, place.1) = (2 * *to as u64, order);
        }
    }
    places.sort_unstable();

    let text = lines.slice(&(0..lines.len()));
    let style = first_line_end(text).unwrap_or("\n");
    let mut rearranged = String::with_capacity(text.len() + style.len());
    let mut last = "";
    for (.., at) in places {
        last = lines.slice(&(at..at + 1));
        rearranged.push_str(last);
        if split_line_end(last).1.is_none() {
            rearranged.push_str(style);
        }
    }
    let (content, end) = split_line_end(last);
    // An empty last line exists only by its line end.
    if !text.ends_with(['\n', '\r']) && !content.is_empty() {
        rearranged.truncate(rearranged.len() - end.unwrap_or(style).len());
    }
    // A lone CR and an LF beside each other would become one line end.
    (Cut::lines(&rearranged).len() == lines.len()).then_some(rearranged)
}
