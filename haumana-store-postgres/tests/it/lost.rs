//! Connections that are lost, servers that do not answer, and statements that take too long.

use crate::proxy::{Cut, Proxy};
use crate::support::{connect, open};
use haumana_store_postgres::testing::Server;
use haumana_store_postgres::{PostgresOptions, PostgresStore};
use haumana_sync::Store;
use haumana_sync::conformance::sample::{everything, next_batch, piece, record, user};
use haumana_sync::store::{Batch, ErrorKind, Head};
use std::time::Duration;

fn batch(head: Option<&Head>, version: u32) -> Batch {
    next_batch(head, vec![record(piece(1), version, "Hula")], Vec::new())
}

/// A store behind a proxy, with one commit, and options that do not wait long.
async fn behind(server: &Server, port: u16) -> (Proxy, PostgresStore, Head) {
    let proxy = Proxy::before(port).await;
    let options = PostgresOptions {
        url: proxy.url(),
        connections: 2,
        connect_timeout: Duration::from_secs(3),
        statement_timeout: Duration::from_secs(1),
        ..server.empty()
    };
    let store = open(&options).await;
    let first = batch(None, 1);
    store.commit(&user("kai"), None, &first).await.unwrap();
    // Prepares the statement of the next commit.
    let second = batch(Some(&first.head), 2);
    store.commit(&user("kai"), Some(&first.head), &second).await.unwrap();
    (proxy, store, second.head)
}

#[tokio::test]
async fn a_commit_whose_connection_is_lost_is_unknown_and_settled_by_the_identical_call() {
    let server = server_or_skip!();
    let Some(port) = server.port() else { return };
    for cut in [Cut::Before, Cut::After] {
        let (proxy, store, head) = behind(server, port).await;
        let (kai, next) = (user("kai"), batch(Some(&head), 3));
        proxy.cut(cut);

        let lost = store.commit(&kai, Some(&head), &next).await.unwrap_err();

        assert_eq!(ErrorKind::Unknown, lost.kind(), "{cut:?}: {lost}");
        let found = store.head(&kai).await.unwrap().unwrap();
        assert_eq!(cut == Cut::After, found == next.head, "{cut:?}: done or not, nothing between");
        store.commit(&kai, Some(&head), &next).await.unwrap();
        let seen = everything(&store, &kai, &[]).await;
        assert_eq!((Some(next.head), next.records), (seen.head, seen.stream), "{cut:?}");
    }
}

#[tokio::test]
async fn a_read_whose_connection_is_lost_goes_over_a_new_one() {
    let server = server_or_skip!();
    let Some(port) = server.port() else { return };
    let (proxy, store, head) = behind(server, port).await;

    for cut in [Cut::Before, Cut::After] {
        proxy.cut(cut);
        assert_eq!(Some(head.clone()), store.head(&user("kai")).await.unwrap(), "{cut:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable_and_nothing_changed() {
    let server = server_or_skip!();
    let Some(port) = server.port() else { return };
    let (proxy, store, head) = behind(server, port).await;
    let kai = user("kai");
    proxy.cut(Cut::Before);
    proxy.stop();

    let read = store.head(&kai).await.unwrap_err();
    let write = store.commit(&kai, Some(&head), &batch(Some(&head), 3)).await.unwrap_err();

    assert_eq!((ErrorKind::Unavailable, ErrorKind::Unavailable), (read.kind(), write.kind()));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_and_blocks_nobody() {
    let server = server_or_skip!();
    let Some(port) = server.port() else { return };
    let (proxy, store, head) = behind(server, port).await;
    let (kai, next) = (user("kai"), batch(Some(&head), 3));
    proxy.fall_silent(true);

    let write = store.commit(&kai, Some(&head), &next).await.unwrap_err();
    let read = store.head(&kai).await.unwrap_err();
    proxy.fall_silent(false);

    assert_eq!((ErrorKind::Unknown, ErrorKind::Unavailable), (write.kind(), read.kind()));
    store.commit(&kai, Some(&head), &next).await.unwrap();
    assert_eq!(Some(next.head), store.head(&kai).await.unwrap());
}

#[tokio::test]
async fn a_commit_that_waits_too_long_for_a_lock_is_throttled_and_changes_nothing() {
    let server = server_or_skip!();
    let options =
        PostgresOptions { statement_timeout: Duration::from_millis(500), ..server.empty() };
    let (store, kai) = (open(&options).await, user("kai"));
    let first = batch(None, 1);
    store.commit(&kai, None, &first).await.unwrap();
    let before = everything(&store, &kai, &[]).await;
    let other = connect(server).await;
    let lock = format!("BEGIN; SELECT * FROM {}.heads FOR UPDATE", options.schema);
    other.batch_execute(&lock).await.unwrap();

    let next = batch(Some(&first.head), 2);
    let refused = store.commit(&kai, Some(&first.head), &next).await.unwrap_err();

    assert_eq!(ErrorKind::Throttled, refused.kind(), "{refused}");
    assert_eq!(before, everything(&store, &kai, &[]).await, "a throttled commit changes nothing");
    other.batch_execute("ROLLBACK").await.unwrap();
    store.commit(&kai, Some(&first.head), &next).await.unwrap();
}

#[tokio::test]
async fn a_call_without_a_free_connection_is_throttled() {
    let server = server_or_skip!();
    let options = PostgresOptions {
        connections: 1,
        connect_timeout: Duration::from_secs(3),
        ..server.empty()
    };
    let (store, kai) = (open(&options).await, user("kai"));
    let first = batch(None, 1);
    store.commit(&kai, None, &first).await.unwrap();
    let other = connect(server).await;
    let lock = format!("BEGIN; LOCK TABLE {}.heads", options.schema);
    other.batch_execute(&lock).await.unwrap();

    let (waiting, refused) = tokio::join!(store.head(&kai), async {
        let refused = store.head(&kai).await;
        other.batch_execute("ROLLBACK").await.unwrap();
        refused
    });

    assert_eq!(Some(first.head), waiting.unwrap());
    assert_eq!(ErrorKind::Throttled, refused.unwrap_err().kind());
}

#[tokio::test]
async fn nobody_waits_for_a_statement_of_a_call_that_was_dropped() {
    let server = server_or_skip!();
    let options = PostgresOptions { connections: 2, ..server.empty() };
    let (store, kai) = (open(&options).await, user("kai"));
    let first = batch(None, 1);
    store.commit(&kai, None, &first).await.unwrap();
    let other = connect(server).await;
    let lock = format!("BEGIN; SELECT * FROM {}.heads FOR UPDATE", options.schema);
    other.batch_execute(&lock).await.unwrap();
    let (next, soon) = (batch(Some(&first.head), 2), Duration::from_secs(2));

    let commit = store.commit(&kai, Some(&first.head), &next);
    let dropped = tokio::time::timeout(Duration::from_millis(200), commit).await;

    assert!(dropped.is_err(), "it waits for the lock");
    for _ in 0..4 {
        let read = tokio::time::timeout(soon, store.head(&kai)).await;
        assert_eq!(Some(&first.head), read.expect("another connection").unwrap().as_ref());
    }
    other.batch_execute("ROLLBACK").await.unwrap();
    while store.head(&kai).await.unwrap().as_ref() != Some(&next.head) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Both connections are there again: one of them waits, and the other one reads.
    other.batch_execute(&lock).await.unwrap();
    let last = batch(Some(&next.head), 3);
    let (waiting, read) = tokio::join!(store.commit(&kai, Some(&next.head), &last), async {
        let read = tokio::time::timeout(soon, store.head(&kai)).await;
        other.batch_execute("ROLLBACK").await.unwrap();
        read
    });
    waiting.unwrap();
    assert_eq!(Some(next.head), read.expect("a free connection").unwrap());
}

#[tokio::test]
async fn no_dropped_call_leaves_a_transaction_open() {
    let server = server_or_skip!();
    let mut options = server.empty();
    let name = format!("dropped_{}", options.schema);
    options.url = format!("{}?application_name={name}", options.url);
    let (store, kai) = (open(&options).await, user("kai"));
    store.commit(&kai, None, &batch(None, 1)).await.unwrap();
    let other = connect(server).await;

    for polls in 0..20 {
        drop(haumana_sync::conformance::sample::poll_times(store.erase(&kai), polls).await);
    }

    store.erase(&kai).await.unwrap();
    let look = "SELECT count(*) FROM pg_stat_activity
                WHERE application_name = $1 AND state LIKE 'idle in transaction%'";
    let mut n_open: i64 = 1;
    for _ in 0..100 {
        n_open = other.query_one(look, &[&name]).await.unwrap().get(0);
        if n_open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(0, n_open, "no session stays in a transaction");
}
