//! Follows each line of the base into both sides, and counts how often a merge has it.
//!
//! A diff compares only equal lines. If a word of a line changed, the diff sees a line that is gone
//! and another one that is new. If a merge takes the new line but not the deletion, the line is
//! there twice. In the opposite case it is lost. So lines that a side removed are paired with lines
//! that it added: first the equal ones, then those with the most common words, then those in the
//! same place. A line that neither side deleted must be in the merge once for each of its copies.

use super::cut::{Cut, Side, Three, split_line_end};
use super::diff::{Edits, Hunk, part};
use super::moves::Placed;
use super::token::{Tokens, nfc};
use super::weave::{Chunk, How, Region};
use imara_diff::{Interner, Token};
use std::borrow::Cow;
use std::collections::HashSet;

// LIMIT: a word in more new lines than this does not show which line became which.
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
            let changed = Changed::by(hunks, tokens, side);
            fate.pair_equal(&changed, tokens);
            fate.pair_alike(&changed, lines, side);
            fate.pair_in_place(&changed, hunks.len());
            fate
        };
        let server = fate(Side::Server, &edits.server);
        let pushed = fate(Side::Pushed, &edits.pushed);
        Self { lines, tokens, server, pushed }
    }

    /// For each token, whether the merge has too few or too many copies of that line of the base.
    pub(super) fn bad(&self, chunks: &[Chunk], later: Side) -> Vec<bool> {
        let mut more = vec![0; self.tokens.n_tokens()];
        let mut tally = Tally::new(self.tokens);
        for chunk in chunks {
            tally.each(self, chunk, later, &mut |token, copies| {
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
            // The numbers fit `u32`, because the interner gave them.
            !self.tokens.is_blank(Token(at as u32)) && !(-n_deleted..=0).contains(more)
        };
        more.iter().zip(&n_deleted).enumerate().map(is_bad).collect()
    }

    /// Whether a text with words of both sides has lines that nobody wrote, beyond one for each line
    /// that both sides edited: words were then matched that have nothing to do with each other.
    pub(super) fn invents(&self, chunk: &Chunk) -> bool {
        let How::MixedLines(text, _) = &chunk.how else { return false };
        let (region, tokens) = (&chunk.region, &self.tokens.of);
        let mut own: HashSet<Cow<'_, str>> =
            region.base.clone().map(|at| text_of(&self.lines.base, at)).collect();
        for side in [Side::Server, Side::Pushed] {
            let lines = self.lines.side(side);
            own.extend(region.side(side).clone().map(|at| text_of(lines, at)));
        }
        let cut = Cut::lines(text);
        let lines = (0..cut.len()).map(|at| text_of(&cut, at));
        let n_new = lines.filter(|line| !line.trim().is_empty() && !own.contains(line)).count();
        let is_edited = |side: Side, at: usize| {
            let place = self.side(side).to.get(at).copied().flatten();
            let place = place.filter(|place| region.side(side).contains(place));
            place.is_some_and(|place| tokens.side(side).get(place) != tokens.base.get(at))
        };
        let by_both = region
            .base
            .clone()
            .filter(|at| is_edited(Side::Server, *at) && is_edited(Side::Pushed, *at));
        by_both.count() < n_new
    }

    fn side(&self, side: Side) -> &Fate {
        match side {
            Side::Server => &self.server,
            Side::Pushed => &self.pushed,
        }
    }
}

/// Where the lines of the base are in one side, and where the side's lines are in the base.
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

    /// Pairs equal lines: the first removed one with the first added one.
    fn pair_equal(&mut self, changed: &Changed, tokens: &Tokens) {
        let mut added = vec![Vec::new(); tokens.n_tokens()];
        for line in changed.new.iter().rev() {
            if let Some(places) = added.get_mut(line.token.0 as usize) {
                places.push(line.at);
            }
        }
        for line in &changed.old {
            let places = added.get_mut(line.token.0 as usize);
            if let Some(place) = places.and_then(Vec::pop) {
                self.pair(line.at, place);
            }
        }
    }

    /// Pairs lines that still have at least half of their words, those with the most words first.
    fn pair_alike(&mut self, changed: &Changed, lines: &Three<Cut<'_>>, side: Side) {
        let mut words = Words::default();
        // For each word, the new lines that contain it, as indices of `changed.new`.
        let mut having: Vec<Vec<usize>> = Vec::new();
        for (index, line) in changed.new.iter().enumerate() {
            if self.back.get(line.at) == Some(&None) {
                let of_line = words.of_line(lines.side(side), line.at);
                having.resize(words.n_words(), Vec::new());
                for word in of_line {
                    if let Some(indices) = having.get_mut(word) {
                        indices.push(index);
                    }
                }
            }
        }
        let mut alike: Vec<Placed> = Vec::new();
        for old in &changed.old {
            if having.is_empty() || self.to.get(old.at) != Some(&None) {
                continue;
            }
            let found = words.of_line(&lines.base, old.at);
            let found = found.iter().map(|word| having.get(*word).map_or(&[][..], Vec::as_slice));
            let found: Vec<&[usize]> = found.filter(|of| of.len() <= LINES_OF_A_WORD).collect();
            let n_words = found.len();
            let mut found = found.concat();
            found.sort_unstable();
            for same in found.chunk_by(|a, b| a == b).filter(|same| n_words <= 2 * same.len()) {
                let new = same.first().and_then(|index| changed.new.get(*index));
                let Some(new) = new else { continue };
                let distance = old.row.abs_diff(new.row);
                alike.push((rank(same.len(), old.hunk != new.hunk, distance), old.at, new.at));
            }
        }
        alike.sort_unstable();
        for (_, at, place) in alike {
            if self.is_free(at, place) {
                self.pair(at, place);
            }
        }
    }

    /// Pairs the other lines of a hunk in order, if equally many are left on both sides.
    fn pair_in_place(&mut self, changed: &Changed, n_hunks: usize) {
        for hunk in 0..n_hunks {
            let left = |lines: &[Line], pairs: &[Option<usize>]| -> Vec<usize> {
                let first = lines.partition_point(|line| line.hunk < hunk);
                let of_hunk = lines.iter().skip(first).take_while(|line| line.hunk == hunk);
                of_hunk.map(|line| line.at).filter(|at| pairs.get(*at) == Some(&None)).collect()
            };
            let (old, new) = (left(&changed.old, &self.to), left(&changed.new, &self.back));
            if old.len() == new.len() {
                old.into_iter().zip(new).for_each(|(at, place)| self.pair(at, place));
            }
        }
    }
}

/// The order in which lines are paired: most common words first, then the same hunk, then the
/// nearest.
fn rank(n_common: usize, is_elsewhere: bool, distance: usize) -> u64 {
    // Both fit 31 bits, since a text is far smaller.
    let fewer = (u64::from(u32::MAX) - n_common as u64) << 32;
    fewer | u64::from(is_elsewhere) << 31 | distance as u64
}

/// A line of a hunk: its hunk, its index within its side of the hunk, its index in the text, its
/// token.
struct Line {
    hunk: usize,
    row: usize,
    at: usize,
    token: Token,
}

/// The lines that hunks remove and add, in order. Blank lines are left out.
struct Changed {
    old: Vec<Line>,
    new: Vec<Line>,
}

impl Changed {
    fn by(hunks: &[Hunk], tokens: &Tokens, side: Side) -> Self {
        let mut changed = Self { old: Vec::new(), new: Vec::new() };
        for (hunk, Hunk { base, side: of_side }) in hunks.iter().enumerate() {
            let both = [
                (&mut changed.old, &tokens.of.base, base),
                (&mut changed.new, tokens.of.side(side), of_side),
            ];
            for (lines, of, range) in both {
                for (row, token) in part(of, range.clone()).iter().enumerate() {
                    if !tokens.is_blank(*token) {
                        lines.push(Line { hunk, row, at: range.start + row, token: *token });
                    }
                }
            }
        }
        changed
    }
}

/// A line in the form that is compared.
fn text_of<'t>(lines: &Cut<'t>, at: usize) -> Cow<'t, str> {
    nfc(split_line_end(lines.slice(&(at..at + 1))).0)
}

/// Numbers of words, so that equal words have the same one.
#[derive(Default)]
struct Words(Interner<Cow<'static, str>>);

impl Words {
    /// The words of a text, in the order of their numbers.
    fn of(&mut self, text: &str) -> Vec<usize> {
        let number = |word: &str| self.0.intern(Cow::Owned(word.to_owned())).0 as usize;
        let mut words: Vec<usize> = words(text).map(number).collect();
        words.sort_unstable();
        words
    }

    /// The different words of a line.
    fn of_line(&mut self, lines: &Cut<'_>, at: usize) -> Vec<usize> {
        let mut words = self.of(&text_of(lines, at));
        words.dedup();
        words
    }

    fn n_words(&self) -> usize {
        self.0.num_tokens() as usize
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let cut = Cut::words(text);
    let words: Vec<&str> = cut.pieces(0..cut.len()).collect();
    words.into_iter().filter(|word| !word.trim().is_empty())
}

/// How many copies of one line of the base are in a chunk, in any form.
#[derive(Clone, Copy, Default)]
pub(super) struct Copies {
    base: i32,
    server: i32,
    pushed: i32,
    pub(super) merged: i32,
    /// The sides' copies that the base does not have in this chunk.
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
        f: &mut dyn FnMut(Token, Copies),
    ) {
        if matches!(chunk.how, How::Kept) {
            return;
        }
        let base = &fates.tokens.of.base;
        for token in part(base, chunk.region.base.clone()) {
            self.count(*token, |copies| copies.base += 1);
        }
        let mut strangers = Vec::new();
        for side in [Side::Server, Side::Pushed] {
            let back = fates.side(side).back.get(chunk.region.side(side).clone());
            for at in back.unwrap_or_default().iter().flatten() {
                let is_here = chunk.region.base.contains(at);
                let Some(token) = base.get(*at) else { continue };
                if !is_here {
                    strangers.push(*at);
                }
                self.count(*token, |copies| {
                    let (all, came) = copies.side_mut(side);
                    *all += 1;
                    *came += i32::from(!is_here);
                });
            }
        }
        if let Some(text) = chunk.how.mixed() {
            self.count_mixed(fates, &chunk.region, text);
            self.count_strangers(fates, &strangers, text);
        }
        for token in self.touched.drain(..) {
            // A line that is there several times was counted several times.
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

    /// Counts the lines of the base that are left in a text with words of both sides.
    fn count_mixed(&mut self, fates: &Fates<'_>, region: &Region, text: &str) {
        let mut words = Words::default();
        let known = words.of(&nfc(text));
        let tokens = &fates.tokens.of;
        for (at, line) in region.base.clone().zip(part(&tokens.base, region.base.clone())) {
            let place = |side: Side| fates.side(side).to.get(at).copied().flatten();
            let (server, pushed) = (place(Side::Server), place(Side::Pushed));
            let here = |side: Side, place: Option<usize>| {
                place.filter(|place| region.side(side).contains(place))
            };
            let is_edited = |of: &[Token], place: usize| of.get(place) != Some(line);
            let lines = fates.lines;
            let base = words.of(&text_of(&lines.base, at));
            // If the other side removed the line's own words, only a scrap of an edit is left.
            let n_left = |edited: &[usize], other: Option<usize>| {
                let is_whole =
                    !adds_words(&base, edited) || has_words(&known, &base, edited, &base);
                2 - i32::from(other.is_none() && is_whole)
            };
            let n = match (here(Side::Server, server), here(Side::Pushed, pushed)) {
                (Some(server), Some(pushed)) => {
                    let server = words.of(&text_of(&lines.server, server));
                    let pushed = words.of(&text_of(&lines.pushed, pushed));
                    i32::from(has_words(&known, &base, &server, &pushed))
                }
                (Some(place), None) if is_edited(&tokens.server, place) => {
                    n_left(&words.of(&text_of(&lines.server, place)), pushed)
                }
                (None, Some(place)) if is_edited(&tokens.pushed, place) => {
                    n_left(&words.of(&text_of(&lines.pushed, place)), server)
                }
                _ => 0,
            };
            self.count(*line, |copies| copies.merged += n);
        }
    }

    /// Counts lines of the base that both sides have brought from elsewhere into a text with words
    /// of both. Their forms may stand in it one after the other.
    fn count_strangers(&mut self, fates: &Fates<'_>, strangers: &[usize], text: &str) {
        if strangers.is_empty() {
            return;
        }
        let (mut words, mut seen) = (Words::default(), Vec::new());
        let cut = Cut::lines(text);
        let lines: Vec<_> = (0..cut.len()).map(|at| words.of_line(&cut, at)).collect();
        for at in strangers {
            let Some(token) = fates.tokens.of.base.get(*at).copied() else { continue };
            let copies = self.of.get(token.0 as usize).copied().unwrap_or_default();
            if copies.came.0.min(copies.came.1) == 0 || seen.contains(&token) {
                continue;
            }
            seen.push(token);
            let own = words.of_line(&fates.lines.base, *at);
            let is_form = |line: &&Vec<usize>| {
                let shared = own.iter().filter(|word| line.binary_search(word).is_ok()).count();
                !own.is_empty() && own.len() <= 2 * shared
            };
            let n_forms = i32::try_from(lines.iter().filter(is_form).count()).unwrap_or(i32::MAX);
            let extra = n_forms.saturating_sub(copies.came.0.max(copies.came.1)).max(0);
            self.count(token, |copies| copies.merged += extra);
        }
    }
}

/// Whether all words are `known` of which at least one copy survives both sides' deletions.
fn has_words(known: &[usize], base: &[usize], server: &[usize], pushed: &[usize]) -> bool {
    base.iter().all(|word| {
        let [base, server, pushed] = [base, server, pushed].map(|of| n_copies(of, *word));
        server.min(base) + pushed.min(base) <= base || n_copies(known, *word) != 0
    })
}

/// Whether `is` has more copies of some word than `was`.
fn adds_words(was: &[usize], is: &[usize]) -> bool {
    is.iter().any(|word| n_copies(was, *word) < n_copies(is, *word))
}

/// How often a sorted list contains a word.
fn n_copies(sorted: &[usize], word: usize) -> usize {
    let first = sorted.partition_point(|other| *other < word);
    sorted.iter().skip(first).take_while(|other| **other == word).count()
}
