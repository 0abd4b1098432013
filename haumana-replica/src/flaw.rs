//! Why an edit cannot be made: the kind, the field, and the reason.
//!
//! The server has the same rules. So an edit that is accepted here is rarely refused there.

use haumana_sync::limits;
use haumana_sync::schema::{Element, Field, FieldType, Kind};
use std::fmt;

/// Why a record or a field cannot have the given values.
///
/// `Display` names the kind and the field, and no value.
///
/// A form shows [`Flaw::reason`] beside the field that [`Flaw::field`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flaw {
    /// The name of the kind.
    pub kind: String,
    /// The name of the field; `None` if it concerns the whole record.
    pub field: Option<String>,
    /// The reason.
    pub reason: Reason,
    /// The existing names, if a name does not exist.
    known: Vec<String>,
    /// What the field expects of a value, or its limit.
    detail: Option<String>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The schema has no kind of that name.
    NoSuchKind,
    /// The kind has no field with that name. Under an undeclared key only JSON can be set.
    NoSuchField,
    /// The name is one of the protocol's own, such as `version`. Such names are never content.
    Reserved,
    /// The value is of another type than the field, or not one of its words. The text of the flaw
    /// names the words.
    WrongType,
    /// The value exceeds the field's limit, or the record exceeds its limit. The text of the flaw
    /// names the field's limit.
    TooLarge,
    /// The field cannot be without a value.
    Missing,
    /// The value cannot change after the record is made.
    ///
    /// The field's policy is [`Merge::Fixed`](haumana_sync::schema::Merge::Fixed).
    Fixed,
    /// The field has no index.
    NotIndexed,
    /// The type's declaration differs from the schema.
    ///
    /// The replica was opened with a schema in which the kind or the field has another number or
    /// type.
    OtherDeclaration,
}

impl Flaw {
    pub(crate) fn of_kind(kind: &str, reason: Reason) -> Self {
        Self { kind: kind.to_owned(), field: None, reason, known: Vec::new(), detail: None }
    }

    pub(crate) fn of_field(kind: &Kind, field: &str, reason: Reason) -> Self {
        let known = match reason {
            Reason::NoSuchField => kind.fields().iter().map(Field::name).collect(),
            Reason::NotIndexed => {
                let indexed = kind.fields().iter().filter(|field| field.is_indexed());
                indexed.map(Field::name).collect()
            }
            _ => Vec::new(),
        };
        let detail = match reason {
            Reason::WrongType => Some(kind.named(field).expectation().into_owned()),
            Reason::TooLarge => limit(kind.named(field)),
            _ => None,
        };
        Self {
            detail,
            field: Some(field.to_owned()),
            known: known.into_iter().map(str::to_owned).collect(),
            ..Self::of_kind(kind.name(), reason)
        }
    }

    pub(crate) fn no_such_kind(name: &str, known: impl Iterator<Item = String>) -> Self {
        Self { known: known.collect(), ..Self::of_kind(name, Reason::NoSuchKind) }
    }
}

/// The limit of a field, for people.
fn limit(field: &Field) -> Option<String> {
    Some(match field.field_type() {
        FieldType::Text { max_chars } => format!("{max_chars} characters"),
        FieldType::Lines { max_bytes } => format!("{max_bytes} bytes"),
        FieldType::Enum { .. } => format!("{} characters", limits::WORD_CHARS),
        FieldType::List { max, .. } | FieldType::Set { max, .. } => {
            format!("{max} elements of {} characters", Element::TEXT_CHARS)
        }
        FieldType::Counter => format!("{} devices", limits::COUNTER_DEVICES),
        FieldType::Json => format!("{} bytes", limits::RECORD_BYTES),
        _ => return None,
    })
}

impl Reason {
    fn words(self) -> &'static str {
        match self {
            Reason::NoSuchKind => "the schema has no such kind",
            Reason::NoSuchField => "there is no such field",
            Reason::Reserved => "the name is not one of a field: it is never content",
            Reason::WrongType => "the field cannot hold a value of this type",
            Reason::TooLarge => "it is too large",
            Reason::Missing => "it cannot be without a value",
            Reason::Fixed => "it is decided when the record is made",
            Reason::NotIndexed => "the field is not indexed",
            Reason::OtherDeclaration => "it is declared otherwise in the schema",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kind {}", self.kind)?;
        if let Some(field) = &self.field {
            write!(f, ", field {field}")?;
        }
        match (self.reason, &self.detail) {
            (Reason::WrongType, Some(expected)) => write!(f, ": the value {expected}")?,
            (reason, Some(limit)) => write!(f, ": {}; the limit is {limit}", reason.words())?,
            (reason, None) => write!(f, ": {}", reason.words())?,
        }
        if !self.known.is_empty() {
            write!(f, "; there are {}", self.known.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Flaw {}
