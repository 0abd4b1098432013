//! Restores a backup in the place of a database that nobody uses.
//!
//! # The steps
//!
//! 1. The sidecar is locked, so that no program of ours opens the database meanwhile.
//! 2. Both files must be unused.
//! 3. The backup is copied beside the database, under a name that ends in `.restoring`. If it has a
//!    log of its own, that is copied, too, and must belong to it.
//! 4. The copy is checked (`integrity_check`) and migrated, erasures since the backup are replayed
//!    in it, and a new life begins in it. Then it is synced.
//! 5. The database gets a second name that has the date, the copy is renamed to the database's
//!    name, and what SQLite keeps beside the old file follows it to the dated name.
//! 6. The sidecar remembers the new file, and its lock is given back.
//!
//! Until the rename in step 5 the database is unchanged, whatever fails. After it the restore is
//! done, and the dated file is the old database.

use crate::error::{OpenError, OpenErrorKind};
use crate::files::{BESIDE, LOG, beside, real_path};
use crate::journal::Journal;
use crate::life::{Identity, Known, LaterEdits, Life};
use crate::sidecar::Sidecar;
use crate::{connection, erased, files, guard, schema, start};
use haumana_sync::time::UnixMillis;
use rusqlite::Connection;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The result of a restore.
///
/// Tell the operator all of it, above all the file that was set aside: it stays until somebody
/// deletes it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restored {
    /// The life that begins with the backup.
    pub life: Life,
    /// When the backup was taken, if it says so.
    pub taken_at: Option<UnixMillis>,
    /// The present name of the database that was there before; `None` if there was none.
    pub set_aside: Option<PathBuf>,
    /// How many accounts of the backup were erased after it was taken, and so are erased again.
    pub erased_again: usize,
}

/// Why a backup could not be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreErrorKind {
    /// A program has the file open.
    ///
    /// Stop the server first. If a server went on using the file during a restore, its writes would
    /// be lost.
    #[error("a program has it open; stop that program, then restore again")]
    InUse,
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// The backup is not complete.
    ///
    /// It is checked as a whole before anything is changed.
    #[error("the file is not whole; take another backup")]
    Damaged,
    /// The file cannot be opened.
    #[error("{0}")]
    Refused(OpenErrorKind),
    /// Something else that the system reported; the source has it.
    #[error("the system reported an error")]
    Io,
}

/// A backup that could not be restored. The database is unchanged, unless the last step, a rename,
/// failed half way.
#[derive(Debug, thiserror::Error)]
#[error("cannot restore, because of {}: {kind}", path.display())]
pub struct RestoreError {
    path: PathBuf,
    kind: RestoreErrorKind,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl RestoreError {
    fn new(path: &Path, kind: RestoreErrorKind) -> Self {
        Self { path: path.to_owned(), kind, source: None }
    }

    /// Returns why.
    pub fn kind(&self) -> RestoreErrorKind {
        self.kind
    }

    /// Returns the file that the error is about.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Restores a backup in the place of a database. There need not be a database yet.
///
/// The present database, with its log, is kept under a dated name beside it, and never deleted. The
/// backup is not changed. A new life begins, with a generation above all that were ever used.
///
/// It needs room for two databases. The journal beside the database knows which accounts were
/// erased after the backup was taken; they are erased again.
///
/// # Guarantees
///
/// - Nothing changes unless nobody has the database open and the backup is complete and ours.
/// - At any moment, also after a crash, the database is either the old one or the backup. If a part
///   of the old one's log is still beside the backup,
///   [`SqliteStore::open`](crate::SqliteStore::open) refuses it.
///
/// # Errors
///
/// See [`RestoreErrorKind`].
pub fn restore(
    backup: &Path,
    database: &Path,
    later_edits: LaterEdits,
    busy_timeout: Duration,
) -> Result<Restored, RestoreError> {
    if !backup.is_file() {
        return Err(RestoreError::new(backup, RestoreErrorKind::Missing));
    }
    let target = real_path(database);
    let lock = Sidecar::lock(&target, busy_timeout).map_err(|error| match error.kind() {
        OpenErrorKind::Busy => RestoreError::new(database, RestoreErrorKind::InUse),
        _ => refused(error),
    })?;
    let restored = restore_locked((backup, database), &target, &lock, later_edits);
    if restored.is_err() {
        lock.take_back();
    }
    restored
}

/// The caller holds the sidecar's lock. If this fails, the caller removes a sidecar that it made.
fn restore_locked(
    (backup, database): (&Path, &Path),
    target: &Path,
    lock: &Sidecar,
    later_edits: LaterEdits,
) -> Result<Restored, RestoreError> {
    let source = real_path(backup);
    for (path, real_path) in [(database, target), (backup, source.as_path())] {
        check_unused(path, real_path)?;
    }
    let candidate = Candidate::make(&source, target).map_err(|error| failed(backup, error))?;
    start::check_log(backup, &candidate.path).map_err(refused)?;
    let connection = candidate.open(backup)?;
    // Not earlier, because reading the database leaves files beside it.
    let before = Before::read(target, lock)?;
    let erased = Journal::beside(target).read().map_err(refused)?;
    let erased_again = match erased {
        Some(erased) => erased::replay(&connection, &erased)
            .map_err(|error| refused(OpenError::from_sqlite(backup, error)))?,
        None => 0,
    };
    let (identity, taken_at) = candidate.begin_life(connection, &before, later_edits)?;
    let set_aside = replace(&candidate, target).map_err(|error| failed(database, error))?;
    lock.put_and_unlock(&identity.file, identity.seen()).map_err(refused)?;
    Ok(Restored { life: identity.life(), taken_at, set_aside, erased_again })
}

/// SQLITE: a file in use has a log beside it. A backup on a read-only medium has none.
///
/// So a file without SQLite's other files is not tested, and a backup can be on a read-only medium.
fn check_unused(path: &Path, real_path: &Path) -> Result<(), RestoreError> {
    let has_more = BESIDE.iter().any(|suffix| beside(real_path, suffix).exists());
    if has_more && !connection::is_alone(real_path) {
        return Err(RestoreError::new(path, RestoreErrorKind::InUse));
    }
    Ok(())
}

/// The numbers that the generation of the new life must be above.
///
/// Otherwise some device could take the new life for an earlier one.
struct Before {
    generation: u32,
    asked: u32,
}

impl Before {
    /// Reads the numbers of the sidecar, and those of the present database if it can be read.
    ///
    /// A database that is damaged, or that has the log of another file, is not opened. Then only
    /// the sidecar's numbers count.
    fn read(target: &Path, sidecar: &Sidecar) -> Result<Self, RestoreError> {
        let (generation, asked) = sidecar.highest().map_err(refused)?;
        let present = guard::log_belongs(target).unwrap_or(false).then(|| peek(target).ok());
        let (present, present_asked) = present.flatten().unwrap_or_default();
        Ok(Self { generation: generation.max(present), asked: asked.max(present_asked) })
    }
}

/// Reads which generations a database has used, without changing it.
fn peek(path: &Path) -> rusqlite::Result<(u32, u32)> {
    let connection = connection::open_to_look(path)?;
    let of_heads = "SELECT coalesce(max(generation), 0) FROM heads";
    let of_heads = connection.query_row(of_heads, [], |row| row.get(0))?;
    let query = "SELECT generation, asked FROM life";
    let own = connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)));
    // A file from before this table has the operator's number in its heads.
    let (generation, asked): (u32, u32) = own.unwrap_or((of_heads, of_heads));
    Ok((generation.max(of_heads), asked))
}

/// A copy of the backup beside the database, with a name of its own. It is removed when this is
/// dropped.
///
/// It must be on the same file system as the database, since a rename cannot go across file
/// systems. A name beside the database guarantees that in all usual cases.
struct Candidate {
    path: PathBuf,
}

impl Candidate {
    /// The copy gets the owner of the present database, so that the server can open it after a
    /// restore by root.
    fn make(source: &Path, target: &Path) -> io::Result<Self> {
        let new = Self { path: beside(target, ".restoring") };
        new.remove()?;
        for suffix in ["", LOG, "-journal"] {
            copy_file(&beside(source, suffix), &beside(&new.path, suffix), suffix.is_empty())?;
        }
        files::give_owner_of(target, &new.path)?;
        Ok(new)
    }

    /// Checks the copy and brings its tables up to date.
    fn open(&self, backup: &Path) -> Result<Connection, RestoreError> {
        let sqlite = |error| refused(OpenError::from_sqlite(backup, error));
        let connection = connection::open_copy(&self.path).map_err(sqlite)?;
        if schema::check_ours(&connection, backup).map_err(refused)? == 0 {
            return Err(refused(OpenError::new(backup, OpenErrorKind::NotOurs)));
        }
        check_whole(&connection, backup)?;
        schema::migrate(&connection, backup).map_err(refused)?;
        // SQLite has applied the copy's log, if there was one.
        schema::set_clean(&connection, false).map_err(sqlite)?;
        Ok(connection)
    }

    /// Begins a new life in the copy and closes it. Also returns when the backup was taken.
    ///
    /// The order matters: the connection is closed, and the file synced, before the file gets its
    /// name.
    fn begin_life(
        &self,
        connection: Connection,
        before: &Before,
        later_edits: LaterEdits,
    ) -> Result<(Identity, Option<UnixMillis>), RestoreError> {
        let sqlite = |error| refused(OpenError::from_sqlite(&self.path, error));
        let identity = Identity::read(&connection).map_err(sqlite)?;
        let taken_at = identity.backup_at();
        let Before { generation: highest, asked } = *before;
        let known = Known { highest, asked, ..Known::default() };
        let exhausted = || refused(OpenError::new(&self.path, OpenErrorKind::NoGeneration));
        let begun = identity.begin(&known, later_edits).ok_or_else(exhausted)?;
        begun.write(&connection).map_err(sqlite)?;
        let identity = Identity::read(&connection).map_err(sqlite)?;
        connection.close().map_err(|(_, error)| sqlite(error))?;
        files::sync(&self.path).map_err(|error| failed(&self.path, error))?;
        Ok((identity, taken_at))
    }

    fn remove(&self) -> io::Result<()> {
        files::remove(&self.path)?;
        BESIDE.iter().try_for_each(|suffix| files::remove(&beside(&self.path, suffix)))
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        // A file that is left is overwritten by the next restore.
        let _ = self.remove();
    }
}

fn copy_file(from: &Path, to: &Path, must_exist: bool) -> io::Result<()> {
    let mut from = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(()),
        file => file?,
    };
    io::copy(&mut from, &mut files::make_anew(to)?).map(|_| ())
}

fn check_whole(connection: &Connection, backup: &Path) -> Result<(), RestoreError> {
    let query = "PRAGMA integrity_check(1)";
    let found = connection.query_row(query, [], |row| row.get::<_, String>(0));
    match found.map_err(|error| refused(OpenError::from_sqlite(backup, error)))?.as_str() {
        "ok" => Ok(()),
        _ => Err(RestoreError::new(backup, RestoreErrorKind::Damaged)),
    }
}

/// Puts the copy in the place of the database, and returns the new name of the old database.
///
/// The old log is moved last: until then it makes the new file refused. In the other order a crash
/// would leave the old file without its latest changes.
fn replace(candidate: &Candidate, target: &Path) -> io::Result<Option<PathBuf>> {
    let aside = name_aside(target)?;
    let mut is_used = target.try_exists()?;
    if is_used {
        // A second name, so that there is always a file under the first one. If a file can have
        // only one name, there is none for a moment.
        fs::hard_link(target, &aside).or_else(|_| fs::rename(target, &aside))?;
    }
    fs::rename(&candidate.path, target)?;
    files::sync_directory(target)?;
    for suffix in BESIDE {
        is_used |= rename_if_there(&beside(target, suffix), &beside(&aside, suffix))?;
    }
    files::sync_directory(target)?;
    Ok(is_used.then_some(aside))
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done.map(|()| true),
    }
}

/// Returns an unused name with the date.
///
/// `:` is not allowed in file names everywhere, so the time has hyphens. Two restores within a
/// second get a number at the end.
fn name_aside(target: &Path) -> io::Result<PathBuf> {
    let query = "SELECT strftime('%Y-%m-%dT%H-%M-%SZ')";
    let now = Connection::open_in_memory().and_then(|c| c.query_row(query, [], |row| row.get(0)));
    let now: String = now.map_err(io::Error::other)?;
    let dated = beside(target, &format!(".before-restore-{now}"));
    let mut names =
        (1..1000).map(|n| if n == 1 { dated.clone() } else { beside(&dated, &format!("-{n}")) });
    let is_free = |name: &PathBuf| {
        !name.exists() && BESIDE.iter().all(|suffix| !beside(name, suffix).exists())
    };
    names.find(is_free).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

fn refused(error: OpenError) -> RestoreError {
    let kind = match error.kind() {
        OpenErrorKind::Busy => RestoreErrorKind::InUse,
        OpenErrorKind::Corrupt => RestoreErrorKind::Damaged,
        kind => RestoreErrorKind::Refused(kind),
    };
    RestoreError { path: error.path().to_owned(), kind, source: error.into_source() }
}

fn failed(path: &Path, error: io::Error) -> RestoreError {
    RestoreError { path: path.to_owned(), kind: RestoreErrorKind::Io, source: Some(error.into()) }
}
