//! The answers of commands: lines for people, or one JSON object a line for programs.
//!
//! Each place that answers makes both forms, side by side. Later versions keep the keys of the
//! JSON; the lines may change.

use serde_json::Value;
use std::io::{self, Write as _};

/// How answers are written.
///
/// Chosen once, by `--json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Lines,
    Json,
}

impl Form {
    /// Writes an answer.
    pub(crate) fn say(self, json: &Value, lines: &[String]) {
        let mut out = io::stdout().lock();
        // A reader that closes the pipe has read enough.
        let _ = match self {
            Self::Json => writeln!(out, "{json}"),
            Self::Lines => lines.iter().try_for_each(|line| writeln!(out, "{line}")),
        };
    }
}

/// A number with its noun, such as `1,234 records`.
///
/// The digits are in groups of three, and the noun gets an English plural.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let mut grouped = digits[..first].to_owned();
    for at in (first..digits.len()).step_by(3) {
        if !grouped.is_empty() {
            grouped.push(',');
        }
        grouped.push_str(&digits[at..at + 3]);
    }
    match (n, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{grouped} {stem}ies"),
        (_, None) => format!("{grouped} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_easily() {
        assert_eq!("0 records", counted(0, "record"));
        assert_eq!("1 entry", counted(1, "entry"));
        assert_eq!("1,234,567 entries", counted(1_234_567, "entry"));
        assert_eq!("999 bytes", counted(999, "byte"));
    }
}
