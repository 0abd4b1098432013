//! The SQLite file.

use crate::problem::{Problem, chain};
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use std::path::Path;
use std::time::Duration;

/// How many threads read beside the one that writes.
const READERS: usize = 4;
/// How long a backup or another server may hold the file before a request is told to come again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the database, or makes it.
pub(crate) fn open(path: &Path) -> Result<SqliteStore, Problem> {
    let options = SqliteOptions {
        path: path.into(),
        readers: READERS,
        busy_timeout: BUSY_TIMEOUT,
        max_bytes: None,
    };
    SqliteStore::open(&options).map_err(|error| Problem::Database(chain(&error)))
}

/// Copies the database to a new file.
pub(crate) async fn backup(db: &Path, to: &Path) -> Result<(), Problem> {
    if !db.try_exists()? {
        return Err(Problem::NoDatabase(db.into()));
    }
    if to.try_exists()? {
        return Err(Problem::Exists(to.into()));
    }
    let copied = open(db)?.backup_to(to).await;
    copied.map_err(|error| Problem::Backup(to.into(), chain(&error)))?;
    println!("{} is a copy of {}", to.display(), db.display());
    println!("when you go back to it, start the server with a higher --generation");
    Ok(())
}
