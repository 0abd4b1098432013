//! A decorator that counts calls.

use super::{
    After, Batch, BatchLimits, Envelope, Head, HistoryEntry, HistoryKey, IndexEntry, LiveRecord,
    Page, Result, Store, Version, Wiped,
};
use crate::id::{Key, KindNumber, UserId};
use crate::time::UnixMillis;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of calls, and how much they read and wrote.
///
/// A call and what it writes are counted when it is made, even if it fails. Records that it reads
/// are counted when it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls of [`Store::head`] and [`Store::erased_floor`].
    pub head: u64,
    /// Calls of [`Store::read`].
    pub read: u64,
    /// Calls of [`Store::index`], and of [`Store::live_records`] if the store supports it.
    pub index: u64,
    /// Calls of [`Store::changes`].
    pub changes: u64,
    /// Calls of [`Store::history`] and [`Store::history_of`].
    pub history: u64,
    /// Calls of [`Store::commit`].
    pub commit: u64,
    /// Calls of [`Store::purge`] and [`Store::erase`].
    pub delete: u64,
    /// Records that came back with content.
    pub records_read: u64,
    /// Records that commits put.
    pub records_written: u64,
    /// History entries that commits added.
    pub history_written: u64,
}

/// Counts the calls to the store inside. Tests use it to check the cost of a call against a budget.
///
/// The latency of a networked store comes from round trips. This counts them without a network and
/// without a clock.
///
/// ```
/// use haumana_sync::conformance::sample::user;
/// use haumana_sync::store::{MemoryStore, MeteredStore};
/// use haumana_sync::Store;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MeteredStore::new(MemoryStore::new());
/// store.head(&user("kai")).await?;
///
/// assert_eq!(1, store.take().head);
/// assert_eq!(0, store.take().head, "taking starts over");
/// # Ok::<(), haumana_sync::store::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MeteredStore<S> {
    inner: S,
    counts: [AtomicU64; 10],
}

impl<S: Store> MeteredStore<S> {
    /// Counts the calls to `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, counts: Default::default() }
    }

    /// Returns the counts since the last call of this method, and resets them.
    pub fn take(&self) -> Calls {
        let take = |at: usize| self.counts[at].swap(0, Ordering::Relaxed);
        Calls {
            head: take(0),
            read: take(1),
            index: take(2),
            changes: take(3),
            history: take(4),
            commit: take(5),
            delete: take(6),
            records_read: take(7),
            records_written: take(8),
            history_written: take(9),
        }
    }

    fn add(&self, at: usize, n: usize) {
        self.counts[at].fetch_add(n as u64, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl<S: Store> Store for MeteredStore<S> {
    fn batch_limits(&self) -> BatchLimits {
        self.inner.batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        self.add(0, 1);
        self.inner.head(user).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.add(1, 1);
        let found = self.inner.read(user, keys).await?;
        self.add(7, found.iter().flatten().count());
        Ok(found)
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.add(2, 1);
        self.inner.index(user, kind).await
    }

    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        let found = self.inner.live_records(user, kind).await?;
        if let Some(records) = &found {
            self.add(2, 1);
            self.add(7, records.len());
        }
        Ok(found)
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.add(3, 1);
        let page = self.inner.changes(user, after, limit).await?;
        self.add(7, page.records.len());
        Ok(page)
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.add(4, 1);
        self.inner.history(user, keys).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.add(4, 1);
        self.inner.history_of(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        self.add(5, 1);
        self.add(8, batch.records.len());
        self.add(9, batch.history.len());
        self.inner.commit(user, expected, batch).await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        self.add(6, 1);
        self.inner.purge(user, before).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        self.add(6, 1);
        self.inner.erase(user).await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.add(0, 1);
        self.inner.erased_floor(user).await
    }
}
