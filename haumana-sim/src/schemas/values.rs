//! Values of every type, from domains so small that ties and clashes are frequent.
//!
//! With four values of a type, one pair of edits out of four is equal. With arbitrary values, ties,
//! equal edits, and changes back would never be tested.

use crate::dice::Dice;
use haumana_sync::record::Value;
use haumana_sync::schema::{Element, Field, FieldType};
use serde_json::{Value as Json, json};

const IDS: [&str; 4] = [
    "5EED0000-0000-4000-8000-000000000001",
    "5EED0000-0000-4000-8000-000000000002",
    "5EED0000-0000-4000-8000-000000000003",
    "5EED0000-0000-4000-8000-000000000004",
];
const WORDS: [&str; 4] = ["ua", "ua lani", "ʻā", "\"{}\""];

/// A few values that a field of this type can hold.
///
/// Values that the field would refuse are left out.
pub fn domain(field_type: &FieldType) -> Vec<Value> {
    let field = Field::new(1, "any", field_type.clone());
    let raw = |sample: &Json| serde_json::value::to_raw_value(sample).ok();
    let samples = samples(field_type);
    samples.iter().filter_map(|sample| field.read(&raw(sample)?)).collect()
}

/// Some are equal in another form, such as one time in two zones.
fn samples(field_type: &FieldType) -> Vec<Json> {
    match field_type {
        FieldType::Text { .. } => WORDS.map(Json::from).to_vec(),
        FieldType::Lines { .. } => {
            ["1\n2\n3", "1\n2 b\n3", "2\n3\n1", "0\n1\n2\n3", ""].map(Json::from).to_vec()
        }
        FieldType::Flag => vec![json!(true), json!(false)],
        FieldType::Integer => vec![json!(-1), json!(9), json!(10)],
        FieldType::Number => vec![json!(0.5), json!(-2), json!(1e9)],
        FieldType::Time => {
            let times =
                ["2026-11-24T00:00:00.000Z", "2026-11-24T10:00:00+10:00", "2026-12-01T08:00:00Z"];
            times.map(Json::from).to_vec()
        }
        FieldType::Id => IDS.map(Json::from).to_vec(),
        FieldType::Enum { .. } => ["low", "middle", "high"].map(Json::from).to_vec(),
        FieldType::Json => vec![json!({ "a": 1 }), json!([1]), json!("text"), json!(0)],
        FieldType::List { .. } | FieldType::Set { .. } | FieldType::Counter => vec![json!([])],
        other => unreachable!("the model has no values of {other:?}"),
    }
}

/// The next value that a user gives a field with the value `now`.
///
/// Lists and sets change by one element, so that there is something to merge.
pub fn next(dice: &mut Dice, field_type: &FieldType, now: &Json) -> Json {
    match field_type {
        FieldType::List { of, .. } => edited(dice, *of, now, false),
        FieldType::Set { of, .. } => edited(dice, *of, now, true),
        _ => dice.pick(&samples(field_type)).clone(),
    }
}

/// Adds one element, or removes one.
///
/// An element of a set is not added twice.
fn edited(dice: &mut Dice, of: Element, now: &Json, is_set: bool) -> Json {
    let mut list: Vec<Json> = now.as_array().cloned().unwrap_or_default();
    let names = if of == Element::Id { IDS } else { WORDS };
    if !list.is_empty() && dice.chance(35) {
        list.remove(dice.below(list.len()));
    } else {
        let new = Json::from(*dice.pick(&names));
        if !(is_set && list.contains(&new)) {
            list.insert(dice.below(list.len() + 1), new);
        }
    }
    Json::Array(list)
}
