//! A storage that outlives its replica, or is read beside it.

use super::{Batch, Declared, IndexRange, OpenCount, State, Storage};
use crate::error::Result;
use crate::record::Local;
use async_trait::async_trait;
use haumana_sync::id::{Key, KindNumber, RecordId};
use std::sync::Arc;
use tokio::sync::Mutex;

/// All clones are the same storage. After a replica on it has ended, the next one can use it. As
/// with any storage, only one replica at a time works on it.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl<S: Storage> Storage for Arc<Mutex<S>> {
    async fn device(&mut self, fresh: &str) -> Result<String> {
        self.lock().await.device(fresh).await
    }

    async fn set_device(&mut self, id: &str) -> Result<()> {
        self.lock().await.set_device(id).await
    }

    async fn declared(&mut self) -> Result<Declared> {
        self.lock().await.declared().await
    }

    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()> {
        self.lock().await.declare(declared, moves).await
    }

    async fn accounts(&mut self) -> Result<Vec<String>> {
        self.lock().await.accounts().await
    }

    async fn state(&mut self, account: &str) -> Result<State> {
        self.lock().await.state(account).await
    }

    async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>> {
        self.lock().await.read(account, keys).await
    }

    async fn list(&mut self, account: &str, kind: KindNumber) -> Result<Vec<Local>> {
        self.lock().await.list(account, kind).await
    }

    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>> {
        self.lock().await.due(account, limit).await
    }

    async fn refused(
        &mut self,
        account: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Local>> {
        self.lock().await.refused(account, after, limit).await
    }

    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>> {
        self.lock().await.unmarked(account, mark).await
    }

    async fn find(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> Result<Vec<RecordId>> {
        self.lock().await.find(account, kind, field, range).await
    }

    async fn count_open(&mut self, account: &str) -> Result<OpenCount> {
        self.lock().await.count_open(account).await
    }

    async fn write(&mut self, account: &str, batch: Batch) -> Result<()> {
        self.lock().await.write(account, batch).await
    }

    async fn forget(&mut self, account: &str) -> Result<()> {
        self.lock().await.forget(account).await
    }
}
