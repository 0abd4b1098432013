//! `haumana-server backup`.
//!
//! If the database file is copied by hand while a server writes, the copy may be torn: some of the
//! changes are in the log beside it. This command asks SQLite for a consistent copy. It also marks
//! the copy as a backup, so that the store notices when the copy is put back.
//!
//! It needs no server. A server may run meanwhile and is not disturbed.

use crate::args::{Args, StoreKind};
use crate::private;
use crate::problem::{Problem, chain};
use crate::say::say;
use crate::store::BUSY_TIMEOUT;
use haumana_store_sqlite::BackupSource;
use std::path::Path;

/// Copies the database to a new file.
///
/// Prints the command that restores the copy, ready to be pasted.
///
/// # Errors
///
/// [`Problem::NotSqlite`], [`Problem::NoDatabase`], [`Problem::Exists`]: nothing was written.
/// [`Problem::Backup`] if the copy could not be finished.
pub(crate) fn backup(args: &Args, to: &Path) -> Result<(), Problem> {
    let db = args.db.as_path();
    if args.store != StoreKind::Sqlite {
        return Err(Problem::NotSqlite);
    }
    if !db.try_exists()? {
        return Err(Problem::NoDatabase(db.into()));
    }
    let has_log = private::beside(db, "-wal").exists();
    if !has_log && std::fs::metadata(db)?.len() == 0 {
        return Err(Problem::EmptyDatabase(db.into()));
    }
    if to.try_exists()? {
        return Err(Problem::Exists(to.into()));
    }
    let source = BackupSource::open(db, BUSY_TIMEOUT);
    let copied = source.map_err(|error| Problem::of_database(db, &error))?.write_to(to);
    copied.map_err(|error| Problem::Backup(to.into(), chain(&error)))?;
    say(format_args!("{} is a copy of {}", to.display(), db.display()))?;
    Ok(say(format_args!(
        "to go back to it, stop the server and run: haumana-server restore {} --db {}",
        for_shell(to),
        for_shell(db)
    ))?)
}

/// A path, quoted so that a shell reads it as one word.
fn for_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+:@%".contains(char);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
