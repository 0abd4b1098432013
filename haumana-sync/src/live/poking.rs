//! A decorator that sends a poke after each commit of this process.

use super::{Hearer, Pokes, Topic};
use crate::id::{Key, KindNumber, UserId};
use crate::store::{
    After, Batch, BatchLimits, Envelope, ErrorKind, Head, HistoryEntry, HistoryKey, IndexEntry,
    LiveRecord, Page, Result, Revision, Store, Version, Wiped,
};
use crate::time::UnixMillis;
use std::sync::{Arc, OnceLock};

/// Sends a poke after each commit that goes through it. It does not see commits of other processes
/// on the same data.
///
/// A commit whose outcome is unknown causes a poke, too: a needless poke costs one sync, a missed
/// one costs time. If several processes serve the same data, each sees only its own commits;
/// devices that are connected elsewhere wait for their next poll.
///
/// ```
/// use haumana_sync::live::PokingStore;
/// use haumana_sync::store::MemoryStore;
/// use std::sync::Arc;
///
/// // The engine is made on it, and it is also the source of pokes.
/// let store = Arc::new(PokingStore::new(MemoryStore::new()));
/// ```
#[derive(Debug)]
pub struct PokingStore<S> {
    inner: S,
    hearer: OnceLock<Arc<dyn Hearer>>,
}

impl<S: Store> PokingStore<S> {
    /// Sends pokes for commits to `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, hearer: OnceLock::new() }
    }
}

impl<S: Store> Pokes for PokingStore<S> {
    fn topic(&self, user: &UserId) -> Topic {
        // The topic does not leave the process.
        Topic::of(b"", user)
    }

    fn tell(&self, hearer: Arc<dyn Hearer>) {
        self.hearer.set(hearer).ok();
    }
}

/// The poke of one commit. It is also sent if the commit is dropped, since it may have been done.
struct Due<'a> {
    hearer: Option<(&'a Arc<dyn Hearer>, Topic)>,
    revision: Revision,
}

impl Drop for Due<'_> {
    fn drop(&mut self) {
        if let Some((hearer, topic)) = self.hearer.take() {
            hearer.poke(topic, self.revision);
        }
    }
}

#[async_trait::async_trait]
impl<S: Store> Store for PokingStore<S> {
    fn batch_limits(&self) -> BatchLimits {
        self.inner.batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        self.inner.head(user).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.inner.read(user, keys).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.inner.index(user, kind).await
    }

    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        self.inner.live_records(user, kind).await
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.inner.changes(user, after, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.inner.history(user, keys).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.inner.history_of(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        let hearer = self.hearer.get().map(|hearer| (hearer, self.topic(user)));
        let mut due = Due { hearer, revision: batch.head.revision };
        let done = self.inner.commit(user, expected, batch).await;
        if done.as_ref().is_err_and(|error| error.kind() != ErrorKind::Unknown) {
            // Nothing was written.
            due.hearer = None;
        }
        done
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        self.inner.purge(user, before).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        self.inner.erase(user).await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.inner.erased_floor(user).await
    }
}
