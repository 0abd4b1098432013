//! Reads the server's state from outside: its pieces, and the inbox.
//!
//! The watch has an engine of its own, which reads conflicts as a client would. It has no faults,
//! and disturbs no server process.

use super::content::{Val, shown};
use super::ledger::{Observed, observe};
use haumana_sync::engine::{Clock, Conflict, Engine, EngineConfig};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::record::Value;
use haumana_sync::store::{Generation, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A value that lost and waits in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The conflict.
    pub id: RecordId,
    /// The record.
    pub key: Key,
    /// The field; `None` if a delete was involved.
    pub field: Option<String>,
    /// The value; `None` if it is past its retention.
    pub value: Option<Value>,
}

impl Lost {
    /// The value as the app would show it in that field.
    pub fn shown(&self, aspect: usize) -> Option<Val> {
        let value = match self.value.as_ref()? {
            Value::Null => Val::Nil,
            Value::Flag(flag) => Val::Flag(*flag),
            Value::Text(text) => Val::Text(text.clone()),
            Value::Json(_) | Value::Group(_) => return None,
        };
        Some(shown(aspect, value))
    }
}

/// Reads the store after each call.
///
/// A conflict never changes once it exists, so each is read once.
#[derive(Clone, Debug)]
pub struct Watch {
    store: Arc<dyn Store>,
    engine: Arc<Engine>,
    known: Arc<Mutex<BTreeMap<RecordId, Lost>>>,
}

impl Watch {
    /// Makes one that reads `store`, by the true time.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn haumana_sync::engine::Random>,
        generation: Generation,
    ) -> Self {
        let config = EngineConfig::new(generation);
        let engine = Engine::new(Arc::clone(&store), clock, random, config);
        Self { store, engine: Arc::new(engine), known: Arc::default() }
    }

    /// An engine of its own, which disturbs no server.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Every piece of an account in the store, with its entries in the inbox.
    ///
    /// The index of conflicts tells which are open now.
    pub async fn observe(&self, user: &UserId) -> Observed {
        let mut observed = observe(&*self.store, user).await;
        for lost in self.inbox(user).await {
            if let Some(stored) = observed.get_mut(&lost.key.id) {
                stored.lost.push(lost);
            }
        }
        observed
    }

    /// Every open conflict of an account, by id.
    pub async fn inbox(&self, user: &UserId) -> Vec<Lost> {
        let index = self.store.index(user, KindNumber::CONFLICT).await.expect("the store works");
        let open: BTreeSet<RecordId> =
            index.iter().filter(|entry| !entry.deleted).map(|entry| entry.id).collect();
        let knows_all = open.iter().all(|id| self.known().contains_key(id));
        if !knows_all {
            let (conflicts, _) = self.conflicts(user, open.len()).await;
            self.known().extend(conflicts.into_iter().map(|conflict| {
                let Conflict { id, key, field, lost: value, .. } = conflict;
                (id, Lost { id, key, field, value })
            }));
        }
        open.iter().filter_map(|id| self.known().get(id).cloned()).collect()
    }

    /// The first page of the inbox, as a client sees it.
    pub async fn conflicts(&self, user: &UserId, limit: usize) -> (Vec<Conflict>, bool) {
        let page = self.engine.conflict_page(user, None, limit, usize::MAX).await;
        let (conflicts, next) = page.expect("the inbox can be read");
        (conflicts, next.is_some())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<RecordId, Lost>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
