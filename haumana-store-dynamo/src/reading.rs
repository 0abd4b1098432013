//! Reading records by key.
//!
//! DynamoDB bills a read by key in steps of 4 kB for each record, but a query by the sum. A record
//! of 1 kB costs a whole unit by key and a quarter in a query. So if more than a quarter of an
//! account is wanted, all of it is read.
//!
//! | how many | how | cost of a record of 1 kB |
//! |---|---|---|
//! | fewer than [`FEW`] | by key, strongly consistent | 1 unit |
//! | more, less than a quarter | by key, eventually consistent | 1/2 |
//! | more than a quarter of all | all of it, eventually consistent | 1/8 for each there is |
//!
//! An eventually consistent read may be stale. It is only used if the revision is known from the
//! index, which is read strongly consistent. A record with another revision is read once more, by
//! key and strongly consistent.

use crate::heads::{StoredHead, mark};
use crate::listing::newest;
use crate::records::{self, Listed};
use crate::requests::{Asked, Order, Range, Through};
use crate::retry::Call;
use crate::schema::{PIECES, SESSIONS, TableSchema, partition, record_key, table_of};
use crate::store::DynamoStore;
use haumana_sync::id::{Key, UserId};
use haumana_sync::store::{Envelope, Result, Revision};
use std::collections::{HashMap, HashSet};

/// Fewer records than this are fetched one by one, without asking how many there are.
///
/// Up to here it is one batch of DynamoDB.
const FEW: usize = 100;

impl DynamoStore {
    /// Reads records in the order of `keys`: one by one, or, if they are more than a quarter of the
    /// user's records, after listing the index.
    pub(crate) async fn read_records(
        &self,
        user: &UserId,
        keys: &[Key],
    ) -> Result<Vec<Option<Envelope>>> {
        let op = "read";
        let mut call = self.reading(op);
        let head = match keys.len() {
            ..FEW => None,
            _ => self.stored_head(&mut call, user).await?,
        };
        let wanted: HashSet<Key> = keys.iter().copied().collect();
        let found = match head {
            None => self.fetch_singly(op, user, wanted, true).await?,
            Some(head) => self.read_many(&mut call, user, &wanted, &head).await?,
        };
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// Lists the index of a table if that pays, to learn the revision that each record must have.
    async fn read_many(
        &self,
        call: &mut Call,
        user: &UserId,
        keys: &HashSet<Key>,
        head: &StoredHead,
    ) -> Result<HashMap<Key, Envelope>> {
        let mut wanted: HashMap<Key, Option<Revision>> =
            keys.iter().map(|key| (*key, None)).collect();
        for table in [PIECES, SESSIONS] {
            if is_quarter(wanted.keys().filter(|key| table_of(key.kind) == table).count(), head) {
                let listed = self.list_behind(call, user, table, Range::All).await?;
                for listed in newest(listed).into_values() {
                    wanted.entry(listed.key).and_modify(|due| *due = Some(listed.revision));
                }
            }
        }
        let mut found = self.fetch("read", user, &wanted, head).await?;
        // DYNAMODB: unlike a read by key, a Query may have found half of a transaction that is in
        // the head already.
        let missed = |key: &&Key| head.misses(**key, found.get(key));
        let missed: Vec<Key> = keys.iter().filter(missed).copied().collect();
        missed.iter().for_each(|key| drop(found.remove(key)));
        found.extend(self.fetch_singly("read", user, missed, true).await?);
        Ok(found)
    }

    /// Fetches the records that the index has listed.
    pub(crate) async fn fetch_listed<'a>(
        &self,
        op: &'static str,
        user: &UserId,
        listed: impl IntoIterator<Item = &'a Listed>,
        head: &StoredHead,
    ) -> Result<HashMap<Key, Envelope>> {
        let wanted = listed.into_iter().map(|listed| (listed.key, Some(listed.revision))).collect();
        self.fetch(op, user, &wanted, head).await
    }

    /// Fetches records whose revisions are known from the index: one by one, or, if those of a
    /// table are more than a quarter of the user's records, that whole partition. One by one, each
    /// is rounded up to 4 kB.
    ///
    /// If they are many, they are read eventually consistent, for half of the price. So if a record
    /// is found with another revision, or not at all, it is fetched once more. The same is done for
    /// a record that the index should have listed. A few records have often changed just now, so
    /// they are read strongly consistent at once.
    async fn fetch(
        &self,
        op: &'static str,
        user: &UserId,
        wanted: &HashMap<Key, Option<Revision>>,
        head: &StoredHead,
    ) -> Result<HashMap<Key, Envelope>> {
        let mut found = HashMap::with_capacity(wanted.len());
        let mut singly = Vec::new();
        for table in [PIECES, SESSIONS] {
            let of_table = wanted.iter().filter(|(key, _)| table_of(key.kind) == table);
            let n = of_table.clone().count();
            let is_whole = is_quarter(n, head);
            let mut seen = if is_whole {
                self.read_partition(op, user, table, wanted).await?
            } else if FEW <= n {
                let listed = of_table.clone().filter(|(_, due)| due.is_some());
                self.fetch_singly(op, user, listed.map(|(key, _)| *key), false).await?
            } else {
                HashMap::new()
            };
            for (key, due) in of_table {
                match seen.remove(key) {
                    Some(record) if *due == Some(record.revision) => {
                        found.insert(*key, record);
                    }
                    None if is_whole && due.is_none() => {}
                    _ => singly.push(*key),
                }
            }
        }
        found.extend(self.fetch_singly(op, user, singly, true).await?);
        Ok(found)
    }

    /// Fetches records one by one. No key may be given twice.
    ///
    /// A record that does not exist is not in the answer.
    async fn fetch_singly(
        &self,
        op: &'static str,
        user: &UserId,
        keys: impl IntoIterator<Item = Key>,
        consistent: bool,
    ) -> Result<HashMap<Key, Envelope>> {
        let keys: Vec<_> = keys.into_iter().map(|key| record_key(user, key)).collect();
        let items = self.get_many(op, &keys, consistent).await?;
        let records = items
            .iter()
            .filter_map(|(table, item)| records::read(*table, item, &self.options.columns));
        Ok(records.map(|record| (record.key, record)).collect())
    }

    /// Reads a whole partition, eventually consistent.
    ///
    /// It keeps the wanted records and no others in memory.
    async fn read_partition(
        &self,
        op: &'static str,
        user: &UserId,
        table: TableSchema,
        wanted: &HashMap<Key, Option<Revision>>,
    ) -> Result<HashMap<Key, Envelope>> {
        let asked = Asked {
            table,
            partition: partition(table, user),
            through: Through::Table,
            range: Range::All,
            order: Order::Ascending,
            page: None,
            consistent: false,
        };
        let mut found = HashMap::new();
        let take = |item| {
            let record = records::read(table, &item, &self.options.columns);
            if let Some(record) = record.filter(|record| wanted.contains_key(&record.key)) {
                found.insert(record.key, record);
            }
            Ok(())
        };
        self.query_all(&mut self.reading(op), &asked, take).await?;
        Ok(found)
    }
}

/// Whether `n` records are so many that reading all of them is cheaper.
fn is_quarter(n: usize, head: &StoredHead) -> bool {
    FEW <= n && head.head.records < 4 * n as u64
}

impl StoredHead {
    /// Whether `found` is older than the state that one of the last commits wrote for `key`.
    ///
    /// True if a remembered commit wrote this key, and `found` is older, or nothing was found.
    pub(crate) fn misses(&self, key: Key, found: Option<&Envelope>) -> bool {
        let mark = mark(key);
        let table = table_of(key.kind);
        let due = self.recent.iter().filter(|commit| commit.marks_in(table).contains(&mark));
        let newest = due.map(|commit| commit.revision).max();
        newest.is_some_and(|newest| found.is_none_or(|found| found.revision < newest))
    }
}
