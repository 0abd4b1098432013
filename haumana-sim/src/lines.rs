//! What becomes of the lines of a long text that two users edited (G16).

use super::content::{Content, FIELDS, Val, aspect_name, is_long};
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization as _;

/// Says which long field has a line that the base and both sides have equally often less or more
/// often in `after`, if one has.
pub fn check_all(base: &Content, sides: [&Content; 2], after: &Content) -> Option<String> {
    (0..FIELDS.len()).filter(|aspect| is_long(*aspect)).find_map(|aspect| {
        check(aspect, &base.0[aspect], sides.map(|side| &side.0[aspect]), &after.0[aspect])
    })
}

/// As [`check_all`], of one field.
pub fn check(aspect: usize, base: &Val, sides: [&Val; 2], after: &Val) -> Option<String> {
    let line = miscounted(base, sides, after)?;
    Some(format!(
        "{}: all have {line:?} equally often, the result has not\n  base {base:?}\n  sides {sides:?}\n  after {after:?}",
        aspect_name(aspect),
    ))
}

/// Returns a line of `base` that both sides have as often as it, and `after` has not.
fn miscounted(base: &Val, sides: [&Val; 2], after: &Val) -> Option<String> {
    let [ours, theirs] = sides.map(copies);
    let (base, after) = (copies(base), copies(after));
    let is_shared =
        |(line, n): &(String, usize)| ours.get(line) == Some(n) && theirs.get(line) == Some(n);
    let mut shared = base.into_iter().filter(is_shared);
    shared.find(|(line, n)| after.get(line) != Some(n)).map(|(line, _)| line)
}

/// How often a text has each of its lines, in any spelling, whatever its newlines are.
fn copies(text: &Val) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    let text = text.text().replace("\r\n", "\n").replace('\r', "\n");
    text.lines().for_each(|line| *copies.entry(line.nfc().collect()).or_default() += 1);
    copies
}
