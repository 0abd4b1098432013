//! Texts cut into lines or words, and the small types that hold three of something.

use std::ops::Range;
use unicode_normalization::char::is_combining_mark;

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

/// The same thing of the base and of both sides.
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
    /// As [`Three::pick`], where a side that has none has no opinion.
    pub(super) fn pick_some(&self, later: Side) -> Option<T> {
        let Three { base, server, pushed } = *self;
        Three { base, server: server.or(base), pushed: pushed.or(base) }.pick(later)
    }
}

/// A text and where its pieces end; the pieces are the whole text.
#[derive(Debug)]
pub(super) struct Cut<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Cut<'a> {
    /// Cuts after each line end. A text that ends with one has no empty line after it.
    pub(super) fn lines(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter_map(|(at, byte)| match byte {
            b'\n' => Some(at + 1),
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => Some(at + 1),
            _ => None,
        });
        let mut ends: Vec<usize> = ends.collect();
        if ends.last().copied().unwrap_or(0) < text.len() {
            ends.push(text.len());
        }
        Self { text, ends }
    }

    /// Cuts into words, runs of blanks, line ends, and single other characters.
    pub(super) fn words(text: &'a str) -> Self {
        let mut ends = Vec::new();
        let mut before = None;
        for (at, char) in text.char_indices() {
            let class = Class::of(char, before);
            if before.is_some_and(|before| !class.continues(before)) {
                ends.push(at);
            }
            before = Some(class);
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

/// Splits a piece into what is compared and its line end.
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
    Other,
    /// Stands on whatever character came before it.
    Mark,
}

impl Class {
    fn of(char: char, before: Option<Class>) -> Self {
        match char {
            '\n' if before == Some(Class::CarriageReturn) => Class::LineFeedAfterReturn,
            '\n' => Class::LineFeed,
            '\r' => Class::CarriageReturn,
            // People type the ʻokina as any of these; ʻ and ʼ themselves are letters.
            '\'' | '`' | '‘' | '’' => Class::Word,
            _ if char.is_alphanumeric() => Class::Word,
            _ if char.is_whitespace() => Class::Blank,
            // A letter with a mark is one word, in NFC and in NFD.
            _ if is_combining_mark(char) => match before {
                Some(Class::Word) => Class::Word,
                _ => Class::Mark,
            },
            _ => Class::Other,
        }
    }

    fn continues(self, before: Class) -> bool {
        match self {
            Class::Word | Class::Blank => self == before,
            Class::LineFeedAfterReturn | Class::Mark => true,
            Class::CarriageReturn | Class::LineFeed | Class::Other => false,
        }
    }
}
