//! The store: what every call needs, and the trait's calls.
//!
//! # The steps of a commit
//!
//! 1. The batch is encoded: one item per record and history entry, and a slip that says when its
//!    history is due ([`past`](crate::past)).
//! 2. One `TransactWriteItems` updates the head and puts all items. The head has the only
//!    condition: it is still the expected one. So nothing else is compared, and nothing is written
//!    if it fails.
//! 3. If the answer of a try was lost, it is sent again with the same token. DynamoDB recognises
//!    the token and answers with success, without doing it twice.
//!
//! # The steps of a read
//!
//! A head is one strongly consistent `GetItem`: one unit, up to 4 kB. A few records by key are one
//! batch of such reads. Every listing reads the head first, and compares the result of a query with
//! the records that the head says it must find ([`heads`](crate::heads)).
//!
//! # Dropped calls
//!
//! A dropped call may have sent a request that is still done. Each commit is one request, so it is
//! done as a whole or not at all. Calls that send several requests, such as an erasure, can be
//! repeated.

use crate::allowance::Tabs;
use crate::error::Bad;
use crate::heads::{self, StoredHead};
use crate::meter::{Consumed, Meter};
use crate::options::DynamoOptions;
use crate::retry::Call;
use crate::schema::{TableSchema, head_key};
use aws_sdk_dynamodb::Client;
use haumana_sync::Store;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::backend::check_batch;
use haumana_sync::store::{
    After, Batch, BatchLimits, Envelope, Error, ErrorKind, Head, HeadState, HistoryEntry,
    HistoryKey, IndexEntry, LiveRecord, Page, Result, Version, Wiped,
};
use haumana_sync::time::UnixMillis;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// DYNAMODB: a transaction has at most 100 items; the head and the slip are two of them.
///
/// So one commit has at most 98 records and entries. With more, the engine makes several commits.
const ITEMS: usize = 98;
/// DYNAMODB: a transaction has at most 4 MB; names and keys of 98 items need some of it.
const BYTES: usize = 3_500_000;

/// Keeps everything in three tables of DynamoDB.
///
/// Calls must run on a tokio runtime with time and I/O. Opening a store does no I/O;
/// [`DynamoStore::check_tables`] does. Any number of stores, in any number of functions, may use
/// the same tables.
///
/// | a call that | is answered |
/// |---|---|
/// | the service refuses for now, until the budget is used up | `Throttled` |
/// | gets no answer, and only reads or never arrived | `Unavailable` |
/// | commits, and loses the answer | `Unknown` |
/// | would grow a user beyond 10 GB | `Full` |
/// | is of an account without allowance left | `Spent` |
///
/// A commit has at most 98 items and 3.5 MB: the limits of a DynamoDB transaction, less the store's
/// own items.
#[derive(Debug)]
pub struct DynamoStore {
    pub(crate) client: Client,
    pub(crate) options: DynamoOptions,
    pub(crate) meter: Meter,
    pub(crate) tabs: Tabs,
    /// Distinguishes the calls of this and of other processes.
    ///
    /// It is a hash, under a random key of this store, of a number that counts up.
    nonce: (RandomState, AtomicU64),
}

impl DynamoStore {
    /// Opens a store.
    ///
    /// It cannot fail. Wrong credentials or a wrong region show with the first call.
    pub fn open(options: DynamoOptions) -> Self {
        let client = crate::client::client(&options);
        Self {
            client,
            options,
            meter: Meter::default(),
            tabs: Tabs::default(),
            nonce: Default::default(),
        }
    }

    /// Returns what was consumed since the last call of this method, and starts over.
    ///
    /// A host calls it after each request, for a metric or for [`DynamoStore::charge`]. Calls that
    /// run at the same time are counted together.
    pub fn take_consumed(&self) -> Consumed {
        self.meter.take()
    }

    /// Makes a number for the token of a call. Two calls of one commit must have different ones.
    pub(crate) fn next_nonce(&self) -> u64 {
        let (random, count) = &self.nonce;
        random.hash_one(count.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn table(&self, table: TableSchema) -> String {
        table.name(&self.options.prefix)
    }

    /// If time is over after a lost answer, the call is `Unavailable`, because a read changes
    /// nothing.
    pub(crate) fn reading(&self, op: &'static str) -> Call {
        Call::reading(op, &self.options, self.meter.retries())
    }

    /// If time is over after a lost answer, the call is `Unknown`.
    pub(crate) fn writing(&self, op: &'static str) -> Call {
        Call::writing(op, &self.options, self.meter.retries())
    }

    /// Reads the head with what it remembers.
    pub(crate) async fn stored_head(
        &self,
        call: &mut Call,
        user: &UserId,
    ) -> Result<Option<StoredHead>> {
        let item = self.get(call, &head_key(user)).await?;
        item.map(|item| heads::decode(&item)).transpose().map_err(corrupt(call.op()))
    }
}

/// The error for an item that this program did not write.
pub(crate) fn corrupt(op: &'static str) -> impl Fn(Bad) -> Error {
    move |bad| Error::with_source(op, ErrorKind::Corrupt, bad)
}

#[async_trait::async_trait]
impl Store for DynamoStore {
    fn batch_limits(&self) -> BatchLimits {
        BatchLimits { items: ITEMS, bytes: BYTES }
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        let stored = self.stored_head(&mut self.reading("head"), user).await?;
        let is_erasing =
            stored.as_ref().is_some_and(|stored| stored.head.state == HeadState::Erasing);
        let allowed = self.check_allowance(user, stored.as_ref().map_or(0, |stored| stored.paid));
        // It accepts only the rest of its erasure, and that must not wait.
        if !is_erasing {
            allowed?;
        }
        Ok(stored.map(|stored| stored.head))
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.read_records(user, keys).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.list_kind(user, kind).await
    }

    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        self.read_live(user, kind).await.map(Some)
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.read_changes(user, after, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.read_history(user, keys).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.list_history(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        check_batch(self.batch_limits(), user, expected, batch)?;
        self.write_batch(user, expected, batch).await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        self.purge_history(user, before).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        // An account can always be erased, whatever it has spent.
        if let Some(stored) = self.stored_head(&mut self.writing("erase"), user).await? {
            self.note_erasure(user, &stored.head).await?;
        }
        self.erase_user(user).await.map(|()| Wiped::Now)
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.read_floor(user).await
    }
}
