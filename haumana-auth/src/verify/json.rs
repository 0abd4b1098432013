//! A JSON reader for tokens. It is strict and bounded, and no feature of another crate changes it.
//!
//! If two readers understand a token differently, that can be an attack. General parsers take the
//! first or the last of two equal keys, and round large numbers. A feature that some other crate in
//! the tree turns on can change that. This reader refuses duplicates, also those that are spelled
//! with `\u` escapes, and knows whole numbers only.

use crate::limits::TOKEN_DEPTH;
use std::collections::BTreeMap;

/// The members of an object, by their decoded names.
pub(super) type Object = BTreeMap<String, Value>;

/// A value, in as much detail as claims need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A string, decoded.
    Text(String),
    /// A number without fraction and exponent that fits into an `i64`.
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
    /// A list of exactly one string, decoded.
    One(String),
    /// Anything else that is well formed: null, other numbers, lists, objects.
    Other,
}

impl Value {
    /// The string, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The string, if it is one, or the only entry of a list of one string.
    pub(super) fn only_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::One(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    pub(super) fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }
}

/// Reads exactly one object; `None` for anything else.
pub(super) fn object(bytes: &[u8]) -> Option<Object> {
    let mut reader = Reader { text: std::str::from_utf8(bytes).ok()?, at: 0 };
    reader.skip_blanks();
    let object = reader.object(TOKEN_DEPTH)?;
    reader.skip_blanks();
    (reader.at == reader.text.len()).then_some(object)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over `byte` and the blanks around it, if it is next.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        (self.peek()? == byte).then(|| self.at += 1)?;
        self.skip_blanks();
        Some(())
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Steps over bytes as long as `is_part` is true for them, and returns them.
    fn skip_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&is_part) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'{' => self.object(depth).map(|_| Value::Other),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Object> {
        let depth = depth.checked_sub(1)?;
        let mut members = Object::new();
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(members);
        }
        loop {
            let name = self.string()?;
            self.take(b':')?;
            if members.insert(name, self.value(depth)?).is_some() {
                return None;
            }
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(members);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(Value::Other);
        }
        let mut list = match self.value(depth)? {
            Value::Text(only) => Value::One(only),
            _ => Value::Other,
        };
        while self.take(b',').is_some() {
            self.value(depth)?;
            list = Value::Other;
        }
        self.take(b']')?;
        Some(list)
    }

    /// Finds the end of the string. serde_json decodes escapes, control characters and halves of
    /// surrogate pairs, because no feature changes how it reads strings.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        (self.peek()? == b'"').then_some(())?;
        self.at += 1;
        loop {
            self.at += match self.peek()? {
                b'"' => break,
                b'\\' => 2,
                _ => 1,
            };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(is_negative);
        let whole = self.digits()?;
        if whole.starts_with('0') && whole != "0" {
            return None;
        }
        let whole_end = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let is_whole = self.at == whole_end;
        let parsed = self.text.get(start..whole_end)?.parse().ok().filter(|_| is_whole);
        Some(parsed.map_or(Value::Other, Value::Integer))
    }

    fn digits(&mut self) -> Option<&'a str> {
        Some(self.skip_while(|byte| byte.is_ascii_digit())).filter(|digits| !digits.is_empty())
    }

    fn word(&mut self) -> Option<Value> {
        match self.skip_while(|byte| byte.is_ascii_lowercase()) {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, is_read: bool) {
        assert_eq!(is_read, object(text.as_bytes()).is_some(), "{text}");
    }

    #[test]
    fn reads_every_kind_of_value() {
        let read = object(br#" { "a" : "\u02bbo" , "b":-7,"c":true,"d":null,"e":[1,{}],"f":1.0} "#);

        let expected = [
            ("a", Value::Text("ʻo".into())),
            ("b", Value::Integer(-7)),
            ("c", Value::Bool(true)),
            ("d", Value::Other),
            ("e", Value::Other),
            ("f", Value::Other),
        ];
        assert_eq!(Some(expected.map(|(name, value)| (name.to_owned(), value)).into()), read);
    }

    #[test]
    fn duplicates_are_refused_however_they_are_spelled_and_wherever_they_are() {
        check(r#"{"sub":1,"sub":1}"#, false);
        check(r#"{"sub":1,"\u0073ub":2}"#, false);
        check(r#"{"a":{"sub":1,"s\u0075b":2}}"#, false);
        check(r#"{"a":[{"x":1},{"x":1}],"x":1}"#, true);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[]",
            "1",
            "\"a\"",
            "null",
            "{}x",
            "{}{}",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":1e}",
            "{\"a\":-}",
            "{\"a\":NaN}",
            "{\"a\":True}",
            "{\"a\":[1,]}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\ud800\"}",
            "\u{feff}{}",
            "{}\0",
            "{\"a",
            "{\"a\\",
        ] {
            check(text, false);
        }
        assert_eq!(None, object(b"{\"a\":\"\xff\"}"));
    }

    #[test]
    fn nesting_is_bounded_without_recursion_into_the_depth() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));

        check(&nested(TOKEN_DEPTH - 1), true);
        check(&nested(TOKEN_DEPTH), false);
        check(&nested(10_000), false);
    }

    #[test]
    fn numbers_that_do_not_fit_are_no_integers() {
        let read = object(br#"{"a":9223372036854775807,"b":9223372036854775808,"c":1e3,"d":-0}"#);

        let numbers: Vec<_> = read.unwrap().into_values().map(|value| value.integer()).collect();
        assert_eq!([Some(i64::MAX), None, None, Some(0)], numbers[..]);
    }

    proptest! {
        // A narrow alphabet, so that the texts are never far from JSON.
        #[test]
        fn reads_nothing_that_a_general_parser_refuses(
            text in r#"\{[{}\[\]",:\\u0-3ae.\- ntrl]{0,12}\}"#
        ) {
            if object(text.as_bytes()).is_some() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            }
        }
    }
}
