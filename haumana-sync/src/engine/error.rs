//! Why a call of the engine failed as a whole.

use crate::engine::Refusal;
use crate::store;

/// What the caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot answer now. Send the same request again later.
    Unavailable,
    /// The account has used up what it may cost for now. Send the same request again later.
    Spent,
    /// The account is being erased. Send the same request again later.
    Erasing,
    /// An import into the account is under way, or broke off. Send the same request again later.
    Importing,
    /// The account holds something that the import does not.
    NotEmpty,
    /// The account was erased; what the device holds belongs to the time before.
    Gone,
    /// There is no such record, version or conflict.
    NotFound,
    /// What was asked for is past its retention.
    PastRetention,
    /// The conflict was closed with another resolution.
    ConflictClosed,
    /// What is stored of a record cannot be read. A person must look; everything else goes on.
    Unreadable,
    /// The request contradicts itself or a limit.
    Invalid,
    /// A mistake of this library or of the stored data. A person must look.
    Internal,
}

/// A failed call of the engine. `Display` never holds the user's data.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    kind: ErrorKind,
    what: &'static str,
    #[source]
    source: Option<store::Error>,
}

impl Error {
    /// Returns what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn new(kind: ErrorKind, what: &'static str) -> Self {
        Self { kind, what, source: None }
    }

    pub(crate) fn unreadable() -> Self {
        Self::new(ErrorKind::Unreadable, "a stored record cannot be read")
    }

    /// Whether it is of one record, which is set aside, and not of the request.
    pub fn is_unreadable(&self) -> bool {
        self.kind == ErrorKind::Unreadable
    }

    pub(crate) fn newer_format() -> Self {
        Self::new(ErrorKind::Unavailable, "a record was written by a newer program")
    }

    /// The account was erased: nothing of what was before is taken.
    pub fn erased() -> Self {
        Self::new(ErrorKind::Gone, "the account was erased")
    }

    /// The store does not take what a call is to write.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self::new(ErrorKind::Invalid, refusal.message())
    }

    pub(crate) fn contended() -> Self {
        Self::new(ErrorKind::Unavailable, "too many others are writing for this user")
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let (kind, what) = match error.kind() {
            store::ErrorKind::Corrupt => (ErrorKind::Internal, "the store found broken data"),
            store::ErrorKind::TooLarge => (ErrorKind::Internal, "a commit was too large"),
            store::ErrorKind::Spent => (ErrorKind::Spent, "the account's allowance is used up"),
            store::ErrorKind::Full => (ErrorKind::Invalid, Refusal::QuotaExceeded.message()),
            _ => (ErrorKind::Unavailable, "the store is not available"),
        };
        Self { kind, what, source: Some(error) }
    }
}
