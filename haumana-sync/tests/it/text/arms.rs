//! One example per arm of the text merge.

use super::*;

#[test]
fn pushed_equal_to_the_base_leaves_the_servers_bytes() {
    cov_mark::check!(text_pushed_is_base);
    let merged = merge("a\r\nb", "e\u{301}\rb\n\n", "a\r\nb", Later::Pushed);
    assert_eq!(TextMerge::Clean("e\u{301}\rb\n\n".into()), merged);
}

#[test]
fn server_equal_to_the_base_takes_the_pushed_bytes() {
    cov_mark::check!(text_server_is_base);
    let merged = merge("a\r\nb", "a\r\nb", "e\u{301}\rb\n\n", Later::Server);
    assert_eq!(TextMerge::Clean("e\u{301}\rb\n\n".into()), merged);
}

#[test]
fn equal_texts_are_kept_byte_for_byte() {
    cov_mark::check!(text_both_are_equal);
    let merged = merge("a", "b\r\n\r", "b\r\n\r", Later::Server);
    assert_eq!(TextMerge::Clean("b\r\n\r".into()), merged);
}

#[test]
fn a_line_that_only_the_server_changed_is_taken() {
    cov_mark::check!(text_only_server_changed);
    let merged = merge("a\nb\nc", "A\nb\nc", "a\nb\nC", Later::Pushed);
    assert_eq!(TextMerge::Clean("A\nb\nC".into()), merged);
}

#[test]
fn a_line_that_only_the_push_changed_is_taken() {
    cov_mark::check!(text_only_pushed_changed);
    let merged = merge("a\nb\nc", "a\nb\nC", "A\nb\nc", Later::Server);
    assert_eq!(TextMerge::Clean("A\nb\nC".into()), merged);
}

#[test]
fn the_same_edit_on_both_sides_is_done_once() {
    cov_mark::check!(text_both_made_the_same_edit);
    check_clean("a\nb\nc\nd", "A\nb\nx\nc\nd", "a\nb\nx\nc\nD", "A\nb\nx\nc\nD");
}

#[test]
fn an_edit_repeated_and_continued_is_done_once() {
    cov_mark::check!(text_one_edit_contains_the_other);
    check_clean("a\nb", "a\nx\nb", "a\nx\nB", "a\nx\nB");
    check_clean("a", "a\nx", "a\nx\ny", "a\nx\ny");
    check_clean("a", "a\nx", "a\nw\nx", "a\nw\nx");
}

#[test]
fn lines_that_either_side_deleted_are_gone() {
    cov_mark::check!(text_both_delete);
    check_clean("a\nb\nc\nd\ne", "a\nd\ne", "a\nb\ne", "a\ne");
}

#[test]
fn a_line_that_only_the_server_changed_in_a_shared_hunk_is_taken() {
    cov_mark::check!(text_only_server_changed_the_line);
    let merged = merge("a a\nb", "a x\nB", "y a\nb", Later::Pushed);
    assert_eq!(TextMerge::Clean("y x\nB".into()), merged);
}

#[test]
fn a_line_that_only_the_push_changed_in_a_shared_hunk_is_taken() {
    cov_mark::check!(text_only_pushed_changed_the_line);
    let merged = merge("a a\nb", "y a\nb", "a x\nB", Later::Server);
    assert_eq!(TextMerge::Clean("y x\nB".into()), merged);
}

#[test]
fn a_line_that_both_changed_alike_in_a_shared_hunk_is_written_once() {
    cov_mark::check!(text_both_changed_a_line_alike);
    check_clean("a\nb\nc\nd", "A\nB\nc\nd", "a\nB\nC\nd", "A\nB\nC\nd");
}

#[test]
fn different_words_of_one_line_both_survive() {
    cov_mark::check!(text_words_of_a_line);
    check_clean(
        "Aloha oe, aloha oe\nE ke onaona",
        "Aloha ʻoe, aloha oe\nE ke onaona",
        "Aloha oe, aloha ʻoe\nE ke onaona",
        "Aloha ʻoe, aloha ʻoe\nE ke onaona",
    );
}

#[test]
fn one_side_splits_a_line_where_the_other_changes_a_word() {
    cov_mark::check!(text_words_of_a_hunk);
    check_clean(
        "v\nHaʻaheo ka ua i na pali\nw",
        "v\nHaʻaheo ka ua\ni na pali\nw",
        "v\nHaʻaheo ka ua i nā pali\nw",
        "v\nHaʻaheo ka ua\ni nā pali\nw",
    );
}

#[test]
fn the_same_word_changed_twice_is_the_later_sides_line() {
    cov_mark::check!(text_line_clashes);
    check_clash(
        "ka ua i na pali\nb\nc",
        "ka ua i nā pali\nb\nC",
        "ka ua i nâ pali aku\nb\nc",
        "ka ua i nā pali\nb\nC",
        "ka ua i nâ pali aku\nb\nC",
    );
}

#[test]
fn two_insertions_at_one_place_clash_and_the_rest_is_merged() {
    cov_mark::check!(text_hunk_clashes);
    check_clash("a\nb\nc", "A\nb\nx\nc", "a\nb\ny\nz\nc", "A\nb\nx\nc", "A\nb\ny\nz\nc");
}

#[test]
fn a_rewritten_line_is_not_mixed_with_the_old_one() {
    cov_mark::check!(text_rewritten_line_clashes);
    check_clash(
        "Ke nihi aʻela i ka nahele\nb",
        "Pua ʻāhihi lehua i ka uka\nb",
        "Ke nihi aʻela i ka nahele ē\nb",
        "Pua ʻāhihi lehua i ka uka\nb",
        "Ke nihi aʻela i ka nahele ē\nb",
    );
}

#[test]
fn a_word_added_beside_a_removed_line_end_is_not_glued_on() {
    cov_mark::check!(text_glued_words_clash);
    let (server, pushed) = ("v\nS b c\nnew\nw", "v\na b c\nw");
    check_clash("v\na b c\n\nw", server, pushed, server, pushed);
}

#[test]
fn a_hunk_of_thousands_of_lines_clashes_as_it_is() {
    cov_mark::check!(text_hunk_is_too_long);
    let text = |tag: char| (0..6000).map(|i| format!("{i}{tag}\n")).collect::<String>();
    check_clash(&text('a'), &text('b'), &text('c'), &text('b'), &text('c'));
}

#[test]
fn a_long_stretch_without_unique_lines_counts_as_rewritten() {
    cov_mark::check!(text_stretch_counts_as_rewritten);
    let text = |n: usize, step: usize| {
        let lines = (0..n).map(|i| if i * i * step % 7 < 3 { "a\n" } else { "b\n" });
        lines.collect::<String>()
    };
    let (base, server) = (format!("{}x\ny\n", text(4000, 2)), format!("{}x\ny\n", text(3900, 3)));
    let pushed = base.replace("y\n", "Y\n");
    check_clean(&base, &server, &pushed, &server.replace("y\n", "Y\n"));
}

#[test]
fn a_verse_moved_to_two_places_is_the_later_sides_move() {
    cov_mark::check!(text_copies_do_not_add_up);
    let (base, server, pushed) = ("1\n2\n3\n4\n5", "2\n1\n3\n4\n5", "2\n3\n4\n1\n5");
    check_clash(base, server, pushed, server, pushed);
}

#[test]
fn a_merge_that_grows_too_long_is_the_later_sides_text() {
    cov_mark::check!(text_merge_is_too_long);
    let at = |max| merge_text("a\nb\nc", "a1\nb\nc", "a\nb\nc1", Later::Server, max);
    assert_eq!(TextMerge::Clean("a1\nb\nc1".into()), at(7));
    assert_eq!(TextMerge::Clash("a1\nb\nc".into()), at(6));
}

#[test]
fn a_lone_cr_and_a_lf_stay_two_line_ends() {
    cov_mark::check!(text_line_ends_stay_two);
    check_clean("y\na\nz", "y\na\rz", "y\na\n\nz", "y\na\r\rz");
}
