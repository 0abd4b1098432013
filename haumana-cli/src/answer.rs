//! What a command answers, and how text is laid out for people.

use crate::json::{Json, value_json};
use haumana_replica::Content;
use haumana_sync::record::Value;
use std::collections::BTreeMap;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// What a command answers: the same for people and for scripts.
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

/// The fields of a record, as they are spelt on the wire.
pub(crate) fn content_json(content: &Content) -> BTreeMap<String, Json> {
    let names = content.all_names();
    names.map(|name| (name.to_owned(), value_json(&content.get(name)))).collect()
}

/// A text that cannot drive a terminal: what is no character to look at is written as an escape.
pub(crate) fn visible(text: &str) -> String {
    let is_harmless = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match is_harmless(character) {
            true => out.push(character),
            false => out.extend(character.escape_default()),
        }
    }
    out
}

/// The first eight digits of an id: enough to name it.
pub(crate) fn short(id: impl std::fmt::Display) -> String {
    id.to_string().chars().take(8).collect()
}

/// Rows in columns. A kahakō may be a character of its own without a width.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..n_columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
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

/// A text of at most so many columns, and an ellipsis where it goes on.
pub(crate) fn cut(text: &str, columns: usize) -> String {
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

/// The name of a field for people.
pub(crate) fn label(field: &str) -> &str {
    match field {
        "englishTranslation" => "translation",
        "sourceUrl" => "source",
        "isFavorite" => "favorite",
        "includeInPractice" => "practice",
        other => other,
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
    }
}
