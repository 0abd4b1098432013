//! SQLite on real files, with the syncs to disk that a server makes: a file for each history, and
//! one for each backup of it.

use super::current::Current;
use crate::open::Open;
use haumana_sim::{Backend, Profile};
use haumana_store_sqlite::{OpenError, SqliteOptions, SqliteStore};
use haumana_sync::store::{Operate, Store};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Makes a folder in `folder` for each history.
#[derive(Debug)]
pub(super) struct Sqlite {
    folder: PathBuf,
}

impl Sqlite {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

#[async_trait::async_trait(?Send)]
impl Open for Sqlite {
    async fn open(&self, _profile: Profile, _seed: u64) -> io::Result<Box<dyn Backend>> {
        let folder = tempfile::Builder::new().prefix("haumana-sim-").tempdir_in(&self.folder)?;
        let store = open(&folder.path().join("life-0.db")).map_err(io::Error::other)?;
        Ok(Box::new(OnFiles { store: Current::new(store), n_backups: 0, n_lives: 1, folder }))
    }
}

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&SqliteOptions {
        path: path.to_owned(),
        readers: 1,
        busy_timeout: Duration::from_secs(30),
        max_bytes: None,
    })
}

struct OnFiles {
    // Declared first, so closed before its folder is deleted.
    store: Arc<Current<SqliteStore>>,
    n_backups: usize,
    n_lives: usize,
    folder: TempDir,
}

impl OnFiles {
    fn backup(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("backup-{number}.db"))
    }
}

#[async_trait::async_trait]
#[allow(clippy::expect_used, reason = "a model that cannot go on stops there, and says why")]
impl Backend for OnFiles {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn operate(&self) -> Option<Arc<dyn Operate>> {
        Some(self.store.get())
    }

    async fn back_up(&mut self) -> bool {
        let to = self.backup(self.n_backups);
        self.store.get().backup_to(to).await.expect("a backup can be written");
        self.n_backups += 1;
        true
    }

    /// The backup is copied to a new file name. Beside a file of an earlier life there is
    /// a journal, which would erase accounts again that were erased since. But the model expects
    /// that a backup brings them back.
    async fn restore(&mut self, backup: usize) {
        let life = self.folder.path().join(format!("life-{}.db", self.n_lives));
        std::fs::copy(self.backup(backup), &life).expect("a backup can be copied");
        self.store.put(open(&life).expect("a backup can be opened"));
        self.n_lives += 1;
    }
}
