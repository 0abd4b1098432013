//! The answers of commands, and the layout of text for people.

use crate::json::{Json, value_json};
use haumana_replica::Content;
use haumana_sync::record::Value;
use std::collections::BTreeMap;
use std::io::{self, Write};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The answer of a command, in the form for people and in the form for scripts.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) json: Json,
}

impl Answer {
    pub(crate) fn new(text: String, json: impl Into<Json>) -> Self {
        Self { text, json: json.into() }
    }
}

/// Writes an answer for people, or for scripts.
pub(crate) fn print(answer: &Answer, is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match is_json {
        true => writeln!(out, "{}", visible_json(&answer.json.to_string())),
        false => writeln!(out, "{}", visible(&answer.text)),
    }?;
    out.flush()
}

/// The fields of a record, with their names on the wire.
pub(crate) fn content_json(content: &Content) -> BTreeMap<String, Json> {
    let names = content.all_names();
    names.map(|name| (name.to_owned(), value_json(&content.get(name)))).collect()
}

/// A text that cannot control a terminal: each character that is not visible is written as an
/// escape.
pub(crate) fn visible(text: &str) -> String {
    let is_harmless = |character: char| is_plain(character) || matches!(character, '\n' | '\t');
    escaped(text, is_harmless)
}

/// A text from a record where one line is meant, such as a title: [`visible`], and also without
/// line breaks and tabs, so that nothing in it looks like another line or column of the answer.
pub(crate) fn one_line(text: &str) -> String {
    escaped(text, is_plain)
}

/// JSON that cannot control a terminal, and means the same. Only strings can have such characters.
pub(crate) fn visible_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match is_plain(character) || matches!(character, '\n' | '\r' | '\t') {
            true => out.push(character),
            // All characters that need an escape are among the first 65,536.
            false => out.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    out
}

/// Writes JSON to a terminal, so that the JSON cannot control the terminal.
#[derive(Debug)]
pub(crate) struct Shown<W> {
    out: W,
    /// The first bytes of a character whose other bytes have not come.
    begun: Vec<u8>,
}

impl<W: Write> Shown<W> {
    pub(crate) fn on(out: W) -> Self {
        Self { out, begun: Vec::new() }
    }
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let mut text = String::new();
        let mut left = Vec::new();
        for chunk in self.begun.utf8_chunks() {
            text.push_str(chunk.valid());
            left = chunk.invalid().to_vec();
            // Invalid bytes that are not at the end are not JSON.
            if 4 <= left.len() {
                left.clear();
            }
        }
        self.begun = left;
        self.out.write_all(visible_json(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether a character is harmless: no control character, and none that changes the direction of
/// text or breaks lines.
fn is_plain(character: char) -> bool {
    let turns = matches!(character,
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    !character.is_control() && !turns && !breaks
}

fn escaped(text: &str, is_harmless: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match is_harmless(character) {
            true => out.push(character),
            false => out.extend(character.escape_default()),
        }
    }
    out
}

/// The first eight digits of an id, which are enough to name it.
pub(crate) fn short(id: impl std::fmt::Display) -> String {
    id.to_string().chars().take(8).collect()
}

/// Rows in columns, each on one line. A kahakō may be a character of its own, of no width.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let one_line = |row: &Vec<String>| row.iter().map(|cell| one_line(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(one_line).collect();
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..n_columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width + 2 - cell.width()));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.pop();
    out
}

/// A text of at most so many columns on one line, with an ellipsis if it was cut.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    let text = &*one_line(text);
    let mut width = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        width += grapheme.width();
        if columns < width {
            return format!("{}…", text.get(..at).unwrap_or_default());
        }
    }
    text.to_owned()
}

/// Every line behind `margin`.
pub(crate) fn indent(text: &str, margin: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{margin}{line}")).collect();
    lines.join("\n")
}

/// A value for people, on any number of lines.
pub(crate) fn words(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        Value::Text(text) if text.is_empty() => "(nothing)".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Json(json) => json.as_str().to_owned(),
        Value::Group(group) => {
            let fields = group.fields().map(|(name, value)| format!("{name}: {}", words(value)));
            fields.collect::<Vec<String>>().join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whether_a_kahako_is_a_character_of_its_own_or_not() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();

        let table = table(&[row(["Mele", "x"]), row(["Lāʻau", "y"]), row(["La\u{304}ʻau", "z"])]);

        assert_eq!("Mele   x\nLāʻau  y\nLa\u{304}ʻau  z", table);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!("Haʻa…", cut("Haʻaheo ka ua", 4));
        assert_eq!("Haʻa", cut("Haʻa", 4));
        assert_eq!("La\u{304}…", cut("La\u{304}ʻau", 2));
        assert_eq!("🇺🇳…", cut("🇺🇳🇬🇸", 3));
        assert_eq!("…", cut("🇺🇳", 1));
    }

    #[test]
    fn no_text_drives_a_terminal() {
        assert_eq!("Haʻaheo\n\tka ua", visible("Haʻaheo\n\tka ua"));
        assert_eq!("\\u{1b}[2J\\r\\u{7f}\\u{9b}", visible("\u{1b}[2J\r\u{7f}\u{9b}"));
        assert_eq!("\\u{202e}a\\u{2066}\\u{2028}", visible("\u{202e}a\u{2066}\u{2028}"));
        assert_eq!(
            "\\u{0}La\u{304}ʻau 🏳\u{fe0f}\u{200d}🌈",
            visible("\0La\u{304}ʻau 🏳\u{fe0f}\u{200d}🌈")
        );
    }

    #[test]
    fn no_title_passes_for_another_line_or_column() {
        assert_eq!("t\\nno pieces\\t\\u{1b}", one_line("t\nno pieces\t\u{1b}"));
        assert_eq!("t\\nno…", cut("t\nno pieces", 5));
        let cells = vec![vec!["a\nb".to_owned(), "\u{1b}".to_owned()], vec!["c".to_owned()]];
        assert_eq!("a\\nb  \\u{1b}\nc", table(&cells));
    }

    #[test]
    fn an_export_that_is_shown_is_harmless_however_it_is_cut() {
        let json = "{\"t\":\"Haʻaheo \u{9b}2J\u{202e}🌺\"}";

        let mut shown = Shown::on(Vec::new());
        for byte in json.bytes() {
            shown.write_all(&[byte]).unwrap();
        }

        assert_eq!(visible_json(json), String::from_utf8(shown.out).unwrap());
    }

    #[test]
    fn json_that_is_shown_means_the_same() {
        let text = "\u{9b}2J\u{7f}\u{202e}\u{1b}\nʻokina";
        let json = serde_json::json!({ text: text });

        let shown = visible_json(&json.to_string());

        assert_eq!(json, serde_json::from_str::<serde_json::Value>(&shown).unwrap());
        assert!(shown.chars().all(is_plain), "{shown}");
    }
}
