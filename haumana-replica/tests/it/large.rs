//! Requests that are larger than a host takes.

use crate::host::Host;
use crate::support::{fields, text, user};
use haumana_replica::{ErrorKind, Phase};
use haumana_sync::id::{Key, KindNumber};

#[tokio::test]
async fn a_push_that_is_too_large_is_split_until_it_fits() {
    let host = Host::start_with(10_000).await;
    let device = host.device().await;
    for n in 0..60 {
        let set = fields([("title", text(&n.to_string())), ("lyrics", text(&"ē".repeat(500)))]);
        device.add_piece(set).await.unwrap();
    }

    let summary = device.sync(&host.transport()).await.unwrap();

    assert_eq!(60, host.engine.store().head(&user("kai")).await.unwrap().unwrap().records);
    assert_eq!((0, Phase::Idle), (device.status().pending, device.status().phase));
    // Sixty pushes of 1.2 kB: three tries that are too large, and no push on its own.
    assert!((6..=20).contains(&summary.rounds), "{summary:?}");
}

#[tokio::test]
async fn one_record_that_no_request_can_hold_is_given_up_and_blocks_nobody() {
    let host = Host::start_with(10_000).await;
    let device = host.device().await;
    let large = fields([("title", text("large")), ("lyrics", text(&"a".repeat(20_000)))]);
    let large = Key::piece(device.add_piece(large).await.unwrap());
    for n in 0..9 {
        device.add_piece(fields([("title", text(&n.to_string()))])).await.unwrap();
    }

    device.sync(&host.transport()).await.unwrap();

    assert_eq!(9, host.engine.store().head(&user("kai")).await.unwrap().unwrap().records);
    let status = device.status();
    assert_eq!((Phase::Idle, 1, 1), (status.phase, status.pending, status.refused));
    assert_eq!(Some("too_large".to_owned()), device.record(large).await.unwrap().unwrap().refused);
    // Made smaller, it goes through.
    device.set(large, fields([("lyrics", text("short"))])).await.unwrap();
    device.sync(&host.transport()).await.unwrap();
    assert_eq!(10, host.engine.store().head(&user("kai")).await.unwrap().unwrap().records);
    assert_eq!((0, 0), (device.status().pending, device.status().refused));
}

#[tokio::test]
async fn a_record_that_was_made_smaller_while_the_answer_was_on_its_way_is_not_given_up() {
    let host = Host::start_with(10_000).await;
    let device = host.device().await;
    let large = fields([("createdAt", text("2026-01-01T00:00:00Z"))]);
    let key = Key::piece(device.add_piece(large).await.unwrap());
    host.sync(&device).await;
    device.set(key, fields([("lyrics", text(&"a".repeat(20_000)))])).await.unwrap();
    let transport = Shrinking { device: &device, key, inner: host.transport() };

    transport.device.sync(&transport).await.unwrap();

    assert_eq!(None, device.record(key).await.unwrap().unwrap().refused);
    let other = host.device().await;
    host.sync(&other).await;
    assert_eq!(
        text("short"),
        other.records(KindNumber::PIECE).await.unwrap()[0].content.get("lyrics")
    );
}

#[tokio::test]
async fn a_pull_that_is_refused_as_too_large_is_an_error_and_not_a_loop() {
    let host = Host::start_with(10).await;
    let device = host.device().await;

    let error = device.sync(&host.transport()).await.unwrap_err();

    assert_eq!((ErrorKind::TooLarge, Some("payload_too_large")), (error.kind(), error.code()));
}

/// Edits the record after the request has left, once it is known to be too large.
#[derive(Debug)]
struct Shrinking<'a> {
    device: &'a haumana_replica::Replica,
    key: Key,
    inner: haumana_replica::transport::HttpTransport,
}

#[async_trait::async_trait]
impl haumana_replica::transport::Transport for Shrinking<'_> {
    async fn sync(
        &self,
        account: &haumana_sync::id::UserId,
        body: Vec<u8>,
    ) -> haumana_replica::Result<Vec<u8>> {
        let reply = self.inner.sync(account, body).await;
        if reply.as_ref().is_err_and(|error| error.kind() == ErrorKind::TooLarge) {
            self.device.set(self.key, fields([("lyrics", text("short"))])).await.unwrap();
        }
        reply
    }

    async fn call(
        &self,
        account: &haumana_sync::id::UserId,
        call: &haumana_replica::transport::Call,
    ) -> haumana_replica::Result<Vec<u8>> {
        self.inner.call(account, call).await
    }

    async fn export(
        &self,
        account: &haumana_sync::id::UserId,
        file: &mut (dyn std::io::Write + Send),
    ) -> haumana_replica::Result<()> {
        self.inner.export(account, file).await
    }
}
