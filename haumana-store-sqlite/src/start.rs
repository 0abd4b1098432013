//! Opening a file to serve it: which file it is, and whether a new life of it begins.
//!
//! # The order, and why
//!
//! 1. Lock the sidecar: programs that start together take turns.
//! 2. If nobody has the file open, check that the log beside it belongs to it. SQLite applies the
//!    log at the first read, so this must come before.
//! 3. Open the file, check that it is ours, migrate.
//! 4. Read its identity, compare it with the sidecar, and decide whether a new life begins.
//! 5. A new life is refused if somebody has the file open, because that program would continue in
//!    the old life.
//! 6. Replay the journal of erasures, in case the file brings erased accounts back.
//! 7. Move the log, and clean all pages if an earlier program left them unclean.
//! 8. Write to the sidecar how far the file has come, and give back its lock.
//!
//! After a failure the lock is released. Finished steps stay, and the next start continues from
//! them.

use crate::connection::LogState;
use crate::error::{OpenError, OpenErrorKind};
use crate::journal::Journal;
use crate::life::{Identity, Known, LaterEdits, Life, NewLife};
use crate::mover::Mover;
use crate::options::SqliteOptions;
use crate::sidecar::Sidecar;
use crate::{chain, connection, erased, files, guard, schema};
use haumana_sync::store::{ErasedLives, Generation};
use rusqlite::Connection;
use std::path::Path;

/// A file that is ready to be written.
pub(crate) struct Started {
    pub(crate) connection: Connection,
    /// `None` in memory.
    pub(crate) mover: Option<Mover>,
    pub(crate) place: Place,
    pub(crate) life: Life,
    pub(crate) new_life: Option<NewLife>,
}

/// What the writer needs to know about the file.
///
/// By `file` and `tag` the writer updates the sidecar.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) file: [u8; 16],
    pub(crate) tag: i64,
    /// `None` in memory.
    pub(crate) sidecar: Option<Sidecar>,
}

/// Opens the file, or makes it.
///
/// If the file turns out to be another program's, a sidecar that was made for it is removed.
pub(crate) fn start(options: &SqliteOptions, asked: Generation) -> Result<Started, OpenError> {
    let (path, real_path) = (&options.path, files::real_path(&options.path));
    if real_path.is_dir() {
        return Err(OpenError::new(path, OpenErrorKind::Unreachable));
    }
    let sidecar = Sidecar::lock(&real_path, options.busy_timeout).map_err(|e| match e.kind() {
        OpenErrorKind::Unreachable => OpenError::new(path, OpenErrorKind::Unreachable),
        _ => e,
    })?;
    match start_locked(options, &real_path, &sidecar, asked) {
        Ok(Opened { connection, mover, identity, new_life }) => {
            sidecar.put_and_unlock(&identity.file, identity.seen())?;
            let (file, tag) = (identity.file, identity.tag());
            let place = Place { file, tag, sidecar: Some(sidecar) };
            let mover = Some(mover);
            Ok(Started { connection, mover, place, life: identity.life(), new_life })
        }
        Err(error) => {
            if matches!(error.kind(), OpenErrorKind::NotOurs | OpenErrorKind::NotADatabase) {
                sidecar.take_back();
            }
            Err(error)
        }
    }
}

/// Makes a database that lives as long as its connection.
pub(crate) fn start_in_memory() -> Result<Started, OpenError> {
    let connection = connection::open_in_memory()?;
    let identity = Identity::read(&connection);
    let identity =
        identity.map_err(|error| OpenError::from_sqlite(Path::new(":memory:"), error))?;
    let place = Place { file: identity.file, tag: identity.tag(), sidecar: None };
    Ok(Started { connection, mover: None, place, life: identity.life(), new_life: None })
}

/// Checks that SQLite may apply the log beside a file that nobody uses.
pub(crate) fn check_log(path: &Path, real_path: &Path) -> Result<(), OpenError> {
    let belongs = guard::log_belongs(real_path).map_err(|error| OpenError::from_io(path, error))?;
    if belongs { Ok(()) } else { Err(OpenError::new(path, OpenErrorKind::ForeignLog)) }
}

/// A file that is open, with its life.
struct Opened {
    connection: Connection,
    mover: Mover,
    identity: Identity,
    new_life: Option<NewLife>,
}

/// The caller holds the sidecar's lock, and releases it.
fn start_locked(
    options: &SqliteOptions,
    real_path: &Path,
    sidecar: &Sidecar,
    asked: Generation,
) -> Result<Opened, OpenError> {
    let path = options.path.as_path();
    let sqlite = |error| OpenError::from_sqlite(path, error);
    // A program that has it open has checked the log before.
    let is_alone = connection::is_alone(real_path);
    if is_alone {
        check_log(path, real_path)?;
    }
    let connection = connection::open_writer(options)?;
    let identity = Identity::read(&connection).map_err(sqlite)?;
    let known = Known {
        seen: sidecar.seen(&identity.file)?,
        highest: sidecar.highest()?.0,
        is_another: sidecar.is_another(&identity.file)?,
        asked: asked.0,
    };
    let new_life = identity.judge(&known);
    let is_changed = new_life.is_some() || identity.is_raised(&known);
    if is_changed && !is_alone {
        // A server that still works in the earlier life must not suddenly be in another one.
        return Err(OpenError::new(path, OpenErrorKind::Busy));
    }
    let exhausted = || OpenError::new(path, OpenErrorKind::NoGeneration);
    // Asking for a higher generation does not change what was chosen at a restore. A restore that
    // broke off behind its rename looks as if the file had been replaced.
    let later_edits = match new_life {
        Some(NewLife::Asked | NewLife::Replaced) => identity.life().later_edits,
        _ => LaterEdits::Merge,
    };
    let identity = match new_life {
        Some(_) => identity.begin(&known, later_edits).ok_or_else(exhausted)?,
        None => identity.ask(&known),
    };
    if is_changed {
        identity.write(&connection).map_err(sqlite)?;
    }
    // From the beginning the file alone says which one it is.
    let mover = Mover::open(path).map_err(sqlite)?;
    if let Some(erased) = Journal::beside(path).read()? {
        replay(&connection, &erased).map_err(sqlite)?;
    }
    clean(&connection, &mover).map_err(sqlite)?;
    let identity = Identity::read(&connection).map_err(sqlite)?;
    Ok(Opened { connection, mover, identity, new_life })
}

/// Empties erased accounts that an earlier copy of the file has brought back.
///
/// The link is written only if something was emptied, so a start that changes nothing writes
/// nothing.
fn replay(connection: &Connection, erased: &ErasedLives) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    if erased::replay(&transaction, erased)? != 0 {
        chain::extend(&transaction)?;
    }
    transaction.commit()
}

/// Moves the log. Deleted data that earlier programs and backups left in pages is cleared, once.
///
/// The flag `clean` is set only after all pages were checked. If a reader of another process
/// prevents that, the flag stays unset, and the next start tries again.
fn clean(connection: &Connection, mover: &Mover) -> rusqlite::Result<()> {
    let is_clean = schema::is_clean(connection)?;
    if !is_clean {
        mover.suspect_all();
    }
    if mover.wipe(connection) == LogState::Empty && !is_clean {
        let transaction = connection.unchecked_transaction()?;
        schema::set_clean(&transaction, true)?;
        chain::extend(&transaction)?;
        transaction.commit()?;
        mover.empty_log(connection);
    }
    Ok(())
}
