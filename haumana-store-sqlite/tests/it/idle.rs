//! The file alone has everything once nothing was written for a while.

use crate::support::{Directory, Opened, has, write};
use haumana_sync::store::Batch;
use rusqlite::Connection;
use std::fs;
use std::time::{Duration, Instant};

/// Returns how many transactions are remembered beside the file.
fn seen(directory: &Directory) -> u32 {
    let sidecar = Connection::open(directory.file("haumana.db.seen")).unwrap();
    sidecar.query_row("SELECT commits FROM seen", [], |row| row.get(0)).unwrap()
}

/// Writes once and waits until the log is empty, and until that is remembered.
async fn write_and_wait(opened: &Opened, text: &str) -> Batch {
    let (before, begun) = (seen(&opened.directory), Instant::now());
    let log = opened.directory.file("haumana.db-wal");
    let written = write(opened, "kai", text).await;
    while fs::metadata(&log).is_ok_and(|log| log.len() != 0) || seen(&opened.directory) <= before {
        assert!(begun.elapsed() < Duration::from_secs(60), "an idle store moves its log");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    written
}

#[tokio::test]
async fn the_file_alone_has_everything_after_a_while() {
    let opened = Opened::new();
    write(&opened, "kai", "first").await;

    let last = write_and_wait(&opened, "last").await;

    let alone = Directory::new();
    fs::copy(opened.path(), alone.file("haumana.db")).unwrap();
    assert!(has(&alone.open().unwrap(), "kai", &last).await);
}

#[tokio::test]
async fn what_could_not_be_remembered_is_remembered_once_it_can_be() {
    let opened = Opened::new();
    let (before, log) = (seen(&opened.directory), opened.directory.file("haumana.db-wal"));
    let sidecar = Connection::open(opened.directory.file("haumana.db.seen")).unwrap();
    // Whoever looks at the sidecar keeps others from writing it.
    sidecar.execute_batch("BEGIN; SELECT count(*) FROM seen").unwrap();
    write(&opened, "kai", "first").await;
    while fs::metadata(&log).is_ok_and(|log| log.len() != 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The store has tried in vain; nothing else is written.
    tokio::time::sleep(Duration::from_millis(300)).await;
    sidecar.execute_batch("COMMIT").unwrap();

    let begun = Instant::now();
    while seen(&opened.directory) <= before {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is tried again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_new_file_says_from_the_beginning_which_one_it_is() {
    let opened = Opened::new();

    let alone = Directory::new();
    fs::copy(opened.path(), alone.file("haumana.db")).unwrap();

    assert_eq!(opened.life(), alone.open().unwrap().life());
}

#[tokio::test]
async fn what_was_moved_is_remembered_and_not_put_back_unnoticed() {
    let opened = Opened::new();
    write_and_wait(&opened, "early").await;
    let early = fs::read(opened.path()).unwrap();
    let Opened { store, directory } = opened;
    drop(store);
    let opened = Opened { store: directory.open().unwrap(), directory };
    write_and_wait(&opened, "late").await;

    // The process ends without closing anything, and somebody puts the early file back.
    let left = opened.crash();
    fs::write(left.file("haumana.db"), early).unwrap();

    let why = left.open().unwrap().new_life();
    assert_eq!(Some(haumana_store_sqlite::NewLife::PutBack), why);
}

#[tokio::test]
async fn commits_go_on_after_the_log_was_moved() {
    let opened = Opened::new();
    for text in ["first", "second"] {
        write_and_wait(&opened, text).await;
    }

    let last = write(&opened, "kai", "last").await;

    assert!(has(&opened.crash().open().unwrap(), "kai", &last).await);
}
