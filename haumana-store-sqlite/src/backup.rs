//! Copies of the whole database while it is in use.
//!
//! A backup is written in these steps, so that a file with the final name is always complete:
//!
//! 1. `VACUUM INTO` copies one snapshot to a file that ends in `.partial`. Commits go on meanwhile.
//! 2. The copy is marked with the time of the backup. The first program that opens it begins a new
//!    life.
//! 3. The copy is synced to disk, renamed, and the directory is synced.
//!
//! A crash leaves at most the `.partial` file, which the next backup of that name replaces.
//!
//! The copy has no log, no sidecar and no journal of erasures. The journal stays with the database
//! that is served, so that a restore knows which accounts were erased since.

use crate::error::{OpenError, OpenErrorKind};
use crate::life::Identity;
use crate::sidecar::Sidecar;
use crate::{connection, files, schema, start};
use haumana_sync::store::{Error, ErrorKind, Result};
use haumana_sync::time::UnixMillis;
use rusqlite::Connection;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A database that is opened to be copied and not to be served.
///
/// Another process may be serving it. If the database is an unopened backup, it stays one: no new
/// life begins.
///
/// Use it from a second program, such as a nightly job; a program that serves the file calls
/// [`SqliteStore::backup_to`](crate::SqliteStore::backup_to).
#[derive(Debug)]
pub struct BackupSource {
    connection: Connection,
}

impl BackupSource {
    /// Opens a database that exists.
    ///
    /// The log beside the file is checked first if no program has the file open. A log of another
    /// file is refused before SQLite could apply it.
    ///
    /// # Errors
    ///
    /// See [`OpenErrorKind`].
    pub fn open(path: &Path, busy_timeout: Duration) -> Result<Self, OpenError> {
        let real_path = files::real_path(path);
        // If there is no sidecar, no program of ours is opening the file, and no sidecar is made.
        let is_known = files::beside(&real_path, Sidecar::SUFFIX).exists();
        let lock = is_known.then(|| Sidecar::lock(&real_path, busy_timeout)).transpose()?;
        if connection::is_alone(&real_path) {
            start::check_log(path, &real_path)?;
        }
        let connection = connection::open_for_backup(path, busy_timeout)?;
        let version = schema::check_ours(&connection, path)?;
        drop(lock);
        if version == 0 {
            return Err(OpenError::new(path, OpenErrorKind::NotOurs));
        }
        Ok(Self { connection })
    }

    /// Returns when it was taken, if it is a backup that was not opened since.
    ///
    /// Opening such a file to serve it begins a new life, so that it is no backup any more.
    ///
    /// # Errors
    ///
    /// See [`OpenErrorKind`].
    pub fn taken_at(&self) -> Result<Option<UnixMillis>, OpenError> {
        let path = self.connection.path().map(Path::new).unwrap_or(Path::new(""));
        let identity = Identity::read(&self.connection);
        let identity = identity.map_err(|error| OpenError::from_sqlite(path, error))?;
        Ok(identity.backup_at())
    }

    /// Writes a copy of everything to a new file, as
    /// [`backup_to`](crate::SqliteStore::backup_to) does.
    ///
    /// The copy has no log beside it, and can be moved as one file.
    ///
    /// # Errors
    ///
    /// `Unavailable` if something exists at `to`, or it cannot be written. In the second case there
    /// is no file at `to`.
    pub fn write_to(&self, to: &Path) -> Result<()> {
        write(&self.connection, to)
    }
}

/// Writes a copy of what `connection` sees to a new file.
///
/// The file gets its name when it is complete and on disk, or not at all.
///
/// It refuses to replace anything: if an operator's script names yesterday's file, that file must
/// not be lost.
pub(crate) fn write(connection: &Connection, to: &Path) -> Result<()> {
    // A link is something, too, wherever it leads.
    if fs::symlink_metadata(to).is_ok() {
        return Err(unavailable(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let partial = files::beside(to, ".partial");
    let written = write_partial(connection, &partial, to);
    if written.is_err() {
        // The earlier error is the one to report. A file that is left is overwritten next time.
        let _ = fs::remove_file(&partial);
        let _ = fs::remove_file(files::beside(&partial, "-journal"));
    }
    written
}

fn write_partial(connection: &Connection, partial: &Path, to: &Path) -> Result<()> {
    files::make_anew(partial).map_err(unavailable)?;
    let name = partial
        .to_str()
        .ok_or_else(|| unavailable(io::Error::from(io::ErrorKind::InvalidInput)))?;
    // SQLITE: copies one snapshot, without deleted data. An empty file counts as a new one:
    // <https://www.sqlite.org/lang_vacuum.html#vacuuminto>.
    connection.execute("VACUUM INTO ?1", [name]).map_err(unavailable)?;
    mark(partial)?;
    files::sync(partial).map_err(unavailable)?;
    fs::rename(partial, to).map_err(unavailable)?;
    files::sync_directory(to).map_err(unavailable)
}

/// Marks a copy as a backup.
///
/// If its tables are of an earlier version, they are migrated first, so that there is a place for
/// the mark. The database itself is not changed. Pages of the copy count as unclean, so the first
/// program that opens it checks all of them.
fn mark(copy: &Path) -> Result<()> {
    let connection = connection::open_copy(copy).map_err(unavailable)?;
    schema::migrate(&connection, copy).map_err(unavailable)?;
    schema::set_clean(&connection, false).map_err(unavailable)?;
    let marked = Identity::read(&connection).and_then(|identity| identity.mark(&connection));
    marked.map_err(unavailable)?.write(&connection).map_err(unavailable)
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::with_source("backup", ErrorKind::Unavailable, error)
}
