//! Connections, all set up alike.

use crate::error::{OpenError, OpenErrorKind};
use crate::options::SqliteOptions;
use crate::schema;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};

/// SQLITE: thread safety is ours, since each connection stays on one thread; and a path is a path,
/// never a URI.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// More than there are different statements, so that each is prepared once per connection.
const STATEMENTS: usize = 64;

/// How long to wait before a file that is busy is tried again.
const PAUSE: Duration = Duration::from_millis(2);

/// Opens the file for the writer: makes it, checks that it is ours, brings it up to date.
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

fn try_open_writer(options: &SqliteOptions) -> Result<Connection, OpenError> {
    let path = options.path.as_path();
    let sqlite = |error| OpenError::from_sqlite(path, error);
    make_file(path)?;
    let connection = Connection::open_with_flags(path, FLAGS).map_err(sqlite)?;
    connection.busy_timeout(options.busy_timeout).map_err(sqlite)?;
    if connection.is_readonly("main").map_err(sqlite)? {
        return Err(OpenError::new(path, OpenErrorKind::ReadOnly));
    }
    // Before anything is set: what is not ours must stay as it is.
    schema::check_ours(&connection, path)?;
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
pub(crate) fn open_in_memory() -> Result<Connection, OpenError> {
    let path = Path::new(":memory:");
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let connection = Connection::open_in_memory().map_err(sqlite)?;
    set_up_writer(&connection, None).map_err(sqlite)?;
    schema::migrate(&connection, path)?;
    Ok(connection)
}

/// Opens the file for a reader, when a writer has opened it before.
pub(crate) fn open_reader(path: &Path, busy_timeout: Duration) -> Result<Connection, OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let connection = Connection::open_with_flags(path, FLAGS).map_err(sqlite)?;
    connection.busy_timeout(busy_timeout).map_err(sqlite)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
        .execute_batch(
            "PRAGMA query_only = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -16000;",
        )
        .map_err(sqlite)?;
    Ok(connection)
}

/// Opens the file for one backup.
///
/// SQLITE: `query_only`, as readers have it, forbids the copy as well.
pub(crate) fn open_for_backup(
    path: &Path,
    busy_timeout: Duration,
) -> Result<Connection, OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let connection = Connection::open_with_flags(path, FLAGS).map_err(sqlite)?;
    connection.busy_timeout(busy_timeout).map_err(sqlite)?;
    Ok(connection)
}

fn set_up_writer(connection: &Connection, max_bytes: Option<u64>) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // SQLITE: `fullfsync` is what "on disk" means on macOS, and nothing elsewhere. `secure_delete`
    // overwrites what is deleted. The automatic checkpoint runs inside COMMIT, before the answer;
    // the writer moves the log itself, after it, and this is for the case that it cannot.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = 16000;
         PRAGMA cache_size = -64000;",
    )?;
    if let Some(max_bytes) = max_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(max_bytes).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
    }
    Ok(())
}

/// Makes the file if there is none, readable by its owner only; SQLite gives the files beside it
/// the same permissions.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(OpenError::from_io(path, error)),
    }
}
