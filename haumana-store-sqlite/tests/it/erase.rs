//! Erased content leaves the files, at a cost that follows what was erased.

use crate::support::{Directory, Opened, batch, history, options, stream, user};
use haumana_store_sqlite::SqliteStore;
use haumana_sync::Store;
use haumana_sync::store::{Head, Wiped};
use rusqlite::Connection;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// Occurs in everything that must go.
const MARKER: &str = "KahuaOKaMeleHuna";

/// Counts the marker in all files of the store.
fn count(opened: &Opened) -> usize {
    count_in(&opened.directory, MARKER.as_bytes())
}

/// Counts the bytes in all files of a directory.
fn count_in(directory: &Directory, bytes: &[u8]) -> usize {
    let files = std::fs::read_dir(directory.file(".")).unwrap();
    let contents = files.map(|file| match std::fs::read(file.unwrap().path()) {
        // A journal of SQLite's, which is there while the store notes how far it has come.
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        content => content.unwrap(),
    });
    contents.map(|content| occurrences(&content, bytes)).sum()
}

fn occurrences(content: &[u8], bytes: &[u8]) -> usize {
    content.windows(bytes.len()).filter(|window| *window == bytes).count()
}

/// Writes and rewrites records of many sizes for each user in turn, so that users share pages, and
/// pages split, join and are given back.
async fn churn(opened: &Opened, words: &[(&str, &str)]) -> Vec<Head> {
    churn_rounds(opened, words, 150).await
}

async fn churn_rounds(opened: &Opened, words: &[(&str, &str)], rounds: u32) -> Vec<Head> {
    let mut heads: Vec<Option<Head>> = vec![None; words.len()];
    // The multiplier's powers run through all lengths and places before they repeat.
    let mut random = 1u128;
    for round in 0..rounds {
        for ((name, word), head) in words.iter().zip(&mut heads) {
            random = random * 48_271 % 2_147_483_647;
            let length = usize::try_from(random % 20).unwrap() + 1;
            let first = random / 20 % 200;
            let text = format!("{word} ").repeat(length);
            let mut next = batch(head.as_ref(), first..first + 6, &text);
            next.history = history(&next.records[..2], round);
            opened.commit(&user(name), head.as_ref(), &next).await.unwrap();
            *head = Some(next.head);
        }
    }
    heads.into_iter().flatten().collect()
}

#[tokio::test]
async fn erasing_leaves_not_one_byte_in_the_files() {
    let opened = Opened::new();
    let heads = churn(&opened, &[("noe", "theirs"), ("kai", MARKER), ("lono", "theirs")]).await;
    let of_noe = stream(&opened, &user("noe")).await;
    assert_ne!(0, count(&opened), "the files hold what was written");

    opened.erase(&user("kai")).await.unwrap();

    assert_eq!(0, count(&opened), "nothing of it is left");
    assert_eq!(of_noe, stream(&opened, &user("noe")).await, "others keep everything");
    let next = batch(Some(&heads[1]), 0..0, "");
    opened.commit(&user("kai"), Some(&heads[1]), &next).await.unwrap();
    assert_eq!(0, count(&opened), "nothing of it comes back");
}

#[tokio::test]
async fn erasing_leaves_no_id_in_the_files() {
    let opened = Opened::new();
    churn(&opened, &[("noe", "theirs")]).await;
    // Ids that no other user has, also as pages of the indexes split and join.
    let kai = user("kai");
    let (mut head, mut ids) = (None, Vec::new());
    for round in 0..40 {
        let first = 10_000 + round * 17;
        let next = batch(head.as_ref(), first..first + 20, "short");
        ids.extend(next.records.iter().map(|record| record.key.id.bits().to_be_bytes()));
        opened.commit(&kai, head.as_ref(), &next).await.unwrap();
        head = Some(next.head);
    }

    assert_eq!(Wiped::Now, opened.erase(&kai).await.unwrap());

    let left: usize = ids.iter().map(|id| count_in(&opened.directory, id)).sum();
    assert_eq!(0, left, "no id is left in a table or an index");
}

#[tokio::test]
async fn what_others_write_after_an_erasure_brings_nothing_of_it_back() {
    let opened = Opened::new();
    let heads = churn(&opened, &[("noe", "theirs"), ("kai", MARKER)]).await;
    let second = SqliteStore::open(&options(&opened.path())).unwrap();
    // Both handles have pages of kai in their caches.
    stream(&second, &user("kai")).await;
    let next = batch(Some(&heads[0]), 0..50, "theirs");
    second.commit(&user("noe"), Some(&heads[0]), &next).await.unwrap();

    assert_eq!(Wiped::Now, opened.erase(&user("kai")).await.unwrap());

    let mut head = next.head;
    for (handle, round) in [&*opened, &second].into_iter().cycle().zip(0..20u128) {
        let next = batch(Some(&head), round * 10..round * 10 + 10, "theirs, again and longer");
        handle.commit(&user("noe"), Some(&head), &next).await.unwrap();
        assert_eq!(0, count(&opened), "nothing of it comes back");
        head = next.head;
    }
}

#[tokio::test]
async fn erasing_survives_the_end_of_the_process() {
    let opened = Opened::new();
    churn(&opened, &[("noe", "theirs"), ("kai", MARKER)]).await;
    opened.erase(&user("kai")).await.unwrap();

    let left = opened.crash();

    assert_eq!(0, count_in(&left, MARKER.as_bytes()));
    let again = left.open().unwrap();
    assert!(stream(&again, &user("kai")).await.is_empty());
    assert!(!stream(&again, &user("noe")).await.is_empty());
    drop(again);
    assert_eq!(0, count_in(&left, MARKER.as_bytes()), "nothing of it comes back");
}

#[tokio::test]
async fn a_reader_that_holds_on_delays_the_bytes_and_nobody_else() {
    let opened = Opened::new();
    let heads = churn(&opened, &[("noe", "theirs"), ("kai", MARKER)]).await;
    let reader = opened.keep_log();

    let kai = user("kai");
    let next = batch(Some(&heads[0]), 0..5, "theirs");
    let written = async {
        let begun = Instant::now();
        opened.commit(&user("noe"), Some(&heads[0]), &next).await.unwrap();
        begun.elapsed()
    };
    let (wiped, waited) = tokio::join!(opened.erase(&kai), written);

    assert!(matches!(wiped.unwrap(), Wiped::Within { .. }), "the reader still sees it");
    assert!(stream(&opened, &kai).await.is_empty(), "no answer has it");
    assert!(waited < Duration::from_secs(2), "others write meanwhile: {waited:?}");
    drop(reader);
    let begun = Instant::now();
    while count(&opened) != 0 {
        assert!(begun.elapsed() < Duration::from_secs(90), "it leaves without another call");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Fills a store with others' data, erases one account and returns how many pages of the file that
/// changed, and how many the file has.
async fn pages_changed(others: u32) -> (usize, usize) {
    let opened = Opened::new();
    let names: Vec<String> = (0..others).map(|number| format!("user {number}")).collect();
    for name in &names {
        let mut first = batch(None, 0..100, &"Hanohano no ka uka ".repeat(30));
        first.history = history(&first.records, 1);
        opened.commit(&user(name), None, &first).await.unwrap();
    }
    churn_rounds(&opened, &[("kai", MARKER)], 20).await;
    let Opened { store, directory } = opened;
    // All of it is in the file.
    drop(store);
    let read = || std::fs::read(directory.file("haumana.db")).unwrap();
    let before = read();
    let opened = directory.open().unwrap();

    opened.erase(&user("kai")).await.unwrap();

    drop(opened);
    let after = read();
    let changed = before.chunks(4096).zip(after.chunks(4096)).filter(|(old, new)| old != new);
    (changed.count() + after.len().abs_diff(before.len()) / 4096, after.len() / 4096)
}

#[tokio::test]
async fn what_erasing_writes_does_not_grow_with_what_others_have() {
    let (few, small) = pages_changed(2).await;
    let (many, large) = pages_changed(60).await;

    assert!(20 * small < large, "others have much more: {small} and {large} pages");
    assert!(many < 2 * few, "{few} pages were written beside little, {many} beside much");
}

#[tokio::test]
async fn what_a_program_from_before_left_in_unused_parts_of_pages_is_cleared_when_it_is_opened() {
    let directory = Directory::new();
    let opened = Opened { store: directory.open().unwrap(), directory };
    churn(&opened, &[("noe", "theirs"), ("kai", MARKER), ("lono", "theirs")]).await;
    let Opened { store, directory } = opened;
    drop(store);
    let path = directory.file("haumana.db");
    delete_as_before(&path);
    assert_ne!(0, count_in(&directory, MARKER.as_bytes()), "such files hold what was deleted");

    let store = directory.open().unwrap();

    assert_eq!(0, count_in(&directory, MARKER.as_bytes()));
    assert!(!stream(&store, &user("noe")).await.is_empty());
}

/// Rewrites and deletes rows as programs before schema version 4 did, and marks the file as theirs.
fn delete_as_before(path: &Path) {
    let old = Connection::open(path).unwrap();
    old.execute_batch(
        "PRAGMA secure_delete = ON;
         UPDATE bodies SET content = content || content || content;
         UPDATE bodies SET content = substr(content, 1, length(content) / 3);
         DELETE FROM bodies WHERE body IN (SELECT body FROM records WHERE user = 2);
         DELETE FROM records WHERE user = 2;
         DELETE FROM history WHERE user = 2;
         ALTER TABLE life DROP COLUMN clean;
         DROP TABLE served;
         PRAGMA user_version = 3;
         PRAGMA wal_checkpoint(TRUNCATE);",
    )
    .unwrap();
}

#[tokio::test]
async fn purged_content_leaves_the_files_without_another_call() {
    let opened = Opened::new();
    let heads = churn(&opened, &[("kai", MARKER), ("noe", "theirs")]).await;
    let next = batch(Some(&heads[0]), 0..206, "harmless");
    opened.commit(&user("kai"), Some(&heads[0]), &next).await.unwrap();

    opened.purge(&user("kai"), haumana_sync::time::UnixMillis(i64::MAX)).await.unwrap();

    let begun = Instant::now();
    while count(&opened) != 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "an idle store moves its log");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_backup_does_not_hold_what_was_purged_before_it() {
    let opened = Opened::new();
    let heads = churn(&opened, &[("kai", MARKER), ("noe", "theirs")]).await;
    let next = batch(Some(&heads[0]), 0..206, "harmless");
    opened.commit(&user("kai"), Some(&heads[0]), &next).await.unwrap();
    opened.purge(&user("kai"), haumana_sync::time::UnixMillis(i64::MAX)).await.unwrap();

    let copy = opened.directory.file("backup.db");
    opened.backup_to(&copy).await.unwrap();

    assert_eq!(0, occurrences(&std::fs::read(&copy).unwrap(), MARKER.as_bytes()));
}
