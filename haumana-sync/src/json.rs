//! JSON values that are kept as the text they came in.

use crate::limits;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value, byte for byte as it came: `1.0` stays `1.0`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Takes over a value that the JSON parser has found well formed.
    ///
    /// Returns `None` where passing it on would break a reader: nested deeper than
    /// [`limits::UNKNOWN_KEY_DEPTH`], or a string with half of a surrogate pair.
    pub fn new(raw: &RawValue) -> Option<Self> {
        is_readable(raw.get()).then(|| Self(raw.to_owned()))
    }

    /// Parses a value.
    pub fn parse(text: &str) -> Option<Self> {
        Self::new(serde_json::from_str(text).ok()?)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for JsonText {}

/// Walks well-formed JSON without recursion. The parser skips over the inside of raw values, so
/// depth and escapes are what it has not looked at.
fn is_readable(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let end = string_end(bytes, at);
                let has_escape = bytes[at..end].contains(&b'\\');
                if has_escape && serde_json::from_str::<String>(&text[at..end]).is_err() {
                    return false;
                }
                at = end - 1;
            }
            _ => {}
        }
        if limits::UNKNOWN_KEY_DEPTH < depth {
            return false;
        }
        at += 1;
    }
    true
}

/// The index behind the closing quote of the string that opens at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_byte() {
        for text in ["1.0", "1E5", "-0", "12345678901234567890.10", "1e999"] {
            assert_eq!(text, JsonText::parse(text).unwrap().as_str());
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        assert!(JsonText::parse(r#"{"a":"\ud83c\udf3a"}"#).is_some());
        assert!(JsonText::parse(r#"{"a":["\ud83c"]}"#).is_none());
        assert!(JsonText::parse(r#"{"\udf3a":1}"#).is_none());
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);

        assert!(JsonText::parse(&nested(limits::UNKNOWN_KEY_DEPTH)).is_some());
        assert!(JsonText::parse(&nested(limits::UNKNOWN_KEY_DEPTH + 1)).is_none());
        assert!(JsonText::parse(&format!("\"{}\\\"\"", "[".repeat(1000))).is_some());
    }
}
