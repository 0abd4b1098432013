//! What the service says a call has cost, and what AWS's published rules say, are the same.

use crate::support::{batch, piece, record, superseded, user};
use haumana_store_dynamo::testing::{Tables, client};
use haumana_store_dynamo::{Consumed, DynamoStore, Item, TABLES, TableSchema, rules};
use haumana_sync::Store;
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::store::{After, Envelope, Head, Place};
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;

/// All items of all tables.
type Items = BTreeMap<(usize, String, String), Item>;

struct Metered {
    tables: Tables,
    store: DynamoStore,
    kai: UserId,
    head: Option<Head>,
    commits: u128,
}

impl Metered {
    async fn new() -> Self {
        let tables = Tables::create().await;
        let store = tables.store();
        store.take_consumed();
        Self { tables, store, kai: user("kai"), head: None, commits: 0 }
    }

    /// Commits, and checks what it has cost.
    async fn put(&mut self, records: Vec<Envelope>, old: &[Envelope]) -> Vec<Envelope> {
        self.commits += 1;
        let mut next = batch(self.head.as_ref(), self.commits, records);
        next.history = old.iter().map(superseded).collect();
        let before = items(&self.tables).await;

        self.store.commit(&self.kai, self.head.as_ref(), &next).await.unwrap();

        let units = written(&before, &items(&self.tables).await, 2);
        let due = Consumed { requests: 1, read_units: 0.0, write_units: units as f64, retries: 0 };
        assert_eq!(due, self.store.take_consumed(), "commit {}", self.commits);
        self.head = Some(next.head);
        next.records
    }

    #[track_caller]
    fn check_read(&self, what: &str, requests: u64, units: usize) {
        let due = Consumed { requests, read_units: units as f64, write_units: 0.0, retries: 0 };
        assert_eq!(due, self.store.take_consumed(), "{what}");
    }
}

#[tokio::test]
async fn the_services_figures_are_those_of_the_published_rules() {
    let mut metered = Metered::new().await;
    let sizes = [10, 700, 1_500, 5_000, 9_000];
    let with = |version: u32, grow: usize| -> Vec<Envelope> {
        let pieces = (1..).map(piece).zip(sizes);
        let session = [(Key::session(RecordId::from_bits(9)), 100)];
        let all = pieces.take(sizes.len()).chain(session);
        all.map(|(key, size)| record(key, version, &text(size + grow))).collect()
    };

    let first = metered.put(with(1, 0), &[]).await;
    let second = metered.put(with(2, 600), &first).await;
    metered.put(with(3, 0), &second[..3]).await;
    reads(&metered).await;
    deletes(&metered).await;
}

async fn reads(metered: &Metered) {
    let (store, kai) = (&metered.store, &metered.kai);
    let all = items(&metered.tables).await;
    let head = all.values().find(|item| !item.contains_key("_k") && item.contains_key("_epoch"));
    let head = rules::read_units(rules::item_bytes(head.unwrap()));

    store.head(kai).await.unwrap();
    metered.check_read("a head", 1, head);

    let keys: Vec<Key> = (1..=5).map(piece).collect();
    store.read(kai, &keys).await.unwrap();
    let units = records(&all, 0).map(|item| rules::read_units(rules::item_bytes(item))).sum();
    metered.check_read("five records", 1, units);

    store.index(kai, KindNumber::PIECE).await.unwrap();
    let entries = records(&all, 0).filter_map(|item| rules::entry_bytes(TABLES[0], item)).sum();
    metered.check_read("the index", 2, head + rules::read_units(entries));

    let last = metered.head.as_ref().unwrap();
    let end = Place { revision: last.revision, within: None };
    store.changes(kai, After::Place(end), 10).await.unwrap();
    metered.check_read("no changes", 1, head);
}

async fn deletes(metered: &Metered) {
    let (store, kai) = (&metered.store, &metered.kai);
    let before = items(&metered.tables).await;

    store.purge(kai, UnixMillis(i64::MAX)).await.unwrap();

    let after = items(&metered.tables).await;
    assert!(after.len() < before.len(), "something was purged");
    let consumed = store.take_consumed();
    assert_eq!(written(&before, &after, 1) as f64, consumed.write_units, "purging");

    store.erase(kai).await.unwrap();

    let left = items(&metered.tables).await;
    assert_eq!(4, left.len(), "the head is left, and the journal's key and its two notes");
    let consumed = store.take_consumed();
    assert_eq!(written(&after, &left, 1) as f64, consumed.write_units, "erasing");
}

/// The units of writing what differs: `factor` is 2 in transactions.
fn written(before: &Items, after: &Items, factor: usize) -> usize {
    let mut units = 0;
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys.into_iter().filter(|key| before.get(*key) != after.get(*key)) {
        let table = TABLES[key.0];
        let states = [before, after].map(|items| items.get(key));
        let [old, new] = states.map(|item| item.map_or(0, rules::item_bytes));
        let [old_entry, new_entry] =
            states.map(|item| item.and_then(|item| rules::entry_bytes(table, item)));
        units += factor * rules::write_units(old.max(new));
        units += rules::index_units(old_entry, new_entry);
    }
    units
}

fn records(items: &Items, table: usize) -> impl Iterator<Item = &Item> {
    items.iter().filter(move |(key, item)| key.0 == table && item.contains_key("_k")).map(|i| i.1)
}

async fn items(tables: &Tables) -> Items {
    let client = client(&tables.options());
    let mut found = Items::new();
    for (number, table) in TABLES.iter().enumerate() {
        let scan = client.scan().table_name(table.name(tables.prefix())).consistent_read(true);
        for item in scan.send().await.unwrap().items.unwrap_or_default() {
            found.insert(key_of(number, table, &item), item);
        }
    }
    found
}

fn key_of(number: usize, table: &TableSchema, item: &Item) -> (usize, String, String) {
    let text = |name: &str| item[name].as_s().unwrap().clone();
    (number, text(table.partition), text(table.sort))
}

/// A content of about so many bytes that hardly compresses, so that sizes differ.
fn text(bytes: usize) -> String {
    let words = (0_u64..).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let text: String = words.take(bytes / 16 + 1).collect();
    format!(r#"{{"title":"Hula","lyrics":"{text}","isFavorite":true}}"#)
}
