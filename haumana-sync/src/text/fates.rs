//! Follows each line of the base into both sides, and counts how often a merge has it.
//!
//! A diff knows equal lines only. To it, a line with another word in it is one line that is gone and
//! another one that is new. If a merge takes the new one and not the deletion, the line stands there
//! twice; the other way around it is lost. So lines that a side removed are paired with those that
//! it added: the equal ones, then the ones with most words in common, then those in the same place.
//! A line that neither side deleted must be in the merge once for each of its copies.

use super::cut::{Cut, Side, Three, split_line_end};
use super::diff::{Edits, Hunk, part};
use super::token::{Tokens, nfc};
use super::weave::{Chunk, How, Region};
use imara_diff::Token;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

// LIMIT: a word that more of a side's new lines have says nothing about which line became which.
const LINES_OF_A_WORD: usize = 16;

/// Where each line of the base is in both sides.
pub(super) struct Fates<'a> {
    lines: &'a Three<Cut<'a>>,
    tokens: &'a Tokens,
    server: Fate,
    pushed: Fate,
}

impl<'a> Fates<'a> {
    pub(super) fn of(lines: &'a Three<Cut<'a>>, tokens: &'a Tokens, edits: &Edits) -> Self {
        let fate = |side: Side, hunks: &[Hunk]| {
            let mut fate = Fate::outside(tokens, side, hunks);
            fate.pair_equal(tokens, side, hunks);
            fate.pair_alike(lines, tokens, side, hunks);
            fate.pair_in_place(tokens, side, hunks);
            fate
        };
        let server = fate(Side::Server, &edits.server);
        let pushed = fate(Side::Pushed, &edits.pushed);
        Self { lines, tokens, server, pushed }
    }

    /// By token, whether the merge has too few or too many copies of that line of the base.
    pub(super) fn bad(&self, chunks: &[Chunk], later: Side) -> Vec<bool> {
        let mut more = vec![0; self.tokens.n_tokens()];
        let mut tally = Tally::new(self.tokens);
        for chunk in chunks {
            tally.each(self, chunk, later, |token, copies| {
                if let Some(more) = more.get_mut(token.0 as usize) {
                    *more += copies.merged - copies.base;
                }
            });
        }
        let mut n_deleted = vec![0; self.tokens.n_tokens()];
        for fate in [&self.server, &self.pushed] {
            for (token, to) in self.tokens.of.base.iter().zip(&fate.to) {
                if let Some(n_deleted) = n_deleted.get_mut(token.0 as usize) {
                    *n_deleted += i32::from(to.is_none());
                }
            }
        }
        let is_bad = |(at, (more, n_deleted)): (usize, (&i32, &i32))| {
            // Numbers fit u32: the interner gave them.
            !self.tokens.is_blank(Token(at as u32)) && !(-n_deleted..=0).contains(more)
        };
        more.iter().zip(&n_deleted).enumerate().map(is_bad).collect()
    }

    fn side(&self, side: Side) -> &Fate {
        match side {
            Side::Server => &self.server,
            Side::Pushed => &self.pushed,
        }
    }
}

/// Where the lines of the base are in one side, and the other way around.
struct Fate {
    to: Vec<Option<usize>>,
    back: Vec<Option<usize>>,
}

impl Fate {
    /// Pairs the lines outside the hunks.
    fn outside(tokens: &Tokens, side: Side, hunks: &[Hunk]) -> Self {
        let (n_base, n_side) = (tokens.of.base.len(), tokens.of.side(side).len());
        let mut fate = Self { to: vec![None; n_base], back: vec![None; n_side] };
        let end = Hunk { base: n_base..n_base, side: n_side..n_side };
        let (mut base, mut side) = (0, 0);
        for hunk in hunks.iter().chain([&end]) {
            (base..hunk.base.start).zip(side..).for_each(|(at, place)| fate.pair(at, place));
            (base, side) = (hunk.base.end, hunk.side.end);
        }
        fate
    }

    fn pair(&mut self, at: usize, place: usize) {
        if let (Some(to), Some(back)) = (self.to.get_mut(at), self.back.get_mut(place)) {
            (*to, *back) = (Some(place), Some(at));
        }
    }

    fn is_free(&self, at: usize, place: usize) -> bool {
        self.to.get(at) == Some(&None) && self.back.get(place) == Some(&None)
    }

    /// Pairs equal lines, the first that was removed with the first that was added.
    fn pair_equal(&mut self, tokens: &Tokens, side: Side, hunks: &[Hunk]) {
        let mut added: BTreeMap<u32, VecDeque<usize>> = BTreeMap::new();
        for (_, place, token) in new_lines(tokens, side, hunks) {
            added.entry(token.0).or_default().push_back(place);
        }
        for (_, at, token) in old_lines(tokens, hunks) {
            if let Some(place) = added.get_mut(&token.0).and_then(VecDeque::pop_front) {
                self.pair(at, place);
            }
        }
    }

    /// Pairs lines of which at least half the words are still there, those with most words first.
    fn pair_alike(&mut self, lines: &Three<Cut<'_>>, tokens: &Tokens, side: Side, hunks: &[Hunk]) {
        let mut having: BTreeMap<String, Vec<Spot>> = BTreeMap::new();
        for (number, place, _) in new_lines(tokens, side, hunks) {
            if self.back.get(place) == Some(&None) {
                let start = hunks.get(number).map_or(0, |hunk| hunk.side.start);
                let spot = Spot { hunk: number, row: place - start, place };
                for word in words_of(lines.side(side), place) {
                    having.entry(word).or_default().push(spot);
                }
            }
        }
        let mut alike = Vec::new();
        for (number, at, _) in old_lines(tokens, hunks) {
            if having.is_empty() || self.to.get(at) != Some(&None) {
                continue;
            }
            let spots = words_of(&lines.base, at);
            let spots = spots.iter().map(|word| having.get(word).map_or(&[][..], Vec::as_slice));
            let spots: Vec<&[Spot]> = spots.filter(|of| of.len() <= LINES_OF_A_WORD).collect();
            let n_words = spots.len();
            let mut spots: Vec<Spot> = spots.concat();
            spots.sort_unstable();
            let row = at - hunks.get(number).map_or(0, |hunk| hunk.base.start);
            for same in spots.chunk_by(|a, b| a == b).filter(|same| n_words <= 2 * same.len()) {
                let Some(spot) = same.first() else { continue };
                let distance = row.abs_diff(spot.row);
                alike.push((Reverse(same.len()), spot.hunk != number, distance, at, spot.place));
            }
        }
        alike.sort_unstable();
        for (_, _, _, at, place) in alike {
            if self.is_free(at, place) {
                self.pair(at, place);
            }
        }
    }

    /// Pairs what is left of a hunk in order, if equally many lines are left on both sides.
    fn pair_in_place(&mut self, tokens: &Tokens, side: Side, hunks: &[Hunk]) {
        for hunk in hunks {
            let hunk = std::slice::from_ref(hunk);
            let old = old_lines(tokens, hunk).map(|(_, at, _)| at);
            let old: Vec<usize> = old.filter(|at| self.to.get(*at) == Some(&None)).collect();
            let new = new_lines(tokens, side, hunk).map(|(_, place, _)| place);
            let new: Vec<usize> =
                new.filter(|place| self.back.get(*place) == Some(&None)).collect();
            if old.len() == new.len() {
                old.into_iter().zip(new).for_each(|(at, place)| self.pair(at, place));
            }
        }
    }
}

/// In which hunk a new line is, where in the hunk, and where in the side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    hunk: usize,
    row: usize,
    place: usize,
}

/// The lines that hunks remove, without the blank ones: the hunk, the place and the token.
fn old_lines<'t>(
    tokens: &'t Tokens,
    hunks: &'t [Hunk],
) -> impl Iterator<Item = (usize, usize, Token)> + 't {
    lines_in(tokens, &tokens.of.base, hunks.iter().map(|hunk| &hunk.base))
}

/// The lines that hunks add, likewise.
fn new_lines<'t>(
    tokens: &'t Tokens,
    side: Side,
    hunks: &'t [Hunk],
) -> impl Iterator<Item = (usize, usize, Token)> + 't {
    lines_in(tokens, tokens.of.side(side), hunks.iter().map(|hunk| &hunk.side))
}

fn lines_in<'t>(
    tokens: &'t Tokens,
    of: &'t [Token],
    ranges: impl Iterator<Item = &'t Range<usize>> + 't,
) -> impl Iterator<Item = (usize, usize, Token)> + 't {
    ranges.enumerate().flat_map(move |(number, range)| {
        let pieces = range.clone().zip(part(of, range.clone()));
        let pieces = pieces.filter(|(_, token)| !tokens.is_blank(**token));
        pieces.map(move |(at, token)| (number, at, *token))
    })
}

/// A line as it is compared.
fn text_of<'t>(lines: &Cut<'t>, at: usize) -> Cow<'t, str> {
    nfc(split_line_end(lines.slice(&(at..at + 1))).0)
}

/// The different words of a line.
fn words_of(lines: &Cut<'_>, at: usize) -> Vec<String> {
    let line = text_of(lines, at);
    let mut words: Vec<String> = words(&line).map(Into::into).collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let cut = Cut::words(text);
    let words: Vec<&str> = cut.pieces(0..cut.len()).collect();
    words.into_iter().filter(|word| !word.trim().is_empty())
}

/// How many copies of one line of the base there are in a chunk, in any form.
#[derive(Clone, Copy, Default)]
pub(super) struct Copies {
    base: i32,
    server: i32,
    pushed: i32,
    pub(super) merged: i32,
    /// Of the sides' copies, those that the base does not have in this chunk.
    came: (i32, i32),
}

impl Copies {
    pub(super) fn side(&self, side: Side) -> i32 {
        match side {
            Side::Server => self.server,
            Side::Pushed => self.pushed,
        }
    }

    fn side_mut(&mut self, side: Side) -> (&mut i32, &mut i32) {
        match side {
            Side::Server => (&mut self.server, &mut self.came.0),
            Side::Pushed => (&mut self.pushed, &mut self.came.1),
        }
    }
}

/// Counts the copies in one chunk after the other.
pub(super) struct Tally {
    of: Vec<Copies>,
    touched: Vec<Token>,
}

impl Tally {
    pub(super) fn new(tokens: &Tokens) -> Self {
        Self { of: vec![Copies::default(); tokens.n_tokens()], touched: Vec::new() }
    }

    /// Calls `f` with each line of the base that the base, a side or the merge has in `chunk`.
    pub(super) fn each(
        &mut self,
        fates: &Fates<'_>,
        chunk: &Chunk,
        later: Side,
        mut f: impl FnMut(Token, Copies),
    ) {
        if matches!(chunk.how, How::Kept) {
            return;
        }
        let base = &fates.tokens.of.base;
        for token in part(base, chunk.region.base.clone()) {
            self.count(*token, |copies| copies.base += 1);
        }
        for side in [Side::Server, Side::Pushed] {
            let back = fates.side(side).back.get(chunk.region.side(side).clone());
            for at in back.unwrap_or_default().iter().flatten() {
                let is_here = chunk.region.base.contains(at);
                let Some(token) = base.get(*at) else { continue };
                self.count(*token, |copies| {
                    let (all, came) = copies.side_mut(side);
                    *all += 1;
                    *came += i32::from(!is_here);
                });
            }
        }
        if let Some(text) = chunk.how.mixed() {
            self.count_mixed(fates, &chunk.region, text);
        }
        for token in self.touched.drain(..) {
            // A line that is there several times was touched several times.
            let Some(copies) = self.of.get_mut(token.0 as usize) else { continue };
            let mut copies = std::mem::take(copies);
            copies.merged += match chunk.how {
                How::Take(side) => copies.side(side),
                How::Rows | How::Clash => copies.side(later),
                How::Alike => copies.server.max(copies.pushed),
                How::MixedLine(..) | How::MixedLines(..) => copies.came.0.max(copies.came.1),
                How::Kept | How::Gone => 0,
            };
            f(token, copies);
        }
    }

    fn count(&mut self, token: Token, f: impl FnOnce(&mut Copies)) {
        if let Some(copies) = self.of.get_mut(token.0 as usize) {
            f(copies);
            self.touched.push(token);
        }
    }

    /// Counts the lines of the base that a text with words of both sides still has.
    fn count_mixed(&mut self, fates: &Fates<'_>, region: &Region, text: &str) {
        let text = nfc(text);
        let mut known: Vec<&str> = words(&text).collect();
        known.sort_unstable();
        let tokens = &fates.tokens.of;
        for (at, line) in region.base.clone().zip(part(&tokens.base, region.base.clone())) {
            let place = |side: Side| fates.side(side).to.get(at).copied().flatten();
            let (server, pushed) = (place(Side::Server), place(Side::Pushed));
            let here = |side: Side, place: Option<usize>| {
                place.filter(|place| region.side(side).contains(place))
            };
            let is_edited = |of: &[Token], place: usize| of.get(place) != Some(line);
            let lines = fates.lines;
            let base = text_of(&lines.base, at);
            // What is left of an edit is a scrap if the other side took the line's own words away.
            let n_left = |edited: &str, other: Option<usize>| {
                let is_whole =
                    !adds_words(&base, edited) || has_words(&known, &base, edited, &base);
                2 - i32::from(other.is_none() && is_whole)
            };
            let n = match (here(Side::Server, server), here(Side::Pushed, pushed)) {
                (Some(server), Some(pushed)) => {
                    let server = text_of(&lines.server, server);
                    let pushed = text_of(&lines.pushed, pushed);
                    i32::from(has_words(&known, &base, &server, &pushed))
                }
                (Some(place), None) if is_edited(&tokens.server, place) => {
                    n_left(&text_of(&lines.server, place), pushed)
                }
                (None, Some(place)) if is_edited(&tokens.pushed, place) => {
                    n_left(&text_of(&lines.pushed, place), server)
                }
                _ => 0,
            };
            self.count(*line, |copies| copies.merged += n);
        }
    }
}

/// Whether each word of a line of which some copy outlives both sides' deletions is `known`.
fn has_words(known: &[&str], base: &str, server: &str, pushed: &str) -> bool {
    let mut counts: BTreeMap<&str, Three<usize>> = BTreeMap::new();
    words(base).for_each(|word| counts.entry(word).or_default().base += 1);
    words(server).for_each(|word| counts.entry(word).or_default().server += 1);
    words(pushed).for_each(|word| counts.entry(word).or_default().pushed += 1);
    counts.into_iter().all(|(word, Three { base, server, pushed })| {
        server.min(base) + pushed.min(base) <= base || known.binary_search(&word).is_ok()
    })
}

/// Whether `is` has more copies of some word than `was`.
fn adds_words(was: &str, is: &str) -> bool {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    words(was).for_each(|word| counts.entry(word).or_default().0 += 1);
    words(is).for_each(|word| counts.entry(word).or_default().1 += 1);
    counts.into_values().any(|(was, is)| was < is)
}
