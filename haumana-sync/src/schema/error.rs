//! Why a schema is refused.
//!
//! A schema is refused when it is made, so an engine never meets one that contradicts itself.

use std::fmt;

/// A rule that a schema breaks, and where.
///
/// `Display` names the kind, the field and the rule, for the author of the schema: `kind recipe,
/// field title: a field keeps its type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    kind: Option<String>,
    field: Option<String>,
    message: String,
}

impl SchemaError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { kind: None, field: None, message: message.into() }
    }

    pub(super) fn in_kind(self, name: &str) -> Self {
        Self { kind: Some(name.to_owned()), ..self }
    }

    pub(super) fn in_field(self, name: &str) -> Self {
        Self { field: Some(name.to_owned()), ..self }
    }

    /// The kind that breaks the rule, if it is one kind.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The field that breaks the rule, if it is one field.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, &self.field) {
            (Some(kind), Some(field)) => write!(f, "kind {kind}, field {field}: ")?,
            (Some(kind), None) => write!(f, "kind {kind}: ")?,
            _ => {}
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for SchemaError {}
