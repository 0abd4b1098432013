//! A log is applied to the file that it belongs to, and to no other.

use crate::support::{Directory, Opened, has, user, write};
use haumana_store_sqlite::{NewLife, OpenErrorKind};
use haumana_sync::Store;
use haumana_sync::store::{Batch, Wiped};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;

/// More than is written before the log is moved into the file.
const MUCH: usize = 30_000;

fn long(word: &str) -> String {
    format!("{word} ").repeat(MUCH)
}

#[track_caller]
fn check_refused(directory: &Directory) {
    let files = ["haumana.db", "haumana.db-wal"];
    let read = || files.map(|name| fs::read(directory.file(name)).ok());
    let before = read();

    for _ in 0..2 {
        assert_eq!(OpenErrorKind::ForeignLog, directory.open().unwrap_err().kind());
    }

    assert!(before == read(), "both files stay as they were");
}

/// A store that was backed up, has gone on, and has crashed: `backup.db` stands beside it.
async fn crashed(text: &str, more: &[String]) -> Directory {
    let opened = Opened::new();
    write(&opened, "kai", text).await;
    opened.backup_to(opened.directory.file("backup.db")).await.unwrap();
    let (last, before) = more.split_last().unwrap();
    for text in before {
        write(&opened, "kai", text).await;
    }
    let _log = opened.keep_log();
    write(&opened, "kai", last).await;
    let left = opened.crash();
    fs::copy(opened.directory.file("backup.db"), left.file("backup.db")).unwrap();
    left
}

#[tokio::test]
async fn the_log_of_a_crashed_store_is_not_applied_to_its_backup() {
    let small = crashed("early", &["late".into()]).await;
    let large = crashed(&long("early"), &[long("late"), long("later"), "last".into()]).await;

    for directory in [small, large] {
        assert_ne!(0, fs::metadata(directory.file("haumana.db-wal")).unwrap().len());
        directory.copy("backup.db", "haumana.db");
        check_refused(&directory);

        fs::remove_file(directory.file("haumana.db-wal")).unwrap();
        let why = directory.open().unwrap().new_life();
        assert!(matches!(why, Some(NewLife::Backup { .. })), "without the log it is taken");
    }
}

#[tokio::test]
async fn the_log_of_a_crashed_store_is_not_applied_to_an_earlier_copy() {
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "early").await;
    drop(store);
    let early = fs::read(directory.file("haumana.db")).unwrap();
    let opened = Opened { store: directory.open().unwrap(), directory };
    write(&opened, "kai", "late").await;
    let Opened { store, directory } = opened;
    drop(store);
    let opened = Opened { store: directory.open().unwrap(), directory };
    let _log = opened.keep_log();
    write(&opened, "kai", "later").await;

    let left = opened.crash();
    fs::write(left.file("haumana.db"), early).unwrap();

    check_refused(&left);
}

#[tokio::test]
async fn the_log_of_another_database_is_not_applied() {
    let (one, other) = (Opened::new(), Opened::new());
    let _logs = (one.keep_log(), other.keep_log());
    write(&one, "kai", "one").await;
    write(&other, "kai", "other").await;
    let (one, other) = (one.crash(), other.crash());

    fs::copy(other.file("haumana.db-wal"), one.file("haumana.db-wal")).unwrap();

    check_refused(&one);
}

#[tokio::test]
async fn the_log_of_another_program_is_not_applied() {
    let photos = Directory::new();
    let opened = Opened::new();
    let _log = opened.keep_log();
    write(&opened, "kai", "kept").await;
    let left = opened.crash();
    let other = Connection::open(photos.file("photos.db")).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE photos (name TEXT)").unwrap();

    fs::copy(photos.file("photos.db-wal"), left.file("haumana.db-wal")).unwrap();

    check_refused(&left);
}

#[tokio::test]
async fn the_log_of_another_program_is_not_applied_to_a_damaged_file_either() {
    let photos = Directory::new();
    let Opened { store, directory } = Opened::new();
    write(&store, "kai", "kept").await;
    drop(store);
    let mut damaged = fs::read(directory.file("haumana.db")).unwrap();
    let chain = damaged.windows(13).position(|window| window == b"haumana\xffchain");
    damaged[chain.unwrap()] = 0;
    fs::write(directory.file("haumana.db"), damaged).unwrap();
    let other = Connection::open(photos.file("photos.db")).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE photos (name TEXT)").unwrap();

    fs::copy(photos.file("photos.db-wal"), directory.file("haumana.db-wal")).unwrap();

    check_refused(&directory);
}

#[tokio::test]
async fn a_log_without_its_file_is_not_thrown_away() {
    let opened = Opened::new();
    let _log = opened.keep_log();
    write(&opened, "kai", "only in the log").await;
    let left = opened.crash();

    fs::write(left.file("haumana.db"), "").unwrap();
    check_refused(&left);
    fs::remove_file(left.file("haumana.db")).unwrap();
    check_refused(&left);
    assert!(!left.file("haumana.db").exists(), "no file is made");
}

#[tokio::test]
async fn our_log_is_not_applied_to_something_else_that_took_the_name() {
    let opened = Opened::new();
    let _log = opened.keep_log();
    write(&opened, "kai", "kept").await;
    let left = opened.crash();
    let other = Connection::open(left.file("photos.db")).unwrap();
    other.execute_batch("PRAGMA application_id = 1; CREATE TABLE photos (name TEXT)").unwrap();
    drop(other);
    fs::write(left.file("letter"), "Aloha kāua ".repeat(1_000)).unwrap();

    for name in ["photos.db", "letter"] {
        left.copy(name, "haumana.db");
        check_refused(&left);
    }
}

#[tokio::test]
async fn a_copy_of_the_file_alone_goes_with_the_log_that_it_was_taken_from() {
    let opened = Opened::new();
    let _log = opened.keep_log();
    write(&opened, "kai", "first").await;
    let early = fs::read(opened.path()).unwrap();
    let last = write(&opened, "kai", "last").await;

    let left = opened.crash();
    fs::write(left.file("haumana.db"), early).unwrap();

    assert!(has(&left.open().unwrap(), "kai", &last).await);
}

#[tokio::test]
async fn a_file_of_before_chains_opens_with_its_log_and_not_with_a_newer_one() {
    let opened = Opened::new();
    let written = write(&opened, "kai", "kept").await;
    let newer = opened.crash();
    write(&newer.open().unwrap(), "kai", "newer").await;
    let Opened { store, directory } = opened;
    drop(store);
    let old = Connection::open(directory.file("haumana.db")).unwrap();
    old.execute_batch("DROP TABLE life; DROP TABLE served; PRAGMA user_version = 2").unwrap();
    drop(old);
    directory.copy("haumana.db", "version-1.db");

    let old = Connection::open(directory.file("haumana.db")).unwrap();
    old.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE heads SET stamp = 5000").unwrap();
    let left = Directory::new();
    for name in ["haumana.db", "haumana.db-wal"] {
        fs::copy(directory.file(name), left.file(name)).unwrap();
    }
    let store = left.open().unwrap();
    let head = store.head(&user("kai")).await.unwrap().unwrap();
    assert_eq!(5000, head.stamp.0, "what is only in the log is there");
    assert_eq!(written.records.len(), 20);
    drop(store);

    // A second log of the file as it is now, beside the file as it was.
    let opened = Opened { store: newer.open().unwrap(), directory: newer };
    let _log = opened.keep_log();
    write(&opened, "kai", "newest").await;
    let mixed = opened.crash();
    fs::copy(directory.file("version-1.db"), mixed.file("haumana.db")).unwrap();
    check_refused(&mixed);
}

/// The last state of each page in a log, in the order in which SQLite moves them.
fn pages(log: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let page_size = number(8) as usize;
    let mut pages = BTreeMap::new();
    let mut at = 32;
    // Frames of an earlier round have other salts.
    while at + 24 + page_size <= log.len() && log[at + 8..at + 16] == log[16..24] {
        pages.insert(number(at), log[at + 24..at + 24 + page_size].to_vec());
        at += 24 + page_size;
    }
    pages
}

/// Checks that the store opens and has everything, however far the log was moved when it crashed.
async fn check_every_step(left: &Directory, users: &[(&str, &Batch)]) {
    let file = fs::read(left.file("haumana.db")).unwrap();
    let log = fs::read(left.file("haumana.db-wal")).unwrap();
    let pages: Vec<_> = pages(&log).into_iter().collect();
    assert!(5 < pages.len(), "the log holds something");
    // A power cut may leave the last pages on the disk and not the first.
    let reversed: Vec<_> = pages.iter().rev().cloned().collect();
    for pages in [pages, reversed] {
        for n_moved in 0..=pages.len() {
            let step = Directory::new();
            fs::write(step.file("haumana.db"), with_pages(&file, &pages[..n_moved])).unwrap();
            fs::write(step.file("haumana.db-wal"), &log).unwrap();

            let store = step.open().unwrap();

            for (name, written) in users {
                assert!(has(&store, name, written).await, "{n_moved} pages were moved");
            }
        }
    }
}

/// Returns a database file with these pages in it.
fn with_pages(file: &[u8], pages: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = file.to_vec();
    for (page, content) in pages {
        let at = (*page as usize - 1) * content.len();
        file.resize(file.len().max(at + content.len()), 0);
        file[at..at + content.len()].copy_from_slice(content);
    }
    file
}

#[tokio::test]
async fn a_crash_while_the_log_is_moved_loses_nothing() {
    let Opened { store, directory } = Opened::new();
    write(&store, "noe", &"early ".repeat(200)).await;
    drop(store);
    let opened = Opened { store: directory.open().unwrap(), directory };
    let _log = opened.keep_log();
    write(&opened, "kai", "first").await;
    let of_kai = write(&opened, "kai", &"last ".repeat(300)).await;
    let of_noe = write(&opened, "noe", "late").await;

    check_every_step(&opened.crash(), &[("kai", &of_kai), ("noe", &of_noe)]).await;
}

#[tokio::test]
async fn a_crash_while_a_rewritten_file_is_moved_loses_nothing() {
    let opened = Opened::new();
    let of_noe = write(&opened, "noe", &"kept ".repeat(300)).await;
    write(&opened, "kai", &"erased ".repeat(300)).await;
    let Opened { store, directory } = opened;
    drop(store);
    let opened = Opened { store: directory.open().unwrap(), directory };
    // The log stays as it is while somebody reads.
    let _log = opened.keep_log();
    let erased = opened.erase(&user("kai")).await.unwrap();
    assert!(matches!(erased, Wiped::Within { .. }), "{erased:?}");
    // Version 0.1 did this whenever it erased.
    Connection::open(opened.path()).unwrap().execute_batch("VACUUM").unwrap();

    check_every_step(&opened.crash(), &[("noe", &of_noe)]).await;
}

#[tokio::test]
async fn a_crash_right_after_the_tables_were_made_is_none_of_another_file() {
    let (new, old) = (Directory::new(), Directory::new());
    let make = "PRAGMA journal_mode = WAL; CREATE TABLE gone (x); DROP TABLE gone";
    Connection::open(new.file("haumana.db")).unwrap().execute_batch(make).unwrap();
    let Opened { store, directory } = Opened::new();
    let written = write(&store, "kai", "kept").await;
    drop(store);
    fs::copy(directory.file("haumana.db"), old.file("haumana.db")).unwrap();
    let tables = Connection::open(old.file("haumana.db")).unwrap();
    tables.execute_batch("DROP TABLE life; DROP TABLE served; PRAGMA user_version = 2").unwrap();
    drop(tables);

    for (directory, is_old) in [(new, false), (old, true)] {
        // Somebody who reads keeps the tables from leaving the log.
        let reader = Connection::open(directory.file("haumana.db")).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").unwrap();
        let store = directory.open().unwrap();
        let opened = Opened { store, directory };

        let left = opened.crash();

        let store = left.open().unwrap();
        assert_eq!(opened.life(), store.life());
        assert!(!is_old || has(&store, "kai", &written).await);
        drop(reader);
    }
}
