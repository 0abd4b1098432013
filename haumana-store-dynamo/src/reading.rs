//! Reading records by key.

use crate::heads::{StoredHead, mark};
use crate::records;
use crate::requests::{Asked, Order, Range, Through};
use crate::schema::{PIECES, SESSIONS, TableSchema, partition, record_key, table_of};
use crate::store::DynamoStore;
use haumana_sync::id::{Key, UserId};
use haumana_sync::store::{Envelope, Result};
use std::collections::{HashMap, HashSet};

/// Fewer records than this are fetched one by one without asking how many there are.
const FEW: usize = 100;

impl DynamoStore {
    /// Reads records in the order of `keys`.
    pub(crate) async fn read_records(
        &self,
        user: &UserId,
        keys: &[Key],
    ) -> Result<Vec<Option<Envelope>>> {
        let op = "read";
        let head = match keys.len() {
            ..FEW => None,
            _ => self.stored_head(&mut self.reading(op), user).await?,
        };
        let found = self.fetch(op, user, keys, head.as_ref()).await?;
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// Fetches records: of each table one by one, or, where they are more than a quarter of the
    /// user's records, all of the partition. One by one each is rounded up to 4 kB.
    pub(crate) async fn fetch(
        &self,
        op: &'static str,
        user: &UserId,
        keys: &[Key],
        head: Option<&StoredHead>,
    ) -> Result<HashMap<Key, Envelope>> {
        let wanted: HashSet<Key> = keys.iter().copied().collect();
        let mut found = HashMap::with_capacity(wanted.len());
        let mut singly: Vec<Key> = Vec::new();
        for table in [PIECES, SESSIONS] {
            let of_table: Vec<Key> =
                wanted.iter().copied().filter(|key| table_of(key.kind) == table).collect();
            let Some(head) = head.filter(|head| is_quarter(of_table.len(), head)) else {
                singly.extend(of_table);
                continue;
            };
            let of_partition = self.read_partition(op, user, table, &wanted).await?;
            // DYNAMODB: unlike a read by key, a Query may have met half of a transaction that the
            // head already tells of.
            singly.extend(of_table.iter().filter(|key| head.misses(**key, of_partition.get(key))));
            found.extend(of_partition);
        }
        found.extend(self.fetch_singly(op, user, &singly).await?);
        Ok(found)
    }

    /// Fetches records one by one.
    pub(crate) async fn fetch_singly(
        &self,
        op: &'static str,
        user: &UserId,
        keys: &[Key],
    ) -> Result<HashMap<Key, Envelope>> {
        let keys: Vec<_> = keys.iter().map(|key| record_key(user, *key)).collect();
        let items = self.get_many(op, &keys).await?;
        let records = items
            .iter()
            .filter_map(|(table, item)| records::read(*table, item, &self.options.columns));
        Ok(records.map(|record| (record.key, record)).collect())
    }

    /// Reads a whole partition, and keeps what is wanted.
    async fn read_partition(
        &self,
        op: &'static str,
        user: &UserId,
        table: TableSchema,
        wanted: &HashSet<Key>,
    ) -> Result<HashMap<Key, Envelope>> {
        let asked = Asked {
            table,
            partition: partition(table, user),
            through: Through::Table,
            range: Range::All,
            order: Order::Ascending,
            page: None,
        };
        let mut found = HashMap::new();
        let take = |item| {
            let record = records::read(table, &item, &self.options.columns);
            if let Some(record) = record.filter(|record| wanted.contains(&record.key)) {
                found.insert(record.key, record);
            }
            Ok(())
        };
        self.query_all(&mut self.reading(op), &asked, take).await?;
        Ok(found)
    }
}

/// Whether `n` records are so many that reading all is cheaper.
fn is_quarter(n: usize, head: &StoredHead) -> bool {
    FEW <= n && head.head.records < 4 * n as u64
}

impl StoredHead {
    /// Whether `found` is older than what one of the last commits wrote for `key`.
    pub(crate) fn misses(&self, key: Key, found: Option<&Envelope>) -> bool {
        let mark = mark(key);
        let table = table_of(key.kind);
        let due = self.recent.iter().filter(|commit| commit.marks_in(table).contains(&mark));
        let newest = due.map(|commit| commit.revision).max();
        newest.is_some_and(|newest| found.is_none_or(|found| found.revision < newest))
    }
}
