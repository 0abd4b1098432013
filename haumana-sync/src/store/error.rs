//! What can go wrong in a store, by what the caller can do about it.
//!
//! An engine decides by the kind alone. The operation and the source are for the log.

/// What a caller can do about an [`Error`].
///
/// | kind | what the engine does |
/// |---|---|
/// | `Conflict` | reads and merges again, up to [`COMMIT_TRIES`](crate::limits::COMMIT_TRIES) times |
/// | `Unknown` | repeats the identical commit, a few times |
/// | `TooLarge`, `Full` | finds the records that do not fit, and refuses those |
/// | all others | gives up; the device sends its request again later |
///
/// A lost connection is `Unknown` for a commit that was sent, and `Unavailable` for a read, or for
/// a commit that was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The head is not the expected one, and nothing changed. Read again, merge again, try again.
    Conflict,
    /// Refused, and nothing was done. Wait, then repeat the same call. The engine does not wait: it
    /// returns the error, and the device repeats its request.
    Throttled,
    /// Refused, and nothing was done: this account has used up its allowance for now. Others have
    /// not. Wait, then repeat the same call. Only a store with such an allowance returns it.
    Spent,
    /// Perhaps done, perhaps not. Repeat the same call; it is idempotent.
    Unknown,
    /// The batch or an item exceeds the limits of this store. Nothing changed.
    TooLarge,
    /// The store has no more room for this user, but has room for others. Nothing changed. Batches
    /// in which no record grows are still accepted, such as deletes.
    Full,
    /// The store cannot be used now: its disk is full, read-only or unreachable. Nothing changed.
    Unavailable,
    /// Stored bytes break an invariant, or a newer program wrote them. Stop; a person must look.
    Corrupt,
}

/// A failed store call.
///
/// `Display` names the operation and never the user's data, so it is safe to log.
#[derive(Debug, thiserror::Error)]
#[error("{op} failed: {kind:?}")]
pub struct Error {
    op: &'static str,
    kind: ErrorKind,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of a store call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error of `kind` for the operation `op`.
    pub fn new(op: &'static str, kind: ErrorKind) -> Self {
        Self { op, kind, source: None }
    }

    /// Makes an error with its cause, which must not contain the user's data.
    ///
    /// Database drivers often quote the statement with its values. Leave such a cause out, or pass
    /// only its code.
    pub fn with_source(
        op: &'static str,
        kind: ErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { op, kind, source: Some(source.into()) }
    }

    /// Returns what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the operation that failed.
    pub fn op(&self) -> &'static str {
        self.op
    }
}
