//! Reading history.
//!
//! The entries of one record are next to each other, by version and side, both ascending. The trait
//! wants versions descending and sides ascending, so a listing reads backwards and sorts the
//! result.

use crate::past;
use crate::requests::{Asked, Order, Range, Through};
use crate::retry::Call;
use crate::schema::{HISTORY, history_key, history_prefix, partition};
use crate::store::DynamoStore;
use haumana_sync::id::{Key, UserId};
use haumana_sync::store::{HistoryEntry, HistoryKey, Result, Version};
use std::collections::{HashMap, HashSet};

/// The most entries that a page asks for; they are long.
const LARGEST_PAGE: usize = 1_000;

impl DynamoStore {
    /// Reads entries in the order of `keys`.
    ///
    /// A key that is asked for twice is read once.
    pub(crate) async fn read_history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        let op = "history";
        let wanted: HashSet<HistoryKey> = keys.iter().copied().collect();
        let items: Vec<_> = wanted.iter().map(|key| history_key(user, *key)).collect();
        let mut found = HashMap::with_capacity(wanted.len());
        for (_, item) in self.get_many(op, &items, true).await? {
            if let Some(entry) = past::read(&item) {
                found.insert(entry.key, entry);
            }
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// Lists the entries of one record, newest version first, sides ascending.
    ///
    /// A page never ends within a version, unless one version alone has more entries than the
    /// limit. Reading backwards would return the last sides of such a version, so it is read again
    /// forwards.
    pub(crate) async fn list_history(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let mut call = self.reading("history_of");
        let prefix = history_prefix(*key);
        // Sort keys of versions below `before` are below this. Without `before`, all are.
        let high = before.map_or(format!("{prefix}~"), |before| format!("{prefix}{before:010}"));
        let range = Range::Between(prefix.clone(), high);
        // One more than wanted tells whether the last version is complete.
        let wanted = limit.saturating_add(1);
        let mut found =
            self.list_entries(&mut call, user, range, Order::Descending, wanted).await?;
        if found.len() <= limit {
            found.sort_by_key(order);
            return Ok(found);
        }
        let split = found.get(limit).map(|entry| entry.key.version);
        let newest = found.first().map(|entry| entry.key.version);
        if split == newest {
            // The newest version alone has too many sides: return the first of them.
            let version = format!("{prefix}{:010}#", newest.unwrap_or_default());
            let range = Range::Between(version.clone(), format!("{version}~"));
            return self.list_entries(&mut call, user, range, Order::Ascending, limit).await;
        }
        found.retain(|entry| Some(entry.key.version) != split);
        found.sort_by_key(order);
        Ok(found)
    }

    /// Reads pages until there are `limit` entries or no more. An entry whose key cannot be read is
    /// ignored.
    async fn list_entries(
        &self,
        call: &mut Call,
        user: &UserId,
        range: Range,
        order: Order,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let partition = partition(HISTORY, user);
        let (table, through) = (HISTORY, Through::Table);
        let mut asked =
            Asked { table, partition, through, range, order, page: None, consistent: true };
        let (mut found, mut from) = (Vec::new(), None);
        while found.len() < limit {
            let missing = (limit - found.len()).min(LARGEST_PAGE);
            asked.page = i32::try_from(missing).ok();
            let answer = self.query(call, &asked, from).await?;
            found.extend(answer.items.iter().filter_map(past::read));
            from = answer.next;
            if from.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

fn order(entry: &HistoryEntry) -> (std::cmp::Reverse<Version>, u32) {
    (std::cmp::Reverse(entry.key.version), entry.key.side)
}
