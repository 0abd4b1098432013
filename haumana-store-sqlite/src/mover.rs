//! Moves the log into the database file, without leaving bytes of deleted rows behind.
//!
//! SQLite's own checkpoint copies pages unchanged, with the remains of deleted rows in their unused
//! parts (see [`gaps`]). This one clears those parts in the file. It looks only at the pages that
//! the log held, so its cost follows what was written.
//!
//! INVARIANT: each page of the file is clean, unless the log still holds it. So no connection of
//! ours may move the log in another way: SQLite's automatic checkpoint is off, and a connection
//! that may be the last to close makes no checkpoint.
//!
//! # The steps
//!
//! 1. A second connection takes the write lock, so that nobody adds to the log.
//! 2. A passive checkpoint copies the log's pages into the file, unless readers still need the old
//!    ones.
//! 3. If all pages were copied, the unused parts of exactly those pages are overwritten, and
//!    synced.
//! 4. The lock is given back. To empty the log, a `TRUNCATE` checkpoint follows.
//!
//! Another process may write between steps 3 and 4. Then `data_version` has changed, and all pages
//! are looked at the next time: the truncation may have copied pages of that write as they are.
//!
//! # When it fails
//!
//! Nothing is lost. A page that was not moved is in the log. If cleaning failed half way,
//! `owes_all` makes the next run check the whole file.

use crate::connection::{self, LogState};
use crate::files::{LOG, beside};
use crate::gaps::{self, PageSize};
use crate::held::{self, Held};
use crate::log;
use rusqlite::Connection;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Moves the log of one database in WAL mode, without leaving bytes of deleted rows behind.
///
/// A program that keeps a database of its own beside the store uses it as the store does: on a
/// connection with `secure_delete` on and `wal_autocheckpoint` off, which is closed after
/// [`Mover::close`].
///
/// A program that only uses [`SqliteStore`](crate::SqliteStore) never needs it.
#[derive(Debug)]
pub struct Mover {
    /// Keeps others from writing meanwhile; `None` once it is closed.
    ///
    /// It never writes. Its busy timeout is zero, so if somebody else writes, it gives up at once.
    lock: Option<Connection>,
    /// Overwrites unused bytes without SQLite, while the lock keeps SQLite from writing.
    file: Held,
    log: PathBuf,
    /// Whether any page may be unclean.
    owes_all: Cell<bool>,
}

impl Mover {
    /// Makes one for a database that a connection has open in WAL mode. Close that connection
    /// before this is dropped, and after [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let real = crate::files::real_path(path);
        let no_file = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
        let file = held::open(&real).map_err(no_file)?;
        let lock = connection::open_to_look(path)?;
        lock.busy_timeout(Duration::ZERO)?;
        let (log, owes_all) = (beside(&real, LOG), Cell::new(false));
        Ok(Self { lock: Some(lock), file, log, owes_all })
    }

    /// Returns the length of the log.
    pub(crate) fn log_bytes(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |log| log.len())
    }

    /// Makes the next run check every page of the file, because an earlier program may have moved a
    /// log.
    pub fn suspect_all(&self) {
        self.owes_all.set(true);
    }

    /// Moves the log into the file, as far as other readers and writers allow it. It does not wait
    /// for them.
    pub fn move_log(&self, connection: &Connection) -> LogState {
        match self.move_locked(connection) {
            Some(_) => LogState::Empty,
            None => LogState::InUse,
        }
    }

    /// Moves all of the log into the file, and leaves an empty log. It does not wait for others.
    pub(crate) fn empty_log(&self, connection: &Connection) -> LogState {
        let Some(before) = self.move_locked(connection) else { return LogState::InUse };
        let is_empty = without_waiting(connection, |connection| checkpoint(connection, "TRUNCATE"));
        if data_version(connection) != Some(before) {
            // Another process has written in between, and its pages were moved uncleaned.
            self.owes_all.set(true);
            return LogState::InUse;
        }
        if is_empty { LogState::Empty } else { LogState::InUse }
    }

    /// Moves the log. Returns which version of the data was moved; `None` if not all of it was.
    ///
    /// The lock and the checkpoint are on two connections: SQLite makes no checkpoint inside a
    /// transaction.
    fn move_locked(&self, connection: &Connection) -> Option<i64> {
        let lock = self.lock.as_ref()?;
        lock.execute_batch("BEGIN IMMEDIATE").ok()?;
        let is_moved = checkpoint(connection, "PASSIVE") && self.clean().is_ok();
        let moved = if is_moved { data_version(connection) } else { None };
        // SQLITE: a transaction that has written nothing can always be ended.
        let _ = lock.execute_batch("ROLLBACK");
        moved
    }

    /// Removes deleted data from the file, the log and the caches of all connections, unless
    /// somebody still uses it. The caller then commits something, by which other connections
    /// notice.
    pub fn wipe(&self, connection: &Connection) -> LogState {
        if self.empty_log(connection) == LogState::InUse {
            return LogState::InUse;
        }
        // The cache has the old bytes, and would write them again.
        match connection.execute_batch("PRAGMA shrink_memory") {
            Ok(()) => LogState::Empty,
            Err(_) => LogState::InUse,
        }
    }

    /// Moves the log for the last time, and closes the connection that keeps others from writing.
    pub fn close(&mut self, connection: &Connection) {
        let is_moved = self.move_log(connection) != LogState::InUse;
        // SQLite would move the rest uncleaned. So it is left to the next program that opens the
        // file.
        let _ = connection::keep_log_at_end(connection, !is_moved);
        self.lock = None;
    }

    /// Clears the unused parts of pages. Nobody writes meanwhile, and all of the log is in the
    /// file.
    fn clean(&self) -> io::Result<()> {
        let cleaned = self.file.with(|file| match self.owes_all.get() {
            true => clean_all(file),
            false => clean_pages(file, &log::page_numbers(&self.log)?),
        });
        self.owes_all.set(cleaned.is_err());
        cleaned
    }
}

/// Moves as much as possible, and returns whether that was all.
///
/// SQLITE: the row says whether something kept it from finishing, how many pages the log has, and
/// how many of them are in the file: <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>.
fn checkpoint(connection: &Connection, mode: &str) -> bool {
    let is_all = |row: &rusqlite::Row<'_>| {
        Ok(!row.get::<_, bool>(0)? && row.get::<_, i64>(1)? <= row.get::<_, i64>(2)?)
    };
    let moved = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], is_all);
    // A failed checkpoint is tried again later. The data is in the log.
    moved.unwrap_or(false)
}

/// SQLITE: while a checkpoint waits for readers, nobody can write. So it must not wait.
fn without_waiting(connection: &Connection, work: impl FnOnce(&Connection) -> bool) -> bool {
    let before = connection.pragma_query_value(None, "busy_timeout", |row| row.get::<_, u32>(0));
    // SQLITE: neither of the two can fail.
    let _ = connection.busy_timeout(Duration::ZERO);
    let done = work(connection);
    let _ = connection.busy_timeout(Duration::from_millis(before.unwrap_or_default().into()));
    done
}

/// SQLITE: a number that changes when another connection has committed:
/// <https://www.sqlite.org/pragma.html#pragma_data_version>.
fn data_version(connection: &Connection) -> Option<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0)).ok()
}

/// Reads the whole file. It is done once for a file from an earlier program or a backup.
fn clean_all(file: &mut File) -> io::Result<()> {
    let bytes = file.metadata()?.len();
    let Some(size) = page_size(file)? else { return Ok(()) };
    let pages = u32::try_from(bytes / size.bytes as u64).unwrap_or(u32::MAX);
    clean_each(file, size, 1..=pages)
}

fn clean_pages(file: &mut File, pages: &[u32]) -> io::Result<()> {
    if pages.is_empty() {
        return Ok(());
    }
    let Some(size) = page_size(file)? else { return Ok(()) };
    clean_each(file, size, pages.iter().copied())
}

/// Writes only if some byte of the gap is not zero, and syncs once at the end.
fn clean_each(
    file: &mut File,
    size: PageSize,
    numbers: impl Iterator<Item = u32>,
) -> io::Result<()> {
    let (mut page, mut is_changed) = (vec![0; size.bytes], false);
    for number in numbers {
        let place = u64::from(number.saturating_sub(1)) * size.bytes as u64;
        file.seek(SeekFrom::Start(place))?;
        if !log::fill(file, &mut page)? {
            // The log is from a time when the file was longer.
            continue;
        }
        let Some(unused) = gaps::unused(&page, number, size) else { continue };
        let start = unused.start as u64;
        // The range is always within the page.
        let Some(unused) = page.get_mut(unused) else { continue };
        if unused.iter().any(|byte| *byte != 0) {
            unused.fill(0);
            file.seek(SeekFrom::Start(place + start))?;
            file.write_all(unused)?;
            is_changed = true;
        }
    }
    if is_changed { file.sync_data() } else { Ok(()) }
}

fn page_size(file: &mut File) -> io::Result<Option<PageSize>> {
    let mut header = [0; PageSize::HEADER];
    file.seek(SeekFrom::Start(0))?;
    match file.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(|()| PageSize::read(&header)),
    }
}
