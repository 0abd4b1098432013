//! A new life begins with a backup, and with an earlier copy that was put back.

use crate::support::{Directory, Opened, batch, has, options, stream, user, write};
use haumana_store_sqlite::{BackupSource, LaterEdits, Life, NewLife, OpenErrorKind, SqliteStore};
use haumana_sync::Store;
use haumana_sync::store::{CommitId, ErrorKind, Generation};
use rusqlite::Connection;
use std::time::Duration;

/// Opens the file, looks which life it is in and why, and closes it.
fn look(directory: &Directory) -> (Life, Option<NewLife>) {
    let store = directory.open().unwrap();
    (store.life(), store.new_life())
}

fn ask(directory: &Directory, generation: u32) -> (Life, Option<NewLife>) {
    let options = options(&directory.file("haumana.db"));
    let store = SqliteStore::open_asking(&options, Generation(generation)).unwrap();
    (store.life(), store.new_life())
}

#[tokio::test]
async fn a_file_that_is_opened_again_stays_in_its_life() {
    let Opened { store, directory } = Opened::new();
    let first = store.life();
    write(&store, "kai", "kept").await;
    drop(store);

    for _ in 0..3 {
        assert_eq!((first, None), look(&directory));
    }
    assert_eq!(Generation(1), first.generation);
    assert_eq!(LaterEdits::Merge, first.later_edits);
}

#[tokio::test]
async fn a_backup_begins_a_new_life_the_first_time_it_is_opened() {
    let Opened { store, directory } = Opened::new();
    let written = write(&store, "kai", "kept").await;
    store.backup_to(directory.file("backup.db")).await.unwrap();
    let before = store.life();
    drop(store);

    directory.copy("backup.db", "haumana.db");
    let store = directory.open().unwrap();

    assert!(matches!(store.new_life(), Some(NewLife::Backup { .. })), "{:?}", store.new_life());
    assert!(written.head.generation < store.life().generation, "above the users' heads, too");
    assert_ne!(before.tag, store.life().tag);
    assert!(has(&store, "kai", &written).await);
    let begun = store.life();
    drop(store);
    assert_eq!((begun, None), look(&directory), "only the first time");
}

#[tokio::test]
async fn one_backup_put_back_twice_begins_two_lives() {
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "kept").await;
    store.backup_to(directory.file("backup.db")).await.unwrap();
    drop(store);

    directory.copy("backup.db", "haumana.db");
    let (first, _) = look(&directory);
    directory.copy("backup.db", "haumana.db");
    let (second, _) = look(&directory);
    let elsewhere = Directory::new();
    std::fs::copy(directory.file("backup.db"), elsewhere.file("haumana.db")).unwrap();
    let (third, _) = look(&elsewhere);

    assert!(first.generation < second.generation, "above all that were used under the name");
    assert!(first.tag != second.tag && second.tag != third.tag && third.tag != first.tag);
    assert_ne!(first.generation, third.generation, "once in 16 million runs");
}

#[tokio::test]
async fn a_backup_of_a_backup_is_a_backup_and_leaves_it_one() {
    let Opened { store, directory } = Opened::new();
    let written = write(&store, "kai", "kept").await;
    store.backup_to(directory.file("first.db")).await.unwrap();
    drop(store);

    let source = BackupSource::open(&directory.file("first.db"), Duration::ZERO).unwrap();
    source.write_to(&directory.file("second.db")).unwrap();
    drop(source);

    let mut reasons = Vec::new();
    for name in ["first.db", "second.db"] {
        let store = SqliteStore::open(&options(&directory.file(name))).unwrap();
        assert!(has(&store, "kai", &written).await);
        reasons.push(store.new_life());
    }
    assert!(matches!(reasons[0], Some(NewLife::Backup { .. })));
    assert_eq!(reasons[0], reasons[1], "it is as old as the first");
}

#[tokio::test]
async fn a_file_in_use_can_be_copied_by_another_program() {
    let opened = Opened::new();
    let written = write(&opened, "kai", "kept").await;

    let source = BackupSource::open(&opened.path(), Duration::ZERO).unwrap();
    source.write_to(&opened.directory.file("backup.db")).unwrap();

    let backup = SqliteStore::open(&options(&opened.directory.file("backup.db"))).unwrap();
    assert!(has(&backup, "kai", &written).await);
    write(&opened, "kai", "goes on").await;
}

#[test]
fn what_is_no_database_of_ours_is_not_copied() {
    let directory = Directory::new();
    std::fs::write(directory.file("empty.db"), "").unwrap();
    std::fs::write(directory.file("letter.db"), "Aloha kāua").unwrap();

    for (name, kind) in [
        ("missing.db", OpenErrorKind::Unreachable),
        ("empty.db", OpenErrorKind::NotOurs),
        ("letter.db", OpenErrorKind::NotADatabase),
    ] {
        let error = BackupSource::open(&directory.file(name), Duration::ZERO).unwrap_err();
        assert_eq!(kind, error.kind(), "{name}");
    }
    assert_eq!(["empty.db", "letter.db"], directory.names()[..], "nothing is made");
}

#[tokio::test]
async fn an_earlier_copy_put_back_by_hand_begins_a_new_life() {
    let Opened { store, directory } = Opened::new();
    let early = write(&store, "kai", "early").await;
    drop(store);
    directory.copy("haumana.db", "by-hand.db");
    let store = directory.open().unwrap();
    write(&store, "kai", "late").await;
    let before = store.life();
    drop(store);

    directory.copy("by-hand.db", "haumana.db");
    let store = directory.open().unwrap();

    assert_eq!(Some(NewLife::PutBack), store.new_life());
    assert!(before.generation < store.life().generation);
    assert!(has(&store, "kai", &early).await);
    let begun = store.life();
    drop(store);
    assert_eq!((begun, None), look(&directory));
    directory.copy("by-hand.db", "haumana.db");
    let (again, why) = look(&directory);
    assert_eq!(Some(NewLife::PutBack), why, "it is of an earlier life now");
    assert!(begun.generation < again.generation);
}

#[tokio::test]
async fn a_copy_that_lacks_nothing_stays_in_its_life() {
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "all there is").await;
    let before = store.life();
    drop(store);

    directory.copy("haumana.db", "by-hand.db");
    std::fs::remove_file(directory.file("haumana.db")).unwrap();
    directory.copy("by-hand.db", "haumana.db");

    assert_eq!((before, None), look(&directory));
}

#[tokio::test]
async fn without_the_sidecar_nothing_is_known() {
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "early").await;
    let before = store.life();
    drop(store);
    directory.copy("haumana.db", "by-hand.db");
    let store = directory.open().unwrap();
    write(&store, "kai", "late").await;
    drop(store);

    directory.copy("by-hand.db", "haumana.db");
    std::fs::remove_file(directory.file("haumana.db.seen")).unwrap();

    assert_eq!((before, None), look(&directory), "the operator says `restore`, or a generation");
}

#[tokio::test]
async fn a_sidecar_that_is_damaged_or_no_sidecar_counts_as_none() {
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "kept").await;
    let before = store.life();
    drop(store);
    let sidecar = directory.file("haumana.db.seen");
    let whole = std::fs::read(&sidecar).unwrap();

    for damaged in [b"Aloha".to_vec(), whole[..whole.len() / 2].to_vec()] {
        std::fs::write(&sidecar, &damaged).unwrap();

        assert_eq!((before, None), look(&directory));
        let aside = directory.file("haumana.db.seen.damaged");
        assert_eq!(damaged, std::fs::read(aside).unwrap(), "nothing is deleted");
    }
}

#[tokio::test]
async fn a_crash_is_not_taken_for_an_earlier_copy() {
    for n_commits in [1, 2, 40] {
        let opened = Opened::new();
        let before = opened.life();
        let mut last = write(&opened, "kai", "first").await;
        for round in 0..n_commits {
            // Together more than is written before the log is moved.
            last = write(&opened, "kai", &format!("{round} ").repeat(15_000)).await;
        }

        let left = opened.crash();

        let store = left.open().unwrap();
        assert_eq!((before, None), (store.life(), store.new_life()), "{n_commits}");
        assert!(has(&store, "kai", &last).await, "{n_commits}");
    }
}

#[tokio::test]
async fn a_new_file_where_there_was_another_begins_above_it() {
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "lost").await;
    store.backup_to(directory.file("backup.db")).await.unwrap();
    drop(store);
    directory.copy("backup.db", "haumana.db");
    let (before, _) = look(&directory);
    std::fs::remove_file(directory.file("haumana.db")).unwrap();

    let (life, why) = look(&directory);

    assert_eq!(Some(NewLife::StartedAfresh), why);
    assert!(before.generation < life.generation);
}

#[tokio::test]
async fn an_operator_who_asks_for_a_higher_generation_gets_a_new_life() {
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "kept").await;
    drop(store);
    let (old, _) = look(&directory);

    let (first, why) = ask(&directory, 2);
    assert_eq!(Some(NewLife::Asked), why);
    assert!(old.generation < first.generation && Generation(2) < first.generation);

    for same in [0, 1, 2] {
        assert_eq!((first, None), ask(&directory, same), "asked for {same}");
    }
    let (second, why) = ask(&directory, 3);
    assert_eq!(Some(NewLife::Asked), why, "3 is less than the number in force, and still asks");
    assert!(first.generation < second.generation);
}

#[test]
fn a_new_file_has_the_generation_that_was_asked_for() {
    let directory = Directory::new();

    let (life, why) = ask(&directory, 7);

    assert_eq!((Generation(7), None), (life.generation, why));
    assert_eq!((life, None), look(&directory), "also when nobody asks any more");
}

#[tokio::test]
async fn no_life_begins_while_another_program_has_the_file_open() {
    let opened = Opened::new();
    write(&opened, "kai", "kept").await;

    let options = options(&opened.path());
    let error = SqliteStore::open_asking(&options, Generation(2)).unwrap_err();

    assert_eq!(OpenErrorKind::Busy, error.kind());
    write(&opened, "kai", "goes on").await;
}

#[tokio::test]
async fn a_handle_from_an_earlier_life_writes_nothing() {
    let opened = Opened::new();
    let first = write(&opened, "kai", "first").await;
    let other = Connection::open(opened.path()).unwrap();
    other.execute_batch("UPDATE life SET tag = tag + 1").unwrap();

    let next = batch(Some(&first.head), 0..1, "next");
    let error = opened.commit(&user("kai"), Some(&first.head), &next).await.unwrap_err();

    assert_eq!(ErrorKind::Corrupt, error.kind());
    assert!(has(&opened, "kai", &first).await);
}

#[tokio::test]
async fn a_commit_that_changes_nothing_adds_nothing_to_the_log() {
    let opened = Opened::new();
    let first = write(&opened, "kai", "first").await;
    let mut stale = batch(None, 0..1, "stale");
    stale.head.commit = CommitId(77);
    let log = opened.directory.file("haumana.db-wal");
    let before = std::fs::metadata(&log).unwrap().len();

    opened.commit(&user("kai"), None, &stale).await.unwrap_err();

    assert_eq!(before, std::fs::metadata(&log).unwrap().len());
    assert!(has(&opened, "kai", &first).await);
}

#[tokio::test]
async fn a_file_of_before_lives_opens_and_goes_on() {
    let Opened { store, directory } = Opened::new();
    let written = write(&store, "kai", "kept").await;
    drop(store);
    make_old(&directory);

    let store = directory.open().unwrap();

    assert_eq!(None, store.new_life());
    assert_eq!(written.head.generation, store.life().generation, "what the operator had asked for");
    assert!(has(&store, "kai", &written).await);
    drop(store);
    assert_eq!(None, ask(&directory, written.head.generation.0).1, "it was asked for before");
}

/// Takes away what version 0.1 did not have.
fn make_old(directory: &Directory) {
    let old = Connection::open(directory.file("haumana.db")).unwrap();
    old.execute_batch("DROP TABLE life; DROP TABLE served; PRAGMA user_version = 2").unwrap();
    drop(old);
    std::fs::remove_file(directory.file("haumana.db.seen")).unwrap();
}

#[tokio::test]
async fn a_file_of_before_lives_that_is_put_back_begins_a_new_life() {
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "early").await;
    drop(store);
    directory.copy("haumana.db", "now.db");
    make_old(&directory);
    directory.copy("haumana.db", "version-1.db");
    directory.copy("now.db", "haumana.db");
    let store = directory.open().unwrap();
    write(&store, "kai", "late").await;
    drop(store);

    directory.copy("version-1.db", "haumana.db");

    assert_eq!(Some(NewLife::Replaced), look(&directory).1);
    assert_eq!(None, look(&directory).1);
    directory.copy("now.db", "haumana.db");
    assert_eq!(Some(NewLife::PutBack), look(&directory).1, "this one was seen to go on");
}

#[tokio::test]
async fn an_erased_account_leaves_the_life_as_it_was() {
    let Opened { store, directory } = Opened::new();
    let (before, written) = (store.life(), write(&store, "noe", "kept").await);
    write(&store, "kai", "erased").await;

    store.erase(&user("kai")).await.unwrap();
    drop(store);

    let store = directory.open().unwrap();
    assert_eq!((before, None), (store.life(), store.new_life()));
    assert!(has(&store, "noe", &written).await);
    assert!(stream(&store, &user("kai")).await.is_empty());
}
