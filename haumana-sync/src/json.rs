//! JSON values that are kept as the text they came in.
//!
//! A value that the library does not interpret must come back unchanged, and parsing a number and
//! printing it again may change it. So such values are kept as text. The only checks are for what
//! could break another reader.

mod bounds;

pub use bounds::{Outline, is_oversized};

use crate::limits;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value, byte for byte as it came: `1.0` stays `1.0`.
///
/// ```
/// use haumana_sync::json::JsonText;
///
/// let price = JsonText::parse("12345678901234567890.10");
///
/// assert_eq!(Some("12345678901234567890.10"), price.as_ref().map(JsonText::as_str));
/// assert!(JsonText::parse(r#""\ud83c""#).is_none(), "half of a surrogate pair breaks readers");
/// ```
///
/// Two values are equal if their bytes are equal: `1.0` and `1` are different values.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Keeps a value that the JSON parser has found well formed.
    ///
    /// Returns `None` if the value would break a reader: it is nested deeper than
    /// [`limits::UNKNOWN_KEY_DEPTH`], or a string has half of a surrogate pair.
    pub fn new(raw: &RawValue) -> Option<Self> {
        is_readable(raw.get()).then(|| Self(raw.to_owned()))
    }

    /// Parses a value.
    ///
    /// Returns `None` if it is not well formed, and where [`JsonText::new`] does.
    pub fn parse(text: &str) -> Option<Self> {
        Self::new(serde_json::from_str(text).ok()?)
    }

    /// Writes a value of this program's own, which it can always read.
    pub(crate) fn of(value: &impl Serialize) -> Option<Self> {
        serde_json::value::to_raw_value(value).ok().map(Self)
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

/// Walks well-formed JSON without recursion. The parser skips the inside of raw values, so depth
/// and escapes must be checked here.
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

/// A request that is refused as a whole. None of it was done.
///
/// `Display` is for people, and contains nothing of what was sent.
///
/// One bad record does not make a bad request: that record is refused by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// The body is not JSON in UTF-8.
    ///
    /// Send UTF-8, without a byte order mark.
    #[error("the body is not valid JSON")]
    Json,
    /// The body is JSON of the wrong shape.
    #[error("the body does not have the shape that this call takes")]
    Shape,
    /// The body is JSON of the wrong shape, and the text says what each of its keys holds.
    #[error("the body does not have the shape that this call takes: {0}")]
    Expected(&'static str),
    /// There is no such operation.
    #[error("operation is one of sync, upload and download")]
    Operation,
    /// The body has more entries, is nested deeper, or has longer words than any client sends.
    ///
    /// Send less at once; the limits are in [`limits`].
    #[error("the body has more in it than this call takes")]
    TooLarge,
}

impl BadRequest {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            BadRequest::Json => "invalid_json",
            BadRequest::Shape | BadRequest::Expected(_) => "invalid_request",
            BadRequest::Operation => "invalid_operation",
            BadRequest::TooLarge => "payload_too_large",
        }
    }

    /// Says which shape was expected, if the shape is what is wrong.
    pub(crate) fn expecting(self, shape: &'static str) -> Self {
        if self == Self::Shape { Self::Expected(shape) } else { self }
    }
}

impl From<serde_json::Error> for BadRequest {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => BadRequest::Shape,
            _ => BadRequest::Json,
        }
    }
}

/// Reads a body no larger than one record.
pub(crate) fn read_small<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadRequest> {
    if limits::RECORD_RAW_BYTES < body.len() {
        return Err(BadRequest::TooLarge);
    }
    let max_entries = limits::ELEMENTS;
    let too_many = BadRequest::TooLarge;
    read_object(body, Outline { max_entries, too_many, word_bytes: limits::RECORD_RAW_BYTES })
}

/// Reads a body that must be an object within `outline`.
///
/// The outline is checked in one pass before anything is parsed, so a hostile body costs no memory.
///
/// # Errors
///
/// [`BadRequest`] if the body is no such object.
pub fn read_object<'a, T: serde::Deserialize<'a>>(
    body: &'a [u8],
    outline: Outline,
) -> Result<T, BadRequest> {
    outline.check(body)?;
    let text = std::str::from_utf8(body).map_err(|_| BadRequest::Json)?;
    let first = text.trim_start_matches([' ', '\t', '\n', '\r']).chars().next();
    let result = serde_json::from_str(text).map_err(BadRequest::from);
    // Serde would accept an array as a struct.
    if result.is_ok() && first != Some('{') { Err(BadRequest::Shape) } else { result }
}

/// Writes items with commas in between.
pub fn comma_separated<T>(out: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    for (at, item) in items.iter().enumerate() {
        if 0 < at {
            out.push(',');
        }
        write(out, item);
    }
}

/// `value` as JSON.
pub fn quoted(value: &(impl serde::Serialize + ?Sized)) -> String {
    // Strings and plain values always serialize.
    serde_json::to_string(value).unwrap_or_default()
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
