//! The differences of two texts, beside each other.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The most columns of a line.
const COLUMNS: usize = 100;
/// A third of the columns shows equal text before the first difference.
const BEFORE: usize = 3;

/// Two texts without the lines that they have in common at the beginning and at the end. Of a long
/// line only the part around its first difference is shown.
pub(crate) fn differing(kept: &str, lost: &str) -> (String, String) {
    let (a, b): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), lost.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let start = a.iter().zip(&b).take_while(same).count();
    let shorter = a.len().min(b.len());
    let end = a.iter().rev().zip(b.iter().rev()).take(shorter - start).take_while(same).count();
    let inner = |lines: &[&str], others: &[&str]| {
        let part = |lines: &[&str]| -> Vec<String> {
            let part = lines.get(start..lines.len() - end).unwrap_or_default();
            part.iter().map(ToString::to_string).collect()
        };
        let (lines, others) = (part(lines), part(others));
        let line = |(at, line): (usize, &String)| {
            beside(line, others.get(at).map(String::as_str), COLUMNS)
        };
        let mut out: Vec<String> = lines.iter().enumerate().map(line).collect();
        if out.is_empty() {
            out.push("(no line here)".to_owned());
        }
        if start != 0 {
            out.insert(0, format!("… {start} equal lines"));
        }
        if end != 0 {
            out.push(format!("… {end} equal lines"));
        }
        out.join("\n")
    };
    (inner(&a, &b), inner(&b, &a))
}

/// Whether two texts that differ look the same.
pub(crate) fn look_equal(a: &str, b: &str) -> bool {
    let look = |text: &str| -> Vec<String> {
        let lines = text.trim_end().lines().map(|line| line.trim_end().nfc().collect());
        lines.collect()
    };
    look(a) == look(b)
}

/// The first line of a text that differs from another text, around the difference.
pub(crate) fn first_difference(text: &str, other: &str, columns: usize) -> String {
    let n_equal = text.lines().zip(other.lines()).take_while(|(a, b)| a == b).count();
    let line = text.lines().nth(n_equal).unwrap_or_default();
    beside(line, other.lines().nth(n_equal), columns)
}

/// A line, to be shown with another line. It is whole if both fit. Otherwise it starts shortly
/// before their first difference.
fn beside(line: &str, other: Option<&str>, columns: usize) -> String {
    let other = other.unwrap_or_default();
    if line.width().max(other.width()) <= columns {
        return line.to_owned();
    }
    let graphemes: Vec<&str> = line.graphemes(true).collect();
    let others = other.graphemes(true);
    let n_equal = graphemes.iter().zip(others).take_while(|(a, b)| *a == b).count();
    let (equal, _) = graphemes.split_at(n_equal);
    let before = columns / BEFORE;
    let from = match equal.concat().width() {
        // The first difference is near enough to the beginning.
        width if width <= 2 * before => 0,
        _ => n_equal - fitting(equal.iter().rev(), before),
    };
    let rest = graphemes.get(from..).unwrap_or_default();
    let n_shown = fitting(rest.iter(), columns);
    let shown = rest.get(..n_shown).unwrap_or_default().concat();
    let mark = |is_cut: bool| if is_cut { "…" } else { "" };
    format!("{}{shown}{}", mark(0 < from), mark(n_shown < rest.len()))
}

/// How many graphemes fit into so many columns.
fn fitting<'g>(graphemes: impl Iterator<Item = &'g &'g str>, columns: usize) -> usize {
    let mut width = 0;
    let fits = |grapheme: &&&str| {
        width += grapheme.width();
        width <= columns
    };
    graphemes.take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kept: &str, lost: &str, expected: (&str, &str)) {
        let (kept, lost) = differing(kept, lost);
        assert_eq!(expected, (kept.as_str(), lost.as_str()));
    }

    #[test]
    fn of_long_texts_only_the_lines_that_differ_are_shown() {
        check("a", "b", ("a", "b"));
        check(
            "1\na\n2",
            "1\nb\n2",
            ("… 1 equal lines\na\n… 1 equal lines", "… 1 equal lines\nb\n… 1 equal lines"),
        );
        check("1\n2", "1", ("… 1 equal lines\n2", "… 1 equal lines\n(no line here)"));
        check("1\n1", "1", ("… 1 equal lines\n1", "… 1 equal lines\n(no line here)"));
    }

    #[test]
    fn long_lines_are_shown_around_their_first_difference() {
        let (before, after) = ("ā".repeat(200), "e".repeat(200));
        let (equal, rest) = ("ā".repeat(33), "e".repeat(COLUMNS - 33 - 1));

        check(
            &format!("{before}1{after}"),
            &format!("{before}2{after}"),
            (&format!("…{equal}1{rest}…"), &format!("…{equal}2{rest}…")),
        );
        check(
            &format!("{before}1"),
            &format!("{before}2{after}"),
            (&format!("…{equal}1"), &format!("…{equal}2{rest}…")),
        );
        check(&before, "", (&format!("{}…", "ā".repeat(COLUMNS)), "(no line here)"));
        check(&format!("1{after}"), "2", (&format!("1{}…", "e".repeat(COLUMNS - 1)), "2"));
    }

    #[test]
    fn no_grapheme_is_cut_and_wide_ones_count_as_two_columns() {
        let before = "🇺🇳".repeat(100);
        let equal = "🇺🇳".repeat(33 / 2);

        check(
            &format!("{before}🇬🇸"),
            &format!("{before}🇬🇳"),
            (&format!("…{equal}🇬🇸"), &format!("…{equal}🇬🇳")),
        );
    }

    #[test]
    fn what_differs_in_blanks_line_ends_or_composition_looks_the_same() {
        assert!(look_equal("kahakō \r\nb\n", "kahako\u{304}\nb"));
        assert!(!look_equal("a", "b"));
    }

    #[test]
    fn of_a_text_the_first_line_that_differs_is_shown() {
        assert_eq!("b", first_difference("a\nb\nc", "a\nB\nc", 60));
        assert_eq!("c", first_difference("a\nb\nc", "a\nb", 60));
        assert_eq!("", first_difference("a", "a\nb", 60));
        let (a, b) = ("ā".repeat(200) + "1", "ā".repeat(200) + "2");
        assert_eq!(format!("…{}1", "ā".repeat(20)), first_difference(&a, &b, 60));
    }
}
