//! The value of one field.
//!
//! A [`Value`] does not know its field. The [`Field`](crate::schema::Field) says which values it
//! can hold, and when two of them count as equal.

use crate::digest::Digest;
use crate::json::JsonText;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// The value of one field. [`Value::Null`] is an absent optional field.
///
/// | field types | the value |
/// |---|---|
/// | text, lines, time, id, enum | [`Value::Text`] |
/// | flag | [`Value::Flag`] |
/// | integer, number, list, set, counter, JSON, unknown keys | [`Value::Json`] |
/// | several fields that are merged as one | [`Value::Group`] |
///
/// ```
/// use haumana_sync::json::JsonText;
/// use haumana_sync::record::Value;
///
/// let tempo = JsonText::parse("1.50").map_or(Value::Null, Value::Json);
///
/// assert_eq!(Value::Text("Hiʻilawe".to_owned()), "Hiʻilawe".into());
/// assert_eq!("2025", serde_json::to_string(&Value::from(2025))?);
/// assert_eq!("0.5", serde_json::to_string(&Value::try_from(0.5).unwrap_or(Value::Null))?);
/// assert!(Value::try_from(f64::NAN).is_err(), "JSON has no such number");
/// assert_eq!("1.50", serde_json::to_string(&tempo)?, "digits are kept as they came");
/// assert_ne!(Value::Text(String::new()), Value::Null, "empty text is a value");
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Two values are equal if their bytes are equal. Bring them into the normal form of their field
/// first ([`Field::normal`](crate::schema::Field::normal)). Otherwise one instant in two time zones
/// is two values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value.
    ///
    /// In a push it clears the field.
    Null,
    /// A switch.
    Flag(bool),
    /// Text.
    Text(String),
    /// JSON: a number, a list, a set, a counter, a field of the type JSON, or a key that the kind
    /// does not name.
    ///
    /// [`From`] and [`TryFrom`] make numbers, [`JsonText::parse`] makes anything else.
    Json(JsonText),
    /// The values of fields that are merged as one.
    Group(GroupValue),
}

/// The values of a group of fields. At least one field has a value.
///
/// The engine makes it from a record's fields; see [`Group`](crate::schema::Group).
#[derive(Clone, Debug)]
pub struct GroupValue {
    fields: BTreeMap<String, Value>,
    /// The text by which values are compared and hashed.
    text: String,
    tag: u8,
}

impl PartialEq for GroupValue {
    fn eq(&self, other: &Self) -> bool {
        (self.tag, &self.text) == (other.tag, &other.text)
    }
}

impl Eq for GroupValue {}

impl GroupValue {
    /// Makes the value of a group of `fields`; [`Value::Null`] if none has a value. With
    /// `has_text_hash` it is hashed as a text, with a blank between two values.
    pub(crate) fn make(fields: BTreeMap<String, Value>, has_text_hash: bool) -> Value {
        if fields.values().all(Value::is_null) {
            return Value::Null;
        }
        let words = || fields.values().map(|value| value.as_text().unwrap_or_default());
        let text = match has_text_hash {
            true => words().collect::<Vec<&str>>().join(" "),
            // Strings and JSON, written to memory, cannot fail.
            false => serde_json::to_string(&fields).unwrap_or_default(),
        };
        let tag = if has_text_hash { TEXT_TAG } else { GROUP_TAG };
        Value::Group(Self { fields, text, tag })
    }

    /// Returns the value of a field.
    pub fn get(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    /// Returns the fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Tags of [`Value::canonical`].
const TEXT_TAG: u8 = 3;
const GROUP_TAG: u8 = 5;

impl Value {
    /// Returns the text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The bytes by which values are hashed and ties between values are broken: a tag, then the
    /// value.
    ///
    /// The tags order values of different types: none, `false`, `true`, text, JSON, groups. The
    /// order and the bytes are part of the protocol, because two implementations must break a tie
    /// alike.
    pub fn canonical(&self) -> (u8, &[u8]) {
        match self {
            Value::Null => (0, b""),
            Value::Flag(false) => (1, b""),
            Value::Flag(true) => (2, b""),
            Value::Text(text) => (TEXT_TAG, text.as_bytes()),
            Value::Json(json) => (4, json.as_str().as_bytes()),
            Value::Group(group) => (group.tag, group.text.as_bytes()),
        }
    }

    /// The first 64 bits of a hash of the value.
    ///
    /// Two values that a field counts as equal may have different hashes.
    /// [`Field::hash`](crate::schema::Field::hash) takes the field's equality into account.
    pub fn hash(&self) -> u64 {
        let (tag, bytes) = self.canonical();
        Digest::of([&[tag], bytes]).short()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Flag(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        // Digits are JSON.
        JsonText::parse(&number.to_string()).map_or(Value::Null, Value::Json)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        i64::from(number).into()
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

/// A number that is infinite or not a number. No field can hold it, since JSON has no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JSON has no infinite number, and none that is not a number")]
pub struct NotFinite;

impl TryFrom<f64> for Value {
    type Error = NotFinite;

    fn try_from(number: f64) -> Result<Self, NotFinite> {
        let json = serde_json::Number::from_f64(number).ok_or(NotFinite)?;
        JsonText::parse(&json.to_string()).map(Value::Json).ok_or(NotFinite)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Json(json) => json.serialize(serializer),
            Value::Group(group) => group.fields.serialize(serializer),
        }
    }
}
