//! Examples of requests and replies about the records of any schema, for servers of other apps.
//!
//! A sample has values of the right type in its fields, within the limits of each field. It is not
//! meant to look like a real record, only to be valid, so that a reader sees the form.

use super::examples::{AT, DEVICE, OTHER_DEVICE, PIECE};
use haumana_sync::schema::{Element, FieldType, Kind, Schema};
use serde_json::{Value, json};

/// The most fields of a sample, apart from those that a record must have.
const FIELDS: usize = 8;

/// A value for each of the first fields of a kind, and for those that a new record must have.
fn sample(kind: &Kind) -> Value {
    let fields = kind.fields().iter().enumerate();
    let shown = fields.filter(|(at, field)| *at < FIELDS || field.is_required());
    let values = shown.map(|(_, field)| (field.name().to_owned(), value(field.field_type())));
    Value::Object(values.collect())
}

fn value(field_type: &FieldType) -> Value {
    let text = |max: usize| "Aloha".chars().take(max).collect::<String>();
    match field_type {
        FieldType::Text { max_chars } => json!(text(*max_chars)),
        FieldType::Lines { max_bytes } => json!(text(*max_bytes)),
        FieldType::Flag => json!(true),
        FieldType::Integer => json!(7),
        FieldType::Number => json!(1.5),
        FieldType::Time => json!(AT),
        FieldType::Id => json!(PIECE),
        FieldType::Enum { words, .. } => words.first().map_or_else(|| json!("word"), |w| json!(w)),
        FieldType::List { of: Element::Id, .. } | FieldType::Set { of: Element::Id, .. } => {
            json!([PIECE])
        }
        FieldType::List { .. } | FieldType::Set { .. } => json!(["Aloha"]),
        FieldType::Counter => json!({ DEVICE: [1, 0] }),
        _ => json!({}),
    }
}

/// The first kind and a sample of it. A schema without kinds has nothing to show.
fn first(schema: &Schema) -> (&str, Value) {
    schema.kinds().first().map_or(("", json!({})), |kind| (kind.name(), sample(kind)))
}

pub(super) fn sync(schema: &Schema) -> Vec<(&'static str, Value)> {
    let (kind, set) = first(schema);
    let create = json!({ "kind": kind, "id": PIECE, "base": null, "editedAt": AT, "set": set });
    let delete = json!({ "kind": kind, "id": PIECE, "base": 1, "editedAt": AT, "delete": true });
    vec![
        ("1 create", json!({ "deviceId": DEVICE, "cursor": null, "push": [create] })),
        ("2 pull", json!({ "deviceId": OTHER_DEVICE, "cursor": null, "limit": 500 })),
        ("3 delete", json!({ "deviceId": DEVICE, "cursor": null, "push": [delete] })),
    ]
}

/// A record as replies and exports have it.
fn change(kind: &str, value: Value) -> Value {
    json!({ "kind": kind, "id": PIECE, "version": 1, "modifiedAt": AT, "value": value })
}

pub(super) fn sync_reply(schema: &Schema) -> Value {
    let (kind, value) = first(schema);
    let result = json!({
        "kind": kind, "id": PIECE, "outcome": "applied", "version": 1, "conflicts": [],
    });
    json!({
        "results": [result], "changes": [change(kind, value)], "conflicts": [], "cursor": "AQ", "more": false,
        "reset": false, "openConflicts": 0, "digest": "00000000000000000000000000000000",
        "serverTime": AT,
    })
}

pub(super) fn conflicts_reply() -> Value {
    json!({ "conflicts": [] })
}

pub(super) fn record_history_reply(schema: &Schema) -> Value {
    let version = json!({
        "version": 1, "at": AT, "deviceId": DEVICE, "deleted": false, "changed": [], "lost": [],
    });
    json!({ "kind": first(schema).0, "id": PIECE, "versions": [version] })
}

pub(super) fn export_reply(schema: &Schema) -> Value {
    let (kind, value) = first(schema);
    json!({
        "exportDate": AT, "exportVersion": "1.0", "user": { "id": "110248495921238986420" },
        "pieces": [], "practiceSessions": [], "history": [], "conflicts": [], "tombstones": [],
        "records": [change(kind, value)],
    })
}
