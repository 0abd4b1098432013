//! Another process that does not let go.

use crate::support::{Opened, batch, options, stream, together, user};
use haumana_store_sqlite::{OpenErrorKind, SqliteOptions, SqliteStore};
use haumana_sync::Store;
use haumana_sync::store::{ErrorKind, Wiped};
use rusqlite::Connection;
use std::time::Duration;

fn impatient(opened: &Opened) -> SqliteOptions {
    SqliteOptions { busy_timeout: Duration::from_millis(20), ..options(&opened.path()) }
}

#[tokio::test]
async fn commits_are_throttled_while_another_process_writes_and_reads_go_on() {
    let opened = Opened::new();
    let store = SqliteStore::open(&impatient(&opened)).unwrap();
    let (kai, noe) = (user("kai"), user("noe"));
    let first = batch(None, 0..3, "first");
    store.commit(&kai, None, &first).await.unwrap();
    let blocker = Connection::open(opened.path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();

    let next = batch(Some(&first.head), 0..3, "next");
    let calls =
        vec![store.commit(&kai, Some(&first.head), &next), store.commit(&noe, None, &first)];
    for answer in together(calls).await {
        assert_eq!(ErrorKind::Throttled, answer.unwrap_err().kind());
    }

    assert_eq!(first.records.len(), stream(&store, &kai).await.len());
    assert_eq!(Some(&first.head), store.head(&kai).await.unwrap().as_ref());
    blocker.execute_batch("ROLLBACK").unwrap();
    store.commit(&kai, Some(&first.head), &next).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_does_not_finish_delays_an_erasure_and_no_commit() {
    let opened = Opened::new();
    let store = SqliteStore::open(&impatient(&opened)).unwrap();
    let kai = user("kai");
    let first = batch(None, 0..3, "first");
    store.commit(&kai, None, &first).await.unwrap();
    let reader = Connection::open(opened.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM heads").unwrap();

    let next = batch(Some(&first.head), 0..3, "next");
    store.commit(&kai, Some(&first.head), &next).await.unwrap();
    let erased = store.erase(&kai).await.unwrap();

    assert!(matches!(erased, Wiped::Within { .. }), "{erased:?}");
    assert!(stream(&store, &kai).await.is_empty(), "no answer has it");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(Wiped::Now, store.erase(&kai).await.unwrap());
}

#[test]
fn a_locked_file_is_not_opened() {
    let opened = Opened::new();
    let options = impatient(&opened);
    drop(opened.store);
    let blocker = Connection::open(&options.path).unwrap();
    blocker.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();

    let error = SqliteStore::open(&options).unwrap_err();

    assert_eq!(OpenErrorKind::Busy, error.kind());
}
