//! What can go wrong, and what a caller can do about it.

/// The result of a call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such record, or it is deleted.
    NotFound,
    /// A field cannot hold the value, or the server finds the request wrong.
    Invalid,
    /// Nobody is signed in. Name an account first.
    NoAccount,
    /// A sync is under way already. Wait for it.
    Busy,
    /// The local storage cannot be used. A person must look.
    Storage,
    /// The server cannot be reached. Try again later; edits are kept.
    Offline,
    /// The server asks to wait. Try again later; edits are kept.
    Unavailable,
    /// The sign-in has run out or is another person's. Sign in again.
    NeedsSignIn,
    /// The account was erased on the server; ask the person what to do with what is here.
    Erased,
    /// The conflict was closed another way.
    ConflictClosed,
    /// The account holds something already; an import needs one that is empty.
    NotEmpty,
    /// What was asked for is past its retention.
    PastRetention,
    /// The request is too large for the server.
    TooLarge,
    /// The server refuses or says what this library does not understand. A person must look.
    Protocol,
}

/// A failed call. `Display` names the operation and never holds the user's data.
#[derive(Debug, thiserror::Error)]
#[error("{op} failed: {kind:?}")]
pub struct Error {
    op: &'static str,
    kind: ErrorKind,
    retry_after_secs: Option<u64>,
    code: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error.
    pub fn new(op: &'static str, kind: ErrorKind) -> Self {
        Self { op, kind, retry_after_secs: None, code: None, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Adds how long the server asks to wait.
    #[must_use]
    pub fn retry_after(self, secs: Option<u64>) -> Self {
        Self { retry_after_secs: secs, ..self }
    }

    /// Adds the server's stable code.
    #[must_use]
    pub fn coded(self, code: Option<String>) -> Self {
        Self { code, ..self }
    }

    /// Returns what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns how long the server asks to wait, if it does.
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after_secs
    }

    /// Returns the stable code with which the server refused, if it gave one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether the same call may succeed later by itself.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, ErrorKind::Offline | ErrorKind::Unavailable)
    }
}
