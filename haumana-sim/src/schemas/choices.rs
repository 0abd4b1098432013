//! What the policy of each field must have chosen.
//!
//! Only the edits of a field and their times count here, not the order in which they arrived. That
//! is enough if each edit is one that its policy prefers to what its user saw: then the best of all
//! edits stays, whoever was faster. Under `later` this is so if all clocks are right.
//!
//! Fields that are merged by their parts, `fixed` fields and groups are left out.

use super::judge::{Name, Place};
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind, Merge};
use haumana_sync::time::UnixMillis;
use serde_json::{Map, Value as Json};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A value, and when a user set it.
type Edit = (Value, UnixMillis);

/// The best edit of each field.
#[derive(Debug, Default)]
pub(super) struct Choices {
    fields: BTreeMap<Place, Choice>,
    /// How many devices made each record.
    creations: BTreeMap<Name, usize>,
}

#[derive(Debug)]
struct Choice {
    best: Edit,
    /// How many of those who made the record set this field. Whether it counts that the others
    /// did not depends on who was faster.
    creations: usize,
    /// Whether a user replaced what they saw by something that the policy likes less.
    is_unclear: bool,
    /// The values that were set.
    values: Vec<Value>,
    /// Whether one of them was set twice. Of two who make a record, the second one's value may then
    /// count as a copy of what the record has had, which is no edit.
    is_repeated: bool,
}

impl Choices {
    /// A user who saw `shown`, or no such record, saved `set`.
    pub(super) fn saved(
        &mut self,
        (name, kind): (&Name, &Kind),
        shown: Option<&Map<String, Json>>,
        set: &Map<String, Json>,
        at: UnixMillis,
    ) {
        let creations = usize::from(shown.is_none());
        *self.creations.entry(name.clone()).or_default() += creations;
        for field in kind
            .fields()
            .iter()
            .filter(|field| is_plain(kind, field) && field.policy() != Merge::Fixed)
        {
            let Some(value) = set.get(field.name()) else { continue };
            let now = shown.and_then(|shown| shown.get(field.name())).unwrap_or(&Json::Null);
            let (edit, now) = ((value_of(field, value), at), value_of(field, now));
            let is_worse = shown.is_some()
                && match field.policy() {
                    Merge::Later => false,
                    Merge::First => !now.is_null(),
                    _ => order(field, &edit, &(now, at)) == Ordering::Less,
                };
            let place = (name.clone(), field.name().to_owned());
            let first = || Choice {
                best: edit.clone(),
                creations: 0,
                is_unclear: false,
                values: Vec::new(),
                is_repeated: false,
            };
            let choice = self.fields.entry(place).or_insert_with(first);
            choice.creations += creations;
            choice.is_repeated |= choice.values.contains(&edit.0);
            choice.values.push(edit.0.clone());
            choice.is_unclear |= is_worse;
            if order(field, &choice.best, &edit) == Ordering::Less {
                choice.best = edit;
            }
        }
    }

    /// The value that must be in a field; nothing if that depends on who was faster.
    pub(super) fn of(&self, place: &Place) -> Option<&Value> {
        let choice = self.fields.get(place)?;
        let creations = self.creations.get(&place.0).copied().unwrap_or_default();
        let is_made_once = creations < 2 || (choice.creations == creations && !choice.is_repeated);
        (is_made_once && !choice.is_unclear).then_some(&choice.best.0)
    }

    /// All fields that somebody set.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.fields.keys()
    }
}

/// Whether a field has one value that is decided by itself: it has no parts and no group.
pub(super) fn is_plain(kind: &Kind, field: &Field) -> bool {
    let is_grouped = kind.groups().iter().any(|group| group.fields().any(|it| it == field.name()));
    !field.field_type().is_structural() && !is_grouped
}

/// As records keep it, so that values can be compared.
pub(super) fn value_of(field: &Field, json: &Json) -> Value {
    let raw = serde_json::value::to_raw_value(json).ok();
    let value = raw.and_then(|raw| field.read(&raw));
    value.map_or(Value::Null, |value| field.normal(value))
}

/// How the policy of a field orders two edits, as docs/merging.md says.
fn order(field: &Field, a: &Edit, b: &Edit) -> Ordering {
    let by_bytes = a.0.canonical().cmp(&b.0.canonical());
    let is_there = (!a.0.is_null()).cmp(&!b.0.is_null());
    match field.policy() {
        Merge::Later => a.1.cmp(&b.1).then(by_bytes),
        Merge::First => a.1.cmp(&b.1).then(by_bytes).reverse(),
        Merge::Least => is_there.then(meaning(field, &a.0, &b.0).then(by_bytes).reverse()),
        _ => is_there.then(meaning(field, &a.0, &b.0)).then(by_bytes),
    }
}

fn meaning(field: &Field, a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| match (field.field_type(), value) {
        (FieldType::Enum { words, .. }, Value::Text(text)) => {
            words.iter().position(|word| word == text).map(|at| at as f64)
        }
        (FieldType::Time, Value::Text(text)) => UnixMillis::parse(text).map(|at| at.0 as f64),
        (FieldType::Integer | FieldType::Number, Value::Json(json)) => json.as_str().parse().ok(),
        _ => None,
    };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => Ordering::Equal,
    }
}
