//! A copy of a device is another device, and notices it.

use crate::scripted::{Scripted, reply};
use crate::support::{Server, fields, text, user};
use haumana_replica::storage::{MemoryStorage, SqliteStorage, Storage};
use haumana_replica::{Replica, ReplicaConfig};
use haumana_sync::id::Key;
use std::fs;
use std::path::Path;

/// A device on a folder.
async fn device(server: &Server, folder: &Path) -> Replica {
    let storage = SqliteStorage::open(&folder.join("replica.db")).unwrap();
    let (clock, random) = (server.clock.clone(), server.random.clone());
    let replica = Replica::open(storage, clock, random, ReplicaConfig::usual()).await.unwrap();
    replica.sign_in(user("kai")).await.unwrap();
    replica
}

/// `cp -r`.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_copied_folder_takes_a_new_id_and_keeps_its_edits_and_the_first_keeps_its_id() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let (laptop, copied) = (folder.path().join("laptop"), folder.path().join("copy"));
    fs::create_dir(&laptop).unwrap();
    let first = device(&server, &laptop).await;
    let key = Key::piece(first.add_piece(fields([("title", text("pending"))])).await.unwrap());
    let id = first.device().await;
    drop(first);
    copy(&laptop, &copied);

    let (first, second) = (device(&server, &laptop).await, device(&server, &copied).await);

    assert_eq!(id, first.device().await);
    assert_ne!(id, second.device().await);
    for device in [&first, &second] {
        assert_eq!(1, device.status().pending);
        assert_eq!(
            text("pending"),
            device.record(key).await.unwrap().unwrap().content.get("title")
        );
    }
    let new = second.device().await;
    drop(second);
    assert_eq!(
        new,
        device(&server, &copied).await.device().await,
        "a copy takes one new id and keeps it"
    );
}

#[tokio::test]
async fn a_folder_that_is_put_back_takes_a_new_id() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let (laptop, backup) = (folder.path().join("laptop"), folder.path().join("backup"));
    fs::create_dir(&laptop).unwrap();
    let id = device(&server, &laptop).await.device().await;
    copy(&laptop, &backup);
    fs::remove_dir_all(&laptop).unwrap();
    copy(&backup, &laptop);

    let restored = device(&server, &laptop).await.device().await;

    assert_ne!(id, restored, "also where the file system gives it the number of the old file");
}

#[tokio::test]
async fn a_folder_that_is_renamed_keeps_its_id_and_its_copy_does_not() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let [old, new, copied] = ["old", "new", "copy"].map(|name| folder.path().join(name));
    fs::create_dir(&old).unwrap();
    let id = device(&server, &old).await.device().await;
    fs::rename(&old, &new).unwrap();

    let renamed = device(&server, &new).await.device().await;
    copy(&new, &copied);

    assert_eq!(id, renamed);
    assert_ne!(id, device(&server, &copied).await.device().await);
}

#[tokio::test]
async fn a_file_of_before_keeps_its_id_until_a_copy_is_noticed() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let (laptop, copied) = (folder.path().join("laptop"), folder.path().join("copy"));
    fs::create_dir(&laptop).unwrap();
    let id = device(&server, &laptop).await.device().await;
    make_second_version(&laptop.join("replica.db"));

    let taken_over = device(&server, &laptop).await.device().await;
    copy(&laptop, &copied);

    assert_eq!(id, taken_over);
    assert_ne!(id, device(&server, &copied).await.device().await);
}

/// The file as the second version of this program made it: it did not know where it lives.
fn make_second_version(path: &Path) {
    let file = rusqlite::Connection::open(path).unwrap();
    crate::storage::forget_place(&file);
    file.execute_batch("PRAGMA user_version = 2").unwrap();
}

#[tokio::test]
async fn a_device_that_the_server_knows_for_a_copy_takes_a_new_id_and_goes_on() {
    let server = Server::new();
    let mut storage = MemoryStorage::new();
    storage.device("ipad").await.unwrap();
    let (clock, random) = (server.clock.clone(), server.random.clone());
    let replica = Replica::open(storage, clock, random, ReplicaConfig::usual()).await.unwrap();
    replica.sign_in(user("kai")).await.unwrap();
    let told = reply().with("copy", true);
    let scripted = Scripted::new([told.clone(), told.clone()]);

    let late = replica.begin().await.unwrap();
    replica.sync(&scripted).await.unwrap();
    let renewed = replica.device().await;
    replica.finish(&late, told.to_json().as_bytes()).await.unwrap();
    let after_late = replica.device().await;
    replica.sync(&scripted).await.unwrap();

    assert_ne!("ipad", renewed);
    assert_eq!(renewed, after_late, "what was said of the old id is not of the new one");
    let sent = scripted.sent();
    assert_eq!(("ipad", renewed.as_str()), (device_of(&sent[0]), device_of(&sent[1])));
    assert_ne!(renewed, replica.device().await, "told again of the new id, it takes another");
}

fn device_of(request: &serde_json::Value) -> &str {
    request["deviceId"].as_str().unwrap()
}
