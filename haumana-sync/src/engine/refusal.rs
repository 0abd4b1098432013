//! Why one record was not accepted.
//!
//! A device keeps an edit that was refused. [`Refusal::advice`] says when it may send it again.

use crate::schema::FieldError;

/// Why one record of a request was not accepted. All other records of the request were handled
/// normally.
///
/// ```
/// use haumana_sync::engine::Refusal;
///
/// for refusal in Refusal::ALL {
///     println!("{}: {}. {}", refusal.code(), refusal.message(), refusal.advice());
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// The record or one of its fields exceeds its limit.
    ///
    /// See [`RECORD_BYTES`](crate::limits::RECORD_BYTES) for a record and
    /// [`FieldType`](crate::schema::FieldType) for fields. If a limit was lowered later, stored
    /// records stay; only an edit has to fit.
    TooLarge,
    /// The id is not a UUID.
    ///
    /// A valid id has the hyphenated form of 36 characters.
    InvalidId,
    /// A field has the wrong type, or is missing and cannot be filled.
    ///
    /// It is also returned for a kind that the schema does not have, and for a base that this
    /// server cannot have given.
    InvalidField,
    /// The content of the base is past its retention.
    ///
    /// It is also returned for a part of a record that the server does not have, because the rest
    /// of the record is unknown. The device has it, and sends the whole record.
    BaseGone,
    /// The record says that it belongs to another user.
    WrongUser,
    /// The user has no room left.
    ///
    /// See [`USER_RECORDS`](crate::limits::USER_RECORDS), [`USER_BYTES`](crate::limits::USER_BYTES)
    /// and [`USER_CONFLICTS`](crate::limits::USER_CONFLICTS). A store may have less room than
    /// these.
    QuotaExceeded,
    /// The stored record cannot be read until a person has repaired it.
    ///
    /// Nothing is overwritten: the edit waits on its device until then.
    Unreadable,
}

impl Refusal {
    /// All of them.
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

    /// Returns the reason as text for people. If it concerns a field, replies also name the field.
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

    /// Returns what a client does about it, for the guide and for developers.
    pub fn advice(self) -> &'static str {
        match self {
            Refusal::TooLarge | Refusal::InvalidField => {
                "Show it to the user. Send it again only after an edit"
            }
            Refusal::InvalidId => "Give the record an id that is a UUID",
            Refusal::BaseGone => "Send the whole record with `base: null` and the same edit times",
            Refusal::WrongUser => "Send it with the token of the user that it names",
            Refusal::QuotaExceeded => {
                "Keep the edit and send it again later. Deletes, and edits that make records \
                 shorter, still go through"
            }
            Refusal::Unreadable => {
                "Keep the edit and send it again later; an operator has to repair the record"
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
