//! Connections, all set up alike.
//!
//! | who | function | writes | moves the log when it closes |
//! |---|---|---|---|
//! | the writer | [`open_writer`] | yes | no: [`Mover`](crate::mover::Mover) does it before |
//! | a reader | [`open_reader`] | no (`query_only`) | no |
//! | a backup | [`open_for_backup`] | no, but `VACUUM INTO` must be allowed | no |
//! | a look at a file of unknown origin | [`open_to_look`] | no | no |
//! | a copy that is not yet in use | [`open_copy`] | yes, without a log | it has none |
//!
//! By default the last connection that closes moves the log into the file. That would be wrong here
//! in two ways: deleted rows would stay in unused parts of pages, and a log of another file would
//! be applied. So every connection to a file with a log is set not to do it.
//!
//! # How a file is opened to be written
//!
//! The order protects files that are not ours. A missing file is made. Then it is checked without a
//! change. Only then are its permissions narrowed, WAL mode set, and the tables migrated.

use crate::error::{OpenError, OpenErrorKind};
use crate::options::SqliteOptions;
use crate::{files, schema};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};

/// SQLITE: SQLite's mutexes are off, because each connection stays on one thread. A path is a path,
/// never a URI.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// More than the number of different statements, so that each is prepared once per connection.
const STATEMENTS: usize = 64;

/// How long to wait before a file that is busy is tried again.
const PAUSE: Duration = Duration::from_millis(2);

/// Opens the file for the writer: makes it, checks that it is ours, brings it up to date.
///
/// The caller has checked that the log beside it belongs to it.
pub(crate) fn open_writer(options: &SqliteOptions) -> Result<Connection, OpenError> {
    let begun = Instant::now();
    loop {
        match try_open_writer(options) {
            // SQLITE: the busy timeout does not cover the change to WAL, which two processes that
            // start on a new file both make: <https://www.sqlite.org/wal.html#busy>.
            Err(error)
                if error.kind() == OpenErrorKind::Busy
                    && begun.elapsed() < options.busy_timeout =>
            {
                std::thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
}

/// [`schema::check_ours`] refuses a database of another program. Up to there nothing of the file is
/// changed.
fn try_open_writer(options: &SqliteOptions) -> Result<Connection, OpenError> {
    let path = options.path.as_path();
    let sqlite = |error| OpenError::from_sqlite(path, error);
    files::make(path).map_err(|error| OpenError::from_io(path, error))?;
    let connection = Connection::open_with_flags(path, FLAGS).map_err(sqlite)?;
    connection.busy_timeout(options.busy_timeout).map_err(sqlite)?;
    // Until the mover says otherwise. If opening fails, SQLite would move the log uncleaned.
    keep_log_at_end(&connection, true).map_err(sqlite)?;
    if connection.is_readonly("main").map_err(sqlite)? {
        return Err(OpenError::new(path, OpenErrorKind::ReadOnly));
    }
    // Before any setting: a file that is not ours must stay as it is.
    schema::check_ours(&connection, path)?;
    let real = files::real_path(path);
    let with_log = files::BESIDE.map(|suffix| files::beside(&real, suffix));
    for file in [&real].into_iter().chain(&with_log) {
        files::keep_private(file).map_err(|error| OpenError::from_io(path, error))?;
    }
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(sqlite)?;
    if mode != "wal" {
        return Err(OpenError::new(path, OpenErrorKind::NoWal));
    }
    set_up_writer(&connection, options.max_bytes).map_err(sqlite)?;
    schema::migrate(&connection, path)?;
    Ok(connection)
}

/// Opens a database in memory.
///
/// It has no log and no files beside it, so it needs no [`Mover`](crate::mover::Mover) and no
/// sidecar.
pub(crate) fn open_in_memory() -> Result<Connection, OpenError> {
    let path = Path::new(":memory:");
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let connection = Connection::open_in_memory().map_err(sqlite)?;
    set_up_writer(&connection, None).map_err(sqlite)?;
    schema::migrate(&connection, path)?;
    Ok(connection)
}

/// Opens the file for a reader. A writer must have opened it before.
///
/// With `query_only`, SQLite refuses writes through a reader. The cache is 4 MB; the writer's is 64
/// MB.
pub(crate) fn open_reader(path: &Path, busy_timeout: Duration) -> Result<Connection, OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let connection = Connection::open_with_flags(path, FLAGS).map_err(sqlite)?;
    connection.busy_timeout(busy_timeout).map_err(sqlite)?;
    keep_log_at_end(&connection, true).map_err(sqlite)?;
    prepare_once(&connection).map_err(sqlite)?;
    connection
        .execute_batch(
            "PRAGMA query_only = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -4000;",
        )
        .map_err(sqlite)?;
    Ok(connection)
}

/// Whether no connection of any process has the file open.
///
/// SQLITE: each connection to a file with a log keeps a shared lock on it until it is closed.
///
/// It asks for an exclusive lock without waiting, and gives it back at once. Other processes may
/// open the file right afterwards. But a program of ours that wants to serve it first waits for the
/// sidecar's lock, which the caller holds.
pub(crate) fn is_alone(path: &Path) -> bool {
    // SQLITE: reading an empty file deletes the log beside it.
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return true;
    }
    let probe = || {
        let connection = open_to_look(path)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK")
    };
    let code = probe().err().and_then(|error| error.sqlite_error_code());
    // Other faults of the file show when it is opened.
    !matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The state of a log after an attempt to move it.
///
/// `InUse` is not a failure: the next attempt continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// All of it is in the file.
    Empty,
    /// Somebody reads or writes, so some of it may still be in the log only.
    InUse,
}

/// Opens the file for one backup.
///
/// SQLITE: `query_only`, which readers have, would forbid the copy as well.
pub(crate) fn open_for_backup(
    path: &Path,
    busy_timeout: Duration,
) -> Result<Connection, OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let connection = Connection::open_with_flags(path, FLAGS).map_err(sqlite)?;
    connection.busy_timeout(busy_timeout).map_err(sqlite)?;
    keep_log_at_end(&connection, true).map_err(sqlite)?;
    Ok(connection)
}

/// Opens the file to read it once. Its log, which may be another file's, is left unchanged.
pub(crate) fn open_to_look(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, FLAGS)?;
    keep_log_at_end(&connection, true)?;
    Ok(connection)
}

/// Sets whether a connection leaves the log unchanged when it closes.
pub(crate) fn keep_log_at_end(connection: &Connection, keep: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(|_| ())
}

/// Opens a copy that is not in use yet. It is either made durable as a whole, or thrown away.
///
/// It has no log and no sync: the rollback journal is in memory. A crash loses the copy, never the
/// database.
pub(crate) fn open_copy(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, FLAGS)?;
    // The copy is one file, also while it is written.
    connection.execute_batch(
        "PRAGMA journal_mode = DELETE;
         PRAGMA journal_mode = MEMORY;
         PRAGMA secure_delete = ON;
         PRAGMA synchronous = OFF;",
    )?;
    Ok(connection)
}

/// Sets a connection to prepare each statement once.
///
/// SQLITE: otherwise a query's plan may depend on its bound values, and the statement is prepared
/// again for each of them: <https://www.sqlite.org/c3ref/c_dbconfig_defensive.html>.
fn prepare_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// `max_bytes` becomes a number of pages, rounded down, at least one. When they are full, SQLite
/// reports a full disk, and a commit returns `Unavailable`.
fn set_up_writer(connection: &Connection, max_bytes: Option<u64>) -> rusqlite::Result<()> {
    prepare_once(connection)?;
    // SQLITE: on macOS, `fullfsync` is needed to write to the disk; elsewhere it does nothing.
    // `secure_delete` overwrites deleted data. The automatic checkpoint would leave deleted data in
    // unused parts of pages; the writer moves the log itself. The data for undoing a savepoint is
    // kept in memory: it is as much as the changes of one transaction.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -64000;",
    )?;
    if let Some(max_bytes) = max_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(max_bytes).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
    }
    Ok(())
}
