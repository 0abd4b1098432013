//! Lists, sets and counters: merged by their parts.

use crate::digest::Digest;
use crate::schema::{Entries, elements, entries, json};
use crate::text::{Later, TextMerge, merge_text};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Merges two edits of a list. Elements are compared as a whole. Insertions of both sides are kept
/// in their order. An element that all three have equally often is neither dropped nor doubled.
///
/// The `bool` says whether something clashed. There the later side's order is taken.
pub(super) fn merge_lists(
    base: &Value,
    server: &Value,
    pushed: &Value,
    later: Later,
) -> (Value, bool) {
    let [base, server, pushed] = [base, server, pushed].map(|list| to_lines(&elements(list)));
    match merge_text(&base, &server, &pushed, later, usize::MAX) {
        TextMerge::Clean(lines) => (json(&from_lines(&lines)), false),
        TextMerge::Clash(lines) => (json(&from_lines(&lines)), true),
    }
}

/// Writes one element per line. The text merge sees a line without blanks as one word, so it never
/// cuts an element. A line of ASCII is equal only to itself.
fn to_lines(elements: &[String]) -> String {
    elements.iter().map(|element| to_line(element)).collect()
}

fn to_line(element: &str) -> String {
    let mut line = String::with_capacity(element.len() + 3);
    line.push('"');
    for unit in element.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte) => {
                line.push(char::from(byte));
            }
            _ => line.push_str(&format!("\\u{unit:04x}")),
        }
    }
    line.push_str("\"\n");
    line
}

fn from_lines(lines: &str) -> Vec<String> {
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Merges two edits of a set. The result has what either side added, and lacks what either side
/// removed. An element in `added_since` was added again after the base, so it stays. Without a base
/// the result is the union.
///
/// The `bool` says whether a removal lost.
pub(super) fn merge_sets(
    base: Option<&Value>,
    server: &Value,
    pushed: &Value,
    added_since: &BTreeMap<u64, u32>,
) -> (Value, bool) {
    let set = |value: &Value| elements(value).into_iter().collect::<BTreeSet<String>>();
    let (server, pushed) = (set(server), set(pushed));
    let Some(base) = base.map(set) else {
        return (json(&server.union(&pushed).collect::<BTreeSet<_>>()), false);
    };
    let mut merged = BTreeSet::new();
    let mut has_lost = false;
    for element in server.union(&pushed) {
        let is_removed =
            base.contains(element) && !(server.contains(element) && pushed.contains(element));
        let is_kept = server.contains(element) && added_since.contains_key(&element_hash(element));
        has_lost |= is_removed && is_kept;
        if !is_removed || is_kept {
            merged.insert(element);
        }
    }
    (json(&merged), has_lost)
}

/// The hash by which a record remembers when an element was added.
pub(crate) fn element_hash(element: &str) -> u64 {
    Digest::of([element.as_bytes()]).short()
}

/// Joins two counters: for each device it takes the latest totals. What a device has added or
/// removed only grows, so the greater number is the later one.
pub(super) fn join_counters(a: &Value, b: &Value) -> Value {
    let mut joined: Entries = entries(a);
    for (device, (added, removed)) in entries(b) {
        let entry = joined.entry(device).or_default();
        *entry = (entry.0.max(added), entry.1.max(removed));
    }
    json(&joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_is_one_line_without_blanks() {
        let elements = ["a b", "\"", "\\", "\t", "\n", "", "é", "ʻā", "🌺", "A-z_0.9:/"];
        let elements: Vec<String> = elements.into_iter().map(str::to_owned).collect();

        let lines = to_lines(&elements);

        assert_eq!(elements, from_lines(&lines));
        assert!(lines.lines().all(|line| !line.contains(char::is_whitespace)), "{lines}");
    }
}
