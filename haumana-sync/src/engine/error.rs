//! Why a call of the engine failed as a whole.
//!
//! A call fails as a whole only if nothing can be said about its parts. If one record of a request
//! is wrong, that record gets a [`Refusal`], and the other records are accepted.

use crate::engine::Refusal;
use crate::store;

/// What the caller can do about an [`Error`].
///
/// | kinds | what to do |
/// |---|---|
/// | `Unavailable`, `Spent`, `Erasing`, `Importing` | wait, then send the same request again |
/// | `NotEmpty`, `Gone`, `NotFound`, `PastRetention`, `ConflictClosed`, `Invalid` | tell the user; the same request would fail again |
/// | `Unreadable`, `Internal` | tell the operator |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot answer now. Send the same request again later.
    ///
    /// It is also the kind of a call that lost too many races against other writers of the same
    /// user, and of a record that a newer version of this library has written.
    Unavailable,
    /// The account has used up its allowance for now. Send the same request again later.
    ///
    /// Only a store that gives each account an allowance returns it; the one on DynamoDB can. Other
    /// accounts are not affected.
    Spent,
    /// The account is being erased. Send the same request again later.
    ///
    /// Calling [`Engine::erase`](crate::Engine::erase) again finishes an erasure that was
    /// interrupted. [`Operate::erasing`](crate::store::Operate::erasing) lists such accounts.
    Erasing,
    /// An import into the account is under way, or was interrupted. Send the same request again
    /// later.
    ///
    /// Repeating the same import finishes it. An erasure discards it.
    Importing,
    /// The account contains something that the import does not.
    ///
    /// An import adds nothing to an account that is in use. Erase the account first, or use another
    /// one.
    NotEmpty,
    /// The account was erased, and the device holds data from before.
    ///
    /// It is returned for a cursor, or a page token of an export, from before the erasure. A device
    /// without a cursor begins anew in the account.
    Gone,
    /// There is no such record, version or conflict.
    NotFound,
    /// The requested content is past its retention.
    ///
    /// It is also returned if the value of a conflict is gone, or if a rewind goes back too far.
    PastRetention,
    /// The conflict was closed with another resolution.
    ConflictClosed,
    /// A stored record cannot be read. A person must look. Other records are not affected.
    Unreadable,
    /// The request contradicts itself or a limit.
    ///
    /// It is also returned if a record or an account has no room for what a person asked for.
    Invalid,
    /// A mistake of this library or of the stored data. A person must look.
    Internal,
}

/// A failed call of the engine. `Display` never holds the user's data.
///
/// Branch on [`Error::kind`]; the text is for logs. If the store failed, its error is the source.
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

    /// Whether it concerns one record, which is set aside, and not the whole request.
    ///
    /// A dialect skips such a record and answers the rest of the request.
    pub fn is_unreadable(&self) -> bool {
        self.kind == ErrorKind::Unreadable
    }

    pub(crate) fn newer_format() -> Self {
        Self::new(ErrorKind::Unavailable, "a record was written by a newer program")
    }

    /// The account was erased: nothing from before is accepted.
    ///
    /// It is for dialects that find out themselves that a client's data is from before an erasure.
    pub fn erased() -> Self {
        Self::new(ErrorKind::Gone, "the account was erased")
    }

    /// The store does not accept what a call has to write.
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
