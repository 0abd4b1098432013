//! What a delete would lose.

use crate::http::{token_of, transport};
use crate::support::{Server, fields, text};
use haumana_replica::{ErrorKind, Replica};
use haumana_sync::id::{Key, RecordId};

async fn lost(device: &Replica, key: Key) -> Vec<String> {
    device.lost_by_delete(key).await.unwrap()
}

#[tokio::test]
async fn a_delete_loses_the_edits_that_never_left_the_device_and_says_so_before() {
    let server = Server::new();
    let device = server.device().await;
    let key = Key::piece(device.add_piece(fields([("title", text("t"))])).await.unwrap());

    let of_a_new_piece = lost(&device, key).await;
    device.sync(&server.transport()).await.unwrap();
    let of_a_synced_one = lost(&device, key).await;
    device.set(key, fields([("author", text("a")), ("lyrics", text("l"))])).await.unwrap();
    let of_an_edited_one = lost(&device, key).await;

    assert_eq!(vec!["createdAt", "title"], of_a_new_piece);
    assert!(of_a_synced_one.is_empty());
    assert_eq!(vec!["author", "lyrics"], of_an_edited_one);
    device.delete(key).await.unwrap();
    assert_eq!(ErrorKind::NotFound, device.lost_by_delete(key).await.unwrap_err().kind());
}

#[tokio::test]
async fn an_edit_that_was_on_its_way_once_is_not_lost_by_a_delete() {
    let server = Server::new();
    let device = server.device().await;
    let key = Key::piece(device.add_piece(fields([("title", text("t"))])).await.unwrap());
    let nowhere = transport("http://127.0.0.1:1".into(), Some(token_of("kai")));
    device.sync(&nowhere).await.unwrap_err();

    let lost = lost(&device, key).await;
    device.delete(key).await.unwrap();
    device.sync(&server.transport()).await.unwrap();

    assert!(lost.is_empty(), "{lost:?}");
    let history = device.history(&server.transport(), key, None, 9).await.unwrap();
    assert_eq!(2, history.versions.len(), "the edit, then the delete");
}

#[tokio::test]
async fn what_no_device_has_cannot_be_lost() {
    let device = Server::new().device().await;

    let missing = device.lost_by_delete(Key::piece(RecordId::from_bits(7))).await;

    assert_eq!(ErrorKind::NotFound, missing.unwrap_err().kind());
}

#[tokio::test]
async fn a_newer_edit_of_a_field_that_was_on_its_way_before_would_be_lost_too() {
    let server = Server::new();
    let device = server.device().await;
    let key = Key::piece(device.add_piece(fields([("title", text("0"))])).await.unwrap());
    device.sync(&server.transport()).await.unwrap();
    device.set(key, fields([("title", text("sent"))])).await.unwrap();
    device.begin().await.unwrap();

    let before = device.lost_by_delete(key).await.unwrap();
    device.set(key, fields([("title", text("never sent"))])).await.unwrap();

    assert_eq!(
        (Vec::<String>::new(), vec!["title".to_owned()]),
        (before, device.lost_by_delete(key).await.unwrap())
    );
}
