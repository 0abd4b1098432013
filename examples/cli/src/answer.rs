//! What a command answers, and how text is laid out for people.

use haumana_replica::Content;
use haumana_sync::record::Value;
use haumana_sync::time::UnixMillis;
use serde_json::Map;
use unicode_width::UnicodeWidthStr;

/// What a command answers: the same for people and for scripts.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) json: serde_json::Value,
}

/// The fields of a record, as they are spelt on the wire.
pub(crate) fn content_json(content: &Content) -> Map<String, serde_json::Value> {
    let names = content.names().into_iter();
    names.map(|name| (name.to_owned(), value_json(&content.get(name)))).collect()
}

pub(crate) fn value_json(value: &Value) -> serde_json::Value {
    // What came as JSON goes as JSON.
    serde_json::to_value(value).unwrap_or_default()
}

/// A time for people: to the minute, in UTC.
pub(crate) fn minute(at: UnixMillis) -> String {
    let text = at.to_string();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}

/// As [`minute`], of a time in a field.
pub(crate) fn minute_of(value: &Value) -> Option<String> {
    value.as_text().and_then(UnixMillis::parse).map(minute)
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

/// A text of at most so many columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for character in text.chars() {
        if columns <= out.width() {
            break;
        }
        out.push(character);
    }
    out.push('…');
    out
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
    }
}
