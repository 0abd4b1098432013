//! Texts cut into lines or words, and small types for one thing of each text.

use std::ops::Range;
use unicode_segmentation::GraphemeCursor;

/// One of the two texts that were made from the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Pushed,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Side::Server => Side::Pushed,
            Side::Pushed => Side::Server,
        }
    }
}

/// One thing of the base and of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Three<T> {
    pub(super) base: T,
    pub(super) server: T,
    pub(super) pushed: T,
}

impl<T> Three<T> {
    pub(super) fn side(&self, side: Side) -> &T {
        match side {
            Side::Server => &self.server,
            Side::Pushed => &self.pushed,
        }
    }

    pub(super) fn map<'a, U>(&'a self, mut f: impl FnMut(&'a T) -> U) -> Three<U> {
        Three { base: f(&self.base), server: f(&self.server), pushed: f(&self.pushed) }
    }
}

impl<T: Copy + PartialEq> Three<T> {
    /// The value of the side that changed it; the later side's if both did.
    pub(super) fn pick(&self, later: Side) -> T {
        if self.server == self.base {
            self.pushed
        } else if self.pushed == self.base {
            self.server
        } else {
            *self.side(later)
        }
    }
}

impl<T: Copy + PartialEq> Three<Option<T>> {
    /// As [`Three::pick`]. A side without a value does not count.
    pub(super) fn pick_some(&self, later: Side) -> Option<T> {
        let Three { base, server, pushed } = *self;
        Three { base, server: server.or(base), pushed: pushed.or(base) }.pick(later)
    }
}

/// A text, and where its pieces end. Together the pieces are the whole text.
#[derive(Debug)]
pub(super) struct Cut<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Cut<'a> {
    /// Cuts after each line end. A text that ends with a line end has no empty line after it.
    pub(super) fn lines(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut ends = Vec::new();
        let (words, rest) = bytes.as_chunks::<8>();
        for (at, word) in words.iter().enumerate().filter(|(_, word)| may_hold_line_end(**word)) {
            push_line_ends(bytes, 8 * at..8 * at + word.len(), &mut ends);
        }
        push_line_ends(bytes, bytes.len() - rest.len()..bytes.len(), &mut ends);
        if ends.last().copied().unwrap_or(0) < text.len() {
            ends.push(text.len());
        }
        Self { text, ends }
    }

    /// Cuts into words, runs of blanks and line ends. Text without a blank is one word: nobody
    /// wrote part of one time, date or address beside part of another.
    pub(super) fn words(text: &'a str) -> Self {
        let mut ends = Vec::new();
        let mut before = None;
        let mut chars = text.char_indices().peekable();
        let mut last = None;
        while let Some((at, char)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let class = match char {
                '\n' if before == Some(Class::CarriageReturn) => Class::LineFeedAfterReturn,
                '\n' => Class::LineFeed,
                '\r' => Class::CarriageReturn,
                _ if char.is_whitespace() && !is_inside(text, at, last, char, next) => Class::Blank,
                _ => Class::Word,
            };
            if before.is_some_and(|before| !class.continues(before)) {
                ends.push(at);
            }
            (before, last) = (Some(class), Some(char));
        }
        if before.is_some() {
            ends.push(text.len());
        }
        Self { text, ends }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = &'a str> {
        range.map(|i| self.slice(&(i..i + 1)))
    }

    /// The text of the pieces in `range`.
    pub(super) fn slice(&self, range: &Range<usize>) -> &'a str {
        let end_of = |n: usize| n.checked_sub(1).and_then(|i| self.ends.get(i)).map_or(0, |&e| e);
        self.text.get(end_of(range.start)..end_of(range.end)).unwrap_or_default()
    }
}

/// Whether one of eight bytes is at most a CR. Both line ends are. A byte above 0x80 after such a
/// byte may count as well.
fn may_hold_line_end(word: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_le_bytes(word);
    word.wrapping_sub(ONES * (1 + b'\r' as u64)) & !word & (ONES << 7) != 0
}

fn push_line_ends(bytes: &[u8], range: Range<usize>, ends: &mut Vec<usize>) {
    ends.extend(range.map(|at| at + 1).filter(|end| is_line_end(bytes, *end)));
}

fn is_line_end(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end - 1) {
        Some(b'\n') => true,
        Some(b'\r') => bytes.get(end) != Some(&b'\n'),
        _ => false,
    }
}

/// Splits a piece into the part that is compared and its line end.
pub(super) fn split_line_end(piece: &str) -> (&str, Option<&str>) {
    let content = piece.strip_suffix('\n').unwrap_or(piece);
    let content = content.strip_suffix('\r').unwrap_or(content);
    let (content, end) = piece.split_at(content.len());
    (content, (!end.is_empty()).then_some(end))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Blank,
    CarriageReturn,
    LineFeed,
    LineFeedAfterReturn,
}

impl Class {
    fn continues(self, before: Class) -> bool {
        match self {
            Class::Word | Class::Blank => self == before,
            Class::LineFeedAfterReturn => true,
            Class::CarriageReturn | Class::LineFeed => false,
        }
    }
}

/// Whether the blank `char` at `at` is inside a word. It is if it carries a mark, or separates the
/// digits of one number, as in "+1 (808) 555 0123".
fn is_inside(text: &str, at: usize, last: Option<char>, char: char, next: Option<char>) -> bool {
    let ends_number = |char: char| char.is_numeric() || char == ')';
    let begins_number = |char: char| char.is_numeric() || char == '(';
    if last.is_some_and(ends_number) && next.is_some_and(begins_number) {
        return true;
    }
    // No character below U+0300 joins a blank, so almost none needs a look-up.
    let joins = |neighbour: Option<char>, at: usize| {
        neighbour.is_some_and(|char| '\u{300}' <= char) && !is_cluster_end(text, at)
    };
    joins(last, at) || joins(next, at + char.len_utf8())
}

fn is_cluster_end(text: &str, at: usize) -> bool {
    // The whole text is given, so the cursor never needs more of it.
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap_or(true)
}
