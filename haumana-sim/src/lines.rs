//! The lines of a long text that two users edited (G16).
//!
//! This is the weakest rule that every merge of lines must keep, however it handles clashes: if the
//! base and both sides have a line equally often, nobody edited it. So the result has it as often.
//! Line ends and Unicode forms do not count as differences.

use super::content::{Content, FIELDS, Val, aspect_name, is_long};
use std::borrow::Cow;
use std::collections::BTreeMap;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Checks all long fields. If the base and both sides have a line equally often, and `after` has it
/// less or more often, returns the field and the line.
///
/// `None` if all is well.
pub fn check_all(base: &Content, sides: [&Content; 2], after: &Content) -> Option<String> {
    (0..FIELDS.len()).filter(|aspect| is_long(*aspect)).find_map(|aspect| {
        check(aspect, &base.0[aspect], sides.map(|side| &side.0[aspect]), &after.0[aspect])
    })
}

/// Like [`check_all`], for one field.
pub fn check(aspect: usize, base: &Val, sides: [&Val; 2], after: &Val) -> Option<String> {
    let line = miscounted(base, sides, after)?;
    Some(format!(
        "{}: all have {line:?} equally often, the result has not\n  base {base:?}\n  sides {sides:?}\n  after {after:?}",
        aspect_name(aspect),
    ))
}

/// Returns a line that `base` and both sides have equally often, but not `after`.
///
/// A result that equals one of the three texts need not be checked.
fn miscounted(base: &Val, sides: [&Val; 2], after: &Val) -> Option<String> {
    // Each of the three has every such line as often as the others.
    if [base, sides[0], sides[1]].contains(&after) {
        return None;
    }
    let texts = [base, sides[0], sides[1], after].map(|text| with_newlines(text.text()));
    let [base, ours, theirs, after] = texts.each_ref().map(|text| copies(text));
    let is_shared = |(line, n): &(&Cow<'_, str>, &usize)| {
        ours.get(*line) == Some(*n) && theirs.get(*line) == Some(*n)
    };
    let mut shared = base.iter().filter(is_shared);
    shared.find(|(line, n)| after.get(*line) != Some(*n)).map(|(line, _)| line.to_string())
}

/// The text with `\n` for every kind of line end.
fn with_newlines(text: &str) -> Cow<'_, str> {
    match text.contains('\r') {
        true => text.replace("\r\n", "\n").replace('\r', "\n").into(),
        false => text.into(),
    }
}

/// How often a text has each of its lines, in any Unicode form.
fn copies(text: &str) -> BTreeMap<Cow<'_, str>, usize> {
    let mut copies = BTreeMap::new();
    for line in text.lines() {
        let line = match is_nfc_quick(line.chars()) {
            IsNormalized::Yes => line.into(),
            _ => line.nfc().collect(),
        };
        *copies.entry(line).or_default() += 1;
    }
    copies
}
