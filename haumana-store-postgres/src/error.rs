//! Errors: at opening for a person, later for the engine.
//!
//! [`OpenError`] is for a person: its kind says what to do, its source what the server said. Later
//! the engine asks one question: may the write have happened?
//!
//! | what failed | a read | a write |
//! |---|---|---|
//! | no connection from the pool | `Throttled` or `Unavailable` | the same: nothing was sent |
//! | the server said `ERROR` | by the code | by the code: the statement is undone |
//! | the server said `FATAL` | by the code | `Unknown` |
//! | the connection was lost, or no answer came | `Unavailable` | `Unknown` |
//!
//! # What messages never contain
//!
//! They contain neither the URL, which may hold a password, nor values of rows. PostgreSQL quotes
//! values in the *detail* of some errors, so only its message and code are kept.

use deadpool_postgres::PoolError;
use deadpool_postgres::TimeoutType;
use haumana_sync::store::{Error, ErrorKind};
use tokio_postgres::error::{DbError, Severity, SqlState};

/// Why a store could not be opened; each message says what a person can do about it.
///
/// A program that starts with its machine retries `Unreachable`, and gives up on all others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The URL cannot be read.
    #[error("the URL cannot be read; one looks like postgres://user:password@host:5432/name")]
    Url,
    /// The name of the schema would have to be quoted.
    #[error("the schema's name has up to 56 letters, digits and _, in lower case, no digit first")]
    SchemaName,
    /// The certificates cannot be read.
    #[error("the certificates cannot be read; they are a file in PEM form")]
    Certificates,
    /// Nobody answers, or something that is not PostgreSQL.
    ///
    /// The server may not have started yet.
    #[error("the server does not answer; check the address, and that it takes connections")]
    Unreachable,
    /// The server refuses this user or this password.
    #[error("the server refuses the user, the password or the database; check the URL")]
    Refused,
    /// The user may not make tables.
    #[error(
        "the user may not make or use the schemas; GRANT CREATE ON DATABASE, or make NAME and NAME_erased"
    )]
    NotAllowed,
    /// The server does not accept writes.
    #[error("the server is read-only: a standby, or set so; connect to the primary")]
    ReadOnly,
    /// The schema holds something else.
    ///
    /// Nothing was changed.
    #[error("the schema holds tables of another program; name another schema")]
    NotOurs,
    /// A newer version of this program has changed the tables.
    #[error(
        "a newer program wrote these tables (their version is {found}, this program knows {known}); \
         start the newer program, or restore a backup from before the update"
    )]
    Newer {
        /// The version of the tables.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },
    /// The server is too old.
    ///
    /// The number is the major version, such as 12.
    #[error("the server's version is {0}; 13 or newer is needed")]
    TooOld(i32),
    /// All generations were used.
    #[error("no generation is left above those that were used; export and import the accounts")]
    NoGeneration,
    /// Anything else that the server reported; the source has it.
    #[error("the server reported an error")]
    Server,
}

/// A store that could not be opened. Its text names neither the URL nor the password.
///
/// It is safe to log.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the PostgreSQL store: {kind}")]
pub struct OpenError {
    kind: OpenErrorKind,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl OpenError {
    pub(crate) fn new(kind: OpenErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn with_source(
        kind: OpenErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// Returns why.
    pub fn kind(&self) -> &OpenErrorKind {
        &self.kind
    }
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(source: tokio_postgres::Error) -> Self {
        let kind = match source.code() {
            None => OpenErrorKind::Unreachable,
            Some(code) if code.code().starts_with("28") => OpenErrorKind::Refused,
            Some(&SqlState::INVALID_CATALOG_NAME) => OpenErrorKind::Refused,
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => OpenErrorKind::NotAllowed,
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => OpenErrorKind::ReadOnly,
            Some(_) => OpenErrorKind::Server,
        };
        Self::with_source(kind, WithDetail::of(source))
    }
}

impl From<PoolError> for OpenError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            other => Self::with_source(OpenErrorKind::Unreachable, other),
        }
    }
}

/// An error of the server in its own words. They name tables and settings. They do not contain
/// parameters, which hold people's data.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct WithDetail {
    text: String,
}

impl WithDetail {
    /// Replaces the driver's own error, whose text may quote a detail.
    fn of(source: tokio_postgres::Error) -> Self {
        let text = match source.as_db_error() {
            // POSTGRES: the detail of some errors quotes values of a row; the message does not.
            Some(error) => format!("{} ({})", error.message(), error.code().code()),
            None => match source.into_source() {
                Some(cause) => cause.to_string(),
                None => "the connection is closed".to_owned(),
            },
        };
        Self { text }
    }
}

/// Whether a failed call may have changed something.
///
/// A purge and an erasure are writes as well, although repeating them is harmless: their caller
/// must not take "unavailable" for "nothing was done".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It only reads.
    Read,
    /// It writes.
    Write,
}

/// Translates a failure of a statement that was sent.
pub(crate) fn of_statement(
    op: &'static str,
    nature: Nature,
    source: tokio_postgres::Error,
) -> Error {
    let kind = match source.as_db_error() {
        Some(error) => kind_of(nature, error),
        None => when_lost(nature, &source),
    };
    Error::with_source(op, kind, WithDetail::of(source))
}

/// Translates a failure to get a connection; nothing was sent.
///
/// If no connection becomes free in time, it is `Throttled`: the server is well, but this process
/// has too much to do. If the server has no connection left to give, it is `Throttled` too.
pub(crate) fn of_pool(op: &'static str, source: PoolError) -> Error {
    match source {
        PoolError::Timeout(TimeoutType::Wait) => {
            Error::with_source(op, ErrorKind::Throttled, source)
        }
        PoolError::Backend(error) => {
            let full = error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS);
            let kind = if full { ErrorKind::Throttled } else { ErrorKind::Unavailable };
            Error::with_source(op, kind, WithDetail::of(error))
        }
        _ => Error::with_source(op, ErrorKind::Unavailable, source),
    }
}

/// The failure of a call that got no answer.
pub(crate) fn of_silence(op: &'static str, nature: Nature) -> Error {
    let kind = match nature {
        Nature::Read => ErrorKind::Unavailable,
        Nature::Write => ErrorKind::Unknown,
    };
    Error::with_source(op, kind, "the server does not answer")
}

/// What a lost connection means.
///
/// The driver has no kind for a message that is too large, so its texts are compared.
fn when_lost(nature: Nature, source: &tokio_postgres::Error) -> ErrorKind {
    let text = std::error::Error::source(source).map(ToString::to_string).unwrap_or_default();
    // A parameter that is too large for the protocol was never sent.
    if source.to_string().starts_with("error encoding") || text.contains("too large to transmit") {
        return ErrorKind::TooLarge;
    }
    match nature {
        Nature::Read => ErrorKind::Unavailable,
        Nature::Write => ErrorKind::Unknown,
    }
}

/// POSTGRES: an `ERROR` undoes the whole statement, and each of ours is a transaction of its own. A
/// `FATAL` ends the session, and may come between the commit and the answer:
/// <https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-SEVERITY-LEVELS>.
fn kind_of(nature: Nature, error: &DbError) -> ErrorKind {
    let is_undone = error.parsed_severity() == Some(Severity::Error);
    if !is_undone && nature == Nature::Write {
        return ErrorKind::Unknown;
    }
    kind_of_code(error.code())
}

/// The first two characters of a code are its class:
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn kind_of_code(code: &SqlState) -> ErrorKind {
    match (code.code().get(..2).unwrap_or_default(), code) {
        // It lost a race with another transaction, or waited too long for it.
        ("40", _) | (_, &SqlState::LOCK_NOT_AVAILABLE | &SqlState::QUERY_CANCELED) => {
            ErrorKind::Throttled
        }
        (_, &SqlState::TOO_MANY_CONNECTIONS) => ErrorKind::Throttled,
        ("54", _) => ErrorKind::TooLarge,
        // Data or tables differ from what this program wrote.
        ("21" | "22" | "23" | "42" | "XX", _) => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_the_caller_can_do() {
        let cases = [
            (SqlState::T_R_SERIALIZATION_FAILURE, ErrorKind::Throttled),
            (SqlState::T_R_DEADLOCK_DETECTED, ErrorKind::Throttled),
            (SqlState::QUERY_CANCELED, ErrorKind::Throttled),
            (SqlState::LOCK_NOT_AVAILABLE, ErrorKind::Throttled),
            (SqlState::DISK_FULL, ErrorKind::Unavailable),
            (SqlState::READ_ONLY_SQL_TRANSACTION, ErrorKind::Unavailable),
            (SqlState::ADMIN_SHUTDOWN, ErrorKind::Unavailable),
            (SqlState::CANNOT_CONNECT_NOW, ErrorKind::Unavailable),
            (SqlState::UNDEFINED_TABLE, ErrorKind::Corrupt),
            (SqlState::UNIQUE_VIOLATION, ErrorKind::Corrupt),
            (SqlState::DATA_CORRUPTED, ErrorKind::Corrupt),
            (SqlState::PROGRAM_LIMIT_EXCEEDED, ErrorKind::TooLarge),
        ];

        for (code, kind) in cases {
            assert_eq!(kind, kind_of_code(&code), "{}", code.code());
        }
    }
}
