//! The sidecar: a small file beside a database that remembers how far the database had come.
//!
//! A file that was copied by hand and restored later does not show that. But the file `.seen`
//! beside it remembers how far each file that was used under the name had come. It is written only
//! after the data that it tells of is durable, so a crash never makes a file look older than it
//! was. It is itself a SQLite database. Its lock also makes programs that open, check or replace
//! the database take turns.
//!
//! # What it holds
//!
//! It has one row for each file that was used under the name. The key is the random id that the
//! file got when it was made. The row has the tag and generation of the file's life, the number of
//! durable transactions, the highest generation that an operator asked for, and a `turn` that says
//! which file was used last.
//!
//! # Rules
//!
//! - It never says more than is durable in the database, so a crash cannot cause a false alarm.
//! - It may say less: an older copy that is put back within seconds may then go unnoticed.
//! - If it is lost, this protection is lost, and no data. A damaged one is set aside, and a new one
//!   begins.
//! - It must not be copied with the database. A copy of both looks like the original.

use crate::error::{OpenError, OpenErrorKind};
use crate::files;
use crate::life::Seen;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// In the header: "haus" in ASCII.
const APPLICATION_ID: i64 = 0x6861_7573;

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

const TABLE: &str = "
    CREATE TABLE seen (
        file BLOB PRIMARY KEY,
        tag INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        commits INTEGER NOT NULL,
        asked INTEGER NOT NULL,
        turn INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID";

const READ: &str = "SELECT tag, generation, commits, asked FROM seen WHERE file = ?1";

/// The row with the highest turn is the file that was opened last.
const LAST: &str = "SELECT file FROM seen ORDER BY turn DESC LIMIT 1";

const HIGHEST: &str = "SELECT coalesce(max(generation), 0), coalesce(max(asked), 0) FROM seen";

/// Gives the file the highest turn: it is the one in use now.
const PUT: &str = "
    INSERT OR REPLACE INTO seen (file, tag, generation, commits, asked, turn)
    SELECT ?1, ?2, ?3, ?4, ?5, coalesce(max(turn), 0) + 1 FROM seen";

/// Does nothing if another process has seen more, or another life.
const ADVANCE: &str = "UPDATE seen SET commits = ?3 WHERE file = ?1 AND tag = ?2 AND commits < ?3";

/// The sidecar of a database.
#[derive(Debug)]
pub(crate) struct Sidecar {
    connection: Connection,
    path: PathBuf,
    is_new: bool,
}

impl Sidecar {
    /// The suffix of a database's sidecar.
    pub(crate) const SUFFIX: &str = ".seen";

    /// Opens the sidecar of a database, or makes it, and waits for its lock.
    ///
    /// The lock is an exclusive transaction on the sidecar. It is held from before the log is
    /// checked until the life is decided, and given back by
    /// [`put_and_unlock`](Self::put_and_unlock) or by dropping it.
    pub(crate) fn lock(db: &Path, busy_timeout: Duration) -> Result<Self, OpenError> {
        let path = files::beside(db, Self::SUFFIX);
        match Self::try_lock(db, &path, busy_timeout) {
            // Its content is lost. Without it nothing is known, as on a new machine.
            Err(error)
                if matches!(error.kind(), OpenErrorKind::Corrupt | OpenErrorKind::NotADatabase) =>
            {
                let aside = files::beside(&path, ".damaged");
                let moved = std::fs::rename(&path, aside);
                moved.map_err(|error| OpenError::from_io(&path, error))?;
                Self::try_lock(db, &path, busy_timeout)
            }
            locked => locked,
        }
    }

    fn try_lock(db: &Path, path: &Path, busy_timeout: Duration) -> Result<Self, OpenError> {
        let sqlite = |error| OpenError::from_sqlite(path, error);
        let is_new = files::make(path).map_err(|error| OpenError::from_io(path, error))?;
        if is_new {
            // If this is not allowed, other users than the owner of the database use it too.
            let _ = files::give_owner_of(db, path);
        }
        let connection = Connection::open_with_flags(path, FLAGS).map_err(sqlite)?;
        connection.busy_timeout(busy_timeout).map_err(sqlite)?;
        connection.execute_batch("BEGIN EXCLUSIVE").map_err(sqlite)?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if pragma("schema_version").map_err(sqlite)? == 0 {
            connection.execute_batch(TABLE).map_err(sqlite)?;
            connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(sqlite)?;
        } else if pragma("application_id").map_err(sqlite)? != APPLICATION_ID {
            return Err(OpenError::new(path, OpenErrorKind::NotOurs));
        }
        files::keep_private(path).map_err(|error| OpenError::from_io(path, error))?;
        Ok(Self { connection, path: path.to_owned(), is_new })
    }

    /// Returns how far a file had come.
    ///
    /// `None` if this file was never used under the name.
    pub(crate) fn seen(&self, file: &[u8; 16]) -> Result<Option<Seen>, OpenError> {
        let seen = self.connection.query_row(READ, [file], |row| {
            let commits = row.get::<_, i64>(2)?.cast_unsigned();
            Ok(Seen { tag: row.get(0)?, generation: row.get(1)?, commits, asked: row.get(3)? })
        });
        seen.optional().map_err(|error| self.failed(error))
    }

    /// Whether another file was last used.
    ///
    /// `false` if no file was ever used here.
    pub(crate) fn is_another(&self, file: &[u8; 16]) -> Result<bool, OpenError> {
        let last = self.connection.query_row(LAST, [], |row| row.get::<_, [u8; 16]>(0)).optional();
        Ok(last.map_err(|error| self.failed(error))?.is_some_and(|last| last != *file))
    }

    /// Returns the highest generation of all files, and the highest that was asked for.
    pub(crate) fn highest(&self) -> Result<(u32, u32), OpenError> {
        let highest = self.connection.query_row(HIGHEST, [], |row| Ok((row.get(0)?, row.get(1)?)));
        highest.map_err(|error| self.failed(error))
    }

    /// Remembers how far a file has come, and releases the lock.
    pub(crate) fn put_and_unlock(&self, file: &[u8; 16], seen: Seen) -> Result<(), OpenError> {
        let Seen { tag, generation, commits, asked } = seen;
        let row = params![file, tag, generation, commits.cast_signed(), asked];
        let put = self.connection.execute(PUT, row);
        let done = put.and_then(|_| self.connection.execute_batch("COMMIT"));
        done.map_err(|error| self.failed(error))
    }

    /// Remembers that a life of a file has come further. It does not wait for the lock: if it
    /// cannot write now, it writes later.
    pub(crate) fn advance(&self, file: &[u8; 16], tag: i64, commits: u64) -> rusqlite::Result<()> {
        self.connection.busy_timeout(Duration::ZERO)?;
        self.connection.execute(ADVANCE, params![file, tag, commits.cast_signed()]).map(|_| ())
    }

    /// Removes the sidecar that was made for a file that is not ours.
    pub(crate) fn take_back(self) {
        drop(self.connection);
        if self.is_new {
            // If that fails, a sidecar is left, which does no harm.
            let _ = files::remove(&self.path);
        }
    }

    fn failed(&self, error: rusqlite::Error) -> OpenError {
        OpenError::from_sqlite(&self.path, error)
    }
}
