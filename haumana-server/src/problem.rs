//! What can keep the server from starting, in words for people.
//!
//! Each text says what is wrong and, where possible, what to type next, because its reader is at a
//! terminal and the server does not run. The program prints it on one line, after its name, and
//! ends with status 1.
//!
//! Texts are not stable, with one exception: a word in brackets, such as `[not_built_in]`, is for
//! scripts.

#[cfg(any(test, not(all(feature = "dynamodb", feature = "postgres"))))]
use crate::args::StoreKind;
use haumana_store_sqlite::{OpenError, OpenErrorKind};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What can keep the server from starting, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// Others could reach a server that gives a token to anyone who asks.
    #[error(
        "{0} can be reached by others, and this server gives a token for any user to anyone who \
         asks; listen on 127.0.0.1, or say --allow-non-loopback-and-issue-tokens-to-anyone"
    )]
    NotLoopback(SocketAddr),
    #[error("{0} is in use; stop the other program, or choose another port with --listen")]
    InUse(SocketAddr),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[cfg(feature = "metrics")]
    #[error("cannot tell metrics at --metrics: {0}")]
    Metrics(String),
    #[cfg(not(feature = "metrics"))]
    #[error(
        "this build has no metrics [not_built_in]; build one that has them: cargo build --release -p \
         haumana-server --features metrics"
    )]
    NoMetrics,
    /// The mode is not corrected: somebody who has read the key can sign in as anybody.
    #[error("the key file {0} can be read by others; run: chmod 600 {0}")]
    KeyExposed(PathBuf),
    #[error("{0} is not the key file of this server; move it away, and a new one is made")]
    NotAKey(PathBuf),
    #[error("cannot use the key file {0}: {1}")]
    KeyFile(PathBuf, io::Error),
    #[error(
        "there is no key {0}, so no line of a log has a hash under it; name the key with --caller-key, \
         or the database with --db"
    )]
    NoCallerKey(PathBuf),
    #[error("that is no user: an id is not empty, has at most 255 bytes and no control characters")]
    NotAUser,
    #[error("cannot write the audit log {0}: {1}")]
    Audit(PathBuf, io::Error),
    #[error("the machine cannot make a key pair")]
    NoKey,
    /// Scripts use the code in brackets, so it must stay.
    #[cfg(any(test, not(all(feature = "dynamodb", feature = "postgres"))))]
    #[error(
        "this build has no store {name:?} [not_built_in]; build one that has it: cargo build --release \
         -p haumana-server --features {name}",
        name = .0.name()
    )]
    NotBuiltIn(StoreKind),
    #[cfg(feature = "postgres")]
    #[error("PostgreSQL needs --url, or HAUMANA_URL, such as postgres://haumana@127.0.0.1/haumana")]
    NoUrl,
    #[cfg(feature = "dynamodb")]
    #[error("DynamoDB needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; an emulator takes any")]
    NoCredentials,
    #[error("{0}")]
    Database(String),
    #[error("cannot use the user directory {0}: {1}")]
    Directory(PathBuf, String),
    #[error(
        "--google-client-id: {0:?} is not a client id; one has no blanks and looks like \
         1234-abc.apps.googleusercontent.com; several are separated by commas alone"
    )]
    NotAClientId(String),
    #[error("--google-key-set needs --google-client-id; without, this server issues the tokens")]
    KeySetAlone,
    #[error("{0}")]
    Issuers(String),
    #[error("cannot write the backup {0}: {1}")]
    Backup(PathBuf, String),
    /// A backup that overwrites a file could destroy the only other backup.
    #[error("{0} exists; a backup never overwrites anything")]
    Exists(PathBuf),
    #[error(
        "{db}-wal holds the latest changes of another database than {db}: somebody has put \
         another file in its place. To go back to a backup, run: haumana-server restore BACKUP \
         --db {db}. To use {db} as it is, without what only {db}-wal holds, move {db}-wal away \
         and start again",
        db = .0.display()
    )]
    ForeignLog(PathBuf),
    #[error("{0}; nothing was changed")]
    Restore(String),
    #[error(
        "backup and restore are for SQLite; with PostgreSQL and DynamoDB use their own backups, then \
         start with a higher --generation"
    )]
    NotSqlite,
    #[error(
        "this is for --store dynamodb and --store postgres; with SQLite the server does it by itself"
    )]
    ByItself,
    #[error("say whose journal: {0}")]
    NoJournal(&'static str),
    #[error("cannot use the schema {0}: {1}")]
    Schema(PathBuf, String),
    /// The place of the records, and why the schema may not follow theirs.
    #[error(
        "the records in {0} were written under another schema: {1}. Start with a schema that \
         succeeds it, or keep the records of this one elsewhere, see --db, --database-schema and \
         --table-prefix"
    )]
    OtherSchema(String, String),
    #[error("there is no database {0}; name it with --db")]
    NoDatabase(PathBuf),
    #[error("{0} is an empty file, with nothing to copy; name the database with --db")]
    EmptyDatabase(PathBuf),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Problem {
    /// What is wrong with a database, and what to type if that helps.
    pub(crate) fn of_database(db: &Path, error: &OpenError) -> Self {
        match error.kind() {
            OpenErrorKind::ForeignLog => Self::ForeignLog(db.into()),
            _ => Self::of_store(error),
        }
    }

    /// A failure of a store.
    pub(crate) fn of_store(error: &dyn std::error::Error) -> Self {
        Self::Database(chain(error))
    }
}

/// An error with everything that caused it, on one line.
///
/// Errors of the stores never have user data in their texts, so the line may be printed and logged.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
