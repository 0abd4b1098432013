//! Both storages do the same.

use crate::support::{Server, fields, text, user};
use haumana_replica::storage::{MemoryStorage, SqliteStorage, Storage};
use haumana_replica::{ErrorKind, Replica, ReplicaConfig};
use haumana_sync::id::{Key, KindNumber};
use haumana_sync::record::Value;

async fn open(server: &Server, storage: impl Storage) -> Replica {
    let (clock, random) = (server.clock.clone(), server.random.clone());
    let mut config = ReplicaConfig::usual();
    (config.page_records, config.push_records, config.push_bytes) = (2, 2, 500);
    let replica = Replica::open(storage, clock, random, config).await.unwrap();
    replica.sign_in(user("kai")).await.unwrap();
    replica
}

#[tokio::test]
async fn a_file_holds_what_memory_holds_after_the_same_things_happened() {
    let server = Server::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.db");
    let memory = open(&server, MemoryStorage::new()).await;
    let mut file = open(&server, SqliteStorage::open(&path).unwrap()).await;

    for round in 0..30 {
        for device in [&memory, &file] {
            let pieces = device.records(KindNumber::PIECE).await.unwrap();
            match (round % 5, pieces.first()) {
                (0 | 3, _) | (_, None) => {
                    device.add_piece(fields([("title", text(&round.to_string()))])).await.unwrap();
                }
                (1, Some(piece)) => {
                    device
                        .set(piece.key, fields([("isFavorite", Value::Flag(true))]))
                        .await
                        .unwrap();
                }
                (2, Some(piece)) => device.delete(piece.key).await.unwrap(),
                _ => device.start_over().await.unwrap(),
            }
            if round % 2 == 0 {
                device.sync(&server.transport()).await.unwrap();
            }
        }
        // What is in the file is all that there is.
        drop(file);
        file = open(&server, SqliteStorage::open(&path).unwrap()).await;
        server.clock.pass_ms(700);
    }
    for device in [&memory, &file, &memory, &file] {
        device.sync(&server.transport()).await.unwrap();
    }

    assert_eq!(
        memory.records(KindNumber::PIECE).await.unwrap(),
        file.records(KindNumber::PIECE).await.unwrap()
    );
    assert!(3 < file.records(KindNumber::PIECE).await.unwrap().len());
    assert_eq!((0, 0), (memory.status().pending, file.status().pending));
}

#[tokio::test]
async fn edits_outlive_the_process() {
    let server = Server::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.db");
    let replica = open(&server, SqliteStorage::open(&path).unwrap()).await;
    let key = Key::piece(replica.add_piece(fields([("title", text("ʻOli"))])).await.unwrap());
    drop(replica);

    let replica = open(&server, SqliteStorage::open(&path).unwrap()).await;

    assert_eq!(text("ʻOli"), replica.record(key).await.unwrap().unwrap().content.get("title"));
    assert_eq!(1, replica.status().pending);
}

/// The file as the first version of this program made it: its records had no row numbers.
async fn make_older(path: &std::path::Path) {
    let file = rusqlite::Connection::open(path).unwrap();
    file.execute_batch(
        "CREATE TABLE old (
            account INTEGER NOT NULL, kind INTEGER NOT NULL, id BLOB NOT NULL,
            version INTEGER NOT NULL, modified_at INTEGER NOT NULL, mark INTEGER NOT NULL,
            value TEXT, PRIMARY KEY (account, kind, id)) WITHOUT ROWID;
         INSERT INTO old SELECT * FROM records;
         DROP TABLE records;
         ALTER TABLE old RENAME TO records;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    forget_place(&file);
}

/// What the file was before it knew where it lives.
pub(crate) fn forget_place(file: &rusqlite::Connection) {
    let older = "ALTER TABLE device DROP COLUMN place; ALTER TABLE device RENAME COLUMN id TO name;
         ALTER TABLE accounts DROP COLUMN unanswered;
         ALTER TABLE accounts DROP COLUMN open_conflicts;";
    file.execute_batch(older).unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_version_is_taken_over_with_its_edits() {
    let server = Server::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.db");
    let device = open(&server, SqliteStorage::open(&path).unwrap()).await;
    let first = device.add_piece(fields([("title", text("a"))])).await.unwrap();
    for title in ["b", "c"] {
        device.add_piece(fields([("title", text(title))])).await.unwrap();
    }
    device.sync(&server.transport()).await.unwrap();
    device.set(Key::piece(first), fields([("title", text("pending"))])).await.unwrap();
    let before = device.records(KindNumber::PIECE).await.unwrap();
    drop(device);
    make_older(&path).await;

    let device = open(&server, SqliteStorage::open(&path).unwrap()).await;

    assert_eq!(
        (before, 1),
        (device.records(KindNumber::PIECE).await.unwrap(), device.status().pending)
    );
    assert_eq!(0, device.sync(&server.transport()).await.unwrap().pulled, "the cursor is there");
    drop(device);
    let again = open(&server, SqliteStorage::open(&path).unwrap()).await;
    assert_eq!(
        (3, 0),
        (again.records(KindNumber::PIECE).await.unwrap().len(), again.status().pending)
    );
}

#[tokio::test]
async fn the_number_of_open_conflicts_outlives_the_process() {
    let server = Server::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.db");
    let other = server.device().await;
    let phone = open(&server, SqliteStorage::open(&path).unwrap()).await;
    assert_eq!(None, phone.status().open_conflicts, "no server has said it yet");
    let key = Key::piece(phone.add_piece(fields([("author", text("0"))])).await.unwrap());
    phone.sync(&server.transport()).await.unwrap();
    other.sync(&server.transport()).await.unwrap();
    for (device, author) in [(&phone, "of the phone"), (&other, "of the other")] {
        server.clock.pass_ms(1000);
        device.set(key, fields([("author", text(author))])).await.unwrap();
    }
    for device in [&phone, &other, &phone] {
        device.sync(&server.transport()).await.unwrap();
    }
    drop(phone);

    let phone = open(&server, SqliteStorage::open(&path).unwrap()).await;

    assert_eq!(Some(1), phone.status().open_conflicts);
    phone.start_over().await.unwrap();
    phone.sign_in(user("kai")).await.unwrap();
    assert_eq!(Some(1), phone.status().open_conflicts);
    phone.sign_in(user("noe")).await.unwrap();
    assert_eq!(None, phone.status().open_conflicts, "it is another person's inbox");
}

#[tokio::test]
async fn a_file_of_before_it_knew_the_inbox_is_taken_over() {
    let server = Server::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.db");
    let device = open(&server, SqliteStorage::open(&path).unwrap()).await;
    device.add_piece(fields([("title", text("a"))])).await.unwrap();
    device.sync(&server.transport()).await.unwrap();
    drop(device);
    let file = rusqlite::Connection::open(&path).unwrap();
    let older = "ALTER TABLE accounts DROP COLUMN open_conflicts; PRAGMA user_version = 4;";
    file.execute_batch(older).unwrap();
    drop(file);

    let device = open(&server, SqliteStorage::open(&path).unwrap()).await;

    assert_eq!(None, device.status().open_conflicts);
    assert_eq!(0, device.sync(&server.transport()).await.unwrap().pulled, "the cursor is there");
    assert_eq!(Some(0), device.status().open_conflicts);
}

#[tokio::test]
async fn a_file_that_is_in_use_or_is_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (folder.path().join("replica.db"), folder.path().join("other.db"));
    let [servers, newer] = ["server.db", "newer.db"].map(|name| folder.path().join(name));
    std::fs::write(&other, "x".repeat(4096)).unwrap();
    let _held = SqliteStorage::open(&ours).unwrap();

    let why = |path: &std::path::Path| {
        let error = SqliteStorage::open(path).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        (error.kind(), source.unwrap_or_default())
    };
    let (kind, source) = why(&ours);
    assert_eq!(ErrorKind::InUse, kind);
    assert!(source.contains("holds the file"), "{source}");
    assert_eq!((ErrorKind::Storage, "file is not a database".to_owned()), why(&other));
    let file = rusqlite::Connection::open(&servers).unwrap();
    file.execute_batch("CREATE TABLE records (id); PRAGMA user_version = 3").unwrap();
    let (kind, source) = why(&servers);
    assert_eq!(ErrorKind::Storage, kind);
    assert_eq!("the file is another program's, not a replica's", source);
    drop(SqliteStorage::open(&newer).unwrap());
    let file = rusqlite::Connection::open(&newer).unwrap();
    file.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(file);
    assert!(why(&newer).1.contains("newer version"), "{:?}", why(&newer));
}
