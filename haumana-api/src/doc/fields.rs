//! The schemas of fields, made of their declarations.

use haumana_sync::limits;
use haumana_sync::schema::{Element, Field, FieldType, Group, Kind, Merge};
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};

/// A field in `set` of a push. Null clears it if the field may be absent.
///
/// It declares no default. An absent field of a push stays untouched; a client that filled in
/// defaults would overwrite values of others.
pub(super) fn sent(kind: &Kind, field: &Field) -> Value {
    let form = form(field.field_type());
    let form = if field.is_required() { not_null(form) } else { or_null(form) };
    with(form, "description", describe(kind, field).into())
}

/// A field in a record that the server returns. An absent field has no key, so null is not a value.
pub(super) fn stored(kind: &Kind, field: &Field) -> Value {
    let mut stored = with(form(field.field_type()), "description", describe(kind, field).into());
    if let FieldType::Set { .. } = field.field_type() {
        stored["uniqueItems"] = true.into();
    }
    match serde_json::to_value(field.default_at(UnixMillis(0))) {
        Ok(default) if !default.is_null() && !field.is_edit_time() => {
            with(stored, "default", default)
        }
        _ => stored,
    }
}

/// The value in a conflict or a history entry: for a field its value, for a group an object of its
/// fields.
pub(super) fn unit(kind: &Kind, name: &str) -> Value {
    match kind.groups().iter().find(|group| group.name() == name) {
        None => form(kind.named(name).field_type()),
        Some(group) => {
            let field = |name: &str| or_null(form(kind.named(name).field_type()));
            let fields = group.fields().map(|name| (name.to_owned(), field(name)));
            json!({ "type": "object", "properties": fields.collect::<serde_json::Map<_, _>>() })
        }
    }
}

/// The type of a field's value, and its limit.
fn form(field_type: &FieldType) -> Value {
    match field_type {
        FieldType::Text { max_chars } => json!({ "type": "string", "maxLength": max_chars }),
        // No keyword counts bytes. A character has at least one byte, so this never refuses a valid
        // text.
        FieldType::Lines { max_bytes } => json!({ "type": "string", "maxLength": max_bytes }),
        FieldType::Flag => json!({ "type": "boolean" }),
        FieldType::Integer => json!({ "type": "integer", "format": "int64" }),
        FieldType::Number => json!({ "type": "number" }),
        FieldType::Time => json!({ "type": "string", "format": "date-time" }),
        FieldType::Id => json!({ "type": "string", "format": "uuid" }),
        FieldType::Enum { words, open: false } => json!({ "type": "string", "enum": words }),
        FieldType::Enum { words, open: true } => {
            json!({ "type": "string", "maxLength": limits::WORD_CHARS, "examples": words })
        }
        FieldType::List { of, max } | FieldType::Set { of, max } => {
            json!({ "type": "array", "maxItems": max, "items": element(*of) })
        }
        FieldType::Counter => counter(),
        // JSON is any value. So is a type that a later version of the library adds.
        _ => json!({}),
    }
}

fn element(of: Element) -> Value {
    match of {
        Element::Text => json!({ "type": "string", "maxLength": Element::TEXT_CHARS }),
        Element::Id => json!({ "type": "string", "format": "uuid" }),
        _ => json!({ "type": "string" }),
    }
}

/// For each device its increments and its decrements.
fn counter() -> Value {
    json!({
        "type": "object",
        "maxProperties": limits::COUNTER_DEVICES,
        "propertyNames": {
            "minLength": 1, "maxLength": limits::DEVICE_ID_CHARS, "pattern": super::NO_CONTROLS,
        },
        "additionalProperties": {
            "type": "array", "minItems": 2, "maxItems": 2,
            "items": { "type": "integer", "format": "int64", "minimum": 0 },
        },
    })
}

/// Allows null too.
fn or_null(mut form: Value) -> Value {
    if let Some(name) = form.get("type").cloned() {
        form["type"] = json!([name, "null"]);
    }
    if let Some(words) = form.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    form
}

/// Excludes null. Only a form of any JSON has to say so.
fn not_null(form: Value) -> Value {
    if form.get("type").is_some() {
        return form;
    }
    with(form, "type", json!(["array", "boolean", "number", "object", "string"]))
}

fn with(mut form: Value, keyword: &str, value: Value) -> Value {
    form[keyword] = value;
    form
}

/// Tells people what the keywords cannot express: limits in bytes, the value in a new record, and
/// how concurrent edits merge.
fn describe(kind: &Kind, field: &Field) -> String {
    let limit = match field.field_type() {
        FieldType::Lines { max_bytes } => format!("At most {max_bytes} bytes of UTF-8. "),
        FieldType::Counter => {
            "For each device what it added and what it took away, since it first \
            counted. Readers add up. "
                .to_owned()
        }
        _ => String::new(),
    };
    let new = match field.same_as() {
        Some(other) => format!("A new record without it has the value of `{other}`. "),
        None if field.is_mandatory() => "A new record needs it. ".to_owned(),
        None if field.is_edit_time() => {
            "A new record without it has the time of its edit. ".to_owned()
        }
        None if field.is_required() => {
            format!("A new record without it has the default in `Record_{}`. ", kind.name())
        }
        None => String::new(),
    };
    let group = kind.groups().iter().find(|group| group.fields().any(|one| one == field.name()));
    let merge = group.map_or_else(|| of_field(field).to_owned(), of_group);
    format!("{limit}{new}{merge}")
}

fn of_field(field: &Field) -> &'static str {
    match field.field_type() {
        FieldType::Lines { .. } => "Concurrent edits are merged by line, then by word.",
        FieldType::List { .. } => "Concurrent edits are merged: insertions and removals are kept.",
        FieldType::Set { .. } => "Concurrent edits are merged: what either side added is there.",
        FieldType::Counter => "The greatest numbers of each device are kept.",
        _ => of_policy(field.policy()),
    }
}

fn of_group(group: &Group) -> String {
    let names: Vec<String> = group.fields().map(|name| format!("`{name}`")).collect();
    format!("{} move together. {}", names.join(", "), of_policy(group.policy()))
}

fn of_policy(policy: Merge) -> &'static str {
    match policy {
        Merge::Later => "Of concurrent edits the later one wins; the other is in the inbox.",
        Merge::Greatest => "Of concurrent edits the greatest value wins.",
        Merge::Least => "Of concurrent edits the least value wins.",
        Merge::First => "Of concurrent edits the earlier one wins.",
        Merge::Fixed => "The value that was stored first stays.",
        _ => "",
    }
}
