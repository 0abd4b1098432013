//! What becomes of the lines of a long text that two users edited (G16).
//!
//! It is the weakest thing that every merge of lines must keep, whatever it does with clashes: a
//! line that base and both sides have equally often is none that anybody edited. So the result has
//! it as often. Line ends and Unicode forms do not count as different.

use super::content::{Content, FIELDS, Val, aspect_name, is_long};
use std::borrow::Cow;
use std::collections::BTreeMap;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Says which long field has a line that the base and both sides have equally often less or more
/// often in `after`, if one has.
///
/// `None` if all is well.
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
///
/// A result that is one of the three texts needs no look.
fn miscounted(base: &Val, sides: [&Val; 2], after: &Val) -> Option<String> {
    // What all three have equally often, each of them has.
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

/// The text with newlines only, whatever its newlines were.
fn with_newlines(text: &str) -> Cow<'_, str> {
    match text.contains('\r') {
        true => text.replace("\r\n", "\n").replace('\r', "\n").into(),
        false => text.into(),
    }
}

/// How often a text has each of its lines, in any spelling.
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
