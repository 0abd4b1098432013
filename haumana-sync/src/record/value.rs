//! The value of one field.

use crate::digest::Digest;
use crate::json::JsonText;
use serde::{Serialize, Serializer};

/// The value of one field of a piece. [`Value::Null`] is an absent optional field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing there.
    Null,
    /// A switch.
    Flag(bool),
    /// Text.
    Text(String),
    /// The value of a key that this library does not know.
    Json(JsonText),
}

impl Value {
    /// Returns the text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing there.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The bytes by which ties between values are broken and values are hashed: a tag, then the
    /// value.
    pub fn canonical(&self) -> (u8, &[u8]) {
        match self {
            Value::Null => (0, b""),
            Value::Flag(false) => (1, b""),
            Value::Flag(true) => (2, b""),
            Value::Text(text) => (3, text.as_bytes()),
            Value::Json(json) => (4, json.as_str().as_bytes()),
        }
    }

    /// The first 64 bits of a hash of the value.
    pub fn hash(&self) -> u64 {
        let (tag, bytes) = self.canonical();
        Digest::of([&[tag], bytes]).short()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Json(json) => json.serialize(serializer),
        }
    }
}
