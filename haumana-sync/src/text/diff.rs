//! What one side changed, in bounded time.
//!
//! Lines that occur once in both texts anchor the diff. Between them Myers' algorithm decides. The
//! library's own limits are not enough for long texts of few different lines: 60,000 random lines
//! of two kinds take seconds. Therefore there are anchors and a budget.

use super::cut::Side;
use super::slide::slide_down;
use super::token::Tokens;
use imara_diff::{Algorithm, Diff, Token};
use std::ops::Range;

/// A run of pieces of the base, and the pieces of one side that replace it. One of them may be
/// empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) base: Range<usize>,
    pub(super) side: Range<usize>,
}

impl Hunk {
    fn shifted(&self, base: usize, side: usize) -> Self {
        Self {
            base: self.base.start + base..self.base.end + base,
            side: self.side.start + side..self.side.end + side,
        }
    }
}

// LIMIT: pairs of pieces that one merge may compare for one side. Beyond it, a stretch without
// anchors counts as rewritten. A stretch of 2,000 lines fits.
const PAIRS: usize = 1 << 22;

/// The rest of [`PAIRS`]. Each side has its own budget; otherwise swapping the sides could change
/// the result.
pub(super) struct Budget {
    server: usize,
    pushed: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { server: PAIRS, pushed: PAIRS }
    }
}

impl Budget {
    fn spend(&mut self, side: Side, pairs: usize) -> Option<()> {
        let left = match side {
            Side::Server => &mut self.server,
            Side::Pushed => &mut self.pushed,
        };
        *left = left.checked_sub(pairs)?;
        Some(())
    }
}

/// What both sides changed.
pub(super) struct Edits {
    pub(super) server: Vec<Hunk>,
    pub(super) pushed: Vec<Hunk>,
}

impl Edits {
    pub(super) fn of(tokens: &Tokens, budget: &mut Budget) -> Self {
        Self {
            server: Self::of_side(tokens, Side::Server, budget),
            pushed: Self::of_side(tokens, Side::Pushed, budget),
        }
    }

    pub(super) fn of_side(tokens: &Tokens, side: Side, budget: &mut Budget) -> Vec<Hunk> {
        hunks(&tokens.of.base, tokens.of.side(side), side, tokens.n_tokens(), budget)
    }
}

/// Lists the hunks in which `side` differs from `base`, in order, with equal pieces between them.
fn hunks(
    base: &[Token],
    side: &[Token],
    which: Side,
    n_tokens: usize,
    budget: &mut Budget,
) -> Vec<Hunk> {
    let prefix = common_prefix(base, side);
    let (base_rest, side_rest) = (part(base, prefix..base.len()), part(side, prefix..side.len()));
    let suffix = common_suffix(base_rest, side_rest);
    let base_rest = part(base_rest, 0..base_rest.len() - suffix);
    let side_rest = part(side_rest, 0..side_rest.len() - suffix);

    let mut hunks = Vec::new();
    for gap in gaps(base_rest, side_rest, n_tokens) {
        let before = part(base_rest, gap.base.clone());
        let after = part(side_rest, gap.side.clone());
        let inside = diff_gap(before, after, which, budget);
        let at = (prefix + gap.base.start, prefix + gap.side.start);
        hunks.extend(inside.iter().map(|hunk| hunk.shifted(at.0, at.1)));
    }
    slide_down(base, side, hunks)
}

pub(super) fn common_prefix(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

pub(super) fn common_suffix(a: &[Token], b: &[Token]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// The pieces in `range`. It must lie inside `tokens`; otherwise the slice is empty.
pub(super) fn part(tokens: &[Token], range: Range<usize>) -> &[Token] {
    debug_assert!(range.start <= range.end && range.end <= tokens.len());
    tokens.get(range).unwrap_or_default()
}

/// The stretches between the anchors. Empty ones are left out.
fn gaps(base: &[Token], side: &[Token], n_tokens: usize) -> Vec<Hunk> {
    let end = (base.len(), side.len());
    let mut at = (0, 0);
    let mut gaps = Vec::new();
    for anchor in anchors(base, side, n_tokens).into_iter().chain([end]) {
        if at != anchor {
            gaps.push(Hunk { base: at.0..anchor.0, side: at.1..anchor.1 });
        }
        at = (anchor.0 + 1, anchor.1 + 1);
    }
    gaps
}

/// The places in both texts of pieces that occur once in each: the longest list that rises in both.
fn anchors(base: &[Token], side: &[Token], n_tokens: usize) -> Vec<(usize, usize)> {
    if base.is_empty() || side.is_empty() {
        return Vec::new();
    }
    let (in_base, in_side) = (Places::of(base, n_tokens), Places::of(side, n_tokens));
    let pairs = base.iter().enumerate().filter_map(|(at, token)| {
        in_base.only(*token).and_then(|_| in_side.only(*token)).map(|place| (at, place))
    });
    longest_rising(&pairs.collect::<Vec<_>>())
}

/// Patience sorting: `tops` holds, for each length, the list with the lowest end. `back` says how
/// each list continues.
fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut tops: Vec<(usize, usize)> = Vec::new();
    let mut back: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, &(_, place)) in pairs.iter().enumerate() {
        let length = tops.partition_point(|&(top, _)| top < place);
        back.push(length.checked_sub(1).and_then(|i| tops.get(i)).map(|&(_, index)| index));
        match tops.get_mut(length) {
            Some(top) => *top = (place, index),
            None => tops.push((place, index)),
        }
    }
    let mut list = Vec::with_capacity(tops.len());
    let mut next = tops.last().map(|&(_, index)| index);
    while let Some(index) = next {
        list.extend(pairs.get(index));
        next = back.get(index).copied().flatten();
    }
    list.reverse();
    list
}

/// For each token: nowhere, its one place, or several places.
struct Places(Vec<u32>);

const NOWHERE: u32 = u32::MAX;
const MANY: u32 = u32::MAX - 1;

impl Places {
    fn of(tokens: &[Token], n_tokens: usize) -> Self {
        let mut places = vec![NOWHERE; n_tokens];
        for (at, token) in tokens.iter().enumerate() {
            if let Some(place) = places.get_mut(token.0 as usize) {
                let here = u32::try_from(at).unwrap_or(MANY);
                *place = if *place == NOWHERE { here } else { MANY };
            }
        }
        Self(places)
    }

    fn only(&self, token: Token) -> Option<usize> {
        let place = self.0.get(token.0 as usize).copied()?;
        (place < MANY).then_some(place as usize)
    }
}

fn diff_gap(base: &[Token], side: &[Token], which: Side, budget: &mut Budget) -> Vec<Hunk> {
    let whole = Hunk { base: 0..base.len(), side: 0..side.len() };
    if base.is_empty() || side.is_empty() {
        return vec![whole];
    }
    if budget.spend(which, base.len().saturating_mul(side.len())).is_none() {
        crate::mark::hit!(text_stretch_counts_as_rewritten);
        return vec![whole];
    }
    // The library's memory grows with the largest number, so each gap has its own small numbers.
    let mut names: Vec<u32> = base.iter().chain(side).map(|token| token.0).collect();
    names.sort_unstable();
    names.dedup();
    let rename = |token: &Token| Token(names.partition_point(|&name| name < token.0) as u32);
    let base: Vec<Token> = base.iter().map(rename).collect();
    let side: Vec<Token> = side.iter().map(rename).collect();

    let mut diff = Diff::default();
    diff.compute_with(Algorithm::Myers, &base, &side, names.len() as u32);
    let range = |range: Range<u32>| range.start as usize..range.end as usize;
    let hunks = diff.hunks();
    let hunks = hunks.map(|hunk| Hunk { base: range(hunk.before), side: range(hunk.after) });
    let hunks: Vec<Hunk> = hunks.collect();
    let n_changed: usize = hunks.iter().map(|hunk| hunk.base.len()).sum();
    in_place(&base, &side, n_changed).unwrap_or(hunks)
}

/// Returns the edits if each changed piece was replaced in its place by a piece that the base does
/// not have, and at most `most` were. If pieces repeat, another diff may be as short, but nobody
/// made those edits.
fn in_place(base: &[Token], side: &[Token], most: usize) -> Option<Vec<Hunk>> {
    if base.len() != side.len() {
        return None;
    }
    let mut hunks: Vec<Hunk> = Vec::new();
    let pairs = base.iter().zip(side).enumerate();
    let changed: Vec<_> = pairs.filter(|(_, (base, side))| base != side).collect();
    // LIMIT: this compares only as many pairs as the budget has paid for.
    if most < changed.len() || changed.iter().any(|(_, (_, new))| base.contains(new)) {
        return None;
    }
    for (at, _) in changed {
        match hunks.last_mut() {
            Some(hunk) if hunk.base.end == at => {
                (hunk.base.end, hunk.side.end) = (at + 1, at + 1);
            }
            _ => hunks.push(Hunk { base: at..at + 1, side: at..at + 1 }),
        }
    }
    Some(hunks)
}
