//! Errors: at opening for a person, later for the engine.
//!
//! The two have different readers. [`OpenError`] is for a person at a terminal: each kind says what
//! to do, and the message names the file. Later the caller is the engine, which acts on
//! [`ErrorKind`] alone. It needs one answer: can the change be in the file?
//!
//! | where it failed | what is known | answer |
//! |---|---|---|
//! | before `COMMIT` | nothing was written | `Throttled`, `Unavailable`, `TooLarge` or `Corrupt` |
//! | in `COMMIT`, busy or full | nothing is valid yet | `Throttled` or `Unavailable` |
//! | in `COMMIT`, anything else | it may be in the log | `Unknown` |

use haumana_sync::store::{Error, ErrorKind};
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// Why a store could not be opened; each message says what a person can do about it.
///
/// The messages are for a person at a terminal; a program branches on the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The file is something else.
    ///
    /// It was not changed.
    #[error("the file is not a SQLite database; name another path, or move the file away")]
    NotADatabase,
    /// The database belongs to another program.
    #[error("the file is a database of another program; name another path")]
    NotOurs,
    /// A newer version of this program has changed the file.
    ///
    /// An older program would lose data that the newer one keeps.
    #[error(
        "a newer program wrote this file (its schema is {found}, this program knows {known}); \
         start the newer program, or restore a backup from before the update"
    )]
    Newer {
        /// The schema version of the file.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// The file or its directory cannot be written.
    #[error(
        "the file or its directory cannot be written; check the owner and the permissions of both"
    )]
    ReadOnly,
    /// There is no such directory, or the file is one, or it may not be entered.
    #[error("the path is a directory, or its directory is not there, or this user may not open it")]
    Unreachable,
    /// No space is left.
    ///
    /// If that happens later, the store returns `Unavailable`.
    #[error("the disk is full; free some space and start again")]
    Full,
    /// Another program holds the file.
    #[error("another program holds the file locked; stop it, or wait until it has finished")]
    Busy,
    /// The file is damaged.
    #[error("the file is damaged; restore a backup")]
    Corrupt,
    /// The log beside the file belongs to another file.
    #[error(
        "the log beside it, with -wal at the end of its name, belongs to another file, and would \
         undo this one or be mixed with it; restore the backup in one step, which moves the log \
         aside, or move the log away and do without what only the log holds"
    )]
    ForeignLog,
    /// The file has used all generations.
    #[error(
        "no generation is left above those that were used; export the accounts and import them \
         into a new database"
    )]
    NoGeneration,
    /// The file system cannot hold a database that several connections use.
    #[error("the file system has no shared memory for locks; use a local disk")]
    NoWal,
    /// Anything else that the system reported; the source has it.
    #[error("the system reported an error")]
    Io,
}

/// A store that could not be opened.
///
/// `Display` names the file and says what to do. It has no data of users.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {}: {kind}", path.display())]
pub struct OpenError {
    path: PathBuf,
    kind: OpenErrorKind,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl OpenError {
    pub(crate) fn new(path: &Path, kind: OpenErrorKind) -> Self {
        Self { path: path.to_owned(), kind, source: None }
    }

    pub(crate) fn from_io(path: &Path, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                OpenErrorKind::ReadOnly
            }
            std::io::ErrorKind::NotFound
            | std::io::ErrorKind::NotADirectory
            | std::io::ErrorKind::IsADirectory => OpenErrorKind::Unreachable,
            std::io::ErrorKind::StorageFull => OpenErrorKind::Full,
            _ => OpenErrorKind::Io,
        };
        Self { path: path.to_owned(), kind, source: Some(source.into()) }
    }

    /// SQLite's extended codes are reduced to their primary ones, so `SQLITE_READONLY_DIRECTORY` is
    /// read-only, too.
    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let kind = match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenErrorKind::NotADatabase,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenErrorKind::ReadOnly,
            Some(ErrorCode::CannotOpen) => OpenErrorKind::Unreachable,
            Some(ErrorCode::DiskFull) => OpenErrorKind::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenErrorKind::Busy,
            Some(ErrorCode::DatabaseCorrupt) => OpenErrorKind::Corrupt,
            _ => OpenErrorKind::Io,
        };
        Self { path: path.to_owned(), kind, source: Some(source.into()) }
    }

    /// Returns why.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    /// Returns the cause, if there is one.
    pub(crate) fn into_source(self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        self.source
    }

    /// Returns the file that was to be opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Translates an error of a call that has changed nothing.
///
/// A violated constraint is `Corrupt`: the engine never sends two rows with one key, so the tables
/// differ from what this program wrote.
pub(crate) fn before_commit(op: &'static str, source: rusqlite::Error) -> Error {
    let kind = match &source {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => ErrorKind::Throttled,
            ErrorCode::TooBig => ErrorKind::TooLarge,
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        },
        // The rest are values that this program did not write.
        _ => ErrorKind::Corrupt,
    };
    Error::with_source(op, kind, source)
}

/// Translates an error of `COMMIT` itself.
///
/// `Unknown` makes the engine repeat the identical commit. If the first one succeeded, it is
/// recognised by its head, and the answer is `Ok`.
pub(crate) fn at_commit(op: &'static str, source: rusqlite::Error) -> Error {
    let kind = match source.sqlite_error_code() {
        // SQLITE: both errors come before the frame that makes the transaction valid is written.
        Some(ErrorCode::DatabaseBusy) => ErrorKind::Throttled,
        Some(ErrorCode::DiskFull) => ErrorKind::Unavailable,
        _ => ErrorKind::Unknown,
    };
    Error::with_source(op, kind, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn failures_say_what_the_caller_can_do() {
        let cases = [
            (ffi::SQLITE_BUSY, ErrorKind::Throttled, ErrorKind::Throttled),
            (ffi::SQLITE_FULL, ErrorKind::Unavailable, ErrorKind::Unavailable),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable, ErrorKind::Unknown),
            (ffi::SQLITE_READONLY, ErrorKind::Unavailable, ErrorKind::Unknown),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt, ErrorKind::Unknown),
            (ffi::SQLITE_TOOBIG, ErrorKind::TooLarge, ErrorKind::Unknown),
        ];

        for (code, before, at) in cases {
            assert_eq!(before, before_commit("commit", failure(code)).kind(), "code {code}");
            assert_eq!(at, at_commit("commit", failure(code)).kind(), "code {code} of COMMIT");
        }
    }

    #[test]
    fn what_sqlite_says_at_opening_names_a_kind() {
        let cases = [
            (ffi::SQLITE_READONLY_DIRECTORY, OpenErrorKind::ReadOnly),
            (ffi::SQLITE_CANTOPEN, OpenErrorKind::Unreachable),
            (ffi::SQLITE_FULL, OpenErrorKind::Full),
            (ffi::SQLITE_BUSY_RECOVERY, OpenErrorKind::Busy),
            (ffi::SQLITE_CORRUPT, OpenErrorKind::Corrupt),
            (ffi::SQLITE_IOERR_READ, OpenErrorKind::Io),
        ];

        for (code, kind) in cases {
            let error = OpenError::from_sqlite(Path::new("haumana.db"), failure(code));
            assert_eq!(kind, error.kind(), "code {code}");
        }
    }
}
