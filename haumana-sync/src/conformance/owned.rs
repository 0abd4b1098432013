//! Laws as values, and stores that an engine can own.

use super::*;
use crate::Store;
use crate::id::{Key, KindNumber, UserId};
use crate::store::{
    After, Batch, BatchLimits, Envelope, Head, HistoryEntry, HistoryKey, IndexEntry, Page, Result,
    Version, Wiped,
};
use crate::time::UnixMillis;
use std::fmt;
use std::sync::Arc;

/// One law of a single handle, for programs that run laws one by one.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// The law's name, a sentence.
    pub name: &'static str,
    /// Runs it on an empty store; panics if the store breaks it. It needs a tokio runtime with time,
    /// as [`try_run`] makes one.
    pub run: fn(Arc<dyn Store>) -> sample::Task<'static, ()>,
}

macro_rules! borrowed {
    (; $($law:ident)*) => {
        vec![$(Law { name: stringify!($law), run: |store| Box::pin(async move {
            $law(&*store).await;
        }) }),*]
    };
}

macro_rules! owned {
    (; $($law:ident)*) => {
        vec![$(Law { name: stringify!($law), run: |store| Box::pin($law(store)) }),*]
    };
}

/// Returns the laws of a single handle, in the order of the list.
pub fn laws() -> Vec<Law> {
    let mut laws: Vec<Law> = crate::__laws! { one [borrowed] };
    laws.extend(crate::__laws! { owned [owned] });
    laws
}

/// A store, with the guard that was opened with it.
#[doc(hidden)]
pub struct Owned<T> {
    opened: T,
    store: fn(&T) -> &dyn Store,
}

impl<T> Owned<T> {
    /// Keeps the opened value.
    pub fn new(opened: T, store: fn(&T) -> &dyn Store) -> Self {
        Self { opened, store }
    }

    /// Returns the opened value.
    pub fn opened(&self) -> &T {
        &self.opened
    }

    fn store(&self) -> &dyn Store {
        (self.store)(&self.opened)
    }
}

impl<T> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store().fmt(f)
    }
}

#[async_trait::async_trait]
impl<T: Send + Sync + 'static> Store for Owned<T> {
    fn batch_limits(&self) -> BatchLimits {
        self.store().batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        self.store().head(user).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.store().read(user, keys).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.store().index(user, kind).await
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.store().changes(user, after, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.store().history(user, keys).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.store().history_of(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        self.store().commit(user, expected, batch).await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        self.store().purge(user, before).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        self.store().erase(user).await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.store().erased_floor(user).await
    }
}
