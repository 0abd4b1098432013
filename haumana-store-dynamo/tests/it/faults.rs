//! One fault at a time, and what a caller is told.

use crate::support::{batch, piece, record, superseded, user};
use haumana_store_dynamo::testing::{FaultyHttp, Storm, Tables, http};
use haumana_store_dynamo::{DynamoOptions, DynamoStore, RequestDeadline, Retry};
use haumana_sync::Store;
use haumana_sync::store::{After, Batch, ErrorKind, Head};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A store that gives up soon, behind a storm.
fn hasty(tables: &Tables, storm: Storm) -> DynamoStore {
    let retry = Retry { budget: Duration::from_millis(150), ..tables.options().retry };
    let http = Some(FaultyHttp::new(http(), storm, 1).into());
    DynamoStore::open(DynamoOptions { retry, http, ..tables.options() })
}

fn first() -> Batch {
    batch(None, 1, vec![record(piece(1), 1, r#"{"title":"Hula"}"#)])
}

#[tokio::test]
async fn a_service_that_only_throttles_is_reported_as_throttled() {
    let tables = Tables::create().await;
    let store = hasty(&tables, Storm { throttled: 100, ..Storm::CALM });

    let read = store.head(&user("kai")).await.unwrap_err();
    let written = store.commit(&user("kai"), None, &first()).await.unwrap_err();

    assert_eq!((ErrorKind::Throttled, ErrorKind::Throttled), (read.kind(), written.kind()));
    assert_eq!(None, tables.store().head(&user("kai")).await.unwrap());
}

#[tokio::test]
async fn a_partition_that_is_full_is_reported_as_such_at_once_and_nothing_is_written() {
    let tables = Tables::create().await;
    let kai = user("kai");
    let (store, storm) = tables.store_in(Storm { full: 100, ..Storm::CALM }, 1);

    let full = store.commit(&kai, None, &first()).await.unwrap_err();

    assert_eq!(ErrorKind::Full, full.kind());
    assert_eq!((Some(&1), 0), (storm.struck().get("full"), store.take_consumed().retries));
    assert_eq!(None, tables.store().head(&kai).await.unwrap());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable_and_a_commit_unknown() {
    let tables = Tables::create().await;
    for storm in [Storm { cut_before: 100, ..Storm::CALM }, Storm { failed: 100, ..Storm::CALM }] {
        let store = hasty(&tables, storm);

        let read = store.head(&user("kai")).await.unwrap_err();
        let written = store.commit(&user("kai"), None, &first()).await.unwrap_err();

        assert_eq!((ErrorKind::Unavailable, ErrorKind::Unknown), (read.kind(), written.kind()));
    }
}

#[tokio::test]
async fn a_commit_whose_answers_are_all_lost_is_settled_by_the_identical_call() {
    let tables = Tables::create().await;
    let kai = user("kai");
    let lost = hasty(&tables, Storm { cut_after: 100, ..Storm::CALM });

    let unknown = lost.commit(&kai, None, &first()).await.unwrap_err();
    let settled = tables.store().commit(&kai, None, &first()).await;

    assert_eq!(ErrorKind::Unknown, unknown.kind());
    assert!(settled.is_ok(), "it was done: {settled:?}");
    assert_eq!(1, tables.store().changes(&kai, After::Start, 10).await.unwrap().records.len());
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_in_although_others_have_committed_since() {
    let tables = Tables::create().await;
    let kai = user("kai");
    let other = tables.store();
    let mut expected: Option<Head> = None;

    // Enough rounds that some answers are lost, and some of those before the other's commit.
    for round in 0..40_u128 {
        let (store, _) = tables.store_in(Storm { cut_after: 60, ..Storm::CALM }, round as u64);
        let key = piece(round);
        let mine = batch(expected.as_ref(), 2 * round, vec![record(key, 1, "{}")]);
        let theirs = batch(Some(&mine.head), 2 * round + 1, vec![record(piece(1_000), 1, "{}")]);
        let follow = async {
            // As soon as mine is in, the other commits on it.
            while other.commit(&kai, Some(&mine.head), &theirs).await.is_err() {}
        };

        let (done, ()) = tokio::join!(store.commit(&kai, expected.as_ref(), &mine), follow);

        assert!(done.is_ok(), "round {round}: it was done, whatever came then: {done:?}");
        expected = Some(theirs.head);
    }
}

#[tokio::test]
async fn every_retry_is_counted() {
    let tables = Tables::create().await;
    let kai = user("kai");
    let faults = Storm { throttled: 20, failed: 5, cut_before: 5, cut_after: 20, ..Storm::CALM };
    let (store, storm) = tables.store_in(faults, 1);
    let mut head: Option<Head> = None;
    for commit in 1..=30 {
        let next = batch(head.as_ref(), commit, vec![record(piece(commit), 1, "{}")]);
        store.commit(&kai, head.as_ref(), &next).await.unwrap();
        head = store.head(&kai).await.unwrap();
    }

    let consumed = store.take_consumed();

    let struck: u64 = storm.struck().values().sum();
    assert!(10 < struck, "{:?}", storm.struck());
    assert_eq!(struck, consumed.retries, "each fault is followed by one more try");
    assert_eq!(0, store.take_consumed().retries, "what was taken is not counted again");
}

#[tokio::test]
async fn calls_end_before_the_deadline_of_the_host() {
    let tables = Tables::create().await;
    let deadline = Arc::new(RequestDeadline::new());
    let http = Some(FaultyHttp::new(http(), Storm { throttled: 100, ..Storm::CALM }, 1).into());
    let store =
        DynamoStore::open(DynamoOptions { deadline: deadline.clone(), http, ..tables.options() });
    let at = Instant::now() + Duration::from_millis(600);
    deadline.set(at);

    let error = store.commit(&user("kai"), None, &first()).await.unwrap_err();

    assert_eq!(ErrorKind::Throttled, error.kind());
    assert!(Instant::now() < at, "there is time left to say so");
}

#[tokio::test]
async fn batches_that_are_done_in_parts_are_done_whole() {
    let tables = Tables::create().await;
    let kai = user("kai");
    let (store, storm) = tables.store_in(Storm { partial: 90, ..Storm::CALM }, 1);
    let mut head = None;
    for chunk in (0..300).collect::<Vec<u128>>().chunks(49) {
        let records: Vec<_> = chunk.iter().map(|n| record(piece(*n), 2, "{}")).collect();
        let mut next = batch(head.as_ref(), chunk[0] + 1, records);
        next.history = next.records.iter().map(superseded).collect();
        store.commit(&kai, head.as_ref(), &next).await.unwrap();
        head = Some(next.head);
    }

    let keys: Vec<_> = (0..300).map(piece).collect();
    let read = store.read(&kai, &keys[..99]).await.unwrap();
    store.erase(&kai).await.unwrap();

    assert!(read.iter().all(Option::is_some), "every key is answered");
    let left = tables.store().read(&kai, &keys).await.unwrap();
    assert!(left.iter().all(Option::is_none), "every record is deleted");
    assert!(10 < storm.struck()["partial"], "{:?}", storm.struck());
}

#[tokio::test]
async fn an_erasure_that_runs_out_of_time_is_finished_by_the_next() {
    let tables = Tables::create().await;
    let (calm, kai) = (tables.store(), user("kai"));
    let keys: Vec<_> = (0..300).map(piece).collect();
    let mut head = None;
    for chunk in keys.chunks(49) {
        let records: Vec<_> = chunk.iter().map(|key| record(*key, 2, "{}")).collect();
        let mut next = batch(head.as_ref(), chunk[0].id.bits() + 1, records);
        next.history = next.records.iter().map(superseded).collect();
        calm.commit(&kai, head.as_ref(), &next).await.unwrap();
        head = Some(next.head);
    }
    let retry = Retry { budget: Duration::from_millis(500), ..tables.options().retry };
    let faulty = FaultyHttp::new(http(), Storm::CALM, 1);
    let http = Some(faulty.clone().into());
    let busy = DynamoStore::open(DynamoOptions { retry, http, ..tables.options() });

    let mut broken_off = 0;
    // Seven requests find that nothing is left, so each call has a few to delete with.
    faulty.allow(12);
    while let Err(error) = busy.erase(&kai).await {
        assert!(matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Unknown), "{error}");
        broken_off += 1;
        assert!(broken_off < 100, "no call gets on");
        faulty.allow(12);
    }

    assert!(0 < broken_off, "no call could do it all");
    assert!(calm.read(&kai, &keys).await.unwrap().iter().all(Option::is_none));
    for key in &keys {
        assert!(calm.history_of(&kai, key, None, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_commit_of_which_queries_see_a_part_is_delivered_whole() {
    let tables = Tables::create().await;
    let kai = user("kai");
    let (store, storm) = tables.store_in(Storm { torn: 100, ..Storm::CALM }, 1);
    let mut head: Option<Head> = None;
    for round in 1..=30 {
        let records = (0..8).map(|n| record(piece(n), round, "{}")).collect();
        let next = batch(head.as_ref(), u128::from(round), records);
        store.commit(&kai, head.as_ref(), &next).await.unwrap();

        let page = match round % 3 {
            0 => store.changes(&kai, After::Start, 100).await,
            1 => store.changes(&kai, After::Start, 5).await,
            _ => store.changes(&kai, After::Stamp(head.unwrap().stamp), 100).await,
        };

        let due = if round % 3 == 1 { 5 } else { 8 };
        assert_eq!(next.records[..due], page.unwrap().records, "round {round}");
        let index = store.index(&kai, haumana_sync::id::KindNumber::PIECE).await.unwrap();
        assert!(index.iter().all(|entry| entry.version == round), "round {round}");
        head = Some(next.head);
    }
    assert!(20 < storm.struck()["torn"], "{:?}", storm.struck());
}
