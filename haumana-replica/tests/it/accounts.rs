//! Whose edits are whose, and what becomes of an account that is gone.

use crate::support::{Server, fields, text, user};
use haumana_replica::{Erasure, ErrorKind, Phase};
use haumana_sync::id::KindNumber;

#[tokio::test]
async fn edits_of_one_account_are_never_sent_as_another() {
    let server = Server::new();
    let device = server.device().await;
    device.add_piece(fields([("title", text("of kai"))])).await.unwrap();

    device.sign_in(user("lani")).await.unwrap();
    device.sync(&server.transport()).await.unwrap();

    assert!(device.records(KindNumber::PIECE).await.unwrap().is_empty());
    assert!(server.engine.store().head(&user("lani")).await.unwrap().is_none());
    device.sign_in(user("kai")).await.unwrap();
    assert_eq!(1, device.status().pending);
    device.sync(&server.transport()).await.unwrap();
    assert_eq!(1, server.engine.store().head(&user("kai")).await.unwrap().unwrap().records);
}

#[tokio::test]
async fn a_reply_that_comes_after_the_account_was_switched_goes_to_its_own_account() {
    use haumana_replica::transport::Transport;
    let server = Server::new();
    let (device, other) = (server.device().await, server.device().await);
    other.add_piece(fields([("title", text("of kai"))])).await.unwrap();
    other.sync(&server.transport()).await.unwrap();
    let outgoing = device.begin().await.unwrap();
    let reply = server.transport().sync(&outgoing.account, outgoing.body.clone()).await.unwrap();

    device.sign_in(user("lani")).await.unwrap();
    device.finish(&outgoing, &reply).await.unwrap();

    assert!(device.records(KindNumber::PIECE).await.unwrap().is_empty());
    device.sign_in(user("kai")).await.unwrap();
    assert_eq!(1, device.records(KindNumber::PIECE).await.unwrap().len());
}

#[tokio::test]
async fn nobody_syncs_while_nobody_is_signed_in() {
    let server = Server::new();
    let device = server.device().await;
    device.sign_out().await;

    let error = device.sync(&server.transport()).await.unwrap_err();

    assert_eq!((ErrorKind::NoAccount, Phase::NeedsSignIn), (error.kind(), device.status().phase));
}

#[tokio::test]
async fn after_an_erasure_nothing_is_uploaded_until_somebody_asks_for_it() {
    let server = Server::new();
    let device = server.device().await;
    device.add_piece(fields([("title", text("t"))])).await.unwrap();
    device.sync(&server.transport()).await.unwrap();
    device.add_piece(fields([("title", text("pending"))])).await.unwrap();
    server.engine.erase(&user("kai")).await.unwrap();

    for start_over in [false, true] {
        if start_over {
            device.start_over().await.unwrap();
        }
        let told = device.sync(&server.transport()).await.unwrap_err();
        assert_eq!((ErrorKind::Erased, Phase::Erased), (told.kind(), device.status().phase));
    }
    assert_eq!(0, server.engine.store().head(&user("kai")).await.unwrap().unwrap().records);

    let id = device.device().await;
    device.settle_erasure(Erasure::UploadAsNew).await.unwrap();
    device.sync(&server.transport()).await.unwrap();
    assert_ne!(id, device.device().await, "it begins anew");
    assert_eq!(2, server.engine.store().head(&user("kai")).await.unwrap().unwrap().records);
}

#[tokio::test]
async fn a_device_that_starts_over_asks_about_an_erasure_before_it_pushes() {
    let server = Server::new();
    let device = server.device().await;
    device.add_piece(fields([("title", text("t"))])).await.unwrap();
    device.sync(&server.transport()).await.unwrap();
    device.start_over().await.unwrap();
    device.add_piece(fields([("title", text("pending"))])).await.unwrap();
    server.engine.erase(&user("kai")).await.unwrap();

    let told = device.sync(&server.transport()).await.unwrap_err();

    assert_eq!(ErrorKind::Erased, told.kind());
    assert_eq!(0, server.engine.store().head(&user("kai")).await.unwrap().unwrap().records);
    device.settle_erasure(Erasure::Forget).await.unwrap();
    assert!(device.records(KindNumber::PIECE).await.unwrap().is_empty());
}
