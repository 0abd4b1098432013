//! The place of a drill: a copy of the data, and a backup of the copy.
//!
//! | store | the copy | the backup | the restore |
//! |---|---|---|---|
//! | SQLite | a file in a folder beside the database | a file beside it | the library's own |
//! | PostgreSQL | a schema, with a journal | another schema, without one | dropped, copied back |
//! | DynamoDB | none: AWS makes copies of tables | | |
//!
//! On PostgreSQL the journal of the copy stays in place when the backup is restored, as it does
//! with a real dump. So the drill also tests that erasures are replayed.

use super::{Rehearsal, ensure};
use crate::args::{Place, StoreKind};
use crate::place::{database, file_options, source};
use crate::problem::{Problem, chain};
use crate::say::counted;
use haumana_api::SystemRandom;
use haumana_store_postgres::copies::{self, WithJournal};
use haumana_store_postgres::{OpenError, PostgresOptions, PostgresStore};
use haumana_store_sqlite::{BackupSource, LaterEdits, SqliteStore};
use haumana_sync::engine::Random as _;
use haumana_sync::store::Generation;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// The prefix of the names of the drill's schemas.
const SCHEMA: &str = "haumana_drill_";

/// The file in a drill's folder that is locked as long as the drill is at work.
const LOCK: &str = "at-work";

/// Removes the folders of drills that were killed: copies of everybody's records.
fn remove_killed(folder: &Path, begins: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(begins) {
            continue;
        }
        // One without the file was killed at once, or begins at this moment with nothing in it.
        match File::open(entry.path().join(LOCK)) {
            Ok(lock) if lock.try_lock().is_ok() => std::fs::remove_dir_all(entry.path())?,
            _ => {}
        }
    }
    Ok(())
}

/// A copy, and the place of its backup.
///
/// The temporary folder is removed when this is dropped, even after a panic. Only
/// [`Ground::remove`] removes schemas.
pub(super) enum Ground {
    /// Files in a folder beside the database.
    Files {
        folder: TempDir,
        live: PathBuf,
        backup: PathBuf,
        /// Says to another drill that this one is at work.
        _lock: File,
    },
    /// Schemas beside that of the tables, in the same database.
    Schemas { live: PostgresOptions, backup: PostgresOptions },
}

impl Ground {
    /// Copies the data as it is at one moment, and describes the copy. Servers go on meanwhile.
    pub(super) async fn copied(place: &Place) -> Result<(Self, String), Problem> {
        match place.store {
            StoreKind::Sqlite => Self::of_file(&place.db),
            StoreKind::Postgres => Self::of_schema(place).await,
            StoreKind::Dynamodb => Err(Problem::DrillOfTables),
        }
    }

    /// The copy is one snapshot. A server may write meanwhile.
    fn of_file(db: &Path) -> Result<(Self, String), Problem> {
        let source = source(db)?;
        // Beside the database, because the copy is as large and as private.
        let folder = db.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let failed = |error: std::io::Error| {
            Problem::Drill(format!("a copy beside {}: {}", db.display(), chain(&error)))
        };
        let begins = format!("{}.drill-", db.file_name().unwrap_or_default().to_string_lossy());
        remove_killed(folder, &begins).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix(&begins).tempdir_in(folder).map_err(failed)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let (live, backup) = (folder.path().join("live.db"), folder.path().join("backup.db"));
        source.write_to(&live).map_err(|error| Problem::of(&error))?;
        let bytes = std::fs::metadata(&live).map_or(0, |meta| meta.len());
        let bytes = counted(usize::try_from(bytes).unwrap_or(usize::MAX), "byte");
        let detail = format!("{bytes}; the real database is not touched from here on");
        Ok((Self::Files { folder, live, backup, _lock: lock }, detail))
    }

    /// Both schemas have a random number in their names, so the remains of a drill that was killed
    /// do not disturb the next one.
    async fn of_schema(place: &Place) -> Result<(Self, String), Problem> {
        let real = database(place, Generation(0)).await?;
        let mark = SystemRandom.next_u64();
        let named = |what: &str| PostgresOptions {
            schema: format!("{SCHEMA}{mark:016x}{what}"),
            ..real.clone()
        };
        let (live, backup) = (named(""), named("_b"));
        copies::copy(&real, &live.schema, WithJournal::Yes).await.map_err(of)?;
        let name = &live.schema;
        let detail = format!("into the schema {name}; the real one is not touched from here on");
        Ok((Self::Schemas { live, backup }, detail))
    }

    /// Opens the copy in this generation, or in a higher one that it knows.
    pub(super) async fn open(
        &self,
        place: &Place,
        asked: Generation,
    ) -> Result<Rehearsal, Problem> {
        match self {
            Self::Files { live, .. } => {
                let opened = SqliteStore::open_asking(&file_options(live), asked);
                let store = Arc::new(opened.map_err(|error| Problem::of(&error))?);
                let generation = store.life().generation;
                Rehearsal::of(place, store, generation).await
            }
            Self::Schemas { live, .. } => {
                let options = PostgresOptions { generation: asked, ..live.clone() };
                let store = Arc::new(PostgresStore::open(&options).await.map_err(of)?);
                let generation = store.life().generation;
                Rehearsal::of(place, store, generation).await
            }
        }
    }

    /// Takes a backup of the copy while it is open.
    pub(super) async fn back_up(&self) -> Result<(), Problem> {
        match self {
            Self::Files { live, backup, .. } => {
                let source = BackupSource::open(live, PATIENCE);
                let source = source.map_err(|error| Problem::of(&error))?;
                source.write_to(backup).map_err(|error| Problem::of(&error))
            }
            Self::Schemas { live, backup } => {
                copies::copy(live, &backup.schema, WithJournal::No).await.map_err(of)
            }
        }
    }

    /// Restores the backup in the place of the copy, and opens it in a new life.
    ///
    /// The store notices that a file is a backup. In PostgreSQL nothing shows that tables went
    /// back, so a higher generation is asked for, as an operator would do.
    pub(super) async fn restored(
        &self,
        place: &Place,
        before: Generation,
    ) -> Result<Rehearsal, Problem> {
        match self {
            Self::Files { live, backup, .. } => {
                let restored =
                    haumana_store_sqlite::restore(backup, live, LaterEdits::Merge, PATIENCE);
                let restored = restored.map_err(|error| Problem::Drill(chain(&error)))?;
                let is_replayed = 1 <= restored.erased_again;
                ensure(is_replayed, "a restore erases again who was erased after the backup")?;
                self.open(place, Generation(0)).await
            }
            Self::Schemas { live, backup } => {
                // The journal stays, as it does when a dump of the tables is loaded.
                copies::remove(live, WithJournal::No).await.map_err(of)?;
                copies::copy(backup, &live.schema, WithJournal::No).await.map_err(of)?;
                // In the same database nobody notices the restore, so a higher generation is asked
                // for.
                self.open(place, Generation(before.0 + 1)).await
            }
        }
    }

    /// Removes the copy and the backup.
    pub(super) async fn remove(self) -> Result<(), Problem> {
        match self {
            Self::Files { folder, .. } => {
                folder.close().map_err(|error| Problem::Drill(chain(&error)))
            }
            Self::Schemas { live, backup } => {
                copies::remove(&backup, WithJournal::Yes).await.map_err(of)?;
                copies::remove(&live, WithJournal::Yes).await.map_err(of)
            }
        }
    }
}

fn of(error: OpenError) -> Problem {
    Problem::of(&error)
}
