//! Writes stored objects as parts of the objects in replies and exports.

use crate::json::quoted;
use crate::schema::Kind;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Returns the members of a stored record, without its braces and without the keys that are never
/// content.
///
/// Such an object also has those keys itself, and no key may be there twice. The engine stores no
/// such key. Version 0.1 did, and a reply with a doubled key would lock out the phones' app for
/// good.
///
/// Put the result between the braces of an object after the record's own keys, with a comma if it
/// is not empty. Nearly always it borrows from `content`.
pub fn members<'c>(kind: &Kind, content: &'c str) -> Cow<'c, str> {
    let inner = content.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let inner = inner.unwrap_or_default();
    if has_known_keys_only(inner) || !may_have_reserved_key(kind, inner) {
        return Cow::Borrowed(inner);
    }
    let Ok(mut all) = serde_json::from_str::<BTreeMap<String, &RawValue>>(content) else {
        return Cow::Borrowed(inner);
    };
    all.retain(|name, _| kind.reserved_key(name).is_none());
    let written = quoted(&all);
    let inner = written.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    Cow::Owned(inner.unwrap_or_default().to_owned())
}

/// Unknown keys follow `createdAt`, so a record that ends with `createdAt` has none. Inside a
/// string the quotes would be escaped.
fn has_known_keys_only(inner: &str) -> bool {
    const LAST: &str = r#""createdAt":"2026-11-22T00:00:00.000Z""#;
    let start = inner.len().checked_sub(LAST.len());
    start
        .and_then(|start| inner.get(start..))
        .is_some_and(|end| end.starts_with(r#""createdAt":""#))
}

/// Whether there may be a key that is never content. A match inside a value counts, too. A record
/// has few colons, so it is searched once for colons, not once for each key.
fn may_have_reserved_key(kind: &Kind, inner: &str) -> bool {
    let mut keys = inner.match_indices(':').filter_map(|(at, _)| inner[..at].strip_suffix('"'));
    keys.any(|before| {
        kind.reserved_keys()
            .any(|key| before.strip_suffix(key.0).is_some_and(|rest| rest.ends_with('"')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repertoire::{piece_kind, session_kind};

    #[track_caller]
    fn check(kind: &Kind, content: &str, expected: &str) {
        assert_eq!(expected, members(kind, content));
    }

    #[test]
    fn a_record_without_reserved_keys_is_taken_to_the_byte() {
        let known = r#"{"title":"userId","createdAt":"2026-11-22T00:00:00.000Z"}"#;
        let unknown =
            r#"{"title":"","createdAt":"2026-11-22T00:00:00.000Z","b":1.0,"a":{"userId":1}}"#;

        check(piece_kind(), known, &known[1..known.len() - 1]);
        check(piece_kind(), "{}", "");
        assert!(members(piece_kind(), unknown).contains(r#""a":{"userId":1}"#));
        assert!(members(piece_kind(), unknown).contains(r#""b":1.0"#));
    }

    #[test]
    fn reserved_keys_are_left_out_and_values_keep_their_bytes() {
        check(
            session_kind(),
            r#"{"pieceId":"P","createdAt":"2026-11-22T00:00:00.000Z","_haumana":{},"b":1.0,"userId":2}"#,
            r#""b":1.0,"createdAt":"2026-11-22T00:00:00.000Z","pieceId":"P""#,
        );
    }

    #[test]
    fn what_looks_like_the_last_known_key_inside_a_value_hides_nothing() {
        check(
            session_kind(),
            r#"{"pieceId":"P","userId":{"x":"createdAt"},"z":"\"createdAt\":\"2026-11-22T00:00:00.000Z"}"#,
            r#""pieceId":"P","z":"\"createdAt\":\"2026-11-22T00:00:00.000Z""#,
        );
    }
}
