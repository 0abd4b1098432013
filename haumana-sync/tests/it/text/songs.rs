//! Songs with refrains, edited in every pair of places.

use super::*;

fn lines(text: &str) -> Vec<String> {
    text.lines().map(Into::into).collect()
}

fn changed(text: &str, at: usize, change: impl Fn(&mut Vec<String>, usize)) -> Vec<String> {
    let mut lines = lines(text);
    change(&mut lines, at);
    lines
}

/// Every pair of places: what the server does at one and the push at the other both survive.
#[track_caller]
fn check_every_pair(
    server: impl Fn(&mut Vec<String>, usize),
    pushed: impl Fn(&mut Vec<String>, usize),
) {
    let n_lines = lines(ALOHA_OE).len();
    for at in 0..n_lines {
        for other in (0..n_lines).filter(|other| *other != at) {
            let mut both = changed(
                ALOHA_OE,
                at.max(other),
                if at < other { &pushed as &dyn Fn(&mut Vec<String>, usize) } else { &server },
            );
            if at < other {
                server(&mut both, at)
            } else {
                pushed(&mut both, other)
            }

            let server = changed(ALOHA_OE, at, &server).join("\n");
            let pushed = changed(ALOHA_OE, other, &pushed).join("\n");
            check_clean(ALOHA_OE, &server, &pushed, &both.join("\n"));
        }
    }
}

fn set(lines: &mut [String], at: usize, text: &str) {
    lines[at] = text.into();
}

#[test]
fn edits_of_different_lines_both_survive_neighbours_too() {
    check_every_pair(|l, at| set(l, at, "server"), |l, at| set(l, at, "pushed"));
}

#[test]
fn a_line_added_and_another_changed_both_survive() {
    check_every_pair(|l, at| l.insert(at, "server".into()), |l, at| set(l, at, "pushed"));
}

#[test]
fn a_line_deleted_and_another_changed_both_survive() {
    check_every_pair(|l, at| drop(l.remove(at)), |l, at| set(l, at, "pushed"));
}

#[test]
fn lines_added_in_different_places_both_survive() {
    check_every_pair(|l, at| l.insert(at, "server".into()), |l, at| l.insert(at, "pushed".into()));
}

#[test]
fn different_words_of_a_line_both_survive() {
    let base = "Ke nihi aʻela i ka nahele";
    let with = |at: usize, word: &str, base: &str| {
        let words = base.split(' ').enumerate();
        let words = words.map(|(i, old)| if i == at { word } else { old });
        words.collect::<Vec<_>>().join(" ")
    };
    for at in 0..6 {
        for other in (0..6).filter(|other| *other != at) {
            let (server, pushed) = (with(at, "server", base), with(other, "pushed", base));
            check_clean(base, &server, &pushed, &with(other, "pushed", &server));
        }
    }
}

#[test]
fn another_copy_of_the_refrain_and_an_edit_of_the_first_both_survive() {
    let hui = "Aloha ʻoe, aloha ʻoe\nE ke onaona noho i ka lipo\n\
        One fond embrace, a hoʻi aʻe au\nUntil we meet again";
    let server = format!("{ALOHA_OE}\n\n{hui}");
    let pushed = ALOHA_OE.replacen("Until we", "Until we two", 1);

    check_clean(ALOHA_OE, &server, &pushed, &format!("{pushed}\n\n{hui}"));
}

#[test]
fn the_same_copy_of_the_refrain_added_by_both_is_one_copy() {
    let pushed = "title\nverse\nhui\nhui\n";
    check_clean("verse\nhui\n", "verse\nhui\nhui\n", pushed, pushed);
}

#[test]
fn copies_that_slide_into_the_next_edit_are_part_of_it() {
    let pushed = "b\nb\nb\nb\n";
    check_clean("a\nb\na\na\n", "b\na\nb\nb\n", pushed, pushed);
}

#[test]
fn a_line_that_both_moved_into_one_stretch_is_there_in_one_form() {
    let (k0, k1, k2) = ("a0 b0 wai c0", "a1 b1 wai c1 kai d1 lani", "a2 b2 wai c2 kai d2 lani");
    let (k3, hui) = ("a3 b3 c3 wai", "Hui e ka pua");
    let base = [k0, k1, k2, hui, k3, hui].join("\n");
    let server = [k0, "a3 b3 c3 new", k1, k2].join("\n");
    let pushed = [k3, "a1 b1 other c1 kai d1 lani", k2, hui, k0, hui].join("\n");
    check_clash(&base, &server, &pushed, &server, &pushed);
    let (server, pushed) = ("\na2\na1 new", "\na1 wai\na2");
    check_clash("a1 wai\n\na2 wai", server, pushed, server, pushed);
}

#[test]
fn words_of_lines_that_have_nothing_to_do_with_each_other_are_not_mixed() {
    cov_mark::check!(text_lines_that_nobody_wrote_are_given_up);
    // Both sides know lines that the base has not, as behind a restore.
    let server = "k0 new\nk2 other\n\nHui e ka pua";
    let pushed = "before\n\nmore\nk0 new\nk1 a wai c\nk2 other\n";
    check_clash("k0 wai", server, pushed, &format!("{server}\n"), pushed);
}

#[test]
fn half_a_move_is_not_left_behind() {
    // Both moved 1; the server moved x along with it, from elsewhere.
    let base = "1\n2\n3\n4\n5\nx\n6";
    let (server, pushed) = ("2\n3\n1\nx\n4\n5\n6", "2\n3\n4\n1\n5\nx\n6");
    check_clash(base, server, pushed, server, pushed);
}

#[test]
fn a_word_moved_to_two_places_is_a_clash() {
    let base = "a b c d e f g h i j k l";
    let (server, pushed) = ("b c d e a f g h i j k l", "b c d e f g h i a j k l");
    check_clash(base, server, pushed, server, pushed);
}

#[test]
fn a_word_with_an_okina_or_a_kahako_is_one_word_however_it_is_typed() {
    for word in ["mo'ali", "mo`ali", "mo‘ali", "mo’ali", "moʻali", "mo\u{304}ali", "mōali"] {
        let base = format!("ka {word} nui");
        let (server, pushed) = (base.replace(" m", " k"), base.replace("li", "le"));
        check_clash(&base, &server, &pushed, &server, &pushed);
    }
}

#[test]
fn a_blank_line_deleted_and_filled_is_a_clash() {
    check_clash("a\n\nb", "a\nb", "a\nx\nb", "a\nb", "a\nx\nb");
}

#[test]
fn emptying_a_text_that_the_other_edits_is_a_clash() {
    check_clash("a\nb\n", "", "A\nb\n", "", "A\nb\n");
}

#[test]
fn hundreds_of_edits_of_a_long_text_all_survive() {
    let text = |server: &str, pushed: &str| {
        let before = |i: usize| match i % 10 {
            0 => server,
            5 => pushed,
            _ => "",
        };
        (0..5000).map(|i| format!("{}{i}\n", before(i))).collect::<String>()
    };
    check_clean(&text("", ""), &text("s\n", ""), &text("", "p\n"), &text("s\n", "p\n"));
}

#[test]
fn deleting_a_line_that_the_other_edits_is_a_clash() {
    check_clash("a b c\nd\ne", "d\ne", "a b C\nd\nE", "d\nE", "a b C\nd\nE");
}

#[test]
fn copies_of_a_refrain_that_are_edited_in_turn_are_edited_where_they_stand() {
    let base = "a\nhui\nhui\nhui\nb\n";
    let (server, pushed) = ("a\nhui\nhui 2\nhui\nb\n", "a\nhui 1\nhui\nhui 3\nb\n");
    check_clean(base, server, pushed, "a\nhui 1\nhui 2\nhui 3\nb\n");
}
