//! Why a command failed, in words for people.
//!
//! Each text says what to do next. Errors of the store and of the engine are printed with all their
//! causes. Neither contains content of users.

use haumana_sync::engine::{Error as EngineError, ErrorKind};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// A problem ends the command with exit code 1, whatever was done before it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is no database {0}; name it with --db")]
    NoDatabase(PathBuf),
    #[error(
        "{0} is a backup. Opened to be worked on, it would be none any more, so nothing was done: \
         copy it with haumana-server --db {0} backup COPY, restore the copy as another database, and \
         name that with --db"
    )]
    IsBackup(PathBuf),
    #[error("PostgreSQL needs --url, or HAUMANA_URL, such as postgres://haumana@127.0.0.1/haumana")]
    NoUrl,
    #[error("DynamoDB needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; an emulator takes any")]
    NoCredentials,
    #[error("{0}")]
    Store(String),
    #[error("the schema {0} cannot be used: {1}")]
    Schema(PathBuf, String),
    #[error(
        "the data was written under another schema than {0}, which may not follow it: {1}; nothing \
         was done. Leave --schema (HAUMANA_SCHEMA) away: the schema is kept with the data"
    )]
    OtherSchema(PathBuf, String),
    #[error(
        "{0} cannot be read: {1}. It is made by the server; for other stores put the key in a file \
         of mode 0600, and name it with --caller-key"
    )]
    CallerKey(PathBuf, String),
    #[error("the audit log {0} cannot be written, so nothing was done: {1}")]
    Audit(PathBuf, io::Error),
    #[error("--confirm names another user; nothing was erased")]
    NotConfirmed,
    #[error("there is no account of that user")]
    Nobody,
    #[error("that is no hash of a user: one has 16 hexadecimal digits, such as 5c2f9e0b71d3a846")]
    NotAHash,
    #[error("no user of this store has that hash under the key {0}")]
    NotFound(PathBuf),
    #[error("there is no kind of record called {0:?}; there are: {1}")]
    NoKind(String, String),
    #[error("{0} exists; an export never overwrites anything")]
    Exists(PathBuf),
    #[error("{0} cannot be written: {1}")]
    File(PathBuf, io::Error),
    #[error("{0}")]
    Engine(String),
    #[error(
        "on DynamoDB a drill is a restore of the tables into new ones, which AWS does: \
         docs/runbook.md, \"A backup drill\", has the steps, and then `verify --all` on the new ones"
    )]
    DrillOfTables,
    #[error("there are no tables of a server in {0}")]
    NoTables(Tables),
    #[error("the highest generation is in use already; there is none above it")]
    NoGeneration,
    #[error("the drill failed: {0}")]
    Drill(String),
    #[error("the machine is out of threads: {0}")]
    Threads(#[from] io::Error),
}

/// A place where tables were expected and not found.
///
/// It is checked before anything is opened for writing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Tables {
    #[error("the file {0}, and nothing was made; name the database with --db")]
    File(PathBuf),
    #[error(
        "the schema {0} of that database, and nothing was made; name it with --database-schema"
    )]
    Schema(String),
}

impl Problem {
    /// An error of a store, or of opening one.
    ///
    /// The text is made here, because the errors of the three stores have no type in common.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        Self::Store(chain(error))
    }

    /// A file that exists already has a problem of its own, because people meet it often.
    pub(crate) fn of_file(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists(path.into()),
            _ => Self::File(path.into(), error),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let what = chain(&error);
        Self::Engine(match error.kind() {
            ErrorKind::Erasing => format!("{what}; run: haumana-admin repair USER --write"),
            ErrorKind::Importing => {
                format!("{what}; the device that began it finishes it, or erase the account")
            }
            ErrorKind::Unreadable => format!("{what}; run: haumana-admin verify USER"),
            _ => what,
        })
    }
}

/// The text of an error with those of its causes.
///
/// They are joined by colons, outermost first.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
