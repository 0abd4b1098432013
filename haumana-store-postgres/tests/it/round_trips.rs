//! How often a call waits for the server.

use crate::proxy::Proxy;
use crate::support::{engine, open};
use haumana_store_postgres::PostgresOptions;
use haumana_sync::Store;
use haumana_sync::conformance::Device;
use haumana_sync::conformance::sample::{entry, next_batch, piece, record, user};
use haumana_sync::id::KindNumber;
use haumana_sync::store::{After, ErrorKind, Place, Revision, Stamp};
use haumana_sync::time::UnixMillis;
use std::sync::Arc;

#[tokio::test]
async fn a_call_is_one_round_trip_and_a_conflict_two() {
    let server = server_or_skip!();
    let Some(port) = server.port() else { return };
    let proxy = Proxy::before(port).await;
    let options = PostgresOptions { url: proxy.url(), connections: 1, ..server.empty() };
    let (store, kai) = (open(&options).await, user("kai"));
    let mut head = None;

    // The first two rounds prepare each statement on the one connection.
    for round in 1..=4 {
        let is_counted = 2 < round;
        let check = |due: u64, call: &str| {
            let found = proxy.take();
            assert!(!is_counted || found == due, "{call}: {found} round trips, not {due}");
        };
        proxy.take();
        let (records, history) =
            (vec![record(piece(1), round, "Hula")], vec![entry(piece(1), round, 0, 5)]);
        let batch = next_batch(head.as_ref(), records, history);
        store.commit(&kai, head.as_ref(), &batch).await.unwrap();
        check(1, "a commit");
        let stale = next_batch(None, Vec::new(), Vec::new());
        let refused = store.commit(&kai, None, &stale).await;
        assert_eq!(1 < round, refused.is_err_and(|error| error.kind() == ErrorKind::Conflict));
        check(2, "a commit on another head");
        store.head(&kai).await.unwrap();
        check(1, "a head");
        store.read(&kai, &[piece(1), piece(2)]).await.unwrap();
        check(1, "a read of several keys");
        store.index(&kai, KindNumber::PIECE).await.unwrap();
        check(1, "an index");
        store.changes(&kai, After::Start, 10).await.unwrap();
        check(1, "a page of changes");
        let place = Place { revision: Revision(1), within: None };
        store.changes(&kai, After::Place(place), 10).await.unwrap();
        check(1, "a page behind a place");
        store.changes(&kai, After::Stamp(Stamp(0)), 10).await.unwrap();
        check(1, "a page behind a stamp");
        store.history(&kai, &[entry(piece(1), 1, 0, 5).key]).await.unwrap();
        check(1, "history by keys");
        store.history_of(&kai, &piece(1), None, 10).await.unwrap();
        check(1, "history of a record");
        store.purge(&kai, UnixMillis(0)).await.unwrap();
        check(1, "a purge");
        head = Some(batch.head);
    }
    store.erase(&kai).await.unwrap();
    proxy.take();
    store.erase(&kai).await.unwrap();
    assert_eq!(6, proxy.take(), "an erasure begins, locks, notes, deletes twice and commits");
}

#[tokio::test]
async fn a_sync_without_news_is_one_small_read() {
    let server = server_or_skip!();
    let Some(port) = server.port() else { return };
    let proxy = Proxy::before(port).await;
    let options = PostgresOptions { url: proxy.url(), connections: 1, ..server.empty() };
    let engine = engine(Arc::new(open(&options).await), 1);
    let (kai, mut device) = (user("kai"), Device::new("a-phone"));
    for number in 0..50 {
        device.edit(number, "Hula");
    }
    // Twice more: the server notes what the device has confirmed.
    for _ in 0..3 {
        device.sync_all(&engine, &kai).await;
    }

    proxy.take();
    device.sync_all(&engine, &kai).await;

    assert_eq!(1, proxy.take(), "the head is all that is read");
}
