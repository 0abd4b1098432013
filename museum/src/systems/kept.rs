//! Storage of a device that outlives the program on it, and can be copied.

use async_trait::async_trait;
use haumana_replica::storage::{
    Batch, Declared, IndexRange, MemoryStorage, OpenCount, State, Storage,
};
use haumana_replica::{Local, Result};
use haumana_sync::id::{Key, KindNumber, RecordId};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Storage in memory that outlives a replica.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Arc<Mutex<MemoryStorage>>);

impl Kept {
    /// Another storage with the same in it. Nothing in it tells that it is a copy.
    pub(super) async fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().await.clone())))
    }
}

#[async_trait]
impl Storage for Kept {
    async fn device(&mut self, fresh: &str) -> Result<String> {
        self.0.lock().await.device(fresh).await
    }

    async fn set_device(&mut self, id: &str) -> Result<()> {
        self.0.lock().await.set_device(id).await
    }

    async fn declared(&mut self) -> Result<Declared> {
        self.0.lock().await.declared().await
    }

    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()> {
        self.0.lock().await.declare(declared, moves).await
    }

    async fn accounts(&mut self) -> Result<Vec<String>> {
        self.0.lock().await.accounts().await
    }

    async fn state(&mut self, account: &str) -> Result<State> {
        self.0.lock().await.state(account).await
    }

    async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>> {
        self.0.lock().await.read(account, keys).await
    }

    async fn list(&mut self, account: &str, kind: KindNumber) -> Result<Vec<Local>> {
        self.0.lock().await.list(account, kind).await
    }

    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>> {
        self.0.lock().await.due(account, limit).await
    }

    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>> {
        self.0.lock().await.unmarked(account, mark).await
    }

    async fn find(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> Result<Vec<RecordId>> {
        self.0.lock().await.find(account, kind, field, range).await
    }

    async fn count_open(&mut self, account: &str) -> Result<OpenCount> {
        self.0.lock().await.count_open(account).await
    }

    async fn write(&mut self, account: &str, batch: Batch) -> Result<()> {
        self.0.lock().await.write(account, batch).await
    }

    async fn forget(&mut self, account: &str) -> Result<()> {
        self.0.lock().await.forget(account).await
    }
}
