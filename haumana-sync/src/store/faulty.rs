//! A decorator that injects faults which a real store can have.
//!
//! It is for tests of what uses a store: an engine, a host, a client. To test a store itself, use
//! the suite `conformance`.

use super::{
    After, Batch, BatchLimits, Envelope, Error, ErrorKind, Head, HistoryEntry, HistoryKey,
    IndexEntry, LiveRecord, Page, Result, Store, Version, Wiped,
};
use crate::id::{Key, KindNumber, UserId};
use crate::time::UnixMillis;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this kind before it does anything.
    Before(ErrorKind),
    /// The call is done, and its answer is lost.
    ///
    /// The caller gets [`ErrorKind::Unknown`]. Most mistakes around retries show only with this
    /// fault.
    After,
}

/// Decides the fault of each call by the name of the operation. It is called once per call, in
/// order.
///
/// It may count calls, use a seeded random source, or look at the batch. One value serves one
/// store, from several tasks.
pub trait Faults: std::fmt::Debug + Send + Sync + 'static {
    /// Returns the fault of this call, if any.
    fn next(&self, op: &'static str) -> Option<Fault>;

    /// Returns the fault of a commit of `batch`. The fault may depend on the batch.
    fn next_commit(&self, _batch: &Batch) -> Option<Fault> {
        self.next("commit")
    }
}

/// Passes calls to the store inside, unless a fault is due.
///
/// A fault is decided before the call. So a commit fails as a whole or is done as a whole, as the
/// contract says. It works with other decorators in any order.
///
/// With [`Fault::After`] a test shows whether a caller survives a lost answer:
///
/// ```
/// use haumana_sync::Store;
/// use haumana_sync::conformance::sample::{next_batch, piece, record, user};
/// use haumana_sync::store::{Fault, Faults, FaultyStore, MemoryStore, StoreExt};
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// /// Loses the answer to the first commit.
/// #[derive(Debug, Default)]
/// struct Once(AtomicBool);
///
/// impl Faults for Once {
///     fn next(&self, op: &'static str) -> Option<Fault> {
///         let is_first = op == "commit" && !self.0.swap(true, Ordering::Relaxed);
///         is_first.then_some(Fault::After)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (store, kai) = (FaultyStore::new(MemoryStore::new(), Once::default()), user("kai"));
/// let batch = next_batch(None, vec![record(piece(1), 1, "Hula")], Vec::new());
///
/// // The identical commit settles it: it is in already.
/// store.commit_settled(&kai, None, &batch).await?;
/// assert_eq!(Some(batch.head), store.head(&kai).await?);
/// # Ok::<(), haumana_sync::store::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```
/// use haumana_sync::conformance::sample::user;
/// use haumana_sync::store::{ErrorKind, Fault, Faults, FaultyStore, MemoryStore};
/// use haumana_sync::Store;
///
/// #[derive(Debug)]
/// struct Unreachable;
///
/// impl Faults for Unreachable {
///     fn next(&self, _op: &'static str) -> Option<Fault> {
///         Some(Fault::Before(ErrorKind::Unavailable))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = FaultyStore::new(MemoryStore::new(), Unreachable);
/// let answer = store.head(&user("kai")).await.map_err(|error| error.kind());
///
/// assert_eq!(Err(ErrorKind::Unavailable), answer);
/// # Ok::<(), haumana_sync::store::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FaultyStore<S, F> {
    inner: S,
    faults: F,
}

impl<S: Store, F: Faults> FaultyStore<S, F> {
    /// Puts `faults` before `inner`.
    pub fn new(inner: S, faults: F) -> Self {
        Self { inner, faults }
    }

    async fn pass<T>(
        &self,
        op: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.meet(self.faults.next(op), op, call).await
    }

    async fn meet<T>(
        &self,
        fault: Option<Fault>,
        op: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match fault {
            None => call.await,
            Some(Fault::Before(kind)) => Err(Error::new(op, kind)),
            Some(Fault::After) => {
                call.await?;
                Err(Error::new(op, ErrorKind::Unknown))
            }
        }
    }
}

#[async_trait::async_trait]
impl<S: Store, F: Faults> Store for FaultyStore<S, F> {
    fn batch_limits(&self) -> BatchLimits {
        self.inner.batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        self.pass("head", self.inner.head(user)).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.pass("read", self.inner.read(user, keys)).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.pass("index", self.inner.index(user, kind)).await
    }

    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        // Fault plans count calls. A call that the store does not support is not counted.
        match self.inner.live_records(user, kind).await? {
            None => Ok(None),
            found => self.pass("live", async { Ok(found) }).await,
        }
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.pass("changes", self.inner.changes(user, after, limit)).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.pass("history", self.inner.history(user, keys)).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.pass("history_of", self.inner.history_of(user, key, before, limit)).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        let fault = self.faults.next_commit(batch);
        self.meet(fault, "commit", self.inner.commit(user, expected, batch)).await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        self.pass("purge", self.inner.purge(user, before)).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        self.pass("erase", self.inner.erase(user)).await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.pass("erased_floor", self.inner.erased_floor(user)).await
    }
}
