//! Three-way merge of long texts (lyrics, translations, notes): by line, then by word.
//!
//! Pure, total, deterministic and bounded. Each side's edits are found against the base; edits that
//! do not overlap are all applied, also on neighbouring lines. Where they overlap, in this order:
//!
//! 1. Both did the same, or one side's edit contains the other's: done once.
//! 2. Both only deleted: what either deleted is gone.
//! 3. Both kept the number of lines: line by line, a line that both changed word by word.
//! 4. Otherwise the lines of the hunk as one run of words, line breaks included.
//! 5. What still overlaps is a clash: the later side's hunk is taken. There are no conflict markers.
//!
//! Lines are compared under NFC and without their line ends; the users' bytes are kept. What has no
//! blank in it is one word.
//!
//! Songs repeat lines (the hui), and people move verses. A diff that pairs the wrong copies, or a
//! clash that drops one half of a move, can lose or double a line. So the copies of each line are
//! counted afterwards (`audit`). Where they do not add up, it is a clash as well, and the
//! earlier side's edits of those lines are given up. Lines are followed through edits and moves for
//! that (`fates`): a line that neither side deleted is there once for each copy.
//!
//! Where there is a clash, the merge is tried once more with each side's moves made in the other
//! text first (`moves`). If that is clean, a verse that one side moved has the other's edits.
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

/// Which side's hunk is taken where both clash.
///
/// The engine finds it by edit times, and by the bytes of the texts if these are equal.
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
    /// Some edits clashed; the text has the later side's there.
    Clash(String),
}

/// Merges two texts that were made from the same base.
///
/// A repeated line is where a naive merge goes wrong: a song has its refrain several times.
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
/// The work is bounded: what would take too long to compare is taken as one changed piece.
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
/// - Clean: every line that either side added is there, as it is or with the other's words in it.
/// - Clash: every line that the later side added is there, likewise.
/// - Both: a line that all three texts have equally often is there that often, blank or not.
/// - Both: a line of the base that neither side deleted is there once for each of its copies, as it
///   was or as a side edited it. It is followed through a move if half of its words are still there.
/// - Different lines that keep their number, also neighbours, never clash.
/// - Symmetric: swapping the sides, and `later` with them, gives the same result.
/// - A line that both left alone keeps the bytes of the side that changed them (NFC, line end, a
///   last line break), the later side's if both did.
/// - A merge of more than `max_bytes` is a clash that the later side's whole text wins.
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

/// Merges texts with moves made in them. How lines end is as in the texts that were written.
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
