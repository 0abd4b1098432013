//! What crosses the wire, in both directions.

pub mod history;
pub mod import;
pub mod inbox;
mod members;
pub mod sync;

pub use members::members;

use crate::schema::FieldError;

/// A request that cannot be taken as a whole.
///
/// `Display` is for people and holds nothing of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// The body is not JSON in UTF-8.
    #[error("the body is not valid JSON")]
    Json,
    /// The body is JSON of the wrong shape.
    #[error("the body does not have the shape that this call takes")]
    Shape,
    /// There is no such operation.
    #[error("operation is one of sync, upload and download")]
    Operation,
}

impl BadRequest {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            BadRequest::Json => "invalid_json",
            BadRequest::Shape => "invalid_request",
            BadRequest::Operation => "invalid_operation",
        }
    }
}

impl From<serde_json::Error> for BadRequest {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => BadRequest::Shape,
            _ => BadRequest::Json,
        }
    }
}

/// Reads a body that must be an object.
pub fn read_object<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadRequest> {
    let text = std::str::from_utf8(body).map_err(|_| BadRequest::Json)?;
    let first = text.trim_start_matches([' ', '\t', '\n', '\r']).chars().next();
    let result = serde_json::from_str(text).map_err(BadRequest::from);
    // Serde would take an array for a struct.
    if result.is_ok() && first != Some('{') { Err(BadRequest::Shape) } else { result }
}

/// Writes items with commas in between.
pub fn comma_separated<T>(out: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    for (at, item) in items.iter().enumerate() {
        if 0 < at {
            out.push(',');
        }
        write(out, item);
    }
}

/// `value` as JSON.
pub fn quoted(value: &(impl serde::Serialize + ?Sized)) -> String {
    // Strings and plain values have nothing that can fail to serialize.
    serde_json::to_string(value).unwrap_or_default()
}

/// Why one record of a request was not accepted; everything else went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// The record or one of its fields exceeds its limit.
    TooLarge,
    /// The id is not a UUID.
    InvalidId,
    /// A field has the wrong type, or is missing and cannot be filled.
    InvalidField,
    /// The content of the base is past its retention.
    BaseGone,
    /// The record says that it belongs to another user.
    WrongUser,
    /// The user has no room left.
    QuotaExceeded,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Refusal; 6] = [
        Refusal::TooLarge,
        Refusal::InvalidId,
        Refusal::InvalidField,
        Refusal::BaseGone,
        Refusal::WrongUser,
        Refusal::QuotaExceeded,
    ];

    /// Returns the stable code.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::TooLarge => "too_large",
            Refusal::InvalidId => "invalid_id",
            Refusal::InvalidField => "invalid_field",
            Refusal::BaseGone => "base_gone",
            Refusal::WrongUser => "wrong_user",
            Refusal::QuotaExceeded => "quota_exceeded",
        }
    }

    /// Says why, for people, where nothing more is known.
    pub fn message(self) -> &'static str {
        match self {
            Refusal::TooLarge => "the record or one of its fields is too large",
            Refusal::InvalidId => "the id is not a UUID",
            Refusal::InvalidField => "a field is missing, or has a value that it cannot hold",
            Refusal::BaseGone => "the record's content is gone; send it whole, with base null",
            Refusal::WrongUser => "the record belongs to another user",
            Refusal::QuotaExceeded => "there is no room left for this user",
        }
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Invalid => Refusal::InvalidField,
            FieldError::TooLarge => Refusal::TooLarge,
        }
    }
}

/// One record of a request that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The id as it was sent.
    pub id: String,
    /// Why.
    pub refusal: Refusal,
    /// Why, for people; holds nothing of what was sent.
    pub message: String,
}
