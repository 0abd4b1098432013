//! The judge: the same for every system.

use crate::exhibit::Exhibit;
use crate::play::Ending;
use crate::record::{Record, View};
use std::collections::BTreeSet;
use std::fmt;

/// What became of the edits of an exhibit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// On no device and nowhere beside.
    pub lost: Vec<String>,
    /// In no record, but a person is told.
    pub told: Vec<String>,
    /// In no record and nobody is told, but the history has it.
    pub history: Vec<String>,
    /// There more often than it was typed.
    pub doubled: Vec<String>,
    /// Words that nobody typed, and blocks that were torn apart.
    pub garbled: Vec<String>,
    /// Deleted, and there again.
    pub back: Vec<String>,
    /// Devices that show something else than others, after everything was synced.
    pub apart: Vec<String>,
}

impl Verdict {
    /// Its lists, by name.
    pub fn parts(&self) -> [(&'static str, &Vec<String>); 7] {
        [
            ("lost", &self.lost),
            ("told", &self.told),
            ("history", &self.history),
            ("doubled", &self.doubled),
            ("garbled", &self.garbled),
            ("back", &self.back),
            ("apart", &self.apart),
        ]
    }

    /// Reads what [`Verdict`] prints.
    pub fn read(text: &str) -> Option<Self> {
        let mut verdict = Self::default();
        for part in text.split("; ").filter(|part| *part != "as expected") {
            let (name, words) = part.split_once(": ")?;
            let words: Vec<String> = words.split(", ").map(str::to_owned).collect();
            match name {
                "lost" => verdict.lost = words,
                "told" => verdict.told = words,
                "history" => verdict.history = words,
                "doubled" => verdict.doubled = words,
                "garbled" => verdict.garbled = words,
                "back" => verdict.back = words,
                "apart" => verdict.apart = words,
                _ => return None,
            }
        }
        Some(verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts().into_iter().filter(|(_, words)| !words.is_empty());
        let parts: Vec<String> =
            parts.map(|(name, words)| format!("{name}: {}", words.join(", "))).collect();
        f.write_str(if parts.is_empty() { "as expected" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

/// Judges what was there at the end.
pub fn judge(exhibit: &Exhibit, ending: &Ending) -> Verdict {
    let mut verdict = Verdict::default();
    let views = &ending.views;
    let least = |word: &str| views.iter().map(|view| times(view, word)).min().unwrap_or(0);
    let most = |word: &str| views.iter().map(|view| times(view, word)).max().unwrap_or(0);
    let has = |texts: &[String], word: &str| {
        texts.iter().any(|text| text.split_whitespace().any(|one| one == word))
    };
    for word in exhibit.keep.iter().filter(|word| least(word) == 0) {
        let list = if has(&ending.aside.told, word) {
            &mut verdict.told
        } else if has(&ending.aside.history, word) {
            &mut verdict.history
        } else {
            &mut verdict.lost
        };
        list.push(word.clone());
    }
    let typed = exhibit.typed();
    let records = || views.iter().flat_map(|view| view.values().flatten());
    let shown: BTreeSet<String> = records().flat_map(Record::words).collect();
    for word in shown.iter().filter(|word| !word.starts_with("done=")) {
        let limit =
            if exhibit.once.contains(word) { 1 } else { typed.get(word).copied().unwrap_or(0) };
        match (typed.contains_key(word), limit < most(word)) {
            (false, _) => verdict.garbled.push(word.clone()),
            (true, true) => verdict.doubled.push(word.clone()),
            (true, false) => {}
        }
    }
    for (record, count) in &exhibit.counters {
        let shown =
            |view: &View| view.get(record).into_iter().flatten().map(|of| of.count).sum::<i64>();
        let counts: Vec<i64> = views.iter().map(shown).collect();
        if let Some(less) = counts.iter().find(|shown| *shown < count) {
            // What a device had counted may stand beside, for a person to add.
            let is_other =
                |word: &str| word.starts_with("count=") && word != Record::count_word(*less);
            let mut told = ending.aside.told.iter().flat_map(|text| text.split_whitespace());
            let list = if told.any(is_other) { &mut verdict.told } else { &mut verdict.lost };
            list.push(format!("count {less} of {count}"));
        }
        if let Some(more) = counts.iter().find(|shown| count < shown) {
            verdict.doubled.push(format!("count {more} of {count}"));
        }
    }
    for block in &exhibit.blocks {
        let is_whole =
            |record: &Record| record.words().windows(block.len()).any(|words| words == block);
        let has_all = block.iter().all(|word| 0 < least(word));
        if has_all && !records().any(is_whole) {
            verdict.garbled.push(format!("{} torn apart", block.join(" ")));
        }
    }
    verdict.back = exhibit.gone.iter().filter(|word| 0 < most(word)).cloned().collect();
    if views.windows(2).any(|pair| pair[0] != pair[1]) {
        verdict.apart.push("devices".to_owned());
    }
    verdict
}

/// How often a device shows a word.
fn times(view: &View, word: &str) -> usize {
    let words = view.values().flatten().flat_map(Record::words);
    words.filter(|shown| shown == word).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Aside;

    fn exhibit() -> Exhibit {
        let script = [r#"one add r text="kahi|lua|kolu""#, "two tag r +hope"];
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Exhibit {
            keep: words(&["kahi", "lua"]),
            once: words(&["kolu"]),
            gone: words(&["hope"]),
            blocks: vec![words(&["kahi", "lua"])],
            counters: vec![("r".to_owned(), 2)],
            script: script.map(str::to_owned).to_vec(),
            ..Exhibit::default()
        }
    }

    fn view(text: &str, count: i64) -> View {
        let record = Record { text: text.to_owned(), count, ..Record::default() };
        View::from([("r".to_owned(), vec![record])])
    }

    fn check(expected: &str, views: &[View], aside: Aside) {
        let verdict = judge(&exhibit(), &Ending { views: views.to_vec(), aside });
        assert_eq!(expected, verdict.to_string());
        assert_eq!(Some(verdict), Verdict::read(expected), "what is printed can be read");
    }

    #[test]
    fn what_is_as_expected_has_no_list() {
        check("as expected", &[view("kahi lua kolu", 2)], Aside::default());
    }

    #[test]
    fn an_edit_that_one_device_lacks_is_lost_unless_it_is_kept_aside() {
        let views = || [view("kahi kolu", 2), view("kahi lua kolu", 2)];
        let (told, history) = (vec!["a lua".to_owned()], vec!["lua b".to_owned()]);
        check("lost: lua; apart: devices", &views(), Aside::default());
        let aside = Aside { history: history.clone(), ..Aside::default() };
        check("history: lua; apart: devices", &views(), aside);
        check("told: lua; apart: devices", &views(), Aside { told, history });
    }

    #[test]
    fn words_that_are_doubled_made_up_torn_apart_or_back_are_named() {
        check("doubled: kolu", &[view("kahi lua kolu kolu", 2)], Aside::default());
        check("garbled: kalua", &[view("kahi lua kalua kolu", 2)], Aside::default());
        check("garbled: kahi lua torn apart", &[view("lua kolu kahi", 2)], Aside::default());
        check("back: hope", &[view("kahi lua hope", 2)], Aside::default());
    }

    #[test]
    fn a_counter_that_shows_too_little_or_too_much_is_named() {
        check("lost: count 1 of 2", &[view("kahi lua", 1)], Aside::default());
        check("doubled: count 3 of 2", &[view("kahi lua", 3)], Aside::default());
        let told = vec!["count=7".to_owned()];
        let aside = Aside { told, ..Aside::default() };
        check("told: count 1 of 2", &[view("kahi lua", 1)], aside);
    }
}
