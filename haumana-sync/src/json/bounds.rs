//! The limits of a body, checked in one pass over its bytes before any of it is parsed.

use super::BadRequest;
use crate::limits;
use memchr::memchr;
use serde_json::value::RawValue;

/// Why a body is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    /// Its lists have more entries than the call accepts.
    Entries,
    /// It is nested deeper than any value that is kept.
    Depth,
    /// A name or a text directly in the body is longer than any useful one.
    Word,
}

/// The limits of a body's outer shape.
///
/// The memory of a parser depends on the number of values, not on the bytes: a body of commas is
/// small but becomes large when it is parsed. An outline limits that before parsing.
#[derive(Clone, Copy, Debug)]
pub struct Outline {
    /// The most entries of all its lists together.
    pub max_entries: usize,
    /// The error for a body with more entries.
    pub too_many: BadRequest,
    /// The most bytes of each name or text that is directly in the body.
    pub word_bytes: usize,
}

impl Outline {
    /// A body whose lists have at most `max_entries` records together, and short words beside them.
    ///
    /// Words are bounded by [`limits::WORD_BYTES`].
    pub const fn of_records(max_entries: usize) -> Self {
        Self { max_entries, too_many: BadRequest::TooLarge, word_bytes: limits::WORD_BYTES }
    }

    /// Checks that a body is within the outline.
    ///
    /// # Errors
    ///
    /// [`BadRequest`] if it is not.
    pub fn check(self, body: &[u8]) -> Result<(), BadRequest> {
        check(body, self.max_entries, self.word_bytes).map_err(|excess| match excess {
            Excess::Entries => self.too_many,
            Excess::Depth | Excess::Word => BadRequest::TooLarge,
        })
    }
}

/// How deep the entries of a body's lists are.
const ENTRY_DEPTH: usize = 2;

/// Checks the outer shape of JSON that may not even be well formed: the number of entries in its
/// lists together, its depth, and the length of words directly in the body.
///
/// It needs no memory, and stops where a limit is exceeded.
fn check(body: &[u8], max_entries: usize, word_bytes: usize) -> Result<(), Excess> {
    let (mut depth, mut n_entries, mut at) = (0_usize, 0_usize, 0);
    while let Some(byte) = body.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let end = string_end(body, at);
                if depth <= 1 && word_bytes < end - at {
                    return Err(Excess::Word);
                }
                at = end;
            }
            b'{' | b'[' => {
                depth += 1;
                if limits::REQUEST_DEPTH < depth {
                    return Err(Excess::Depth);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == ENTRY_DEPTH => {
                n_entries += 1;
                // A list has one entry more than commas.
                if max_entries <= n_entries {
                    return Err(Excess::Entries);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the place behind the quote that ends the string whose first byte is at `start`.
///
/// Texts have many escapes and few quotes, so it looks for quotes. A quote with an odd number of
/// backslashes before it is escaped.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(found) = text.get(at..).and_then(|rest| memchr(b'"', rest)) {
        let before = text.get(start..at + found).unwrap_or_default();
        at += found + 1;
        let n_backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        if n_backslashes.is_multiple_of(2) {
            return at;
        }
    }
    text.len()
}

/// Whether one record is longer, or has more keys, than any record that can be kept. `depth` is the
/// depth of the keys that are counted.
pub fn is_oversized(record: &RawValue, depth: usize) -> bool {
    let text = record.get().as_bytes();
    limits::RECORD_RAW_BYTES < text.len()
        || (KEY_BYTES * limits::RECORD_KEYS < text.len()
            && limits::RECORD_KEYS < n_keys(text, depth))
}

/// The fewest bytes of a key with its value and comma: `"":0,`.
const KEY_BYTES: usize = 5;

fn n_keys(text: &[u8], max_depth: usize) -> usize {
    let (mut depth, mut n_keys, mut at) = (0_usize, 0, 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(text, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth <= max_depth => n_keys += 1,
            _ => {}
        }
    }
    n_keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn checked(body: &str, max_entries: usize) -> Result<(), Excess> {
        check(body.as_bytes(), max_entries, limits::WORD_BYTES)
    }

    #[test]
    fn entries_of_all_lists_count_together_and_those_inside_of_records_do_not() {
        assert_eq!(Ok(()), checked(r#"{"a":[0,0],"b":[[1,2,3],{"x":1,"y":2}]}"#, 4));
        assert_eq!(Err(Excess::Entries), checked(r#"{"a":[0,0,0],"b":[0,0,0]}"#, 4));
        assert_eq!(Ok(()), checked(r#"{"a":["0,0,0,0,0\",0,0"]}"#, 2));
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);

        assert_eq!(Ok(()), checked(&nested(limits::REQUEST_DEPTH), 2));
        assert_eq!(Err(Excess::Depth), checked(&nested(limits::REQUEST_DEPTH + 1), 2));
        assert_eq!(
            Ok(()),
            checked(&format!("[[\"\\\"{}\"]]", "[".repeat(limits::REQUEST_DEPTH + 1)), 2)
        );
    }

    #[test]
    fn words_directly_in_the_body_are_bounded_and_texts_of_records_are_not() {
        let word = |bytes: usize| format!(r#"{{"deviceId":"{}"}}"#, "x".repeat(bytes));

        assert_eq!(Ok(()), checked(&word(limits::WORD_BYTES - 1), 2));
        assert_eq!(Err(Excess::Word), checked(&word(limits::WORD_BYTES), 2));
        let text = format!(r#"{{"pieces":[{{"lyrics":"{}"}}]}}"#, "x".repeat(200_000));
        assert_eq!(Ok(()), checked(&text, 2));
    }

    #[test]
    fn what_is_no_json_at_all_is_looked_at_as_well() {
        for body in ["", "\"", "\"\\", "]]]]", "{{{", "[\"a\\"] {
            assert_eq!(Ok(()), checked(body, 2), "{body}");
        }
    }

    #[test]
    fn a_string_ends_where_its_quote_is_not_escaped() {
        // The number of backslashes before the first quote of `x"y"`, and where the string ends.
        for (n, end) in [(0, 2), (1, 5), (2, 4), (3, 7), (4, 6), (5, 9)] {
            let text = format!("x{}\"y\"", "\\".repeat(n));

            assert_eq!(end, string_end(text.as_bytes(), 0), "{text}");
        }
    }

    #[test]
    fn keys_of_a_record_count_to_the_depth_that_is_asked() {
        let text = br#"{"a":{"b":{"c":1}},"d":":::"}"#;

        assert_eq!([2, 3, 4], [1, 2, 3].map(|depth| n_keys(text, depth)));
    }
}
