//! What can go wrong, and what a caller can do about it.
//!
//! Branch on [`Error::kind`]. Whatever fails, edits that were accepted are kept.

use crate::flaw::Flaw;
use std::fmt;
use std::time::Duration;

/// The result of a call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// LIMIT: the longest wait that a server can ask for. Otherwise one wrong reply could stop a device
/// from syncing for years.
pub const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// What a caller can do about an [`Error`].
///
/// | kinds | what an app does |
/// |---|---|
/// | `Offline`, `Unavailable`, `Busy` | nothing, or shows that it waits; [`Error::is_passing`] is `true` for the first two |
/// | `NeedsSignIn`, `NoAccount` | asks the person to sign in |
/// | `Erased` | asks what to do with the local records: [`Replica::settle_erasure`](crate::Replica::settle_erasure) |
/// | `Invalid`, `NotFound`, `PastRetention`, `ConflictClosed`, `NotEmpty`, `TooLarge` | tells the person why it cannot be done |
/// | `NoSpace` | asks the person to make space; what was saved before is kept, and is sent |
/// | `InUse` | says that the app is open already |
/// | `Schema`, `Storage`, `Protocol` | reports it: a person who runs the app or the server must look |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such record, or it is deleted.
    NotFound,
    /// A field cannot hold the value, or the server rejects the request as invalid.
    Invalid,
    /// Nobody is signed in. Name an account first.
    NoAccount,
    /// A sync is under way already. Wait for it.
    ///
    /// A replica has one sync at a time, and one follower.
    Busy,
    /// The schema does not succeed the one of the stored records. The source says why.
    ///
    /// The app was downgraded, or its schema changed what must not change. Records are untouched.
    Schema,
    /// The local storage cannot be used. A person must look.
    ///
    /// The disk cannot be written, or the file belongs to a newer program or is no file of this
    /// library.
    Storage,
    /// Another process, or another storage of this process, has the file open. End it, and open
    /// again.
    InUse,
    /// The local storage has no space: the disk, or the app's share of it, is full. Nothing has
    /// changed. Make space and try again.
    ///
    /// A sync still sends what was saved before. It receives nothing new until there is space.
    NoSpace,
    /// The server cannot be reached. Try again later; edits are kept.
    ///
    /// It is unknown whether the server has received the request. Sending it again is harmless.
    Offline,
    /// The server asks to wait. Try again later. Edits are kept.
    Unavailable,
    /// The sign-in has expired, or belongs to another person. Sign in again.
    NeedsSignIn,
    /// The account was erased on the server. Ask the person what to do with the local records.
    Erased,
    /// The conflict was closed in another way.
    ConflictClosed,
    /// The account already contains something. An import needs an empty account.
    NotEmpty,
    /// The requested content is past its retention.
    PastRetention,
    /// The request is too large for the server.
    ///
    /// A sync first makes its requests smaller by itself.
    TooLarge,
    /// The server refuses, or its answer is not understood, or something else has answered in its
    /// place: see [`Error::answered`]. A person must look.
    Protocol,
}

/// A failed call. `Display` names the operation and never contains the user's data.
///
/// So it is safe to log. [`Error::explanation`] and [`Error::flaw`] are for people.
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

    /// Adds how long the server asks to wait. It is limited to
    /// [`LONGEST_ASKED`](crate::LONGEST_ASKED).
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

    /// Adds the server's message for people.
    #[must_use]
    pub fn explained(self, explanation: Option<String>) -> Self {
        Self { explanation, ..self }
    }

    /// Adds a description of what has answered in the server's place.
    #[must_use]
    pub fn answered_by(self, answered: Answered) -> Self {
        Self { answered: Some(Box::new(answered)), ..self }
    }

    /// Adds which kind and field are wrong, and why.
    #[must_use]
    pub fn flawed(self, flaw: Flaw) -> Self {
        Self { flaw: Some(Box::new(flaw)), ..self }
    }

    /// Returns which kind and field are wrong, and why, if an edit could not be made.
    ///
    /// Such an error comes from this device; nothing was sent.
    pub fn flaw(&self) -> Option<&Flaw> {
        self.flaw.as_deref()
    }

    /// Returns what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns how long the server asks to wait, if it does. It is never more than
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

    /// Returns the server's message for people, if there is one. It contains no value of a field.
    pub fn explanation(&self) -> Option<&str> {
        self.explanation.as_deref()
    }

    /// Returns what has answered, if it was not a server of this project: a proxy, a firewall, the
    /// sign-in page of a network, or another server. Such an answer changes nothing, and edits are
    /// kept.
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

/// An answer that was not from a server of this project.
///
/// `Display` describes it for people, as the object of a sentence: "a web page (200 OK)". It
/// contains nothing of what was sent. For a redirect it names only the server to which it leads.
///
/// Show it: a person in a hotel sees at once that the network wants a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The status in words; empty if there are none.
    pub reason: String,
    /// What the answer is.
    pub form: AnswerForm,
}

/// The form of an answer that is not of this project.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerForm {
    /// A web page, such as the sign-in page of a network.
    Page,
    /// A redirect, with the server to which it leads, if it names one.
    Redirect(Option<String>),
    /// JSON, but not in this project's form.
    Json,
    /// Anything else, including an empty answer.
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
