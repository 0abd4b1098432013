//! Storage in memory.

use super::{Batch, Declared, IndexEntries, IndexRange, IndexValue, OpenCount, State, Storage};
use crate::error::Result;
use crate::record::Local;
use async_trait::async_trait;
use haumana_sync::id::{Key, KindNumber, RecordId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// Keeps everything in memory, until the process ends.
///
/// A clone is a copy of the data. It has the same device id until a server says that two use it.
/// Tests clone a storage before it is opened, to make a copied device.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    device: Option<String>,
    declared: Declared,
    accounts: HashMap<String, Account>,
}

#[derive(Clone, Debug, Default)]
struct Account {
    state: State,
    records: BTreeMap<Key, Local>,
    open: BTreeSet<Key>,
    /// By kind and field, then by value and record.
    index: BTreeMap<(KindNumber, u16), BTreeSet<(IndexValue, RecordId)>>,
    indexed: BTreeMap<Key, Vec<(u16, IndexValue)>>,
}

impl Account {
    fn index(&mut self, entries: IndexEntries) {
        let IndexEntries { key, fields } = entries;
        for (field, value) in self.indexed.remove(&key).into_iter().flatten() {
            if let Some(index) = self.index.get_mut(&(key.kind, field)) {
                index.remove(&(value, key.id));
            }
        }
        for (field, value) in &fields {
            self.index.entry((key.kind, *field)).or_default().insert((value.clone(), key.id));
        }
        if !fields.is_empty() {
            self.indexed.insert(key, fields);
        }
    }

    /// An unknown kind has no index.
    fn renumber(&mut self, from: KindNumber, to: KindNumber) {
        let moved = |key: Key| if key.kind == from { Key { kind: to, ..key } } else { key };
        let records = std::mem::take(&mut self.records).into_iter();
        self.records =
            records.map(|(key, local)| (moved(key), Local { key: moved(key), ..local })).collect();
        self.open = std::mem::take(&mut self.open).into_iter().map(moved).collect();
    }
}

impl MemoryStorage {
    /// Makes an empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, account: &str, look: impl FnOnce(&Account) -> T) -> T {
        match self.accounts.get(account) {
            Some(account) => look(account),
            None => look(&Account::default()),
        }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Storage for MemoryStorage {
    async fn device(&mut self, fresh: &str) -> Result<String> {
        Ok(self.device.get_or_insert_with(|| fresh.to_owned()).clone())
    }

    async fn set_device(&mut self, id: &str) -> Result<()> {
        self.device = Some(id.to_owned());
        Ok(())
    }

    async fn declared(&mut self) -> Result<Declared> {
        Ok(self.declared.clone())
    }

    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()> {
        self.declared = declared.clone();
        for (from, to) in moves {
            self.accounts.values_mut().for_each(|account| account.renumber(*from, *to));
        }
        Ok(())
    }

    async fn accounts(&mut self) -> Result<Vec<String>> {
        Ok(self.accounts.keys().cloned().collect())
    }

    async fn find(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> Result<Vec<RecordId>> {
        Ok(self.with(account, |account| {
            let index = account.index.get(&(kind, field)).into_iter().flatten();
            let found = index.filter(|(value, _)| range.contains(value));
            found.map(|(_, id)| *id).collect()
        }))
    }

    async fn state(&mut self, account: &str) -> Result<State> {
        Ok(self.with(account, |account| account.state.clone()))
    }

    async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>> {
        Ok(self.with(account, |account| {
            keys.iter().map(|key| account.records.get(key).cloned()).collect()
        }))
    }

    async fn list(&mut self, account: &str, kind: KindNumber) -> Result<Vec<Local>> {
        Ok(self.with(account, |account| {
            account.records.values().filter(|local| local.key.kind == kind).cloned().collect()
        }))
    }

    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>> {
        Ok(self.with(account, |account| {
            let locals = account.open.iter().filter_map(|key| account.records.get(key));
            locals.filter(|local| local.pending.is_due()).take(limit).cloned().collect()
        }))
    }

    async fn refused(
        &mut self,
        account: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Local>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with(account, |account| {
            let open = account.open.range((from, Bound::Unbounded));
            let locals = open.filter_map(|key| account.records.get(key));
            let refused = locals.filter(|local| local.pending.refused.is_some());
            refused.take(limit).cloned().collect()
        }))
    }

    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>> {
        let is_unmarked =
            |local: &&Local| local.agreed.as_ref().is_none_or(|agreed| agreed.mark < mark);
        Ok(self.with(account, |account| {
            account.records.values().filter(is_unmarked).cloned().collect()
        }))
    }

    async fn count_open(&mut self, account: &str) -> Result<OpenCount> {
        Ok(self.with(account, |account| {
            let open = account.open.iter().filter_map(|key| account.records.get(key));
            let refused = open.filter(|local| local.pending.refused.is_some()).count();
            OpenCount { pending: account.open.len(), refused }
        }))
    }

    async fn write(&mut self, account: &str, batch: Batch) -> Result<()> {
        let account = self.accounts.entry(account.to_owned()).or_default();
        if let Some(state) = batch.state {
            account.state = state;
        }
        batch.indexed.into_iter().for_each(|entries| account.index(entries));
        for local in batch.records {
            let key = local.key;
            if local.pending.is_open() {
                account.open.insert(key);
            } else {
                account.open.remove(&key);
            }
            if local.is_nothing() {
                account.records.remove(&key);
            } else {
                account.records.insert(key, local);
            }
        }
        Ok(())
    }

    async fn forget(&mut self, account: &str) -> Result<()> {
        self.accounts.remove(account);
        Ok(())
    }
}
