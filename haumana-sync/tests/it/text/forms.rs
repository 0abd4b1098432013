//! A line is followed in all its forms: edited, moved, or both. A line of the base that neither side
//! deleted is in the merge once for each of its copies.

use super::*;
use haumana_sim::dice::Dice;

/// How many merges of songs there are.
const SONGS: u64 = 20_000;

/// Writes a text whose lines are given with ` / ` between them; `_` is a blank line.
fn written(lines: &str) -> String {
    let line = |line: &str| if line == "_" { String::new() } else { line.to_owned() };
    lines.split(" / ").map(line).collect::<Vec<_>>().join("\n")
}

/// The later side's text wins as a whole, both ways round.
#[track_caller]
fn check_later_wins(base: &str, earlier: &str, later: &str) {
    let [base, earlier, later] = [base, earlier, later].map(written);
    let expected = TextMerge::Clash(later.clone());
    assert_eq!(expected, merge(&base, &earlier, &later, Later::Pushed));
    assert_eq!(expected, merge(&base, &later, &earlier, Later::Server), "swapped");
}

#[test]
fn a_line_that_the_later_side_left_alone_is_not_lost_with_the_edit_of_its_neighbour() {
    cov_mark::check!(text_a_line_in_another_form_does_not_add_up);
    check_later_wins(
        "Hui / _ / kai d e f / _ / lani g h i",
        "Hui / _ / _ / kai d e f SS1 / _ / lani g h i SS0",
        "Hui / _ / kai d e f / _ / lani g h i PP0",
    );
}

#[test]
fn a_verse_that_both_moved_and_edited_is_not_there_twice() {
    check_later_wins(
        "uka a b c / Hui / _ / kai d e f / Hui",
        "kai d e f / Hui / _ / uka a b c SS / Hui SS",
        "kai d e f / Hui / _ / uka a b c PP / Hui",
    );
}

#[test]
fn a_verse_that_both_moved_elsewhere_and_edited_is_not_there_twice() {
    check_later_wins(
        "1 a b c / _ / 2 a b c / _ / 3 a b c / _ / 4 a b c",
        "1 a b c / _ / 2 a b c / _ / 4 a b c / _ / 3 a b c PP",
        "2 a b c / _ / 3 a b c SS / _ / 1 a b c / _ / 4 a b c",
    );
}

#[test]
fn a_line_that_was_moved_and_edited_is_not_lost_with_a_deleted_refrain() {
    check_later_wins("Hui / Hui / la la la", "Hui / la la la x / Hui", "la la la");
}

#[test]
fn no_scrap_is_left_of_an_edit_of_a_line_that_the_other_side_moved() {
    check_later_wins(
        "uka a b / moku d e / _ / kai g h / _ / lani j k",
        "lani j k / _ / uka a b / moku d e / _ / kai g h",
        "kai g h / _ / uka a b / moku d e / _ / lani j k PP",
    );
}

#[test]
fn a_verse_of_the_later_side_is_not_lost_because_the_other_side_moved_and_edited_it() {
    check_later_wins(
        "uka a / moku d / _ / kai g / Hui / _ / lani j",
        "kai g PP / Hui PP / _ / uka a / moku d / _ / lani j",
        "lani j / _ / uka a / moku d / _ / kai g / Hui",
    );
}

#[test]
fn lines_that_one_side_swapped_and_edited_are_neither_lost_nor_doubled() {
    check_later_wins(
        "uka a b / _ / kai d e",
        "kai d e SS / _ / uka a b SS",
        "uka a b / _ / kai d e PP",
    );
}

#[test]
fn words_of_one_line_are_not_added_to_another() {
    check_later_wins(
        "1 o i kai / _ / 2 nani / _ / 3 o o o",
        "1 o i kai / _ / 2 nani SS / _ / 3 o o o",
        "1 o i kai PP / _ / 3 o o o / _ / 2 nani PP",
    );
}

#[test]
fn a_refrain_with_a_new_word_is_not_lost_in_the_words_of_its_hunk() {
    let base = written("1 a / 2 b / hui kai / _ / hui kai / 3 c / 4 d");
    let earlier = written("hui kai / 3 c / 4 d / _ / 1 a / 2 b / hui kai / new");
    let later = written("hui kai PP / 3 c / 4 d / _ / 1 a / 2 b / hui kai");

    let merged = merge(&base, &earlier, &later, Later::Pushed);

    assert_eq!(TextMerge::Clash(format!("{later}\nnew")), merged);
}

/// A song in which each line but the refrain begins with a number of its own.
fn song(dice: &mut Dice) -> Vec<String> {
    const WORDS: [&str; 8] = ["uka", "kai", "lani", "pua", "ka", "i", "la", "o"];
    let refrain = *dice.pick(&["Hui", "Hui e ka pua"]);
    let mut song: Vec<String> = Vec::new();
    for verse in 0..1 + dice.below(4) {
        if 0 < verse {
            song.push(String::new());
        }
        for line in 0..1 + dice.below(3) {
            let words = (0..1 + dice.below(3)).map(|_| *dice.pick(&WORDS));
            let words: Vec<&str> = words.collect();
            song.push(format!("#{verse}.{line} {}", words.join(" ")));
        }
        if dice.chance(60) {
            song.push(refrain.into());
        }
    }
    song
}

fn is_free(line: &str) -> bool {
    line.starts_with('#')
}

/// What a student makes of a song. New words begin with `tag`.
fn edited(dice: &mut Dice, tag: &str, mut song: Vec<String>) -> Vec<String> {
    let kinds = *dice.pick(&[2, 4, 6, 9]);
    for n in 0..1 + dice.below(3) {
        let new = format!("{tag}{n}");
        let at = dice.below(song.len());
        let line = song[at].clone();
        match dice.below(kinds) {
            0 | 1 if is_free(&line) => song[at] = format!("{line} {new}"),
            2 | 3 => song = with_verse_moved(dice, &song),
            4 if !line.is_empty() => song[at] = format!("{line} {new}"),
            5 => {
                let line = song.remove(at);
                song.insert(dice.below(song.len() + 1), line);
            }
            6 => song.insert(at, format!("new {new}")),
            7 if 1 < song.len() && is_free(&line) => drop(song.remove(at)),
            8 if line.is_empty() => drop(song.remove(at)),
            8 => song.insert(at, String::new()),
            _ => {}
        }
    }
    song
}

fn with_verse_moved(dice: &mut Dice, song: &[String]) -> Vec<String> {
    let mut verses: Vec<Vec<String>> = song.split(String::is_empty).map(Into::into).collect();
    let verse = verses.remove(dice.below(verses.len()));
    verses.insert(dice.below(verses.len() + 1), verse);
    verses.join(&String::new())
}

/// How many lines of `text` have `word`.
fn n_lines(text: &str, word: &str) -> usize {
    text.lines().filter(|line| line.split(' ').any(|w| w == word)).count()
}

/// The base, the earlier and the later text, and their merge.
fn check_forms(texts: [&str; 4], is_clean: bool, what: impl Fn() -> String) {
    let [base, earlier, later, merged] = texts;
    for name in base.split_whitespace().filter(|word| is_free(word) || *word == "Hui") {
        let [n, in_earlier, in_later, is] = texts.map(|text| n_lines(text, name));
        assert!(is <= n, "{name} is there {is} times: {}", what());
        if in_earlier == n && in_later == n {
            assert_eq!(n, is, "nobody deleted {name}: {}", what());
        }
    }
    for line in merged.lines().filter(|line| !line.is_empty()) {
        let is_known = is_free(line) || ["Hui", "new"].iter().any(|word| line.starts_with(word));
        assert!(is_known, "{line:?} is a scrap: {}", what());
    }
    let mut sides = [(earlier, is_clean), (later, true)].into_iter();
    assert!(
        sides.all(|(side, must)| {
            let mut new = side
                .split(['\n', ' '])
                .filter(|word| ["SS", "PP"].iter().any(|tag| word.starts_with(tag)));
            new.all(|word| !must || n_lines(merged, word) == 1)
        }),
        "new words are lost or doubled: {}",
        what()
    );
}

#[test]
fn a_line_that_nobody_deleted_is_there_once_for_each_copy() {
    let seeds = match std::env::var("HAUMANA_TEXT_SEED").map(|seed| seed.parse()) {
        Ok(Ok(seed)) => seed..seed + 1,
        _ => 0..SONGS,
    };
    let mut n_clashes = 0;
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let song = song(&mut dice);
        let earlier = edited(&mut dice, "SS", song.clone()).join("\n");
        let later = edited(&mut dice, "PP", song.clone()).join("\n");
        let base = song.join("\n");

        let merged = merge(&base, &earlier, &later, Later::Pushed);

        let what = || {
            format!(
                "\nbase\n{base}\n\nearlier\n{earlier}\n\nlater\n{later}\n\n{merged:?}\n\n\
                 HAUMANA_TEXT_SEED={seed} cargo test -p haumana-sync --test it text::forms"
            )
        };
        let is_clean = matches!(merged, TextMerge::Clean(_));
        n_clashes += u64::from(!is_clean);
        check_forms([&base, &earlier, &later, text(&merged)], is_clean, what);
        assert_eq!(merged, merge(&base, &later, &earlier, Later::Server), "swapped: {}", what());
    }
    // A merge that gives up too soon keeps every line, and is of no use.
    assert!(n_clashes < SONGS * 30 / 100, "{n_clashes} of {SONGS} merges clash");
}
