//! Blank lines that are there twice where two edits meet.
//!
//! A moved verse takes along the blank line before or after it. So two edits may each leave a blank
//! line in the same place, or at the beginning or the end of the text.

use super::cut::Side;
use super::token::Tokens;
use super::weave::{Chunk, How, Region};
use imara_diff::Token;
use std::ops::Range;

/// Leaves out spare blank lines that the merge alone put after another blank line, or at the
/// beginning or the end. `is_spare` is called once for each copy. Returns whether there were any.
pub(super) fn leave_out(
    chunks: &mut Vec<Chunk>,
    tokens: &Tokens,
    later: Side,
    is_spare: impl FnMut(Token) -> bool,
) -> bool {
    let spots = spots(chunks, tokens, later, is_spare);
    let mut next = spots.iter().peekable();
    let cut = |(at, chunk): (usize, Chunk)| match next.next_if(|(spot, _)| *spot == at) {
        Some((_, edge)) => cut_off(chunk, *edge, later),
        None => [Some(chunk), None],
    };
    *chunks = std::mem::take(chunks).into_iter().enumerate().flat_map(cut).flatten().collect();
    !spots.is_empty()
}

#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
}

/// The chunks that begin or end with a blank line to leave out, in order.
fn spots(
    chunks: &[Chunk],
    tokens: &Tokens,
    later: Side,
    mut is_spare: impl FnMut(Token) -> bool,
) -> Vec<(usize, Edge)> {
    let mut is_spare = |token: Token| tokens.is_blank(token) && is_spare(token);
    let mut spots = Vec::new();
    let mut is_after_blank = true;
    let mut last_line = None;
    for (at, chunk) in chunks.iter().enumerate() {
        let Some(lines) = chunk.pieces(tokens, later) else {
            (is_after_blank, last_line) = (false, None);
            continue;
        };
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { continue };
        last_line = Some((at, *last));
        if 0 < at && is_after_blank && is_spare(*first) {
            spots.push((at, Edge::Start));
            last_line = last_line.filter(|_| 1 < lines.len());
        }
        is_after_blank = tokens.is_blank(*last);
    }
    // In the very last chunk, the blank line is the end of the text.
    if let Some((at, line)) = last_line.filter(|(at, _)| at + 1 < chunks.len())
        && !spots.iter().any(|(spot, _)| *spot == at)
        && is_spare(line)
    {
        spots.push((at, Edge::End));
    }
    spots
}

/// Cuts the first or last line off a chunk. The line is a chunk of its own, which is gone.
fn cut_off(chunk: Chunk, edge: Edge, later: Side) -> [Option<Chunk>; 2] {
    let Chunk { region, how } = chunk;
    let Region { base, server, pushed } = &region;
    let has = |side: Side| match how {
        How::Kept | How::Alike => true,
        How::Take(of) => of == side,
        How::Rows | How::Clash => later == side,
        How::Gone | How::MixedLine(..) | How::MixedLines(..) => false,
    };
    let (base, rest_of_base) = split(base, matches!(how, How::Kept), edge);
    let (server, rest_of_server) = split(server, has(Side::Server), edge);
    let (pushed, rest_of_pushed) = split(pushed, has(Side::Pushed), edge);
    let rest = Region { base: rest_of_base, server: rest_of_server, pushed: rest_of_pushed };
    let gone = Chunk { region: Region { base, server, pushed }, how: How::Gone };
    let rest = Chunk { region: rest, how };
    match edge {
        Edge::Start => [Some(gone), Some(rest)],
        Edge::End => [Some(rest), Some(gone)],
    }
}

/// The line at the edge of a range, or none, and the rest.
fn split(range: &Range<usize>, has_line: bool, edge: Edge) -> (Range<usize>, Range<usize>) {
    let line = usize::from(has_line);
    match edge {
        Edge::Start => (range.start..range.start + line, range.start + line..range.end),
        Edge::End => (range.end - line..range.end, range.start..range.end - line),
    }
}
