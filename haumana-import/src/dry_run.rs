//! A store that only pretends to write.
//!
//! An import into it goes through the same engine and the same merge as a real one. So it reports
//! what the import would do, as long as nobody edits in between.
//!
//! These reads come from the store beneath, without pretended writes: lists of changes, the index,
//! the history of one record, and the floor of an erased account. Memory grows with each record
//! that would be written.

use haumana_sync::Store;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::{
    After, Batch, BatchLimits, Envelope, Error, ErrorKind, Head, HistoryEntry, HistoryKey,
    IndexEntry, Page, Result, Version, Wiped,
};
use haumana_sync::time::UnixMillis;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reads from the store beneath and from its pretended writes. It writes nothing.
///
/// Pretended writes are kept in memory. Lists of changes are those of the store beneath.
#[derive(Debug)]
pub struct DryRun {
    /// It is only read.
    below: Arc<dyn Store>,
    /// The lock is never held across an await.
    pretended: Mutex<Pretended>,
}

/// The latest state of each item. A later pretended commit replaces an earlier one.
#[derive(Debug, Default)]
struct Pretended {
    heads: HashMap<UserId, Head>,
    records: HashMap<(UserId, Key), Envelope>,
    history: HashMap<(UserId, HistoryKey), HistoryEntry>,
}

impl DryRun {
    /// Makes one on top of `below`.
    pub fn new(below: Arc<dyn Store>) -> Self {
        Self { below, pretended: Mutex::default() }
    }

    fn pretended(&self) -> MutexGuard<'_, Pretended> {
        self.pretended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Store for DryRun {
    fn batch_limits(&self) -> BatchLimits {
        self.below.batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        let pretended = self.pretended().heads.get(user).cloned();
        if pretended.is_some() { Ok(pretended) } else { self.below.head(user).await }
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        let mut found = self.below.read(user, keys).await?;
        let pretended = self.pretended();
        for (found, key) in found.iter_mut().zip(keys) {
            if let Some(envelope) = pretended.records.get(&(user.clone(), *key)) {
                *found = Some(envelope.clone());
            }
        }
        Ok(found)
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.below.index(user, kind).await
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.below.changes(user, after, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        let mut found = self.below.history(user, keys).await?;
        let pretended = self.pretended();
        for (found, key) in found.iter_mut().zip(keys) {
            if let Some(entry) = pretended.history.get(&(user.clone(), *key)) {
                *found = Some(entry.clone());
            }
        }
        Ok(found)
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.below.history_of(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        batch.assert_consistent(user, expected);
        let mut pretended = self.pretended();
        pretended.heads.insert(user.clone(), batch.head.clone());
        for record in &batch.records {
            pretended.records.insert((user.clone(), record.key), record.clone());
        }
        for entry in &batch.history {
            pretended.history.insert((user.clone(), entry.key), entry.clone());
        }
        Ok(())
    }

    async fn purge(&self, _user: &UserId, _before: UnixMillis) -> Result<()> {
        Ok(())
    }

    async fn erase(&self, _user: &UserId) -> Result<Wiped> {
        // Nothing is erased here, so the caller must not believe that it was done.
        Err(Error::new("erase", ErrorKind::Unavailable))
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.below.erased_floor(user).await
    }
}
