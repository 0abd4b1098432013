//! Lists, sets and counters: merged by their parts.

use crate::digest::Digest;
use crate::schema::{Entries, elements, entries, json};
use crate::text::{Later, TextMerge, merge_text};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Merges what two sides made of a list. Elements are compared as a whole; insertions of both sides
/// are kept in their order, and no element that all three have equally often is dropped or doubled.
///
/// Returns whether something clashed, too; there the later side's order is taken.
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

/// One element a line. A line without blanks is one word to the text merge, so no element is ever
/// cut; a line of ASCII is equal only to itself.
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

/// Merges what two sides made of a set. What either added is in it; what either removed is not, unless
/// it is among `added_since`: those were added again after the base. Without a base it is the union.
///
/// Returns the removals that lost, too.
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

/// Joins two counters: of each device what it said last. What a device has added, or taken away, only
/// grows, so the greater number is the later one.
pub(super) fn join_counters(a: &Value, b: &Value) -> Value {
    let mut joined: Entries = entries(a);
    for (device, (added, removed)) in entries(b) {
        let entry = joined.entry(device).or_default();
        *entry = (entry.0.max(added), entry.1.max(removed));
    }
    json(&joined)
}
