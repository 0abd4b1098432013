//! Merges inside a clashing hunk: line by line if the lines correspond, then by word.

use super::audit::adds_up;
use super::cut::{Cut, Side, Three, split_line_end};
use super::diff::{Budget, Edits, part};
use super::token::{Tokens, nfc};
use super::weave::{Chunk, How, Region, weave};
use super::write::Writer;
use imara_diff::Token;
use std::collections::BTreeMap;
use std::ops::Range;

// LIMIT: lines of clashing hunks that one merge takes apart. A longer hunk stays a clash.
const LINES: usize = 5000;

/// Merges the clashes of `chunks` by line and word, where possible.
pub(super) fn refine(
    chunks: Vec<Chunk>,
    lines: &Three<Cut<'_>>,
    tokens: &Tokens,
    later: Side,
    budget: &mut Budget,
) -> Vec<Chunk> {
    let mut refiner = Refiner { lines, tokens, later, budget, n_left: LINES };
    let mut refined = Vec::with_capacity(chunks.len());
    for Chunk { region, how } in chunks {
        match how {
            How::Rows | How::Clash if !refiner.affords(&region) => {
                refined.push(Chunk { region, how: How::Clash });
            }
            How::Rows => rows(&region).for_each(|row| refined.push(refiner.row(row))),
            How::Clash => {
                let how = refiner.hunk(&region);
                refined.push(Chunk { region, how });
            }
            how => refined.push(Chunk { region, how }),
        }
    }
    name_lines(&mut refined, lines, tokens);
    refined
}

/// Finds the lines with words of both sides that the base has too, or a side in this place, and
/// notes their tokens.
fn name_lines(chunks: &mut [Chunk], lines: &Three<Cut<'_>>, tokens: &Tokens) {
    let mut numbers: BTreeMap<String, Option<Token>> = BTreeMap::new();
    for text in chunks.iter().filter_map(|chunk| chunk.how.mixed()) {
        numbers.extend(lines_of(text).map(|line| (nfc(line).into_owned(), None)));
    }
    if numbers.is_empty() {
        return;
    }
    let mut look = |cut: &Cut<'_>, tokens: &[Token], range: Range<usize>| {
        for (line, token) in cut.pieces(range.clone()).zip(part(tokens, range)) {
            if let Some(number) = numbers.get_mut(&*nfc(split_line_end(line).0)) {
                *number = Some(*token);
            }
        }
    };
    look(&lines.base, &tokens.of.base, 0..lines.base.len());
    for Chunk { region, .. } in chunks.iter().filter(|chunk| chunk.how.mixed().is_some()) {
        look(&lines.server, &tokens.of.server, region.server.clone());
        look(&lines.pushed, &tokens.of.pushed, region.pushed.clone());
    }
    for chunk in chunks {
        if let How::MixedLine(text, known) | How::MixedLines(text, known) = &mut chunk.how {
            let number = |line| numbers.get(&*nfc(line)).copied().flatten();
            known.extend(lines_of(text).filter_map(number));
        }
    }
}

/// The lines of a text that is followed by a line end. If the text itself ends with a line end, its
/// last line is empty.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let lines = Cut::lines(text);
    let is_last_empty = text.is_empty() || text.ends_with(['\n', '\r']);
    let pieces: Vec<&str> = lines.pieces(0..lines.len()).collect();
    pieces.into_iter().map(|line| split_line_end(line).0).chain(is_last_empty.then_some(""))
}

/// The lines of a region in which all three texts have the same number of lines.
fn rows(region: &Region) -> impl Iterator<Item = Region> {
    let start = region.map(|range| range.start);
    (0..region.base.len()).map(move |row| start.map(|start| start + row..start + row + 1))
}

struct Refiner<'a> {
    lines: &'a Three<Cut<'a>>,
    tokens: &'a Tokens,
    later: Side,
    budget: &'a mut Budget,
    n_left: usize,
}

impl Refiner<'_> {
    fn affords(&mut self, region: &Region) -> bool {
        let Three { base, server, pushed } = region.map(Range::len);
        match self.n_left.checked_sub(base.max(server).max(pushed)) {
            Some(n_left) => self.n_left = n_left,
            None => {
                crate::mark::hit!(text_hunk_is_too_long);
                return false;
            }
        }
        true
    }

    fn row(&mut self, region: Region) -> Chunk {
        let at = |tokens: &[Token], at: &Range<usize>| part(tokens, at.clone()).first().copied();
        let Three { base, server, pushed } = &self.tokens.of;
        let base = at(base, &region.base);
        let server = at(server, &region.server);
        let pushed = at(pushed, &region.pushed);
        let how = if server == base && pushed == base {
            // Each side paired it with another line of the base. Its line end may have changed.
            crate::mark::hit!(text_both_left_a_line_of_their_hunks);
            How::Kept
        } else if server == base {
            crate::mark::hit!(text_only_pushed_changed_the_line);
            How::Take(Side::Pushed)
        } else if pushed == base {
            crate::mark::hit!(text_only_server_changed_the_line);
            How::Take(Side::Server)
        } else if server == pushed {
            crate::mark::hit!(text_both_changed_a_line_alike);
            How::Alike
        } else if let Some(merged) = self.words(&region) {
            crate::mark::hit!(text_words_of_a_line);
            How::MixedLine(merged, Vec::new())
        } else {
            crate::mark::hit!(text_line_clashes);
            How::Clash
        };
        Chunk { region, how }
    }

    fn hunk(&mut self, region: &Region) -> How {
        if let Some(merged) = self.words(region) {
            crate::mark::hit!(text_words_of_a_hunk);
            return How::MixedLines(merged, Vec::new());
        }
        crate::mark::hit!(text_hunk_clashes);
        How::Clash
    }

    /// The lines of `region` with both sides' words, without the last line end.
    fn words(&mut self, region: &Region) -> Option<String> {
        // Lines that were added or deleted have no words to pair with the other side's.
        if region.base.is_empty() || region.server.is_empty() || region.pushed.is_empty() {
            return None;
        }
        let words = Three {
            base: words_of(&self.lines.base, &region.base),
            server: words_of(&self.lines.server, &region.server),
            pushed: words_of(&self.lines.pushed, &region.pushed),
        };
        let tokens = Tokens::of(&words);
        let edits = Edits::of(&tokens, self.budget);
        let chunks = weave(&tokens, &edits);
        if chunks.iter().any(Chunk::clashes) || !adds_up(&chunks, &tokens) {
            return None;
        }
        if is_rewritten(&chunks, &tokens) {
            crate::mark::hit!(text_rewritten_line_clashes);
            return None;
        }
        let merged = Writer::for_words(self.later).write(&chunks, &words);
        let pieces = chunks.iter().filter_map(|chunk| chunk.pieces(&tokens, self.later));
        let n_pieces: usize = pieces.map(<[_]>::len).sum();
        if Cut::words(&merged).len() != n_pieces {
            // One side removed the blank beside a word that the other side added.
            crate::mark::hit!(text_glued_words_clash);
            return None;
        }
        Some(merged)
    }
}

fn words_of<'a>(lines: &Cut<'a>, range: &Range<usize>) -> Cut<'a> {
    Cut::words(split_line_end(lines.slice(range)).0)
}

/// Whether more than half of the words of `was` are not in `is`.
pub(super) fn differ_in_most(was: &str, is: &str, side: Side, budget: &mut Budget) -> bool {
    let words = Three { base: was, server: is, pushed: is }.map(|text| Cut::words(text));
    let tokens = Tokens::of(&words);
    let edits = Edits::of_side(&tokens, side, budget);
    let n_changed: usize = edits.iter().map(|hunk| n_words(&tokens, &hunk.base)).sum();
    n_words(&tokens, &(0..tokens.of.base.len())) < 2 * n_changed
}

/// The number of words of the base in `range`.
fn n_words(tokens: &Tokens, range: &Range<usize>) -> usize {
    let words = part(&tokens.of.base, range.clone()).iter();
    words.filter(|token| !tokens.is_blank(**token)).count()
}

/// Whether a side replaced more than half of the words. Then it is another line. That it shares an
/// "i ka" with the base means nothing, and a mixture of the two lines would be nonsense that looks
/// merged.
fn is_rewritten(chunks: &[Chunk], tokens: &Tokens) -> bool {
    let n_changed = |side: Side| -> usize {
        let by_side = |chunk: &&Chunk| matches!(chunk.how, How::Take(by) if by == side);
        chunks.iter().filter(by_side).map(|chunk| n_words(tokens, &chunk.region.base)).sum()
    };
    let most = n_changed(Side::Server).max(n_changed(Side::Pushed));
    n_words(tokens, &(0..tokens.of.base.len())) < 2 * most
}
