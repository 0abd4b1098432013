//! Why a run ended before its work was done.
//!
//! An item that cannot be taken is no error but an outcome in the report. An error here concerns
//! everything that comes after: the source ends in the middle, the store does not answer, the disk
//! is full.

use std::path::{Path, PathBuf};

/// What whoever started the run can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source cannot be read: it is incomplete, or not what it was said to be.
    Source,
    /// The target cannot be written, or not as it was asked for.
    Target,
    /// The report cannot be written.
    Report,
}

/// A run that ended before its work was done. Running again is harmless.
///
/// `Display` names files and tables, and never a user's data.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    kind: ErrorKind,
    what: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of what a run does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    /// Adds what it came from.
    ///
    /// The source must not show a user's data in its text, as it is printed.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Returns what can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// An error of kind [`ErrorKind::Source`] that begins with the name of the file.
    pub(crate) fn source_file(path: &Path, what: &str) -> Self {
        Self::new(ErrorKind::Source, format!("{}: {what}", PathBuf::from(path).display()))
    }
}

/// An error with everything that caused it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
