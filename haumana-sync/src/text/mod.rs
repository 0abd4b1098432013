//! Three-way merge of long texts (lyrics, translations, notes): by line, then by word.
//!
//! It is pure, total, deterministic and bounded. Each side's edits are found against the base.
//! Edits that do not overlap are all applied, also on neighbouring lines. For edits that overlap,
//! the first rule that fits is used:
//!
//! 1. Both sides made the same edit, or one side's edit contains the other's: it is made once.
//! 2. Both sides only deleted: all that either side deleted is gone.
//! 3. Both sides kept the number of lines: they are merged line by line. A line that both changed
//!    is merged word by word.
//! 4. Otherwise the lines of the hunk are merged as one run of words, line breaks included.
//! 5. What still overlaps is a clash: the later side's hunk is taken. No conflict markers are
//!    written.
//!
//! Lines are compared under NFC and without their line ends. The result keeps the users' bytes.
//! Text without a blank is one word.
//!
//! Songs repeat lines (the hui), and people move verses. A diff that pairs the wrong copies, or a
//! clash that drops one half of a move, can lose or double a line. So the copies of each line are
//! counted afterwards (`audit`). If they do not add up, that is a clash as well, and the earlier
//! side's edits of those lines are given up. To count them, lines are followed through edits and
//! moves (`fates`). A line that neither side deleted is in the result once for each copy.
//!
//! After a clash the merge is tried once more: first each side's moves are made in the other text
//! (`moves`). If that merge is clean, a verse that one side moved has the other side's edits.
//!
//! Swapping the sides (and [`Later`] with them) gives the same text.
//!
//! Use [`merge_text`] by itself if you have three texts and want one. It knows nothing of records.

mod audit;
mod blanks;
mod cut;
mod diff;
mod fates;
mod moves;
mod slide;
mod token;
mod weave;
mod words;
mod write;

use audit::Audit;
use cut::{Cut, Side, Three};
use diff::{Budget, Edits};
use fates::Fates;
use token::Tokens;
use weave::Chunk;
use write::Writer;

/// Which side's hunk is taken in a clash.
///
/// The engine decides this by edit times. If these are equal, it decides by the bytes of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// The text that the server has.
    Server,
    /// The text that is being pushed.
    Pushed,
}

/// A merged text.
///
/// A clash is no failure: the text is complete, and has every edit that did not clash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMerge {
    /// All edits of both sides are in the text.
    Clean(String),
    /// Some edits clashed. In those places the text has the later side's edit.
    Clash(String),
}

/// Merges two texts that were made from the same base.
///
/// Repeated lines are hard for a naive merge: a song repeats its refrain.
///
/// ```
/// use haumana_sync::text::{Later, TextMerge, merge_text};
///
/// // Each side changes one line of its own.
/// let base = "Line one\nRefrain\nLine two\nRefrain\n";
/// let server = "Line one, corrected\nRefrain\nLine two\nRefrain\n";
/// let pushed = "Line one\nRefrain\nLine two, longer\nRefrain\n";
/// let merged = merge_text(base, server, pushed, Later::Server, 1_000);
///
/// let both = "Line one, corrected\nRefrain\nLine two, longer\nRefrain\n";
/// assert_eq!(TextMerge::Clean(both.into()), merged);
///
/// // Both change the same word: the later side's line is taken. The caller keeps the other text.
/// let merged = merge_text("Bow\n", "Bow low\n", "Bow twice\n", Later::Pushed, 1_000);
/// assert_eq!(TextMerge::Clash("Bow twice\n".into()), merged);
/// ```
///
/// The work is bounded: a stretch that would take too long to compare counts as one changed piece.
///
/// ```
/// use haumana_sync::text::{Later, TextMerge, merge_text};
///
/// let base = "Enter left\nBow\n";
/// let (server, pushed) = ("Enter right\nBow\n", "Enter left\nBow\nExit\n");
/// let merged = merge_text(base, server, pushed, Later::Pushed, 1_000);
///
/// assert_eq!(TextMerge::Clean("Enter right\nBow\nExit\n".into()), merged);
/// ```
///
/// # Guarantees
///
/// - One side equal to the base, or both equal: the result is the other's text, byte for byte.
/// - Clean: every line that either side added is there, unchanged or with the other side's words in
///   it.
/// - Clash: every line that the later side added is there, unchanged or with the other side's
///   words.
/// - Both: a line that all three texts have equally often is there that often, blank or not.
/// - Both: a line of the base that neither side deleted is there once for each of its copies, as it
///   was or as a side edited it. It is followed through a move if half of its words are still
///   there.
/// - If both sides keep the number of lines, edits of different lines never clash, also of
///   neighbours.
/// - Symmetric: swapping the sides, and `later` with them, gives the same result.
/// - A line that both left alone keeps the bytes of the side that changed them (NFC, line end, a
///   last line break); if both changed them, those of the later side.
/// - If the merged text would exceed `max_bytes`, that is a clash, and the later side's whole text
///   is taken.
pub fn merge_text(
    base: &str,
    server: &str,
    pushed: &str,
    later: Later,
    max_bytes: usize,
) -> TextMerge {
    if pushed == base {
        crate::mark::hit!(text_pushed_is_base);
        return TextMerge::Clean(server.into());
    }
    if server == base {
        crate::mark::hit!(text_server_is_base);
        return TextMerge::Clean(pushed.into());
    }
    if server == pushed {
        crate::mark::hit!(text_both_are_equal);
        return TextMerge::Clean(server.into());
    }
    let texts = Three { base, server, pushed };
    match merge_lines(&texts, later.into()) {
        TextMerge::Clean(text) | TextMerge::Clash(text) if max_bytes < text.len() => {
            crate::mark::hit!(text_merge_is_too_long);
            TextMerge::Clash((*texts.side(later.into())).into())
        }
        merge => merge,
    }
}

fn merge_lines(texts: &Three<&str>, later: Side) -> TextMerge {
    let mut budget = Budget::default();
    let lines = texts.map(|text| Cut::lines(text));
    let tokens = Tokens::of(&lines);
    let edits = Edits::of(&tokens, &mut budget);
    let merge = merge_edits(texts, &lines, &tokens, &edits, later, &mut budget);
    if matches!(merge, TextMerge::Clean(_)) {
        return merge;
    }
    let moved = moves::make_moves(&lines, &tokens, &edits, &mut budget);
    let moved = moved.map(|moved| {
        let moved = moved.map(String::as_str);
        merge_moved(&moved, texts, later, &mut budget)
    });
    match moved {
        Some(TextMerge::Clean(text)) => {
            crate::mark::hit!(text_move_and_edit_of_what_moved);
            TextMerge::Clean(text)
        }
        _ => merge,
    }
}

/// Merges texts with moves made in them. Line ends are those of the texts that the users wrote.
fn merge_moved(
    moved: &Three<&str>,
    texts: &Three<&str>,
    later: Side,
    budget: &mut Budget,
) -> TextMerge {
    let lines = moved.map(|text| Cut::lines(text));
    let tokens = Tokens::of(&lines);
    let edits = Edits::of(&tokens, budget);
    merge_edits(texts, &lines, &tokens, &edits, later, budget)
}

fn merge_edits(
    texts: &Three<&str>,
    lines: &Three<Cut<'_>>,
    tokens: &Tokens,
    edits: &Edits,
    later: Side,
    budget: &mut Budget,
) -> TextMerge {
    let chunks = weave::weave(tokens, edits);
    let mut chunks = words::refine(chunks, lines, tokens, later, budget);
    let fates = Fates::of(lines, tokens, edits);
    let audit = audit::audit(&mut chunks, tokens, &fates, later);

    let clashed = chunks.iter().any(Chunk::clashes);
    let text = Writer::for_lines(texts, later).write(&chunks, lines);
    match audit {
        Audit::AddsUp if !clashed => TextMerge::Clean(text),
        _ => TextMerge::Clash(text),
    }
}

impl From<Later> for Side {
    fn from(later: Later) -> Self {
        match later {
            Later::Server => Side::Server,
            Later::Pushed => Side::Pushed,
        }
    }
}
