//! Whose bytes are kept: spellings, line ends, last line breaks.

use super::*;
use unicode_normalization::UnicodeNormalization as _;

fn nfd(text: &str) -> String {
    text.nfd().collect()
}

#[test]
fn another_spelling_of_the_same_text_is_no_edit() {
    let first = "Haʻaheo nō ka ua i nā pali\n";
    let rest = ALOHA_OE.split_once('\n').unwrap().1;
    let edited = format!("{first}{rest}");

    check_clean(ALOHA_OE, &nfd(ALOHA_OE), &edited, &format!("{first}{}", nfd(rest)));
    check_clean(&nfd(ALOHA_OE), ALOHA_OE, &edited, &edited);
}

#[test]
fn words_are_compared_in_any_spelling_and_keep_theirs() {
    let (base, server) = ("i nā pali mōʻī", "i nā pali aliʻi mōʻī");
    check_clean(base, server, &nfd("i nā uka mōʻī"), &nfd("i nā uka aliʻi mōʻī"));
}

#[test]
fn line_ends_of_the_side_that_changed_them_are_used_throughout() {
    check_clean("a\nb\nc\n", "a\r\nb\r\nc\r\n", "a\nb\nC\n", "a\r\nb\r\nC\r\n");
    check_clean("a\r\nb\r\nc", "a\nb\nc", "a\r\nb\r\nc\r\nd", "a\nb\nc\nd");
    check_clean("a\rb", "a\nb", "x\rb", "x\nb");
}

#[test]
fn a_last_line_break_is_merged_by_itself() {
    check_clean("a\nb", "a\nb\n", "A\nb", "A\nb\n");
    check_clean("a\nb\n", "a\nb", "A\nb\n", "A\nb");
    check_clean("a", "a\n", "a\nb", "a\nb\n");
    check_clean("a\n", "a", "a\nb\n", "a\nb");
    check_clean("a\nb\n", "a\n", "A\nb\n", "A\n");
}

#[test]
fn an_empty_last_line_is_not_lost_with_its_line_break() {
    check_clean("\na\n", "\na", "\n", "\n");
}

#[test]
fn where_both_changed_the_bytes_the_later_ones_are_kept() {
    for (later, expected) in [(Later::Server, "a\rb\nx"), (Later::Pushed, "a\r\nb\nx")] {
        let merged = merge("a\nb\nc", "a\rb\nx", "a\r\nb\nx", later);
        assert_eq!(TextMerge::Clean(expected.into()), merged);
    }
}

#[test]
fn which_side_is_the_servers_decides_no_line_end() {
    cov_mark::check!(text_both_left_a_line_of_their_hunks);
    // Found by `any_spelling_merges_alike`. Too much to compare: each side's hunk is all that it has
    // between its first and its last edit. In between both left all lines; one changed a line end.
    let text = |first: &str, last: &str, fifth: &str| {
        let end = |at: usize| if at == 5 { fifth } else { "\n" };
        let lines = (0..2500).map(|at| format!("{}{}", ["x", "y"][at % 2], end(at)));
        let lines: String = lines.collect();
        format!("{first}\n{lines}{last}\n")
    };
    let base = text("first", "last", "\n");
    let (one, other) = (text("one", "one", "\n"), text("other", "other", "\r\n"));
    for later in [Later::Server, Later::Pushed] {
        let merged = merge(&base, &one, &other, later);
        assert_eq!(merged, merge(&base, &other, &one, swapped(later)));
        let sixth = super::text(&merged).split_inclusive('\n').nth(6);
        assert_eq!(Some("y\r\n"), sixth, "one side has changed its line end");
    }
}

#[test]
fn a_move_invents_and_loses_no_last_line_break() {
    check_clean("2\nR\n4", "2\n\n4", "4\n2\nR\nR", "4\n2\n\nR");
    let base = "b\n55b5\n\n77b7\nb";
    check_clean(base, "77b7\n", "77b7\nb\nb\n55b5\n\nz", "77b7\nz\n");
}

#[test]
fn words_that_begin_with_a_line_end_join_no_return_before_them() {
    check_clean("\n v", "\rv", "\n\n v ", "\r\rv ");
}
