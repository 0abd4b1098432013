//! A store that a restored backup can replace. The model keeps one handle over all its lives.

use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::{
    After, Batch, BatchLimits, Envelope, Head, HistoryEntry, HistoryKey, IndexEntry, LiveRecord,
    Page, Result, Store, Version, Wiped,
};
use haumana_sync::time::UnixMillis;
use std::sync::{Arc, PoisonError, RwLock};

/// The store as it is now.
#[derive(Debug)]
pub(super) struct Current<S>(RwLock<Arc<S>>);

impl<S> Current<S> {
    pub(super) fn new(store: S) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(store))))
    }

    /// The store until it is replaced.
    pub(super) fn get(&self) -> Arc<S> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the store.
    pub(super) fn put(&self, store: S) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(store);
    }
}

#[async_trait::async_trait]
impl<S: Store> Store for Current<S> {
    fn batch_limits(&self) -> BatchLimits {
        self.get().batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        self.get().head(user).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.get().read(user, keys).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.get().index(user, kind).await
    }

    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        self.get().live_records(user, kind).await
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.get().changes(user, after, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.get().history(user, keys).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.get().history_of(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        self.get().commit(user, expected, batch).await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        self.get().purge(user, before).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        self.get().erase(user).await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.get().erased_floor(user).await
    }
}
