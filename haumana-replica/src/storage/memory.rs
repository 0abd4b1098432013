//! Storage in memory.

use super::{Batch, OpenCount, State, Storage};
use crate::error::Result;
use crate::record::Local;
use async_trait::async_trait;
use haumana_sync::id::{Key, KindNumber};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Keeps everything in memory and nothing beyond the process.
///
/// A clone has the same memories, and the same device id until a server says that two use it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    device: Option<String>,
    accounts: HashMap<String, Account>,
}

#[derive(Clone, Debug, Default)]
struct Account {
    state: State,
    records: BTreeMap<Key, Local>,
    open: BTreeSet<Key>,
}

impl MemoryStorage {
    /// Makes an empty one.
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
        for local in batch.records {
            let key = local.key;
            if local.pending.is_open() {
                account.open.insert(key);
            } else {
                account.open.remove(&key);
            }
            if local.agreed.is_none() && local.pending.is_empty() {
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
