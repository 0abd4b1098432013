//! Why a run ended before its work was done.
//!
//! An item that cannot be imported is not an error; it is an outcome in the report. An error here
//! concerns all that follows: the source ends in the middle, the store does not answer, the disk is
//! full.

use std::path::{Path, PathBuf};

/// What the operator can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source cannot be read: it is incomplete, or of another form than expected.
    Source,
    /// The target cannot be written, or not in the way that was asked for.
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

/// The result of a run or of a part of it.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    /// Adds the cause.
    ///
    /// The text of the cause must not show a user's data, because it is printed.
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

/// An error with all its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
