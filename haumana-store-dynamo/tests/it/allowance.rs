//! What one account may cost, over all processes that serve it.

use crate::support::{batch, piece, record, user};
use haumana_store_dynamo::testing::Tables;
use haumana_store_dynamo::{Allowance, DynamoOptions, DynamoStore, Retry};
use haumana_sync::Store;
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::UserId;
use haumana_sync::store::{ErrorKind, Generation, Head, HeadState, Wiped};
use haumana_sync::time::UnixMillis;
use std::sync::Arc;
use std::time::Duration;

const BURST: u64 = 1_000;
const PER_DAY: u64 = 86_400;
const SECOND_MS: i64 = 1_000;

/// An account with a head, on tables of their own, where one of cost is paid off in a second.
struct Costly {
    tables: Tables,
    clock: Arc<SetClock>,
    kai: UserId,
}

impl Costly {
    async fn new() -> (Self, DynamoStore) {
        let tables = Tables::create().await;
        let clock = Arc::new(SetClock::at(UnixMillis(1_750_000_000_000)));
        let costly = Self { tables, clock, kai: user("kai") };
        let store = costly.process();
        let first = batch(None, 1, vec![record(piece(1), 1, "{}")]);
        store.commit(&costly.kai, None, &first).await.unwrap();
        (costly, store)
    }

    /// Another process on the same tables.
    fn process(&self) -> DynamoStore {
        let allowance = Some(Allowance::new(BURST, PER_DAY, self.clock.clone()));
        DynamoStore::open(DynamoOptions { allowance, ..self.tables.options() })
    }

    async fn asks(&self, store: &DynamoStore) -> Result<Option<Head>, ErrorKind> {
        store.head(&self.kai).await.map_err(|error| error.kind())
    }
}

#[tokio::test]
async fn who_has_used_up_the_allowance_waits_and_others_do_not() {
    let (costly, store) = Costly::new().await;
    store.charge(&costly.kai, BURST as f64).await;
    assert!(costly.asks(&store).await.is_ok(), "the bucket is just full");

    store.charge(&costly.kai, 5.0).await;

    assert_eq!(Err(ErrorKind::Spent), costly.asks(&store).await);
    assert!(store.head(&user("uka")).await.is_ok());
    costly.clock.pass_ms(4 * SECOND_MS);
    assert_eq!(Err(ErrorKind::Spent), costly.asks(&store).await);
    costly.clock.pass_ms(SECOND_MS);
    assert!(costly.asks(&store).await.is_ok(), "what is paid off may be spent again");
}

#[tokio::test]
async fn the_next_commit_tells_all_other_processes_what_was_spent() {
    let (costly, store) = Costly::new().await;
    // Below what is saved without a commit.
    store.charge(&costly.kai, 9.0).await;
    let head = costly.asks(&store).await.unwrap().unwrap();
    store.commit(&costly.kai, Some(&head), &batch(Some(&head), 2, vec![])).await.unwrap();

    let other = costly.process();
    assert!(costly.asks(&other).await.is_ok());
    other.charge(&costly.kai, (BURST - 8) as f64).await;

    assert_eq!(Err(ErrorKind::Spent), costly.asks(&other).await);
    assert_eq!(Err(ErrorKind::Spent), costly.asks(&costly.process()).await);
}

#[tokio::test]
async fn who_only_reads_is_known_to_all_processes_too() {
    let (costly, store) = Costly::new().await;
    for _ in 0..=BURST {
        store.charge(&costly.kai, 1.0).await;
    }

    let other = costly.process();

    // All but a hundredth, which is remembered here and not saved yet.
    costly.asks(&other).await.unwrap();
    other.charge(&costly.kai, BURST as f64 / 100.0 + 2.0).await;
    assert_eq!(Err(ErrorKind::Spent), costly.asks(&other).await);
}

#[tokio::test]
async fn two_processes_that_save_at_once_lose_nothing_of_each_other() {
    let (costly, store) = Costly::new().await;
    let other = costly.process();
    store.charge(&costly.kai, 100.0).await;
    costly.asks(&store).await.unwrap();
    costly.asks(&other).await.unwrap();

    store.charge(&costly.kai, 500.0).await;
    other.charge(&costly.kai, 401.0).await;

    assert_eq!(Err(ErrorKind::Spent), costly.asks(&costly.process()).await);
}

#[tokio::test]
async fn the_bucket_costs_no_request_of_its_own() {
    let (costly, store) = Costly::new().await;
    let plain = costly.tables.store();
    store.take_consumed();

    let head = costly.asks(&store).await.unwrap().unwrap();
    store.charge(&costly.kai, 5.0).await;
    let next = batch(Some(&head), 2, vec![record(piece(2), 1, "{}")]);
    store.commit(&costly.kai, Some(&head), &next).await.unwrap();
    let with = store.take_consumed();

    plain.head(&costly.kai).await.unwrap();
    let last = batch(Some(&next.head), 3, vec![record(piece(3), 1, "{}")]);
    plain.commit(&costly.kai, Some(&next.head), &last).await.unwrap();
    assert_eq!(plain.take_consumed(), with);
    assert_eq!(2, with.requests, "one reads the head, one commits");
}

#[tokio::test]
async fn nothing_is_kept_of_who_has_no_records_and_the_process_remembers_them_all_the_same() {
    let (costly, store) = Costly::new().await;
    let stranger = user("stranger");

    store.charge(&stranger, BURST as f64 + 5.0).await;

    assert_eq!(ErrorKind::Spent, store.head(&stranger).await.unwrap_err().kind());
    assert_eq!(None, costly.process().head(&stranger).await.unwrap());
    costly.clock.pass_ms(5 * SECOND_MS);
    assert!(store.head(&stranger).await.is_ok(), "and that is paid off in time, too");
}

#[tokio::test]
async fn without_an_allowance_nobody_is_refused() {
    let (costly, _) = Costly::new().await;
    let store = costly.tables.store();

    store.charge(&costly.kai, 1e12).await;

    assert!(costly.asks(&store).await.is_ok());
}

#[tokio::test]
async fn who_has_used_up_the_allowance_can_be_erased() {
    let (costly, store) = Costly::new().await;
    store.charge(&costly.kai, BURST as f64 + 5.0).await;
    assert_eq!(Err(ErrorKind::Spent), costly.asks(&store).await);
    let store = Arc::new(store);
    let config = EngineConfig::new(Generation(0));
    let random = Arc::new(SeededRandom::new(1));
    let engine = Engine::new(store.clone(), costly.clock.clone(), random, config);

    assert_eq!(Wiped::Now, store.erase(&costly.kai).await.unwrap());
    engine.erase(&costly.kai).await.unwrap();

    let head = costly.tables.store().head(&costly.kai).await.unwrap().unwrap();
    assert_eq!(HeadState::Erased, head.state);
}

/// The host's time ends, whatever else is asked for.
#[tokio::test]
async fn a_charge_that_nobody_answers_ends_in_time() {
    let (costly, _) = Costly::new().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Some(format!("http://{}", silent.local_addr().unwrap()));
    let options = costly.tables.options();
    let (request, budget) = (Duration::from_millis(100), Duration::from_millis(150));
    let retry = Retry { request, budget, ..options.retry };
    let allowance = Some(Allowance::new(BURST, PER_DAY, costly.clock.clone()));
    let store = DynamoStore::open(DynamoOptions { allowance, endpoint, retry, ..options });

    let charge = store.charge(&costly.kai, BURST as f64);
    let in_time = tokio::time::timeout(Duration::from_secs(20), charge).await;

    assert!(in_time.is_ok(), "nobody waits longer than for any other request");
}
