//! Copies while the store is in use.

use crate::support::{Opened, batch, options, stream, user};
use haumana_store_sqlite::SqliteStore;
use haumana_sync::Store;
use haumana_sync::store::ErrorKind;

#[tokio::test]
async fn a_backup_opens_and_has_everything() {
    let opened = Opened::new();
    let (kai, noe) = (user("kai"), user("noe"));
    opened.commit(&kai, None, &batch(None, 0..500, "Kai's")).await.unwrap();
    opened.commit(&noe, None, &batch(None, 0..300, "Noe's")).await.unwrap();

    let copy = opened.directory.file("backup.db");
    opened.backup_to(&copy).await.unwrap();

    let restored = SqliteStore::open(&options(&copy)).unwrap();
    for user in [&kai, &noe] {
        assert_eq!(opened.head(user).await.unwrap(), restored.head(user).await.unwrap());
        assert_eq!(stream(&opened, user).await, stream(&restored, user).await);
    }
    assert!(!opened.directory.file("backup.db.partial").exists());
}

#[tokio::test]
async fn a_backup_is_one_moment_while_commits_go_on() {
    let opened = Opened::new();
    let kai = user("kai");
    let mut head = None;
    for round in 0..20 {
        let next = batch(head.as_ref(), 0..200, &format!("round {round}"));
        let copy = opened.directory.file(&format!("backup-{round}.db"));
        let commit = opened.commit(&kai, head.as_ref(), &next);
        let (backup, commit) = tokio::join!(opened.backup_to(&copy), commit);
        backup.unwrap();
        commit.unwrap();

        let restored = SqliteStore::open(&options(&copy)).unwrap();
        let found = restored.head(&kai).await.unwrap();
        let records = stream(&restored, &kai).await;
        assert!(found == head || found.as_ref() == Some(&next.head), "one of the two moments");
        let revision = found.map(|head| head.revision);
        assert!(records.iter().all(|record| Some(record.revision) == revision), "no mixture");
        head = Some(next.head);
    }
}

#[tokio::test]
async fn a_store_in_memory_is_backed_up_to_a_file() {
    let directory = crate::support::Directory::new();
    let store = SqliteStore::in_memory().unwrap();
    store.commit(&user("kai"), None, &batch(None, 0..50, "kept")).await.unwrap();

    let copy = directory.file("backup.db");
    store.backup_to(&copy).await.unwrap();

    let restored = SqliteStore::open(&options(&copy)).unwrap();
    assert_eq!(stream(&store, &user("kai")).await, stream(&restored, &user("kai")).await);
}

#[tokio::test]
async fn a_backup_overwrites_nothing() {
    let opened = Opened::new();
    let taken = opened.directory.file("taken");
    std::fs::write(&taken, "precious").unwrap();
    let missing = opened.directory.file("missing/backup.db");

    for target in [&taken, &missing, &opened.path()] {
        let error = opened.backup_to(target).await.unwrap_err();

        assert_eq!(ErrorKind::Unavailable, error.kind());
        assert_eq!("backup", error.op());
    }
    assert_eq!("precious", std::fs::read_to_string(&taken).unwrap());
    assert!(!missing.exists());
}

#[tokio::test]
async fn what_a_crashed_backup_left_is_overwritten() {
    let opened = Opened::new();
    opened.commit(&user("kai"), None, &batch(None, 0..5, "kept")).await.unwrap();
    std::fs::write(opened.directory.file("backup.db.partial"), "half a copy").unwrap();

    opened.backup_to(opened.directory.file("backup.db")).await.unwrap();

    assert!(!opened.directory.file("backup.db.partial").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_backup_is_not_written_through_a_link_and_keeps_no_loose_mode() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let opened = Opened::new();
    opened.commit(&user("kai"), None, &batch(None, 0..5, "kept")).await.unwrap();
    let victim = opened.directory.file("victim");
    std::fs::write(&victim, "precious").unwrap();
    let (linked, loose) = (opened.directory.file("linked.db"), opened.directory.file("loose.db"));
    symlink(&victim, opened.directory.file("linked.db.partial")).unwrap();
    let left = opened.directory.file("loose.db.partial");
    std::fs::write(&left, "half a copy").unwrap();
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o666)).unwrap();

    opened.backup_to(&linked).await.unwrap();
    opened.backup_to(&loose).await.unwrap();

    assert_eq!("precious", std::fs::read_to_string(&victim).unwrap(), "the link is not followed");
    for backup in [linked, loose] {
        let found = std::fs::symlink_metadata(&backup).unwrap();
        assert!(found.is_file());
        assert_eq!(0o600, found.permissions().mode() & 0o777);
    }
}
