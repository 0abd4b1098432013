//! Why one record was not accepted.

use crate::schema::FieldError;

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
    /// What is stored of the record cannot be read until a person has repaired it.
    Unreadable,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Refusal; 7] = [
        Refusal::TooLarge,
        Refusal::InvalidId,
        Refusal::InvalidField,
        Refusal::BaseGone,
        Refusal::WrongUser,
        Refusal::QuotaExceeded,
        Refusal::Unreadable,
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
            Refusal::Unreadable => "unreadable",
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
            Refusal::Unreadable => {
                "what is stored of the record cannot be read; send it again later"
            }
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
