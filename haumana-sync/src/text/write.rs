//! Writes the merged text, with the users' own bytes.

use super::cut::{Cut, Side, Three, split_line_end};
use super::weave::{Chunk, How, Region};

/// A text under construction.
pub(super) struct Writer<'a> {
    out: String,
    later: Side,
    /// The first line end of each text, and the one that the merge uses for lines that need
    /// another.
    styles: Three<Option<&'a str>>,
    style: &'a str,
    /// Written between two pieces if the first has no line end. Words need none.
    missing: &'a str,
    /// The line end of the last piece. It is not written yet, because it may have to go.
    open: Option<Option<&'a str>>,
    ends_with_line_end: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn for_lines(texts: &Three<&'a str>, later: Side) -> Self {
        let styles = texts.map(|text| first_line_end(text));
        let style = styles.pick_some(later).unwrap_or("\n");
        // An empty text does not show how it would end.
        let ends = texts.map(|text| (!text.is_empty()).then(|| text.ends_with(['\n', '\r'])));
        let ends_with_line_end = ends.pick_some(later).unwrap_or(false);
        let out = String::with_capacity(texts.server.len().max(texts.pushed.len()));
        Self { out, later, styles, style, missing: style, open: None, ends_with_line_end }
    }

    pub(super) fn for_words(later: Side) -> Self {
        Self {
            out: String::new(),
            later,
            styles: Three::default(),
            style: "",
            missing: "",
            open: None,
            ends_with_line_end: true,
        }
    }

    pub(super) fn write(mut self, chunks: &[Chunk], cuts: &Three<Cut<'a>>) -> String {
        for Chunk { region, how } in chunks {
            match how {
                How::Kept => self.kept(region, cuts),
                How::Take(side) => self.taken(*side, region, cuts),
                How::Alike | How::Rows | How::Clash => self.taken(self.later, region, cuts),
                How::Gone => {}
                How::MixedLine(text, _) | How::MixedLines(text, _) => {
                    self.mixed(text, region, cuts)
                }
            }
        }
        self.finish()
    }

    fn kept(&mut self, region: &Region, cuts: &Three<Cut<'a>>) {
        let base = cuts.base.pieces(region.base.clone());
        let server = cuts.server.pieces(region.server.clone());
        let pushed = cuts.pushed.pieces(region.pushed.clone());
        for (base, (server, pushed)) in base.zip(server.zip(pushed)) {
            let content = Three { base, server, pushed }.map(|piece| split_line_end(piece).0);
            let end = Three {
                base: split_line_end(base).1,
                server: self.line_end_of(Side::Server, server),
                pushed: self.line_end_of(Side::Pushed, pushed),
            };
            self.piece(content.pick(self.later), end.pick_some(self.later));
        }
    }

    fn taken(&mut self, side: Side, region: &Region, cuts: &Three<Cut<'a>>) {
        for piece in cuts.side(side).pieces(region.side(side).clone()) {
            let end = self.line_end_of(side, piece);
            self.piece(split_line_end(piece).0, end);
        }
    }

    /// The line end of a piece. If a side changed all line ends, the other side's lines get the new
    /// one.
    fn line_end_of(&self, side: Side, piece: &'a str) -> Option<&'a str> {
        let (_, end) = split_line_end(piece);
        if end == *self.styles.side(side) { end.map(|_| self.style) } else { end }
    }

    fn mixed(&mut self, text: &str, region: &Region, cuts: &Three<Cut<'a>>) {
        let end = Three {
            base: split_line_end(cuts.base.slice(&region.base)).1,
            server: self.line_end_of(Side::Server, cuts.server.slice(&region.server)),
            pushed: self.line_end_of(Side::Pushed, cuts.pushed.slice(&region.pushed)),
        };
        self.piece(text, end.pick_some(self.later));
    }

    fn piece(&mut self, content: &str, end: Option<&'a str>) {
        if let Some(end) = self.open.take() {
            self.line_end(end.unwrap_or(self.missing));
        }
        // A line with words of both sides may begin with line ends.
        let is_after_return = self.out.ends_with('\r');
        let rest = if is_after_return { content.trim_start_matches('\n') } else { content };
        (rest.len()..content.len()).for_each(|_| self.line_end("\n"));
        self.out.push_str(rest);
        self.open = Some(end);
    }

    fn line_end(&mut self, end: &str) {
        // After a lone CR, the LF of an empty line would join with it into one line end.
        let joins = self.out.ends_with('\r') && end.starts_with('\n');
        if joins {
            crate::mark::hit!(text_line_ends_stay_two);
        }
        self.out.push_str(if joins { "\r" } else { end });
    }

    fn finish(mut self) -> String {
        if let Some(end) = self.open.take() {
            // An empty last line exists only by its line end.
            let is_empty_line = self.out.is_empty() || self.out.ends_with(['\n', '\r']);
            if self.ends_with_line_end || is_empty_line {
                self.line_end(end.unwrap_or(self.missing));
            }
        }
        self.out
    }
}

pub(super) fn first_line_end(text: &str) -> Option<&str> {
    let at = text.find(['\n', '\r'])?;
    let rest = text.get(at..)?;
    let len = if rest.starts_with("\r\n") { 2 } else { 1 };
    rest.get(..len)
}
