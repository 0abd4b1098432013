//! What can go wrong, and what a caller can do about it.
//!
//! Branch on [`Error::kind`]. Whatever fails, edits that were accepted are kept.

use crate::flaw::Flaw;
use std::fmt;
use std::time::Duration;

/// The result of a call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// LIMIT: the longest wait that a server can ask for. A device would not sync for years otherwise,
/// because of one mistaken reply.
pub const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// What a caller can do about an [`Error`].
///
/// | kinds | what an app does |
/// |---|---|
/// | `Offline`, `Unavailable`, `Busy` | nothing, or shows that it waits; [`Error::is_passing`] of the first two |
/// | `NeedsSignIn`, `NoAccount` | asks the person to sign in |
/// | `Erased` | asks what to do with what is here: [`Replica::settle_erasure`](crate::Replica::settle_erasure) |
/// | `Invalid`, `NotFound`, `PastRetention`, `ConflictClosed`, `NotEmpty`, `TooLarge` | tells the person why it cannot be done |
/// | `NoSpace` | asks the person to make space; what was saved before is kept, and is sent |
/// | `InUse` | says that the app is open already |
/// | `Schema`, `Storage`, `Protocol` | reports it: a person who runs the app or the server must look |
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
    ///
    /// There is one sync of a replica at a time, and one follower.
    Busy,
    /// The schema does not succeed the one that the records were written under; the source says why.
    ///
    /// The app was downgraded, or its schema changed what may not change. Records are untouched.
    Schema,
    /// The local storage cannot be used. A person must look.
    ///
    /// The disk cannot be written, or the file is a newer program's or none of this library.
    Storage,
    /// Another process, or another storage of this one, holds the file. End it, and open again.
    InUse,
    /// The local storage has no space for it: the disk, or the app's share of it, is full. Nothing has
    /// changed. Make space and try again.
    ///
    /// A sync sends what was saved before, and takes in nothing new until there is space.
    NoSpace,
    /// The server cannot be reached. Try again later; edits are kept.
    ///
    /// It is unknown whether the server has taken the request in. Sending it again is harmless.
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
    ///
    /// A sync makes its requests smaller by itself before it says so.
    TooLarge,
    /// The server refuses or says what this library does not understand, or something else has
    /// answered in its place: see [`Error::answered`]. A person must look.
    Protocol,
}

/// A failed call. `Display` names the operation and never holds the user's data.
///
/// It is safe to log. [`Error::explanation`] and [`Error::flaw`] are what a person can read.
#[derive(Debug, thiserror::Error)]
#[error("{op} failed: {kind:?}{}", because(.flaw))]
pub struct Error {
    op: &'static str,
    kind: ErrorKind,
    retry_after_secs: Option<u64>,
    code: Option<String>,
    explanation: Option<String>,
    answered: Option<Box<Answered>>,
    flaw: Option<Box<Flaw>>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error.
    pub fn new(op: &'static str, kind: ErrorKind) -> Self {
        Self {
            op,
            kind,
            retry_after_secs: None,
            code: None,
            explanation: None,
            answered: None,
            flaw: None,
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Adds how long the server asks to wait; of more than
    /// [`LONGEST_ASKED`](crate::LONGEST_ASKED) that much.
    #[must_use]
    pub fn retry_after(self, secs: Option<u64>) -> Self {
        let retry_after_secs = secs.map(|secs| secs.min(LONGEST_ASKED.as_secs()));
        Self { retry_after_secs, ..self }
    }

    /// Adds the server's stable code.
    #[must_use]
    pub fn coded(self, code: Option<String>) -> Self {
        Self { code, ..self }
    }

    /// Adds what the server says to people about it.
    #[must_use]
    pub fn explained(self, explanation: Option<String>) -> Self {
        Self { explanation, ..self }
    }

    /// Adds what has answered in the server's place.
    #[must_use]
    pub fn answered_by(self, answered: Answered) -> Self {
        Self { answered: Some(Box::new(answered)), ..self }
    }

    /// Adds which kind and field are to blame, and why.
    #[must_use]
    pub fn flawed(self, flaw: Flaw) -> Self {
        Self { flaw: Some(Box::new(flaw)), ..self }
    }

    /// Returns which kind and field are to blame, and why, if an edit could not be made.
    ///
    /// Such an error comes from this device; nothing was sent.
    pub fn flaw(&self) -> Option<&Flaw> {
        self.flaw.as_deref()
    }

    /// Returns what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns how long the server asks to wait, if it does; never more than
    /// [`LONGEST_ASKED`](crate::LONGEST_ASKED), an hour.
    ///
    /// [`Backoff::wait`](crate::Backoff::wait) takes it into account.
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after_secs
    }

    /// Returns the stable code with which the server refused, if it gave one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns what the server says to people about it, if it says anything. It names no value.
    pub fn explanation(&self) -> Option<&str> {
        self.explanation.as_deref()
    }

    /// Returns what has answered, if it was not a server of this project: a proxy, a firewall, the
    /// sign-in page of a network, or another server. Nothing was changed by such an answer, and
    /// edits are kept.
    pub fn answered(&self) -> Option<&Answered> {
        self.answered.as_deref()
    }

    /// Whether the same call may succeed later by itself.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, ErrorKind::Offline | ErrorKind::Unavailable)
    }
}

fn because(flaw: &Option<Box<Flaw>>) -> String {
    flaw.as_ref().map(|flaw| format!(": {flaw}")).unwrap_or_default()
}

/// What has answered in the place of a server of this project.
///
/// `Display` says it to people, as the object of a sentence: "a web page (200 OK)". It holds nothing
/// of what was sent, and of a redirect only to which server it leads.
///
/// Show it: a person in a hotel sees at once that the network wants a sign-in of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The status in words; empty if nobody has named it.
    pub reason: String,
    /// What the answer is.
    pub form: AnswerForm,
}

/// What an answer is that is not this project's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerForm {
    /// A web page, such as the sign-in page of a network.
    Page,
    /// A redirect; to which server, if it says so.
    Redirect(Option<String>),
    /// JSON, but not in this project's form.
    Json,
    /// Anything else, also nothing at all.
    Other,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            AnswerForm::Page => f.write_str("a web page")?,
            AnswerForm::Redirect(Some(to)) => write!(f, "a redirect to {to}")?,
            AnswerForm::Redirect(None) => f.write_str("a redirect")?,
            AnswerForm::Json => f.write_str("JSON of another kind")?,
            AnswerForm::Other => f.write_str("something of another kind")?,
        }
        let space = if self.reason.is_empty() { "" } else { " " };
        write!(f, " ({}{space}{})", self.status, self.reason)
    }
}
