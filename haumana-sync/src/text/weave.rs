//! Combines the hunks of both sides into one list of chunks.
//!
//! ```text
//!  base    A  B  C  D  E
//!  server  A  X  C  D  E        hunk: B → X
//!  pushed  A  B  C  D  F        hunk: E → F
//!  chunks  Kept, Take(Server), Kept, Take(Pushed)
//! ```
//!
//! It works in two passes. First it joins hunks that overlap or touch into groups, and looks
//! whether the sides agree on the group. If not, it splits the group into hunks that really overlap
//! and looks again. What still disagrees is a dispute: [`How::Gone`], [`How::Rows`] or
//! [`How::Clash`].
//!
//! Pieces are numbers here. So the same code weaves lines and the words of a line.

use super::cut::{Side, Three};
use super::diff::{Edits, Hunk, common_prefix, common_suffix, part};
use super::token::Tokens;
use imara_diff::Token;
use std::ops::Range;

/// The range of corresponding pieces in each of the three texts.
pub(super) type Region = Three<Range<usize>>;

/// A region, and how it is merged.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) region: Region,
    pub(super) how: How,
}

/// How a region is merged.
#[derive(Debug)]
pub(super) enum How {
    /// All three are equal.
    Kept,
    /// Only this side changed it, so its pieces are taken.
    Take(Side),
    /// Both sides made the same change.
    Alike,
    /// Both sides only deleted pieces. All that either deleted is gone, which is the whole region.
    Gone,
    /// Both changed words of one line. The text has the words of both. The tokens are the number of
    /// that line, if one of the three texts has it.
    MixedLine(String, Vec<Token>),
    /// Both changed words of several lines. The text has the words of both. The tokens are those of
    /// its lines that have a number.
    MixedLines(String, Vec<Token>),
    /// Both changed it and kept the number of lines, so it can be decided line by line.
    Rows,
    /// Both changed it, and no other rule fits. The pieces of the later side are taken.
    Clash,
}

impl How {
    /// Returns the text with words of both sides, if there is one.
    pub(super) fn mixed(&self) -> Option<&str> {
        match self {
            How::MixedLine(text, _) | How::MixedLines(text, _) => Some(text),
            _ => None,
        }
    }
}

impl Chunk {
    pub(super) fn clashes(&self) -> bool {
        matches!(self.how, How::Clash | How::Rows)
    }

    /// Whether the chunk contains an edit of `side`.
    pub(super) fn has_edit_of(&self, side: Side) -> bool {
        match self.how {
            How::Take(of) => of == side,
            How::Gone | How::MixedLine(..) | How::MixedLines(..) => true,
            How::Kept | How::Alike | How::Rows | How::Clash => false,
        }
    }

    /// Returns the pieces that are written for the chunk; `None` if its text is not in any of the
    /// texts.
    pub(super) fn pieces<'t>(&self, tokens: &'t Tokens, later: Side) -> Option<&'t [Token]> {
        let side = match self.how {
            How::Take(side) => side,
            How::Kept | How::Alike | How::Rows | How::Clash => later,
            How::Gone => return Some(&[]),
            How::MixedLine(..) | How::MixedLines(..) => return None,
        };
        Some(part(tokens.of.side(side), self.region.side(side).clone()))
    }
}

/// Divides the three texts into chunks, in order. Every piece of each text is in one chunk.
pub(super) fn weave(tokens: &Tokens, edits: &Edits) -> Vec<Chunk> {
    let mut weaver = Weaver { tokens: &tokens.of, at: Three::default(), chunks: Vec::new() };
    for group in groups(&edits.server, &edits.pushed, Reach::Touching) {
        // Touching hunks are usually separate edits. The exception: both sides added the same line,
        // and one of them changed the next line too. Then only the whole group shows the agreement.
        let region = weaver.region(&group);
        if let Some(chunks) = weaver.agree(&group, &region) {
            weaver.push(chunks);
            continue;
        }
        for group in groups(group.server, group.pushed, Reach::Overlapping) {
            let region = weaver.region(&group);
            let chunks = weaver.agree(&group, &region);
            let chunks = chunks.unwrap_or_else(|| vec![Chunk { region, how: group.dispute() }]);
            weaver.push(chunks);
        }
    }
    weaver.keep_until(tokens.of.map(Vec::len));
    weaver.chunks
}

/// Which hunks belong together.
#[derive(Clone, Copy)]
enum Reach {
    /// Hunks that share a piece of the base, or that insert at the same place.
    Overlapping,
    /// Hunks that overlap, and hunks that are next to each other.
    Touching,
}

impl Reach {
    fn joins(self, group: &Range<usize>, next: &Range<usize>) -> bool {
        match self {
            Reach::Overlapping => next.start < group.end || (group.is_empty() && next == group),
            Reach::Touching => next.start <= group.end,
        }
    }
}

struct Group<'h> {
    base: Range<usize>,
    server: &'h [Hunk],
    pushed: &'h [Hunk],
}

fn groups<'h>(mut server: &'h [Hunk], mut pushed: &'h [Hunk], reach: Reach) -> Vec<Group<'h>> {
    let mut groups: Vec<Group<'h>> = Vec::new();
    loop {
        let (in_server, in_pushed) = (server, pushed);
        let mut base: Option<Range<usize>> = None;
        while let Some((side, next)) = first(server, pushed) {
            if base.as_ref().is_some_and(|base| !reach.joins(base, &next)) {
                break;
            }
            base = Some(base.map_or(next.clone(), |base| base.start..base.end.max(next.end)));
            match side {
                Side::Server => server = server.get(1..).unwrap_or_default(),
                Side::Pushed => pushed = pushed.get(1..).unwrap_or_default(),
            }
        }
        let Some(base) = base else { return groups };
        let taken = |all: &'h [Hunk], rest: &[Hunk]| all.get(..all.len() - rest.len());
        groups.push(Group {
            base,
            server: taken(in_server, server).unwrap_or_default(),
            pushed: taken(in_pushed, pushed).unwrap_or_default(),
        });
    }
}

/// Returns the next hunk of either side. An insertion comes before a change of the piece after it.
fn first(server: &[Hunk], pushed: &[Hunk]) -> Option<(Side, Range<usize>)> {
    let server = server.first().map(|hunk| (Side::Server, hunk.base.clone()));
    let pushed = pushed.first().map(|hunk| (Side::Pushed, hunk.base.clone()));
    let key = |(_, base): &(Side, Range<usize>)| (base.start, base.end);
    server.into_iter().chain(pushed).min_by_key(key)
}

impl Group<'_> {
    /// Decides how to merge a region on which the sides do not agree.
    fn dispute(&self) -> How {
        let mut hunks = self.server.iter().chain(self.pushed);
        if hunks.clone().all(|hunk| hunk.side.is_empty()) {
            crate::mark::hit!(text_both_delete);
            How::Gone
        } else if hunks.all(|hunk| hunk.side.len() == hunk.base.len()) {
            How::Rows
        } else {
            How::Clash
        }
    }
}

struct Weaver<'t> {
    tokens: &'t Three<Vec<Token>>,
    at: Three<usize>,
    chunks: Vec<Chunk>,
}

impl Weaver<'_> {
    /// Returns the ranges of the three texts that the hunks of `group` cover.
    fn region(&self, group: &Group<'_>) -> Region {
        let n_kept = group.base.start - self.at.base;
        let range = |at: usize, hunks: &[Hunk]| {
            let n_removed: usize = hunks.iter().map(|hunk| hunk.base.len()).sum();
            let n_added: usize = hunks.iter().map(|hunk| hunk.side.len()).sum();
            let start = at + n_kept;
            start..start + (group.base.len() - n_removed) + n_added
        };
        Region {
            base: group.base.clone(),
            server: range(self.at.server, group.server),
            pushed: range(self.at.pushed, group.pushed),
        }
    }

    /// Returns the chunks of a region on which the sides agree; `None` if they contradict each other.
    fn agree(&self, group: &Group<'_>, region: &Region) -> Option<Vec<Chunk>> {
        let whole = |how| Some(vec![Chunk { region: region.clone(), how }]);
        if group.pushed.is_empty() {
            crate::mark::hit!(text_only_server_changed);
            return whole(How::Take(Side::Server));
        }
        if group.server.is_empty() {
            crate::mark::hit!(text_only_pushed_changed);
            return whole(How::Take(Side::Pushed));
        }
        let server = part(&self.tokens.server, region.server.clone());
        let pushed = part(&self.tokens.pushed, region.pushed.clone());
        if server == pushed {
            crate::mark::hit!(text_both_made_the_same_edit);
            return whole(How::Alike);
        }
        let prefix = common_prefix(server, pushed);
        let rest = server.len().min(pushed.len()) - prefix;
        let suffix = common_suffix(server, pushed).min(rest);
        let base = part(&self.tokens.base, region.base.clone());
        let how = if part(server, prefix..server.len() - suffix) == base {
            How::Take(Side::Pushed)
        } else if part(pushed, prefix..pushed.len() - suffix) == base {
            How::Take(Side::Server)
        } else {
            return None;
        };
        if 0 < prefix + suffix {
            crate::mark::hit!(text_one_edit_contains_the_other);
        }
        Some(shared_ends(region, prefix, suffix, how))
    }

    fn push(&mut self, chunks: Vec<Chunk>) {
        for chunk in chunks {
            self.keep_until(chunk.region.map(|range| range.start));
            self.at = chunk.region.map(|range| range.end);
            self.chunks.push(chunk);
        }
    }

    fn keep_until(&mut self, end: Three<usize>) {
        let region = Region {
            base: self.at.base..end.base,
            server: self.at.server..end.server,
            pushed: self.at.pushed..end.pushed,
        };
        // INVARIANT: between hunks all three texts have equally many, equal pieces.
        assert!(
            region.base.len() == region.server.len() && region.base.len() == region.pushed.len()
        );
        if !region.base.is_empty() {
            self.chunks.push(Chunk { region, how: How::Kept });
        }
    }
}

/// Cuts a region into three: both sides added the same `prefix` and `suffix` pieces, and `how`
/// decides the middle.
fn shared_ends(region: &Region, prefix: usize, suffix: usize, how: How) -> Vec<Chunk> {
    let cut = |range: &Range<usize>| (range.start + prefix, range.end - suffix);
    let (server, pushed) = (cut(&region.server), cut(&region.pushed));
    let base = &region.base;
    let head = Region {
        base: base.start..base.start,
        server: region.server.start..server.0,
        pushed: region.pushed.start..pushed.0,
    };
    let middle =
        Region { base: base.clone(), server: server.0..server.1, pushed: pushed.0..pushed.1 };
    let tail = Region {
        base: base.end..base.end,
        server: server.1..region.server.end,
        pushed: pushed.1..region.pushed.end,
    };
    let alike = |region| Chunk { region, how: How::Alike };
    vec![alike(head), Chunk { region: middle, how }, alike(tail)]
}
