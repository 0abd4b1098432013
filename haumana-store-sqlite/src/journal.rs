//! The journal of erasures: which lives of accounts were erased.
//!
//! It is in a file beside the database, `.erased`, and in no backup. So restoring an earlier copy
//! of the database does not bring back accounts that were erased since. The journal holds a key
//! that was drawn once, hashes under that key of users and lives, and times. Nobody can tell who it
//! was without the user's id. For each user it also holds the largest version that was ever erased.
//! Devices still hold these versions, so new versions must be above that number.
//!
//! # Format
//!
//! It is a SQLite database of its own, with three tables. `key` has one row of 32 random bytes.
//! `erasures` has the hash of each erased life (16 bytes) with the time in ms. `floors` has the
//! hash of each user of such a life with the largest version. The time `at` is only for an operator
//! to read. Entries are never deleted.
//!
//! A journal of an earlier program has no `floors`, and so no numbers for its lives. The table is
//! made when the file is opened.
//!
//! # Durability
//!
//! `note` returns after the hash is on disk. Only then does the store delete rows. So every later
//! restore of a backup finds the note.

use crate::error::{OpenError, OpenErrorKind};
use crate::files;
use haumana_sync::digest::Digest;
use haumana_sync::id::UserId;
use haumana_sync::store::{ErasedLives, Head, Version, erased_life, erased_user};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// In the header: "haue" in ASCII.
const APPLICATION_ID: i64 = 0x6861_7565;
/// How long to wait while another process writes to it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

const TABLES: &str = "
    CREATE TABLE key (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL) STRICT;
    CREATE TABLE erasures (
        life BLOB PRIMARY KEY,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO key VALUES (1, randomblob(32));";

/// Earlier programs did not make this table.
const FLOORS: &str = "
    CREATE TABLE IF NOT EXISTS floors (
        user BLOB PRIMARY KEY,
        floor INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID";

const NOTE_FLOOR: &str = "
    INSERT INTO floors (user, floor) VALUES (?1, ?2)
    ON CONFLICT (user) DO UPDATE SET floor = max(floor, excluded.floor)";

/// If a life is noted twice, the first time stays.
const NOTE: &str = "
    INSERT OR IGNORE INTO erasures (life, at)
    VALUES (?1, CAST(unixepoch('subsec') * 1000 AS INTEGER))";

/// The journal beside one database.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    /// `None` in memory.
    db: Option<PathBuf>,
    /// Opened at the first use, so that a store without erasures has no such file.
    open: Arc<Mutex<Option<Connection>>>,
}

impl Journal {
    /// The suffix of a database's journal.
    pub(crate) const SUFFIX: &str = ".erased";

    /// Returns the journal of a database. No file is made.
    pub(crate) fn beside(db: &Path) -> Self {
        Self { db: Some(files::real_path(db)), open: Arc::default() }
    }

    /// Returns a journal that lives as long as its store.
    pub(crate) fn in_memory() -> Self {
        Self { db: None, open: Arc::default() }
    }

    /// Notes that the present life of an account is erased. It is durable when this returns.
    pub(crate) fn note(&self, user: &UserId, head: &Head) -> Result<(), OpenError> {
        self.with(true, |journal| {
            let key = key(journal)?;
            let bits = |hash: Digest| hash.bits().to_be_bytes();
            // The number is written first: a life without one would count as a life of an earlier
            // program.
            let floor = params![bits(erased_user(&key, user)), head.max_version];
            journal.execute(NOTE_FLOOR, floor)?;
            journal.execute(NOTE, [bits(erased_life(&key, user, head.epoch))]).map(|_| ())
        })
        .map(|_| ())
    }

    /// Reads the journal; `None` if nothing was ever erased.
    pub(crate) fn read(&self) -> Result<Option<ErasedLives>, OpenError> {
        self.with(false, |journal| {
            let digest = |bytes| Digest::from_bits(u128::from_be_bytes(bytes));
            let mut statement = journal.prepare("SELECT life FROM erasures")?;
            let lives = statement.query_map([], |row| row.get(0).map(digest))?;
            let lives = lives.collect::<rusqlite::Result<_>>()?;
            let mut statement = journal.prepare("SELECT user, floor FROM floors")?;
            let floors = statement.query_map([], |row| Ok((digest(row.get(0)?), row.get(1)?)))?;
            let floors = floors.collect::<rusqlite::Result<_>>()?;
            Ok(ErasedLives::new(key(journal)?, lives).with_floors(floors))
        })
    }

    /// Returns the largest version that was ever erased of a user.
    pub(crate) fn floor(&self, user: &UserId) -> Result<Option<Version>, OpenError> {
        let found = self.with(false, |journal| {
            let user = erased_user(&key(journal)?, user).bits().to_be_bytes();
            let query = "SELECT floor FROM floors WHERE user = ?1";
            journal.query_row(query, [user], |row| row.get(0)).optional()
        });
        found.map(Option::flatten)
    }

    /// Opens the file at the first use. `make` says whether a missing file is made. Reading makes
    /// none.
    fn with<T>(
        &self,
        make: bool,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, OpenError> {
        // Each statement is a transaction, so a panic leaves nothing half done.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path();
        if open.is_none() {
            *open = self.connect(&path, make)?;
        }
        let Some(journal) = open.as_ref() else { return Ok(None) };
        work(journal).map(Some).map_err(|error| OpenError::from_sqlite(&path, error))
    }

    fn path(&self) -> PathBuf {
        let in_memory = || PathBuf::from(":memory:");
        self.db.as_ref().map_or_else(in_memory, |db| files::beside(db, Self::SUFFIX))
    }

    /// Opens the file; `None` if it is missing and must not be made.
    fn connect(&self, path: &Path, make: bool) -> Result<Option<Connection>, OpenError> {
        let sqlite = |error| OpenError::from_sqlite(path, error);
        let io = |error| OpenError::from_io(path, error);
        let connection = match &self.db {
            None => Connection::open_in_memory().map_err(sqlite)?,
            // An empty file is what a copy leaves that failed: it says nothing of anybody.
            Some(_) if !make && !has_bytes(path).map_err(io)? => return Ok(None),
            Some(db) => {
                if files::make(path).map_err(io)? {
                    // If this is not allowed, other users than the owner of the database use it
                    // too.
                    let _ = files::give_owner_of(db, path);
                    files::sync_directory(path).map_err(io)?;
                }
                Connection::open_with_flags(path, FLAGS).map_err(sqlite)?
            }
        };
        connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
        set_up(&connection, path)?;
        if self.db.is_some() {
            files::keep_private(path).map_err(io)?;
        }
        Ok(Some(connection))
    }
}

fn has_bytes(path: &Path) -> std::io::Result<bool> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        found => found.map(|meta| 0 < meta.len()),
    }
}

/// The tables are made under the lock of the file, so that two processes with a first erasure at
/// the same time use one key.
fn set_up(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; BEGIN IMMEDIATE")
        .map_err(sqlite)?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if pragma("schema_version").map_err(sqlite)? == 0 {
        connection.execute_batch(TABLES).map_err(sqlite)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(sqlite)?;
    } else if pragma("application_id").map_err(sqlite)? != APPLICATION_ID {
        return Err(OpenError::new(path, OpenErrorKind::NotOurs));
    }
    connection.execute_batch(FLOORS).map_err(sqlite)?;
    connection.execute_batch("COMMIT").map_err(sqlite)
}

fn key(journal: &Connection) -> rusqlite::Result<[u8; 32]> {
    journal.query_row("SELECT key FROM key", [], |row| row.get(0))
}
