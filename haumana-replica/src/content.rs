//! Values of fields as JSON, and records made from them.

pub use haumana_sync::record::Content;

use crate::flaw::{Flaw, Reason};
use haumana_sync::json::JsonText;
use haumana_sync::record::{Counter, FieldError, Value};
use haumana_sync::schema::{Field, FieldType, Kind, Merge};
use haumana_sync::time::UnixMillis;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The counts of both values of a counter.
pub(crate) fn joined(one: &Value, other: &Value) -> Value {
    let mut joined = Counter::of(one);
    joined.join(&Counter::of(other));
    joined.to_value()
}

/// Makes a record from fields, as the server does for a push without a base; `None` if they are
/// only a part of a record.
pub(crate) fn create<'a>(
    kind: &Arc<Kind>,
    fields: impl Iterator<Item = (&'a str, &'a JsonText)>,
    edited_at: UnixMillis,
) -> Option<Content> {
    let fields: BTreeMap<&str, &JsonText> = fields.collect();
    let mut marks = kind.fields().iter().filter(|field| is_mark_of_making(field));
    if fields.is_empty() || !marks.all(|mark| fields.contains_key(mark.name())) {
        return None;
    }
    let mut content = Content::new(kind, edited_at);
    for (name, value) in &fields {
        put(&mut content, name, value);
    }
    complete(content)
}

/// Sets absent fields whose default is another field; `None` if the record lacks a field that it
/// must have.
fn complete(mut content: Content) -> Option<Content> {
    let kind = content.kind().clone();
    for field in kind.fields() {
        let value = content.get(field.name());
        if field.is_mandatory() && value == Value::Null {
            return None;
        }
        if let (Value::Null, Some(other)) = (value, field.same_as()) {
            content.set(field.name(), content.get(other));
        }
    }
    Some(content)
}

/// Whether a field is set when a record is made, and never again.
pub(crate) fn is_mark_of_making(field: &Field) -> bool {
    field.policy() == Merge::Fixed && field.is_edit_time()
}

/// Sets a field, if the field can hold a value of that type.
pub(crate) fn put(content: &mut Content, name: &str, value: &JsonText) {
    if let Some(value) = read_value(content.kind(), name, value) {
        content.set(name, value);
    }
}

/// Writes a value as JSON.
pub(crate) fn write_value(value: &Value) -> Option<JsonText> {
    JsonText::parse(&serde_json::to_string(value).ok()?)
}

/// Reads a value from JSON; `None` if the field cannot hold it.
pub(crate) fn read_value(kind: &Kind, name: &str, value: &JsonText) -> Option<Value> {
    let raw: &RawValue = serde_json::from_str(value.as_str()).ok()?;
    kind.named(name).read(raw)
}

/// Reads a value that the server shows to people: of a field, or of the group that the field leads.
/// A value that does not fit is returned as JSON.
pub(crate) fn shown_value(kind: &Kind, name: &str, value: &JsonText) -> Value {
    let of_group = || kind.read_unit(name, serde_json::from_str(value.as_str()).ok()?);
    let read = read_value(kind, name, value).or_else(of_group);
    read.unwrap_or_else(|| Value::Json(value.clone()))
}

/// Whether concurrent edits of a field merge by its parts, with the common base.
pub(crate) fn has_parts(kind: &Kind, name: &str) -> bool {
    kind.named(name).field_type().needs_base()
}

/// Whether the server must know what a device has set before, on the same base. It then merges only
/// the difference between the later change and the earlier one.
pub(crate) fn builds_on_earlier(kind: &Kind, name: &str) -> bool {
    has_parts(kind, name) || is_counter(kind, name)
}

/// Whether a field is a counter.
pub(crate) fn is_counter(kind: &Kind, name: &str) -> bool {
    *kind.named(name).field_type() == FieldType::Counter
}

/// A value in the form of a merge's base, as text.
pub(crate) fn base_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Json(json) => json.as_str().to_owned(),
        Value::Null | Value::Flag(_) | Value::Group(_) => String::new(),
    }
}

/// The inverse of [`base_text`].
pub(crate) fn base_value(kind: &Kind, name: &str, text: &str) -> Value {
    match kind.named(name).field_type() {
        FieldType::Lines { .. } => Value::Text(text.to_owned()),
        _ => JsonText::parse(text).map_or(Value::Null, Value::Json),
    }
}

/// Checks that a field can hold a value. Otherwise the server would refuse it.
pub(crate) fn check(kind: &Kind, name: &str, value: &Value) -> Result<(), Flaw> {
    let flaw = |reason| Err(Flaw::of_field(kind, name, reason));
    let field = kind.named(name);
    let is_key = !field.is_declared();
    match field.check(value) {
        _ if is_key && kind.reserved_key(name).is_some() => flaw(Reason::Reserved),
        Ok(()) => Ok(()),
        Err(FieldError::TooLarge) => flaw(Reason::TooLarge),
        Err(FieldError::Invalid) if is_key => flaw(Reason::NoSuchField),
        Err(FieldError::Invalid) if value.is_null() => flaw(Reason::Missing),
        Err(FieldError::Invalid) => flaw(Reason::WrongType),
    }
}
