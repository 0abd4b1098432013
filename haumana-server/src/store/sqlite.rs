//! The SQLite file.
//!
//! One connection writes; several threads read. The files beside the database tell whether it is an
//! earlier copy of itself, so nobody has to raise `--generation`.

use super::{Opened, begin};
use crate::args::Args;
use crate::problem::Problem;
use haumana_store_sqlite::{LaterEdits, NewLife, SqliteOptions, SqliteStore};
use haumana_sync::engine::OtherLife;
use haumana_sync::live::PokingStore;
use haumana_sync::store::Generation;
use haumana_sync::time::UnixMillis;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How many threads read, besides the one that writes.
///
/// Readers and the writer do not wait for one another.
const READERS: usize = 4;
/// How long a request waits while a backup or another server holds the file. Then it is refused
/// with `unavailable`.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the file that the arguments name.
///
/// Commits of this process send pokes, through a decorator. Those of another process on the same
/// file send none.
pub(super) fn open(args: &Args) -> Result<Opened, Problem> {
    let store = open_file(&args.db, Generation(args.generation))?;
    let life = store.life();
    let other_life = match life.later_edits {
        LaterEdits::Discard => OtherLife::Discarded,
        LaterEdits::Merge => OtherLife::Merged,
    };
    let store = Arc::new(store);
    let (operate, generation) = (store.clone(), life.generation);
    let store = Arc::new(PokingStore::new(store));
    let pokes = store.clone();
    Ok(Opened { store, pokes, operate, needs_upkeep: true, generation, other_life })
}

/// Opens the database, or makes it.
///
/// # Errors
///
/// [`Problem::ForeignLog`] if the log beside the file belongs to another file; it says what to do.
/// All else is [`Problem::Database`].
fn open_file(path: &Path, asked: Generation) -> Result<SqliteStore, Problem> {
    let options = SqliteOptions {
        path: path.into(),
        readers: READERS,
        busy_timeout: BUSY_TIMEOUT,
        max_bytes: None,
    };
    let opened = SqliteStore::open_asking(&options, asked);
    let store = opened.map_err(|error| Problem::of_database(path, &error))?;
    if let Some(new_life) = store.new_life() {
        announce(new_life, store.life().generation);
    }
    Ok(store)
}

/// Says that a new life of the data begins, and why.
fn announce(why: NewLife, Generation(generation): Generation) {
    let why = match why {
        NewLife::Backup { taken_at } => {
            format!("the database is the backup of {}", UnixMillis::from_secs(taken_at.secs()))
        }
        NewLife::PutBack => {
            "the database is older than what was last used here: an earlier copy was put back"
                .to_owned()
        }
        NewLife::StartedAfresh => {
            "the database is new, and there was another one here before".to_owned()
        }
        NewLife::Replaced => "the database is another one than was last used here".to_owned(),
        NewLife::Asked => "a higher --generation was asked for".to_owned(),
        _ => "the database was replaced".to_owned(),
    };
    begin(&why, Generation(generation));
}
