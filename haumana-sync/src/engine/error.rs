//! Why a call of the engine failed as a whole.
//!
//! A call fails as a whole only where nothing can be said about its parts. What is wrong with one
//! record of a request is a [`Refusal`], and the other records go through.

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
    /// It is also the kind of a call that lost too many races against others who write for the same
    /// user, and of a record that a newer version of this library has written.
    Unavailable,
    /// The account has used up what it may cost for now. Send the same request again later.
    ///
    /// Only a store that gives each account an allowance answers so, as the one on DynamoDB can.
    /// Other accounts are not affected.
    Spent,
    /// The account is being erased. Send the same request again later.
    ///
    /// [`Engine::erase`](crate::Engine::erase) again finishes an erasure that broke off;
    /// [`Operate::erasing`](crate::store::Operate::erasing) lists them.
    Erasing,
    /// An import into the account is under way, or broke off. Send the same request again later.
    ///
    /// The same import again finishes it, and an erasure gives it up.
    Importing,
    /// The account holds something that the import does not.
    ///
    /// An import adds nothing to an account that is in use. Erase the account first, or use another
    /// one.
    NotEmpty,
    /// The account was erased; what the device holds belongs to the time before.
    ///
    /// It is answered to a cursor, or a page of an export, from before the erasure. A device
    /// without a cursor begins anew in the account.
    Gone,
    /// There is no such record, version or conflict.
    NotFound,
    /// What was asked for is past its retention.
    ///
    /// The kind also tells that the value of a conflict is gone, or that a rewind goes back too
    /// far.
    PastRetention,
    /// The conflict was closed with another resolution.
    ConflictClosed,
    /// What is stored of a record cannot be read. A person must look; everything else goes on.
    Unreadable,
    /// The request contradicts itself or a limit.
    ///
    /// A record or an account that has no room left for what a person asked for is `Invalid`, too.
    Invalid,
    /// A mistake of this library or of the stored data. A person must look.
    Internal,
}

/// A failed call of the engine. `Display` never holds the user's data.
///
/// Branch on [`Error::kind`]; the text is for logs. A failure of the store is the error's source.
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
    ///
    /// A dialect skips such a record and answers the rest of the request.
    pub fn is_unreadable(&self) -> bool {
        self.kind == ErrorKind::Unreadable
    }

    pub(crate) fn newer_format() -> Self {
        Self::new(ErrorKind::Unavailable, "a record was written by a newer program")
    }

    /// The account was erased: nothing of what was before is taken.
    ///
    /// It is for dialects that find out themselves that a client's data is from before an erasure.
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
