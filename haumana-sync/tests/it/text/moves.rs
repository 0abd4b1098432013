//! Verses that one side moved. Half a move is no move.

use super::*;

/// Verses of two lines each, in the order of their numbers.
fn verses(numbers: &[usize]) -> String {
    let verse = |n: &usize| format!("pauku {n} ka ua i uka\nhope {n} o ke kai\n");
    numbers.iter().map(verse).collect::<Vec<_>>().join("\n")
}

/// Merges both ways round: `earlier` and `later` are edits of `base`.
#[track_caller]
fn check_later(base: &str, earlier: &str, later: &str, expected: TextMerge) {
    assert_eq!(expected, merge(base, earlier, later, Later::Pushed));
    assert_eq!(expected, merge(base, later, earlier, Later::Server), "swapped");
}

#[test]
fn a_verse_moved_by_one_and_mended_by_the_other_is_mended_in_its_new_place() {
    cov_mark::check!(text_move_and_edit_of_what_moved);
    let moved = verses(&[2, 3, 1]);
    let mended = verses(&[1, 2, 3]).replace("hope 1 o", "hope 1 ʻo");

    check_clean(&verses(&[1, 2, 3]), &moved, &mended, &moved.replace("hope 1 o", "hope 1 ʻo"));
}

#[test]
fn a_verse_of_one_line_is_mended_where_it_moved() {
    let (base, moved) = ("Aloha oe e\nb\nc", "b\nc\nAloha oe e");
    check_clean(base, moved, "Aloha ʻoe e\nb\nc", "b\nc\nAloha ʻoe e");
}

#[test]
fn every_verse_moved_anywhere_is_mended_there() {
    for n in 2..5 {
        for (from, to, mended) in
            (0..n).flat_map(|from| (0..n).flat_map(move |to| (0..n).map(move |at| (from, to, at))))
        {
            let order: Vec<usize> = (0..n).collect();
            let mut new_order = order.clone();
            let verse = new_order.remove(from);
            new_order.insert(to, verse);
            let mend =
                |text: String| text.replace(&format!("{mended} ka ua"), &format!("{mended} ka uē"));

            check_clean(
                &verses(&order),
                &verses(&new_order),
                &mend(verses(&order)),
                &mend(verses(&new_order)),
            );
        }
    }
}

#[test]
fn a_line_added_inside_a_verse_moves_along() {
    let (base, moved) = (verses(&[1, 2, 3]), verses(&[3, 1, 2]));
    let add = |text: &str| text.replace("hope 3", "waena 3\nhope 3");
    check_clean(&base, &moved, &add(&base), &add(&moved));
}

#[test]
fn each_side_moves_a_verse_that_the_other_mends() {
    let base = verses(&[1, 2, 3, 4, 5, 6]);
    let server = verses(&[2, 3, 1, 4, 5, 6]).replace("hope 5 o", "hope 5 ʻo");
    let pushed = verses(&[1, 2, 3, 4, 6, 5]).replace("hope 1 o", "hope 1 ʻo");

    let both = verses(&[2, 3, 1, 4, 6, 5]).replace("hope 5 o", "hope 5 ʻo");
    check_clean(&base, &server, &pushed, &both.replace("hope 1 o", "hope 1 ʻo"));
}

#[test]
fn a_refrain_that_moves_along_with_its_verse_is_there_as_often_as_before() {
    let (v1, v2, hui) = ("pauku 1 ka ua\nhope 1\n", "pauku 2 ke kai\nhope 2\n", "aloha\nʻoe\n");
    let base = format!("{v1}{hui}\n{v2}{hui}\n{hui}");
    let moved = format!("{v2}{hui}\n{v1}{hui}\n{hui}");

    let mend = |text: &str| text.replace("1 ka ua", "1 ka uē");
    check_clean(&base, &moved, &mend(&base), &mend(&moved));
}

#[test]
fn a_verse_moved_to_where_the_other_adds_one_stays_where_the_later_side_has_it() {
    let (base, moved, added) = ("1\n2\n3", "2\n3\n1", "1\n2\n3\n4");
    check_clash(base, moved, added, moved, added);
}

#[test]
fn a_move_of_which_one_half_clashes_is_given_up_and_other_edits_are_not() {
    let base = "0\na\n1\n2\n3\n4\n5\n6";
    let (earlier, later) = ("zero\na\n2\n3\n1\n4\n5\n6", "0\na\n1\n2\n3\nx\ny\n4\n5\nsix");
    let both = "zero\na\n1\n2\n3\nx\ny\n4\n5\nsix";
    check_later(base, earlier, later, TextMerge::Clash(both.into()));
}

#[test]
fn two_moves_of_one_verse_take_the_later_place_and_other_edits_survive() {
    let base = verses(&[1, 2, 3, 4, 5]);
    let earlier = verses(&[2, 1, 3, 4, 5]).replace("hope 5 o", "hope 5 ʻo");
    let later = verses(&[2, 3, 4, 1, 5]).replace("hope 3 o", "hope 3 ʻo");

    let both = later.replace("hope 5 o", "hope 5 ʻo");
    check_later(&base, &earlier, &later, TextMerge::Clash(both));
}

#[test]
fn a_verse_moved_by_one_and_deleted_by_the_other_is_where_the_later_side_has_it() {
    let (base, moved, deleted) = (verses(&[1, 2, 3]), verses(&[2, 3, 1]), verses(&[2, 3]));
    check_clash(&base, &moved, &deleted, &moved, &deleted);
}

#[test]
fn a_verse_moved_by_one_and_rewritten_by_the_other_is_not_there_twice() {
    let (base, moved) = ("Aloha ʻoe e\nb\nc", "b\nc\nAloha ʻoe e");
    let rewritten = "Pua lehua o uka\nb\nc";
    check_clash(base, moved, rewritten, moved, rewritten);
}

#[test]
fn a_verse_is_not_moved_where_the_other_side_added_a_line_at_its_edge() {
    // Nobody can tell whether the new line belongs to the verse.
    let base = "a b c\nd\ne\nf\ng";
    let (moved, added) = ("e\nf\na b c\nd\ng", "a b C\nd\nnew\ne\nf\ng");
    check_clash(base, moved, added, "new\ne\nf\na b c\nd\ng", added);
}

#[test]
fn a_move_beside_a_move_of_the_other_side_is_not_made_in_its_text() {
    let base = "a b c\n2\n3\n4\n5\n6";
    let (server, pushed) = ("2\na b c\n3\n4\n5\n6", "a b C\n3\n4\n5\n2\n6");
    check_clash(base, server, pushed, "2\na b c\n3\n4\n5\n6", "a b C\n3\n4\n5\n2\n6");
}

#[test]
fn the_last_line_moves_with_the_line_end_that_it_needs() {
    check_clean("a b c\n2\n3", "3\na b c\n2", "a b c\n2\n3 x", "3 x\na b c\n2");
    check_clean("a b\r\n2\r\n3", "2\r\n3\r\na b", "a B\r\n2\r\n3", "2\r\n3\r\na B");
}

#[test]
fn lines_that_would_become_one_line_end_are_not_moved() {
    // Where the lone CR comes before the LF of the empty line, one of two lines would be gone.
    let base = "a b c\r2\n3\n\n4\n5";
    let (moved, mended) = ("2\n3\na b c\r\n4\n5", "a b C\r2\n3\n\n4\n5");
    for later in [Later::Server, Later::Pushed] {
        let merged = merge(base, moved, mended, later);
        assert_eq!(merged, merge(base, mended, moved, swapped(later)));
    }
}

#[test]
fn more_moves_than_one_merge_makes_are_the_later_sides() {
    cov_mark::check!(text_too_many_moves);
    let text = |shift: usize, word: &str| {
        let line = |n: usize| match n % 3 {
            0 => format!("a{0} b{0} c{0} {word}\n", (n / 3 + shift) % 70),
            rest => format!("stays {} {rest}\n", n / 3),
        };
        (0..210).map(line).collect::<String>()
    };
    let (base, moved, mended) = (text(0, "ua"), text(1, "ua"), text(0, "uē"));
    check_clash(&base, &moved, &mended, &moved, &mended);
}

#[test]
fn a_chain_of_lines_each_in_the_place_of_the_next_is_given_up_whole() {
    cov_mark::check!(text_all_is_given_up);
    let text = |shift: usize, first: &str| {
        let line = |n: usize| match (n + shift) % 80 {
            0 => format!("{first}\nstays {n}\n"),
            line => format!("line {line}\nstays {n}\n"),
        };
        (0..80).map(line).collect::<String>()
    };
    let (base, moved) = (text(0, "line 0"), text(1, "line 0"));
    let changed = text(0, "another");
    check_clash(&base, &moved, &changed, &moved, &changed);
}

#[test]
fn a_blank_line_that_both_bring_to_one_place_is_there_once() {
    cov_mark::check!(text_blank_line_is_left_out);
    check_clean("a\n\nb\n\nc", "c\n\na\n\nb", "a\n\nc\n\nb", "c\n\na\n\nb");
}

#[test]
fn a_move_that_both_made_beside_one_of_one_side_has_no_order() {
    let base = "A1 A2\nM\nB1 B2\nX\nY\nZ\n";
    let (one, other) = ("A1 q\nM\nB1 B2\nX\nA1 A2\n", "A1 p\nM\nX\nB1 B2\nA1 A2\n");
    for later in [Later::Server, Later::Pushed] {
        assert_eq!(merge(base, one, other, later), merge(base, other, one, swapped(later)));
    }
}

/// Both sides take one copy of the refrain away, and one of them moves the other copy. Where the move
/// clashes, the deletion that belongs to it must not stay, or the last copy is gone.
#[test]
fn a_clash_that_drops_half_of_a_move_drops_the_other_half_too() {
    let (refrain, verse) = ("E ala e", "Ka la i ka hikina");
    let base = format!("{verse}\n{refrain}\n{refrain}\n");
    let begun = format!("Oli\n{verse}\n{refrain}\n");
    let turned = format!("{refrain}\n{verse}\n");

    check_clash(&base, &begun, &turned, &begun, &turned);
}
