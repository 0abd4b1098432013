//! Reading records by key.

use crate::heads::{StoredHead, mark};
use crate::records::{self, Listed};
use crate::requests::{Asked, Order, Range, Through};
use crate::schema::{PIECES, SESSIONS, TableSchema, partition, record_key, table_of};
use crate::store::DynamoStore;
use haumana_sync::id::{Key, UserId};
use haumana_sync::store::{Envelope, Result, Revision};
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
        // DYNAMODB: unlike a read by key, a Query may have met half of a transaction that the head
        // already tells of.
        let is_read = |key: Key, found: Option<&Envelope>| {
            head.as_ref().is_none_or(|head| !head.misses(key, found))
        };
        let found = self.fetch(op, user, keys, (head.as_ref(), true), is_read).await?;
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// Fetches the records that the index has listed, in any order.
    ///
    /// A partition is read for half of the price: the index has told which revision each record
    /// must have, and one that is found with another is fetched once more, one by one.
    pub(crate) async fn fetch_listed<'a>(
        &self,
        op: &'static str,
        user: &UserId,
        listed: impl IntoIterator<Item = &'a Listed>,
        head: &StoredHead,
    ) -> Result<HashMap<Key, Envelope>> {
        let due: HashMap<Key, Revision> =
            listed.into_iter().map(|listed| (listed.key, listed.revision)).collect();
        let keys: Vec<Key> = due.keys().copied().collect();
        let is_read = |key: Key, found: Option<&Envelope>| {
            found.is_some_and(|found| due.get(&key) == Some(&found.revision))
        };
        self.fetch(op, user, &keys, (Some(head), false), is_read).await
    }

    /// Fetches records: of each table one by one, or, where they are more than a quarter of the
    /// user's records, all of the partition. One by one each is rounded up to 4 kB. What is not
    /// `is_read` by that, or not as it should be, is fetched one by one, too.
    async fn fetch(
        &self,
        op: &'static str,
        user: &UserId,
        keys: &[Key],
        (head, consistent): (Option<&StoredHead>, bool),
        is_read: impl Fn(Key, Option<&Envelope>) -> bool,
    ) -> Result<HashMap<Key, Envelope>> {
        let wanted: HashSet<Key> = keys.iter().copied().collect();
        let mut found = HashMap::with_capacity(wanted.len());
        let mut singly: Vec<Key> = Vec::new();
        for table in [PIECES, SESSIONS] {
            let of_table: Vec<Key> =
                wanted.iter().copied().filter(|key| table_of(key.kind) == table).collect();
            if !head.is_some_and(|head| is_quarter(of_table.len(), head)) {
                singly.extend(of_table);
                continue;
            }
            let of_partition = self.read_partition(op, user, table, &wanted, consistent).await?;
            singly.extend(of_table.iter().filter(|key| !is_read(**key, of_partition.get(key))));
            found.extend(of_partition);
        }
        // What an older look has found is not there any more, if this one finds nothing.
        singly.iter().for_each(|key| drop(found.remove(key)));
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
        consistent: bool,
    ) -> Result<HashMap<Key, Envelope>> {
        let asked = Asked {
            table,
            partition: partition(table, user),
            through: Through::Table,
            range: Range::All,
            order: Order::Ascending,
            page: None,
            consistent,
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
