//! Checks each record that the engine reads from a store. A record that cannot be read is set aside
//! and reported; all others are handled normally.
//!
//! This is the boundary between store and engine. Behind it, an envelope is one that this library
//! wrote, or it is [`Envelope::is_unreadable`]. History entries that cannot be read are left out.

use crate::engine::commit::StoredConflict;
use crate::engine::edit::record::{HistoryMeta, parse};
use crate::id::{Key, KindNumber, UserId};
use crate::record::Content;
use crate::schema::Schema;
use crate::store::{
    After, Batch, BatchLimits, Envelope, Head, HistoryEntry, HistoryKey, IndexEntry, LiveRecord,
    Page, Result, Store, Version, Wiped,
};
use crate::time::UnixMillis;
use std::fmt::Debug;
use std::sync::Arc;

/// A stored item that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The record.
    pub key: Key,
    /// The entry of its history; `None` for the current record.
    pub history: Option<(Version, u32)>,
}

/// Is notified of stored items that cannot be read, so that a person can look.
///
/// It is called each time that such an item is read, perhaps several times in one request. It is
/// called while a request is served, so it must not block: count, or write a line of a log. It gets
/// no content, and a [`UserId`] that prints nothing; `haumana-api` logs a keyed hash of it.
pub trait Witness: Debug + Send + Sync + 'static {
    /// Something of `user` cannot be read.
    fn unreadable(&self, user: &UserId, what: Unreadable);
}

/// A witness that does nothing.
#[derive(Debug)]
pub(crate) struct Silent;

impl Witness for Silent {
    fn unreadable(&self, _user: &UserId, _what: Unreadable) {}
}

/// The store, as the engine reads it.
#[derive(Clone, Debug)]
pub(crate) struct Screened {
    pub store: Arc<dyn Store>,
    pub schema: Schema,
    pub witness: Arc<dyn Witness>,
    /// Whether the content of records is checked. A dialect that checks it itself does not pay for
    /// it twice.
    pub looks_into_records: bool,
}

impl Screened {
    /// Notifies the witness that a record cannot be read.
    pub(crate) fn tell(&self, user: &UserId, key: Key) {
        self.witness.unreadable(user, Unreadable { key, history: None });
    }

    fn record(&self, user: &UserId, envelope: Envelope) -> Envelope {
        let is_good = || !self.looks_into_records || is_readable(&self.schema, &envelope);
        if !envelope.is_unreadable() && is_good() {
            return envelope;
        }
        crate::mark::hit!(unreadable_record_is_set_aside);
        self.tell(user, envelope.key);
        envelope.set_aside()
    }

    fn entry(&self, user: &UserId, entry: HistoryEntry) -> Option<HistoryEntry> {
        if is_readable_history(&entry) {
            return Some(entry);
        }
        crate::mark::hit!(unreadable_history_is_passed_over);
        let HistoryKey { key, version, side } = entry.key;
        self.witness.unreadable(user, Unreadable { key, history: Some((version, side)) });
        None
    }
}

/// Whether replies can contain the record as it is stored. Edits check what is stored beside its
/// content.
fn is_readable(schema: &Schema, envelope: &Envelope) -> bool {
    if envelope.key.kind.is_inbox() {
        return parse::<StoredConflict>(&envelope.content).is_ok();
    }
    // A newer program's record is left alone; see `Record::open`.
    match schema.kind(envelope.key.kind) {
        Some(_) if envelope.deleted => true,
        _ => Content::is_object(&envelope.content),
    }
}

pub(crate) fn is_readable_history(entry: &HistoryEntry) -> bool {
    parse::<HistoryMeta>(&entry.meta).is_ok() && Content::is_object(&entry.content)
}

#[async_trait::async_trait]
impl Store for Screened {
    fn batch_limits(&self) -> BatchLimits {
        self.store.batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        self.store.head(user).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        let found = self.store.read(user, keys).await?;
        Ok(found.into_iter().map(|one| one.map(|one| self.record(user, one))).collect())
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.store.index(user, kind).await
    }

    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        self.store.live_records(user, kind).await
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        let Page { head, records, more } = self.store.changes(user, after, limit).await?;
        let records = records.into_iter().map(|one| self.record(user, one)).collect();
        Ok(Page { head, records, more })
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        let found = self.store.history(user, keys).await?;
        Ok(found.into_iter().map(|one| one.and_then(|one| self.entry(user, one))).collect())
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let mut before = before;
        loop {
            let found = self.store.history_of(user, key, before, limit).await?;
            // INVARIANT: each round begins at a lower version, so this ends.
            let last = found.last().map(|entry| entry.key.version);
            let read: Vec<_> = found.into_iter().filter_map(|one| self.entry(user, one)).collect();
            // A page without a readable entry is not the end.
            if last.is_none() || !read.is_empty() {
                return Ok(read);
            }
            before = last;
        }
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        self.store.commit(user, expected, batch).await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        self.store.purge(user, before).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        self.store.erase(user).await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.store.erased_floor(user).await
    }
}
