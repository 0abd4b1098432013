//! What has no blank in it is one word: part of one value beside part of another is a value that
//! nobody wrote.

use super::*;

/// Both change `base`, and the later value is taken whole.
#[track_caller]
fn check_whole(base: &str, server: &str, pushed: &str) {
    check_clash(base, server, pushed, server, pushed);
    let line = |word: &str| format!("Hālau at {word} by the sea\nb\nc");
    check_clash(&line(base), &line(server), &line(pushed), &line(server), &line(pushed));
}

#[test]
fn two_times_are_not_mixed() {
    check_whole("18:30", "19:30", "18:45");
}

#[test]
fn two_dates_are_not_mixed() {
    check_whole("2026-11-23", "2026-11-24", "2026-12-23");
    check_whole("23/11/2026", "24/11/2026", "23/12/2026");
    check_whole("23.11.2026", "24.11.2026", "23.12.2026");
}

#[test]
fn two_telephone_numbers_are_not_mixed() {
    check_whole("808-555-0123", "808-555-0199", "415-555-0123");
    check_whole("(808)555-0123", "(808)555-0199", "(415)555-0123");
}

#[test]
fn the_blanks_of_a_telephone_number_do_not_part_it() {
    check_whole("808 555 0123", "808 555 0199", "415 555 0123");
    check_whole("+1 (808) 555 0123", "+1 (808) 555 0199", "+1 (415) 555 0123");
}

#[test]
fn two_addresses_are_not_mixed() {
    check_whole("a.kai@example.org", "b.kai@example.org", "a.kai@example.net");
    check_whole(
        "https://example.org/mele?id=1",
        "https://example.org/oli?id=1",
        "https://example.org/mele?id=2",
    );
}

#[test]
fn two_flags_are_not_mixed() {
    let (un, gs, gb) = ("\u{1F1FA}\u{1F1F3}", "\u{1F1EC}\u{1F1F8}", "\u{1F1EC}\u{1F1E7}");
    check_whole("\u{1F1FA}\u{1F1F8}", un, gs);
    check_whole(un, gs, gb);
}

#[test]
fn two_people_of_one_family_are_not_mixed() {
    let family = |a: &str, b: &str| format!("{a}\u{200D}{b}\u{200D}\u{1F466}");
    let (base, server) = (family("\u{1F468}", "\u{1F469}"), family("\u{1F469}", "\u{1F469}"));
    check_whole(&base, &server, &family("\u{1F468}", "\u{1F468}"));
}

#[test]
fn a_line_of_a_script_without_blanks_is_one_word() {
    check_whole("雨は山の上に降る", "雨は山の上に降った", "雪は山の上に降る");
}

#[test]
fn a_word_and_the_punctuation_at_it_are_one_word() {
    check_whole("(aloha)", "(aloha", "aloha)");
    check_whole("mele,", "mele;", "oli,");
}

#[test]
fn the_words_beside_a_number_are_words_of_their_own() {
    check_clean("Pauku 1 ua 2 kai", "Paukū 1 ua 2 kai", "Pauku 1 uē 3 kai", "Paukū 1 uē 3 kai");
}

#[test]
fn a_mark_on_a_blank_is_part_of_the_word() {
    // The macron stands on the blank: cut off, it would end up on whatever comes before it.
    let base = "ka ua \u{304}a i uka";
    let (server, pushed) = ("kā ua \u{304}a i uka", "ka ua \u{304}e i uka");
    check_clean(base, server, pushed, "kā ua \u{304}e i uka");
    check_whole("a \u{304}a", "a \u{304}e", "e \u{304}a");
    check_whole("a \u{1F3FD}a", "a \u{1F3FD}e", "e \u{1F3FD}a");
}

#[test]
fn a_blank_that_a_character_before_it_holds_is_part_of_the_word() {
    // U+0600 belongs to what follows it.
    check_whole("\u{600} 1a", "\u{600} 1e", "\u{600}\u{600} 1a");
}

#[test]
fn a_mark_that_would_come_to_stand_on_a_blank_is_a_clash() {
    let (base, server, pushed) = ("b c d e", "x b c d e", "\u{301}b c d e");
    check_clash(base, server, pushed, server, pushed);
}

#[test]
fn words_parted_by_other_blanks_are_words() {
    let line = |blank: &str| ["ka", "ua", "i", "uka"].join(blank);
    for blank in [" ", "  ", "\t", "\u{A0}", "\u{3000}", "\u{2003}"] {
        let base = line(blank);
        let (server, pushed) = (base.replace("ka", "kā"), base.replace("ua", "uē"));
        check_clean(&base, &base.replacen("ka", "kā", 1), &pushed, &pushed.replacen("ka", "kā", 1));
        assert_ne!(server, pushed);
    }
}
