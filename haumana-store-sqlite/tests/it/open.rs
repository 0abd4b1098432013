//! Opening: what is found again, and what is refused.

use crate::support::{Directory, Opened, batch, options, stream, user};
use haumana_store_sqlite::{OpenError, OpenErrorKind, SqliteStore};
use haumana_sync::Store;
use rusqlite::Connection;
use std::path::Path;

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&options(path))
}

#[track_caller]
fn check_refused(path: &Path, kind: OpenErrorKind) {
    let before = std::fs::read(path).ok();

    let error = open(path).unwrap_err();

    assert_eq!(kind, error.kind());
    assert_eq!(path, error.path());
    assert_eq!(before, std::fs::read(path).ok(), "a file that is refused stays as it was");
}

#[tokio::test]
async fn a_store_that_is_opened_again_has_everything() {
    let Opened { store, directory } = Opened::new();
    let path = directory.file("haumana.db");
    let kai = user("kai");
    let first = batch(None, 0..100, "Kaulana nā pua");
    store.commit(&kai, None, &first).await.unwrap();
    let before = stream(&store, &kai).await;
    drop(store);

    for _ in 0..3 {
        let store = open(&path).unwrap();

        assert_eq!(Some(&first.head), store.head(&kai).await.unwrap().as_ref());
        assert_eq!(before, stream(&store, &kai).await);
    }
}

#[test]
fn closing_leaves_one_file() {
    let Opened { store, directory } = Opened::new();

    drop(store);

    assert!(directory.file("haumana.db").exists());
    assert!(!directory.file("haumana.db-wal").exists(), "the log has been moved into the file");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let directory = Directory::new();
    let path = directory.file("notes.txt");

    for content in ["a shopping list", &"a long story ".repeat(1_000)] {
        std::fs::write(&path, content).unwrap();
        check_refused(&path, OpenErrorKind::NotADatabase);
    }
}

#[test]
fn an_empty_file_becomes_a_store() {
    let directory = Directory::new();
    let path = directory.file("haumana.db");
    std::fs::write(&path, "").unwrap();

    open(&path).unwrap();
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = Directory::new();
    let others =
        ["CREATE TABLE photos (name TEXT)", "PRAGMA application_id = 1", "PRAGMA user_version = 1"];

    for (number, other) in others.into_iter().enumerate() {
        let path = directory.file(&format!("photos-{number}.db"));
        Connection::open(&path).unwrap().execute_batch(other).unwrap();
        check_refused(&path, OpenErrorKind::NotOurs);
    }
}

#[test]
fn a_file_of_a_newer_program_is_refused() {
    let Opened { store, directory } = Opened::new();
    drop(store);
    let path = directory.file("haumana.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();

    check_refused(&path, OpenErrorKind::Newer { found: 99, known: 5 });
}

#[tokio::test]
async fn tables_that_a_newer_program_changes_while_we_run_are_not_written() {
    let opened = Opened::new();
    let first = batch(None, 0..1, "old");
    opened.commit(&user("kai"), None, &first).await.unwrap();
    Connection::open(opened.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();

    let next = batch(Some(&first.head), 0..1, "new");
    let error = opened.commit(&user("kai"), Some(&first.head), &next).await.unwrap_err();

    assert_eq!(haumana_sync::store::ErrorKind::Corrupt, error.kind());
    assert_eq!(first.records, stream(&opened, &user("kai")).await);
}

#[test]
fn a_path_that_cannot_be_a_file_is_refused() {
    let directory = Directory::new();

    check_refused(&directory.file("missing/haumana.db"), OpenErrorKind::Unreachable);
    check_refused(&directory.file("."), OpenErrorKind::Unreachable);
}

#[cfg(unix)]
#[test]
fn a_file_or_directory_that_cannot_be_written_is_refused() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let Opened { store, directory } = Opened::new();
    drop(store);
    let (path, parent) = (directory.file("haumana.db"), directory.file("."));
    set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        // Root may write everywhere; there is nothing to refuse.
        return;
    }

    check_refused(&path, OpenErrorKind::ReadOnly);
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    set_permissions(&parent, Permissions::from_mode(0o500)).unwrap();
    let refused = open(&path).unwrap_err().kind();
    let new = open(&directory.file("new.db")).unwrap_err().kind();
    set_permissions(&parent, Permissions::from_mode(0o700)).unwrap();
    assert_eq!([OpenErrorKind::ReadOnly; 2], [refused, new]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let opened = Opened::new();
    opened.commit(&user("kai"), None, &batch(None, 0..1, "secret")).await.unwrap();
    opened.backup_to(opened.directory.file("backup.db")).await.unwrap();

    for name in ["haumana.db", "haumana.db-wal", "haumana.db-shm", "backup.db"] {
        let mode = std::fs::metadata(opened.directory.file(name)).unwrap().permissions().mode();
        assert_eq!(0o600, mode & 0o777, "{name}");
    }
}

#[test]
fn messages_say_what_to_do() {
    let directory = Directory::new();
    let path = directory.file("notes.txt");
    std::fs::write(&path, "a shopping list").unwrap();

    let message = open(&path).unwrap_err().to_string();

    assert!(message.contains("notes.txt"), "{message}");
    assert!(message.contains("name another path"), "{message}");
}
