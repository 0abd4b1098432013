//! The laws of the text merge, exhaustively on tiny texts and at random on songs.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization as _;

fn copies(text: &str) -> BTreeMap<&str, i64> {
    let mut copies = BTreeMap::new();
    text.lines().for_each(|line| *copies.entry(line).or_default() += 1);
    copies
}

/// What all three texts have equally often is there that often, in clean merges and in clashes.
pub(super) fn check_copies(
    base: &str,
    server: &str,
    pushed: &str,
    merged: &str,
    what: impl Fn() -> String,
) {
    let [base, server, pushed, merged] = [base, server, pushed, merged].map(copies);
    for (line, n) in base {
        if server.get(line) == Some(&n) && pushed.get(line) == Some(&n) {
            let is = merged.get(line).copied().unwrap_or(0);
            assert_eq!(n, is, "all have {line:?} equally often: {}", what());
        }
    }
}

/// Both sides' changes in the number of copies; fewer only if both went the same way.
fn adds_up(server: i64, pushed: i64, merged: i64) -> bool {
    let (sum, least, most) = (server + pushed, server.min(pushed), server.max(pushed));
    match (0 <= least, most <= 0) {
        (true, _) => (most..=sum).contains(&merged),
        (_, true) => (sum..=least).contains(&merged),
        _ => sum == merged,
    }
}

/// The laws that need no knowledge of the texts; lines are single words.
pub(super) fn check_laws(base: &str, server: &str, pushed: &str) {
    let merges = [Later::Server, Later::Pushed].map(|later| merge(base, server, pushed, later));
    let what = || format!("{base:?} {server:?} {pushed:?} -> {merges:?}");

    let other = [Later::Pushed, Later::Server].map(|later| merge(base, pushed, server, later));
    assert_eq!(merges, other, "swapping the sides changes nothing: {}", what());
    let clean = merges.each_ref().map(|merge| matches!(merge, TextMerge::Clean(_)));
    assert_eq!(clean[0], clean[1], "who is later is no matter: {}", what());
    if clean[0] {
        // Only the line ends may be either side's.
        let same = text(&merges[0]).lines().eq(text(&merges[1]).lines());
        assert!(same, "a clean merge does not depend on who is later: {}", what());
    }
    for merge in &merges {
        check_copies(base, server, pushed, text(merge), what);
    }
    let texts = [base, server, pushed, text(&merges[0]), text(&merges[1])].map(copies);
    for line in texts.iter().flat_map(|text| text.keys()).filter(|line| !line.is_empty()) {
        let [base, server, pushed, if_server, if_pushed] =
            texts.each_ref().map(|text| text.get(line).copied().unwrap_or(0));
        assert!(server - base <= if_server, "{line} of the later server is lost: {}", what());
        assert!(pushed - base <= if_pushed, "{line} of the later push is lost: {}", what());
        assert!(0 < base || 0 < server || 0 < pushed, "{line} is from nowhere: {}", what());
        let adds_up = adds_up(server - base, pushed - base, if_server - base);
        assert!(!clean[0] || adds_up, "copies of {line}: {}", what());
    }
}

/// Every text of at most `n` of the two `lines`, with and without a last line break.
fn texts(lines: [&str; 2], n: usize) -> Vec<String> {
    let mut texts = vec![String::new()];
    for _ in 0..n {
        let longer = texts.iter().flat_map(|text| lines.map(|line| format!("{text}{line}\n")));
        texts = longer.chain([String::new()]).collect();
    }
    let open = |text: &String| text.strip_suffix('\n').unwrap_or_default().to_owned();
    let mut all: Vec<String> = texts.iter().map(open).chain(texts.iter().cloned()).collect();
    all.sort();
    all.dedup();
    all
}

fn check_all(texts: &[String]) {
    for base in texts {
        for server in texts {
            for pushed in texts {
                check_laws(base, server, pushed);
            }
            let unchanged = TextMerge::Clean(server.clone());
            assert_eq!(unchanged, merge(base, server, base, Later::Pushed));
            assert_eq!(unchanged, merge(base, base, server, Later::Server));
            assert_eq!(unchanged, merge(base, server, server, Later::Server));
        }
    }
}

#[test]
fn all_laws_hold_for_all_tiny_texts() {
    let closed = |text: &String| text.is_empty() || text.ends_with('\n');
    check_all(&texts(["a", "b"], 4).into_iter().filter(closed).collect::<Vec<_>>());
    check_all(&texts(["a", ""], 3));
}

/// A song as lines of words; every word but the refrain's occurs once, so it can be looked for.
fn song() -> Vec<String> {
    let verse =
        |v: usize| (0..3).map(move |line| format!("v{v}l{line}a v{v}l{line}b v{v}l{line}c"));
    let hui = || ["aloha oe", "e ke onaona", "a hui hou"].map(String::from);
    let verses = (0..3).map(|v| verse(v).chain([String::new()]).chain(hui()));
    verses.map(Iterator::collect::<Vec<_>>).collect::<Vec<_>>().join(&String::new())
}

#[derive(Clone, Debug)]
enum Edit {
    AddVerse,
    RepeatRefrain,
    DeleteLine,
    ChangeWord(usize),
    AddWord(usize),
}

fn edits() -> impl Strategy<Value = Vec<(usize, Edit)>> {
    let edit = prop_oneof![
        Just(Edit::AddVerse),
        Just(Edit::RepeatRefrain),
        Just(Edit::DeleteLine),
        (0..3usize).prop_map(Edit::ChangeWord),
        (0..3usize).prop_map(Edit::AddWord),
    ];
    // Few places, so that neighbours and the same line are common.
    prop::collection::vec((0..12usize, edit), 1..5)
}

/// Applies `edits`; new words start with `tag`, and each occurs once.
fn edited(tag: char, edits: &[(usize, Edit)]) -> String {
    let mut lines = song();
    for (n, (at, edit)) in edits.iter().enumerate() {
        let at = at % lines.len();
        let new = format!("{tag}{n}");
        let mut words: Vec<String> = lines[at].split(' ').map(Into::into).collect();
        match edit {
            Edit::AddVerse => {
                drop(lines.splice(at..at, [new.clone(), format!("{new}b"), String::new()]))
            }
            Edit::RepeatRefrain => drop(lines.splice(at..at, song()[4..7].to_vec())),
            Edit::DeleteLine => drop(lines.remove(at)),
            Edit::ChangeWord(word) => {
                let word = word % words.len();
                words[word] = new;
                lines[at] = words.join(" ");
            }
            Edit::AddWord(word) => {
                words.insert(word % (words.len() + 1), new);
                lines[at] = words.join(" ");
            }
        }
    }
    lines.join("\n")
}

fn words(text: &str) -> BTreeMap<&str, i64> {
    let mut words = BTreeMap::new();
    text.split_whitespace().for_each(|word| *words.entry(word).or_default() += 1);
    words
}

/// Whether `side` has `word` in a line that it changed: an edit outlives a deletion.
fn edited_beside(word: &str, side: &str, base: &str) -> bool {
    let mut with_word = side.lines().filter(|line| line.split(' ').any(|w| w == word));
    with_word.any(|line| base.lines().all(|old| old != line))
}

proptest! {
    #![proptest_config(crate::support::cases(2000))]

    #[test]
    fn clean_merges_have_the_words_of_both_sides(server in edits(), pushed in edits()) {
        let base = song().join("\n");
        let (server, pushed) = (edited('s', &server), edited('p', &pushed));

        let merged = merge(&base, &server, &pushed, Later::Server);

        let clean = matches!(merged, TextMerge::Clean(_));
        let merged = text(&merged);
        let texts = [base.as_str(), &server, &pushed, merged].map(words);
        for word in texts.iter().flat_map(|text| text.keys()) {
            let [in_base, in_server, in_pushed, in_merged] =
                texts.each_ref().map(|text| text.get(word).copied().unwrap_or(0));
            // Which copy of the refrain a word is in cannot be seen from the outside.
            if 1 < in_base {
                continue;
            }
            let adds_up = adds_up(in_server - in_base, in_pushed - in_base, in_merged - in_base)
                || (in_server == 0 && edited_beside(word, &pushed, &base))
                || (in_pushed == 0 && edited_beside(word, &server, &base));
            prop_assert!(!clean || adds_up, "{in_merged} copies of {word} in {merged:?}");
            prop_assert!(in_server - in_base <= in_merged, "the later side's {word} is lost");
        }
    }

    #[test]
    fn swapping_the_sides_changes_nothing(server in edits(), pushed in edits()) {
        let base = song().join("\n");
        let (server, pushed) = (edited('s', &server), edited('p', &pushed));
        for later in [Later::Server, Later::Pushed] {
            let there = merge(&base, &server, &pushed, later);
            prop_assert_eq!(there, merge(&base, &pushed, &server, swapped(later)));
        }
    }

    #[test]
    fn any_spelling_merges_alike(
        texts in prop::array::uniform3("(e|é|e\u{301}|\n|\r|\r\n| ){0,8}"),
    ) {
        // Few characters, which all have two spellings.
        let [base, server, pushed] = &texts;
        let plain = |text: &str| text.nfc().collect::<String>().lines().collect::<Vec<_>>().join("\n");
        for later in [Later::Server, Later::Pushed] {
            let merged = merge(base, server, pushed, later);
            prop_assert_eq!(&merged, &merge(base, pushed, server, swapped(later)));
            let same = merge(base, server, &server.nfd().collect::<String>(), later);
            prop_assert!(matches!(&same, TextMerge::Clean(text) if plain(text) == plain(server)));
        }
    }

    #[test]
    fn different_lines_that_keep_their_number_never_clash(
        lines in prop::collection::vec(("(hui|a|b|)", 0..4u8), 1..9),
    ) {
        // Each line is left alone, or changed by one side.
        let written = |by: &[u8], tag: &str| -> String {
            let line = |(at, (line, who)): (usize, &(String, u8))| match by.contains(who) {
                true => format!("{tag}{at}\n"),
                false => format!("{line}\n"),
            };
            lines.iter().enumerate().map(line).collect()
        };
        let (base, server, pushed) = (written(&[], ""), written(&[1], "n"), written(&[2], "n"));
        for later in [Later::Server, Later::Pushed] {
            let merged = merge(&base, &server, &pushed, later);
            prop_assert_eq!(TextMerge::Clean(written(&[1, 2], "n")), merged);
        }
    }
}
