//! Faults between an engine and its store, and other calls that are faster.
//!
//! A server process of the model calls a [`Crossroads`] with faults before it. Code that only looks
//! at the store calls it directly, and meets neither.
//!
//! | fault | what the engine sees | what was done |
//! |---|---|---|
//! | before, unknown | the outcome is not known | nothing |
//! | before, throttled | wait | nothing |
//! | before, conflict | somebody was faster | nothing |
//! | after | the answer is lost | all of it |

use crate::dice::Dice;
use crate::faults::{FaultCounts, FaultKind};
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::{
    After, Batch, BatchLimits, Envelope, ErrorKind, Fault, Faults, Head, HistoryEntry, HistoryKey,
    IndexEntry, LiveRecord, Page, Result, Store, Version, Wiped,
};
use haumana_sync::time::UnixMillis;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Work that happens in the middle of another call.
///
/// It owns its data, since it outlives the call that made it.
pub type Interlude = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store in which something else may happen before a call.
///
/// Clones share the waiting work, and count together.
#[derive(Clone)]
pub struct Crossroads {
    inner: Arc<dyn Store>,
    /// How many calls are left until the work, and the work.
    waiting: Arc<Mutex<Option<(usize, Interlude)>>>,
    calls: Arc<AtomicU64>,
}

impl fmt::Debug for Crossroads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crossroads")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crossroads {
    /// Puts a crossroads before `inner`.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, waiting: Arc::new(Mutex::new(None)), calls: Arc::default() }
    }

    /// Makes `interlude` happen after `calls` more calls, before the next one.
    ///
    /// One at a time: a second one replaces the first.
    pub fn cross(&self, calls: usize, interlude: Interlude) {
        *lock(&self.waiting) = Some((calls, interlude));
    }

    /// The work that has not happened, because there were fewer calls.
    ///
    /// The caller then does it after the outer call.
    pub fn left_over(&self) -> Option<Interlude> {
        lock(&self.waiting).take().map(|(_, interlude)| interlude)
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The lock is not held while the other work runs, since that work calls the same store.
    async fn arrive(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let due = {
            let mut waiting = lock(&self.waiting);
            match waiting.as_mut() {
                Some((0, _)) => waiting.take(),
                Some((calls, _)) => {
                    *calls -= 1;
                    None
                }
                None => None,
            }
        };
        if let Some((_, interlude)) = due {
            interlude.await;
        }
    }
}

#[async_trait::async_trait]
impl Store for Crossroads {
    fn batch_limits(&self) -> BatchLimits {
        self.inner.batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        self.arrive().await;
        self.inner.head(user).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.arrive().await;
        self.inner.read(user, keys).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.arrive().await;
        self.inner.index(user, kind).await
    }

    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        // A store without packed copies answers `None`. That does not count as a call.
        if self.inner.live_records(user, kind).await?.is_none() {
            return Ok(None);
        }
        self.arrive().await;
        self.inner.live_records(user, kind).await
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.arrive().await;
        self.inner.changes(user, after, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.arrive().await;
        self.inner.history(user, keys).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.arrive().await;
        self.inner.history_of(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        self.arrive().await;
        self.inner.commit(user, expected, batch).await
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

/// Random faults of a store.
///
/// It has a generator of its own, because faults must not change what users do.
#[derive(Clone, Debug)]
pub struct Storm {
    /// How many calls in a thousand fail.
    per_mille: Arc<AtomicU64>,
    struck: Arc<AtomicU64>,
    dice: Arc<Mutex<Dice>>,
    counts: Arc<Mutex<FaultCounts>>,
}

impl Storm {
    /// Makes a storm without faults.
    pub fn new(seed: u64) -> Self {
        Self {
            per_mille: Arc::default(),
            struck: Arc::default(),
            dice: Arc::new(Mutex::new(Dice::new(seed))),
            counts: Arc::default(),
        }
    }

    /// From now on this many calls in a thousand fail.
    ///
    /// There are faults only during calls of servers. With 0 there are none, and nothing is drawn.
    pub fn blow(&self, per_mille: u64) {
        self.per_mille.store(per_mille, Ordering::Relaxed);
    }

    /// The state of its generator.
    pub fn dice(&self) -> Dice {
        lock(&self.dice).clone()
    }

    /// Sets its generator to an earlier state.
    pub fn go_on_from(&self, dice: Dice) {
        *lock(&self.dice) = dice;
    }

    /// Adds how many calls have failed, by kind.
    pub fn count(&self, faults: &mut FaultCounts) {
        let struck = *lock(&self.counts);
        for kind in FaultKind::ALL {
            faults.note_many(kind, struck.of(kind));
        }
    }

    /// How many calls have failed.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }
}

impl Faults for Storm {
    fn next(&self, _op: &'static str) -> Option<Fault> {
        let per_mille = self.per_mille.load(Ordering::Relaxed);
        if per_mille == 0 {
            return None;
        }
        let mut dice = lock(&self.dice);
        if per_mille <= dice.bits() % 1000 {
            return None;
        }
        self.struck.fetch_add(1, Ordering::Relaxed);
        let before = [ErrorKind::Unknown, ErrorKind::Throttled, ErrorKind::Conflict];
        let (fault, kind) = match dice.chance(40) {
            true => (Fault::After, FaultKind::StoreAnswerLost),
            false => {
                let at = dice.below(before.len());
                let kinds =
                    [FaultKind::StoreUnknown, FaultKind::StoreThrottled, FaultKind::StoreConflict];
                (Fault::Before(before[at]), kinds[at])
            }
        };
        lock(&self.counts).note(kind);
        Some(fault)
    }
}
