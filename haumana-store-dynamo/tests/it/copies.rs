//! Packed copies of records: what they cost, and that they are nowhere where they must not be.

use crate::support::{batch, record, user};
use haumana_store_dynamo::testing::{Tables, client};
use haumana_store_dynamo::{Consumed, DynamoStore, TABLES};
use haumana_sync::Store;
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::store::{Batch, Head, HeadState};

const SESSION: KindNumber = KindNumber::SESSION;

/// A user who practises.
struct Practice {
    tables: Tables,
    store: DynamoStore,
    kai: UserId,
    head: Option<Head>,
    n: u128,
}

impl Practice {
    async fn new(n: u128) -> Self {
        let tables = Tables::create().await;
        let store = tables.store();
        let mut practice =
            Self { tables, store, kai: user("100000000000000000001"), head: None, n: 0 };
        while practice.n < n {
            let more = (n - practice.n).min(90);
            practice.practise(more).await;
        }
        practice
    }

    /// Commits so many sessions at once.
    async fn practise(&mut self, n: u128) {
        let sessions = (self.n..self.n + n).map(|number| {
            let id = Digest::of([number.to_be_bytes().as_slice()]).into_id();
            let day = number % 28 + 1;
            let content = format!(
                r#"{{"createdAt":"2026-06-{day:02}T12:{:02}:07.000Z","pieceId":"{}","startedAt":"2026-06-{day:02}T12:{:02}:07.000Z"}}"#,
                number % 60, RecordId::from_bits(number % 50 * 7_919), number % 60,
            );
            record(Key::session(id), 1, &content)
        });
        let next = batch(self.head.as_ref(), 1 + self.n, sessions.collect());
        self.n += n;
        self.commit(next).await;
    }

    async fn commit(&mut self, next: Batch) {
        self.store.commit(&self.kai, self.head.as_ref(), &next).await.unwrap();
        self.head = Some(next.head);
    }

    /// How many are live, and what it cost to read them.
    async fn read(&self) -> (usize, Consumed) {
        self.store.take_consumed();
        let live = self.store.live_records(&self.kai, SESSION).await.unwrap().unwrap();
        (live.len(), self.store.take_consumed())
    }
}

#[tokio::test]
async fn five_years_of_sessions_are_read_in_a_tenth_of_the_units_and_a_new_one_costs_one_more() {
    let mut practice = Practice::new(1_825).await;
    let (n, first) = practice.read().await;
    assert_eq!(1_825, n);
    assert!(0.0 < first.write_units, "the first reader leaves copies: {first:?}");

    let (n, again) = practice.read().await;
    practice.practise(1).await;
    let (more, after) = practice.read().await;

    assert_eq!((1_825, 1_826), (n, more));
    assert_eq!((0.0, 0.0), (again.write_units, after.write_units));
    // 413 units before.
    assert!(again.read_units <= 41.0, "{again:?}");
    assert!(after.read_units <= again.read_units + 2.0, "{after:?}");
}

#[tokio::test]
async fn a_copy_is_made_for_several_changes_and_not_for_each() {
    let mut practice = Practice::new(100).await;
    practice.read().await;

    let mut written = Vec::new();
    for _ in 0..18 {
        practice.practise(1).await;
        written.push(practice.read().await.1.write_units);
    }

    let n_copies = written.iter().filter(|units| 0.0 < **units).count();
    assert_eq!(2, n_copies, "{written:?}");
}

#[tokio::test]
async fn who_has_few_records_has_no_copies() {
    let practice = Practice::new(20).await;

    let (n, consumed) = practice.read().await;

    assert_eq!((20, 0.0), (n, consumed.write_units));
}

#[tokio::test]
async fn erasing_leaves_no_copy_and_nobody_makes_one_of_an_account_that_is_being_erased() {
    let mut practice = Practice::new(100).await;
    practice.read().await;
    let mut erasing = batch(practice.head.as_ref(), 1_000, vec![]);
    erasing.head.state = HeadState::Erasing;
    practice.commit(erasing).await;

    // A reader that comes late meets the records, and must leave nothing.
    practice.practise_nothing().await;
    practice.store.erase(&practice.kai).await.unwrap();

    let client = client(&practice.tables.options());
    for table in TABLES {
        let name = table.name(practice.tables.prefix());
        let items = client.scan().table_name(name).send().await.unwrap().items.unwrap_or_default();
        let text = format!("{items:?}");
        assert!(!text.contains("COPY#") && !text.contains("startedAt"), "{text}");
    }
    assert_eq!(0, practice.read().await.0);
}

impl Practice {
    async fn practise_nothing(&self) {
        let store = self.tables.store();
        store.take_consumed();
        store.live_records(&self.kai, SESSION).await.unwrap();
        assert_eq!(0.0, store.take_consumed().write_units);
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_is_not_believed_and_made_anew() {
    let practice = Practice::new(100).await;
    practice.read().await;
    let client = client(&practice.tables.options());
    let table = TABLES[2].name(practice.tables.prefix());
    let items = client.scan().table_name(&table).send().await.unwrap().items.unwrap();
    let copy = items.into_iter().find(|item| item["sk"].as_s().unwrap().starts_with("COPY#"));
    let mut copy = copy.unwrap();
    let broken = copy["sk"].clone();
    copy.insert("_records".to_owned(), broken);
    client.put_item().table_name(&table).set_item(Some(copy)).send().await.unwrap();

    let (n, mended) = practice.read().await;
    let (again, after) = practice.read().await;

    assert_eq!((100, 100), (n, again));
    assert!(0.0 < mended.write_units && after.write_units == 0.0, "{mended:?} {after:?}");
    assert!(after.read_units < mended.read_units);
}
