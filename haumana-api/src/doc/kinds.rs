//! The components of each kind of a schema: its records, and the parts of requests and replies that
//! hold records.
//!
//! Names are `Record_` and the name of the kind, and so on. No other component has a `_` in its
//! name. So no two components have one name, whatever the kinds are called.

use super::schemas::{list_of, object};
use super::{fields, records, reference};
use haumana_sync::limits;
use haumana_sync::schema::{Field, Kind, Schema};
use serde_json::{Map, Value, json};

/// Returns the components of all kinds, and those that choose between the kinds.
pub(super) fn components(schema: &Schema) -> Map<String, Value> {
    let mut all = Map::new();
    for kind in schema.kinds() {
        let of_kind = [
            ("Record", record(kind)),
            ("Set", set(kind)),
            ("Push", push(kind)),
            ("Change", change(kind)),
            ("Conflict", conflict(kind)),
            ("Unit", unit(kind)),
            ("UnitValue", unit_value(kind)),
            ("Version", version(kind)),
            ("History", history(kind)),
        ];
        all.extend(of_kind.map(|(what, component)| (name(what, kind), component)));
    }
    for (union, what) in [
        ("Push", "Push"),
        ("Change", "Change"),
        ("Conflict", "Conflict"),
        ("RecordHistoryReply", "History"),
    ] {
        all.insert(union.to_owned(), one_of(schema, what));
    }
    all.insert("RecordValue".to_owned(), value(schema.kinds().iter().map(AsRef::as_ref)));
    all.insert("OtherRecord".to_owned(), json!({
        "type": "object",
        "description": "A record that was stored under an earlier schema. A value that its field \
            cannot hold now comes as it is, and a field that was declared since may be absent.",
    }));
    all
}

/// The name of a component of a kind.
pub(super) fn name(what: &str, kind: &Kind) -> String {
    format!("{what}_{}", kind.name())
}

fn of(what: &str, kind: &Kind) -> Value {
    reference(&name(what, kind))
}

/// The component of one of the kinds; its `kind` says which.
fn one_of(schema: &Schema, what: &str) -> Value {
    let kinds = || schema.kinds().iter();
    let all: Vec<Value> = kinds().map(|kind| of(what, kind)).collect();
    let target = |kind: &Kind| of(what, kind)["$ref"].clone();
    let mapping: Map<String, Value> =
        kinds().map(|kind| (kind.name().to_owned(), target(kind))).collect();
    json!({ "oneOf": all, "discriminator": { "propertyName": "kind", "mapping": mapping } })
}

fn named(kind: &Kind) -> Value {
    json!({ "type": "string", "const": kind.name() })
}

fn properties(kind: &Kind, of_field: fn(&Kind, &Field) -> Value) -> Map<String, Value> {
    let fields = kind.fields().iter();
    fields.map(|field| (field.name().to_owned(), of_field(kind, field))).collect()
}

/// A record as the server makes it today.
fn record(kind: &Kind) -> Value {
    let required = kind.fields().iter().filter(|field| field.is_required()).map(Field::name);
    json!({
        "type": "object",
        "description": "A record without its id. Keys that are not named here are kept as they came.",
        "required": required.collect::<Vec<&str>>(),
        "properties": properties(kind, fields::stored),
    })
}

/// What a push sets.
fn set(kind: &Kind) -> Value {
    let reserved: Vec<String> = kind
        .reserved_keys()
        .filter(|key| kind.place(key.0).is_none())
        .map(|key| format!("`{}`", key.0))
        .collect();
    json!({
        "type": "object",
        "description": format!(
            "An absent field is untouched, null clears. Keys that are not named here are kept as \
             they came; these are refused: {}.",
            reserved.join(", ")
        ),
        "properties": properties(kind, fields::sent),
    })
}

/// One push. A flaw is reported in its result, and everything else goes through.
fn push(kind: &Kind) -> Value {
    let properties = json!({
        "kind": named(kind),
        "id": reference("Id"),
        "base": reference("Base"),
        "editedAt": reference("EditedAt"),
        "set": of("Set", kind),
        "delete": { "type": "boolean" },
        "offered": reference("Offered"),
    });
    let one = json!([
        { "required": ["set"], "properties": { "delete": { "const": false } } },
        { "required": ["delete"], "properties": { "delete": { "const": true }, "set": false } },
    ]);
    json!({
        "type": "object", "required": ["kind", "id"], "properties": properties, "oneOf": one,
    })
}

/// The value of a record of one of the kinds.
fn value<'k>(kinds: impl Iterator<Item = &'k Kind>) -> Value {
    let all = kinds.map(|kind| of("Record", kind)).chain([reference("OtherRecord")]);
    json!({ "anyOf": all.collect::<Vec<Value>>() })
}

fn change(kind: &Kind) -> Value {
    let properties = json!({
        "kind": named(kind),
        "id": reference("Id"),
        "version": reference("Version"),
        "modifiedAt": reference("Time"),
        "value": value([kind].into_iter()),
        "deleted": { "type": "boolean", "const": true },
    });
    let one = json!([{ "required": ["value"] }, { "required": ["deleted"] }]);
    let required = ["kind", "id", "version", "modifiedAt"];
    json!({ "type": "object", "required": required, "properties": properties, "oneOf": one })
}

fn conflict(kind: &Kind) -> Value {
    let field = json!({
        "anyOf": [of("Unit", kind), { "type": "null" }],
        "description": "Null where a delete was involved.",
    });
    records::conflict(named(kind), field, of("UnitValue", kind))
}

/// The fields and groups that are decided as one, by the names that history and inbox use.
fn unit(kind: &Kind) -> Value {
    json!({
        "type": "string",
        "description": "A field, the leading field of a group, or a key that the schema does not \
            name.",
        "examples": unit_names(kind),
    })
}

fn unit_names(kind: &Kind) -> Vec<&str> {
    let is_first = |name: &&str| kind.unit_of(name) == *name;
    kind.fields().iter().map(Field::name).filter(is_first).collect()
}

/// The value of one of these fields or groups.
fn unit_value(kind: &Kind) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for form in unit_names(kind).into_iter().map(|name| fields::unit(kind, name)) {
        // A form without a keyword allows any value. It is added at the end.
        if form != json!({}) && !all.contains(&form) {
            all.push(form);
        }
    }
    let any = "What was stored under an earlier schema, what a key holds that the schema does not \
        name, and any JSON.";
    all.push(json!({ "type": "null" }));
    all.push(json!({ "description": any }));
    json!({
        "description": "The value of the field; of a group an object of its fields.",
        "anyOf": all,
    })
}

/// One version in a history.
fn version(kind: &Kind) -> Value {
    let device = json!({ "type": ["string", "null"] });
    let changed = json!({
        "field": of("Unit", kind),
        "earlier": {
            "anyOf": [of("UnitValue", kind)],
            "description": "The value before; null if there was none, absent if it is past its \
                retention.",
        },
    });
    let lost = json!({
        "field": of("Unit", kind),
        "value": { "anyOf": [of("UnitValue", kind)], "description": "What was pushed." },
        "reason": reference("Reason"),
        "at": reference("Time"),
        "deviceId": device,
    });
    let lost = object(&["field", "value", "reason", "at", "deviceId"], lost);
    object(
        &["version", "at", "deviceId", "deleted", "changed", "lost"],
        json!({
            "version": reference("Version"),
            "at": reference("Time"),
            "deviceId": device,
            "deleted": { "type": "boolean" },
            "changed": { "type": "array", "items": object(&["field"], changed) },
            "lost": { "type": "array", "items": lost },
        }),
    )
}

fn history(kind: &Kind) -> Value {
    let mut versions = list_of(&name("Version", kind));
    versions["maxItems"] = crate::limits::LIST_ENTRIES.into();
    object(
        &["kind", "id", "versions"],
        json!({
            "kind": named(kind),
            "id": reference("Id"),
            "versions": versions,
            "next": next_version(),
        }),
    )
}

/// Where the next page of a history begins.
pub(super) fn next_version() -> Value {
    json!({ "type": "integer", "description": "`before` of the next page; absent at the end." })
}

/// What every push has, whatever its kind.
pub(super) fn of_pushes() -> Value {
    json!({
        "Base": {
            "type": ["integer", "null"], "minimum": 1, "maximum": limits::VERSION,
            "description": "The version that was edited; null if the device never had the record. \
                One that this server cannot have given is refused.",
        },
        "EditedAt": {
            "oneOf": [
                reference("Time"),
                { "type": "object", "additionalProperties": reference("Time") },
                { "type": "null" },
            ],
            "description": "One time, or one for each field.",
        },
        "Offered": {
            "type": ["boolean", "null"], "default": false,
            "description": "After a reset: what the device held in the other life, with `base: null` \
                and the `modifiedAt` of its copy as `editedAt`. No new edit.",
        },
    })
}
