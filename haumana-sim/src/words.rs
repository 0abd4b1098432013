//! What students type: Hawaiian in both Unicode forms, refrains, stray blanks, any line end, and in
//! each new value a mark that exists nowhere else.
//!
//! Hawaiian is a good test: long vowels have two spellings in Unicode, the ʻokina is not ASCII, and
//! songs repeat lines. A text merge that compares bytes, or takes a line for unique, fails soon.

use super::content::{ASPECTS, FIELDS, line_mark};
use super::dice::Dice;

/// Two pairs are one word in two Unicode forms.
const WORDS: [&str; 10] = [
    "Aloha",
    "ʻoe",
    "k\u{101}hea",
    "ka\u{304}hea",
    "mele",
    "Hi\u{2bb}ilawe",
    "p\u{16b}",
    "pu\u{304}",
    "\u{1f33a} lei",
    "ē",
];

const REFRAIN: &str = "Ha\u{2bb}ina \u{2bb}ia mai ana ka puana";

/// A mark that exists nowhere else in the run, and says whose it is.
///
/// The form is `~u0w17~`: account 0, value 17. No other text has a tilde.
pub fn mark(user: usize, number: usize) -> String {
    format!("~u{user}w{number}~")
}

/// The beginning of every mark of an account.
pub fn mark_of(user: usize) -> String {
    format!("~u{user}w")
}

/// The marks in a text.
///
/// They are in the order of the text; a duplicate is returned twice.
pub fn marks(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("~u") {
        if let Some(end) = text[at + 2..].find('~') {
            found.push(text[at..at + end + 3].to_owned());
        }
    }
    found
}

/// A short text.
pub fn short(dice: &mut Dice, mark: &str) -> String {
    format!("{} {mark} {}", dice.pick(&WORDS), dice.pick(&WORDS))
}

/// A short text as another program may have left it, with stray blanks.
pub fn untidy(dice: &mut Dice, mark: &str) -> String {
    let text = short(dice, mark);
    let blanks = ["", " ", "\n", "\t", "  "];
    format!("{}{text}{}", dice.pick(&blanks), dice.pick(&blanks))
}

/// A song: verses with a refrain between them.
///
/// The refrain is the same in all verses, so lines are not unique.
pub fn song(dice: &mut Dice, mark: &str) -> String {
    let newline = if dice.chance(25) { "\r\n" } else { "\n" };
    let mut lines = Vec::new();
    for verse in 0..1 + dice.below(4) {
        lines.push(format!("{} {} {mark}{verse}", dice.pick(&WORDS), dice.pick(&WORDS)));
        lines.push(REFRAIN.to_owned());
        if dice.chance(30) {
            lines.push(String::new());
        }
    }
    let mut text = lines.join(newline);
    if dice.chance(20) {
        text.push_str(newline);
    }
    text
}

/// Lyrics in which every owned line is between lines that nobody edits.
///
/// So edits of two owned lines are never in one place.
pub fn owned_lines(marks: &[String]) -> String {
    let mut text = String::from("kahi");
    for (aspect, mark) in (FIELDS.len()..ASPECTS).zip(marks) {
        let number = aspect - FIELDS.len();
        text.push_str(&format!(
            "\nmua {number}\n{REFRAIN}\n{}{mark}\nhope {number}",
            line_mark(aspect)
        ));
    }
    text
}

/// `text` with its owned line `aspect` replaced.
pub fn replace_line(text: &str, aspect: usize, mark: &str) -> String {
    let start = line_mark(aspect);
    let line = |line: &str| match line.starts_with(&start) {
        true => format!("{start}{mark}"),
        false => line.to_owned(),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A student's edit of a song: a line is replaced, corrected, added, removed or repeated, the
/// verses change their order, or it is another song.
pub fn edited_song(dice: &mut Dice, text: &str, mark: &str) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let at = dice.below(lines.len());
    let new = format!("{} {mark}", dice.pick(&WORDS));
    match dice.below(11) {
        0..=2 => lines[at] = new,
        8 => lines[at] = format!("{} {mark}", lines[at].trim_end_matches('\r')),
        9 | 10 if 2 < lines.len() => {
            let end = lines.len().min(at + 1 + dice.below(3));
            let verse: Vec<String> = lines.drain(at..end).collect();
            let to = dice.below(lines.len() + 1);
            lines.splice(to..to, verse);
            lines.insert(dice.below(lines.len() + 1), new);
        }
        3 | 4 => lines.insert(at, new),
        5 => {
            let line = lines[at].clone();
            lines.insert(at, line);
            lines.insert(0, new);
        }
        6 if 2 < lines.len() => {
            lines.remove(at);
            let last = lines.len() - 1;
            lines[last] = new;
        }
        _ => return song(dice, mark),
    }
    lines.join("\n")
}
