//! A backup is put in place of a database in one step.

use crate::support::{Directory, Opened, has, options, user, write};
use haumana_store_sqlite::{
    LaterEdits, OpenErrorKind, RestoreError, RestoreErrorKind, Restored, SqliteStore, restore,
};
use haumana_sync::Store;
use haumana_sync::store::{Batch, Generation, HeadState};
use rusqlite::Connection;
use std::fs;
use std::time::Duration;

fn restore_in(directory: &Directory, backup: &str) -> Result<Restored, RestoreError> {
    let (backup, database) = (directory.file(backup), directory.file("haumana.db"));
    restore(&backup, &database, LaterEdits::Merge, Duration::from_millis(50))
}

#[track_caller]
fn check_refused(directory: &Directory, backup: &str, kind: RestoreErrorKind) {
    let before: Vec<_> = directory.names();
    let files = ["haumana.db", "haumana.db-wal", backup];
    let read = || files.map(|name| fs::read(directory.file(name)).ok());
    let content = read();

    let error = restore_in(directory, backup).unwrap_err();

    assert_eq!(kind, error.kind(), "{backup}");
    assert!(content == read(), "nothing changes");
    assert_eq!(before, directory.names(), "nothing is left behind");
}

/// A store with `backup.db` beside it that has gone on, as it is after a crash; with what is in
/// the backup, and what was written last.
async fn crashed(text: &str) -> (Directory, Batch, Batch) {
    let opened = Opened::new();
    let early = write(&opened, "kai", &format!("early {text}")).await;
    opened.backup_to(opened.directory.file("backup.db")).await.unwrap();
    write(&opened, "kai", &format!("late {text}")).await;
    let _log = opened.keep_log();
    let last = write(&opened, "kai", &format!("last {text}")).await;
    let left = opened.crash();
    fs::copy(opened.directory.file("backup.db"), left.file("backup.db")).unwrap();
    (left, early, last)
}

#[tokio::test]
async fn a_restore_puts_the_backup_in_place_and_keeps_what_was_there() {
    for text in ["small".to_owned(), "large ".repeat(30_000)] {
        let (left, early, last) = crashed(&text).await;
        let backup = fs::read(left.file("backup.db")).unwrap();

        let restored = restore_in(&left, "backup.db").unwrap();

        let store = left.open().unwrap();
        assert!(has(&store, "kai", &early).await);
        assert_eq!((restored.life, None), (store.life(), store.new_life()), "it has begun");
        assert!(early.head.generation < restored.life.generation);
        assert!(restored.taken_at.is_some());
        write(&store, "kai", "goes on").await;
        drop(store);
        assert!(backup == fs::read(left.file("backup.db")).unwrap(), "the backup stays one");
        let aside = SqliteStore::open(&options(&restored.set_aside.unwrap())).unwrap();
        assert!(has(&aside, "kai", &last).await, "with what was only in the log");
    }
}

#[tokio::test]
async fn one_backup_restored_twice_begins_two_lives_and_keeps_both() {
    let (left, early, _) = crashed("").await;

    let first = restore_in(&left, "backup.db").unwrap();
    let between = write(&left.open().unwrap(), "kai", "between").await;
    let second = restore_in(&left, "backup.db").unwrap();

    assert_ne!(first.life.tag, second.life.tag);
    assert!(first.life.generation < second.life.generation);
    assert_ne!(first.set_aside, second.set_aside);
    let aside = SqliteStore::open(&options(&second.set_aside.unwrap())).unwrap();
    assert!(has(&aside, "kai", &between).await);
    assert!(has(&left.open().unwrap(), "kai", &early).await);
}

#[tokio::test]
async fn a_restore_is_above_the_present_database_also_without_its_sidecar() {
    let (left, ..) = crashed("").await;
    let present = Connection::open(left.file("haumana.db")).unwrap();
    present.execute_batch("UPDATE life SET generation = 4000000000").unwrap();
    drop(present);
    fs::remove_file(left.file("haumana.db.seen")).unwrap();

    let restored = restore_in(&left, "backup.db").unwrap();

    assert!(Generation(4_000_000_000) < restored.life.generation);
}

#[tokio::test]
async fn without_a_generation_that_is_left_nothing_is_restored() {
    let (left, ..) = crashed("").await;
    let backup = Connection::open(left.file("backup.db")).unwrap();
    backup.execute_batch("UPDATE life SET generation = 4294967295").unwrap();
    drop(backup);

    let error = restore_in(&left, "backup.db").unwrap_err();

    assert_eq!(RestoreErrorKind::Refused(OpenErrorKind::NoGeneration), error.kind());
    assert_eq!(None, left.open().unwrap().new_life(), "the database goes on");
}

#[tokio::test]
async fn what_was_chosen_for_later_edits_stays_with_the_life() {
    let (left, ..) = crashed("").await;
    let (backup, database) = (left.file("backup.db"), left.file("haumana.db"));

    restore(&backup, &database, LaterEdits::Discard, Duration::ZERO).unwrap();

    for _ in 0..2 {
        assert_eq!(LaterEdits::Discard, left.open().unwrap().life().later_edits);
    }
    restore(&backup, &database, LaterEdits::Merge, Duration::ZERO).unwrap();
    assert_eq!(LaterEdits::Merge, left.open().unwrap().life().later_edits);
}

#[tokio::test]
async fn a_constant_generation_of_the_operator_begins_no_second_life_after_a_restore() {
    let (left, ..) = crashed("").await;
    let asked = Generation(3);
    let options = options(&left.file("haumana.db"));
    drop(SqliteStore::open_asking(&options, asked).unwrap());

    let (backup, database) = (left.file("backup.db"), left.file("haumana.db"));
    let restored = restore(&backup, &database, LaterEdits::Discard, Duration::ZERO).unwrap();

    let store = SqliteStore::open_asking(&options, asked).unwrap();
    assert_eq!((restored.life, None), (store.life(), store.new_life()));
}

#[tokio::test]
async fn a_restore_is_refused_while_a_program_has_the_database_open() {
    let opened = Opened::new();
    write(&opened, "kai", "kept").await;
    opened.backup_to(opened.directory.file("backup.db")).await.unwrap();
    let last = write(&opened, "kai", "last").await;
    let database = opened.path();

    let backup = opened.directory.file("backup.db");
    let error = restore(&backup, &database, LaterEdits::Merge, Duration::ZERO).unwrap_err();
    let other = opened.directory.file("other.db");
    let source = restore(&database, &other, LaterEdits::Merge, Duration::ZERO).unwrap_err();

    assert_eq!(RestoreErrorKind::InUse, error.kind());
    assert_eq!((RestoreErrorKind::InUse, database.as_path()), (source.kind(), source.path()));
    assert!(has(&opened, "kai", &last).await);
    write(&opened, "kai", "goes on").await;
    assert!(!other.exists());
}

#[tokio::test]
async fn what_is_not_a_whole_database_of_ours_is_refused() {
    let (left, ..) = crashed(&"long ".repeat(2_000)).await;
    let whole = fs::read(left.file("backup.db")).unwrap();
    fs::write(left.file("empty.db"), "").unwrap();
    fs::write(left.file("letter.db"), "Aloha kāua").unwrap();
    fs::write(left.file("cut.db"), &whole[..whole.len() / 2]).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..whole.len() / 2 + 40_000].fill(0xaa);
    fs::write(left.file("damaged.db"), damaged).unwrap();
    fs::write(left.file("newer.db"), &whole).unwrap();
    let newer = Connection::open(left.file("newer.db")).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    let photos = Connection::open(left.file("photos.db")).unwrap();
    photos.execute_batch("CREATE TABLE photos (name TEXT)").unwrap();
    drop((newer, photos));

    let refused = RestoreErrorKind::Refused;
    check_refused(&left, "missing.db", RestoreErrorKind::Missing);
    check_refused(&left, "empty.db", refused(OpenErrorKind::NotOurs));
    check_refused(&left, "letter.db", refused(OpenErrorKind::NotADatabase));
    check_refused(&left, "photos.db", refused(OpenErrorKind::NotOurs));
    check_refused(&left, "newer.db", refused(OpenErrorKind::Newer { found: 99, known: 5 }));
    check_refused(&left, "cut.db", RestoreErrorKind::Damaged);
    check_refused(&left, "damaged.db", RestoreErrorKind::Damaged);
}

#[tokio::test]
async fn a_copy_with_a_log_is_restored_with_it_unless_the_log_is_another_ones() {
    let (left, _, last) = crashed("").await;
    let (elsewhere, foreign, _) = crashed("").await;
    left.copy("haumana.db", "snapshot.db");
    left.copy("haumana.db-wal", "snapshot.db-wal");
    left.copy("haumana.db", "mixed.db");
    fs::copy(elsewhere.file("haumana.db-wal"), left.file("mixed.db-wal")).unwrap();

    check_refused(&left, "mixed.db", RestoreErrorKind::Refused(OpenErrorKind::ForeignLog));
    restore_in(&left, "snapshot.db").unwrap();

    let store = left.open().unwrap();
    assert!(has(&store, "kai", &last).await);
    assert!(!has(&store, "kai", &foreign).await);
}

#[tokio::test]
async fn a_snapshot_that_is_in_place_already_is_restored_onto_itself() {
    let (left, _, last) = crashed("").await;
    let before = left.open().unwrap().life();

    let restored = restore_in(&left, "haumana.db").unwrap();

    assert!(before.generation < restored.life.generation);
    assert!(has(&left.open().unwrap(), "kai", &last).await);
}

#[tokio::test]
async fn a_backup_is_restored_where_there_is_no_database() {
    let (left, early, _) = crashed("").await;
    let machine = Directory::new();
    fs::copy(left.file("backup.db"), machine.file("backup.db")).unwrap();

    let restored = restore_in(&machine, "backup.db").unwrap();

    assert_eq!(None, restored.set_aside);
    assert!(has(&machine.open().unwrap(), "kai", &early).await);
}

#[tokio::test]
async fn a_log_whose_file_is_gone_is_set_aside() {
    let (left, early, _) = crashed("").await;
    fs::remove_file(left.file("haumana.db")).unwrap();
    let log = fs::read(left.file("haumana.db-wal")).unwrap();

    let restored = restore_in(&left, "backup.db").unwrap();

    let mut aside = restored.set_aside.unwrap().into_os_string();
    aside.push("-wal");
    assert!(log == fs::read(aside).unwrap());
    assert!(has(&left.open().unwrap(), "kai", &early).await);
}

#[tokio::test]
async fn a_restore_that_was_interrupted_fails_closed_and_can_be_repeated() {
    let (left, early, _) = crashed("").await;
    let log = fs::read(left.file("haumana.db-wal")).unwrap();
    restore_in(&left, "backup.db").unwrap();
    // The backup is in place, and the power goes before the log of the old file is moved.
    fs::write(left.file("haumana.db-wal"), log).unwrap();
    fs::write(left.file("haumana.db.restoring"), "half a copy").unwrap();

    assert_eq!(OpenErrorKind::ForeignLog, left.open().unwrap_err().kind());
    restore_in(&left, "backup.db").unwrap();

    assert!(has(&left.open().unwrap(), "kai", &early).await);
    assert!(!left.file("haumana.db.restoring").exists());
}

#[tokio::test]
async fn a_backup_of_before_lives_is_restored() {
    let (left, early, _) = crashed("").await;
    let old = Connection::open(left.file("backup.db")).unwrap();
    old.execute_batch("DROP TABLE life; DROP TABLE served; PRAGMA user_version = 2").unwrap();
    drop(old);

    let restored = restore_in(&left, "backup.db").unwrap();

    assert_eq!(None, restored.taken_at, "it does not say");
    assert!(early.head.generation < restored.life.generation);
    assert!(has(&left.open().unwrap(), "kai", &early).await);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_the_database_stays_a_link() {
    let (left, early, _) = crashed("").await;
    let elsewhere = Directory::new();
    std::os::unix::fs::symlink(left.file("haumana.db"), elsewhere.file("link.db")).unwrap();

    let link = elsewhere.file("link.db");
    restore(&left.file("backup.db"), &link, LaterEdits::Merge, Duration::ZERO).unwrap();

    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(has(&SqliteStore::open(&options(&link)).unwrap(), "kai", &early).await);
    assert_eq!(["link.db"], elsewhere.names()[..], "its files are beside what it points to");
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_restore_writes_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (left, ..) = crashed("").await;
    fs::set_permissions(left.file("backup.db"), fs::Permissions::from_mode(0o644)).unwrap();

    restore_in(&left, "backup.db").unwrap();

    for name in ["haumana.db", "haumana.db.seen"] {
        let mode = fs::metadata(left.file(name)).unwrap().permissions().mode();
        assert_eq!(0o600, mode & 0o777, "{name}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_root_restores_still_belongs_to_the_owner_of_the_database() {
    use std::os::unix::fs::{MetadataExt, chown};
    let (left, ..) = crashed("").await;
    fs::remove_file(left.file("haumana.db.seen")).unwrap();
    if chown(left.file("haumana.db"), Some(1234), Some(1234)).is_err() {
        // Only root gives files away.
        return;
    }

    restore_in(&left, "backup.db").unwrap();

    for name in ["haumana.db", "haumana.db.seen"] {
        let owner = fs::metadata(left.file(name)).unwrap();
        assert_eq!((1234, 1234), (owner.uid(), owner.gid()), "{name}");
    }
}

/// A journal of an earlier program says nothing of versions, so every version counts as erased.
#[tokio::test]
async fn an_account_is_erased_again_up_to_the_largest_version_that_was_erased() {
    for has_numbers in [true, false] {
        let Opened { store, directory } = Opened::new();
        let early = write(&store, "kai", "early").await;
        store.backup_to(directory.file("backup.db")).await.unwrap();
        let mut late = Batch { records: Vec::new(), ..early.clone() };
        late.head.revision.0 += 1;
        late.head.commit.0 += 1;
        late.head.max_version = 900;
        store.commit(&user("kai"), Some(&early.head), &late).await.unwrap();
        write(&store, "noe", "made after the backup").await;
        for name in ["kai", "noe"] {
            store.erase(&user(name)).await.unwrap();
        }
        drop(store);
        if !has_numbers {
            let journal = Connection::open(directory.file("haumana.db.erased")).unwrap();
            journal.execute_batch("DROP TABLE floors").unwrap();
        }

        let restored = restore_in(&directory, "backup.db").unwrap();

        assert_eq!(1, restored.erased_again);
        let store = directory.open().unwrap();
        let head = store.head(&user("kai")).await.unwrap().unwrap();
        let floor = if has_numbers { 900 } else { 1 << 16 };
        assert_eq!((HeadState::Erasing, floor), (head.state, head.max_version));
        let known = store.erased_floor(&user("noe")).await.unwrap();
        assert_eq!(has_numbers, known.is_some(), "a user whom the backup lacks");
        assert_eq!(None, store.erased_floor(&user("lono")).await.unwrap());
    }
}
