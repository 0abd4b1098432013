//! What people do with two or three devices, over HTTP, on the real API and a SQLite file.

use crate::host::{Host, get, token_of};
use crate::support::{fields, text, user};
use haumana_replica::{Erasure, ErrorKind, Phase, Replica};
use haumana_sync::engine::Resolution;
use haumana_sync::id::{Key, KindNumber};

const YEAR_MS: i64 = 365 * 86_400_000;

/// Two devices on files that hold one piece.
async fn two_devices(host: &Host) -> (Replica, Replica, Key) {
    let on = async |name: &str| host.device_on(&host.folder.path().join(name)).await;
    let (a, b) = (on("a.db").await, on("b.db").await);
    let set = fields([("title", text("Aloha ʻOe")), ("lyrics", text("one\ntwo\nthree"))]);
    let key = Key::piece(a.add_piece(set).await.unwrap());
    host.sync(&a).await;
    host.sync(&b).await;
    host.clock.pass_ms(1000);
    (a, b, key)
}

#[tokio::test]
async fn a_delete_and_an_edit_offline_leave_the_edit_in_both_orders_and_the_inbox_says_so() {
    for delete_first in [true, false] {
        let host = Host::start().await;
        let (a, b, key) = two_devices(&host).await;
        a.delete(key).await.unwrap();
        b.set(key, fields([("title", text("edited"))])).await.unwrap();
        let order = if delete_first { [&a, &b] } else { [&b, &a] };

        for device in order.into_iter().chain(order) {
            host.sync(device).await;
        }

        assert_eq!(text("edited"), get(&a, key, "title").await);
        assert_eq!(
            a.records(KindNumber::PIECE).await.unwrap(),
            b.records(KindNumber::PIECE).await.unwrap()
        );
        let open = a.conflicts(&host.transport(), None, 9).await.unwrap().conflicts;
        let [ref conflict] = open[..] else { panic!("one conflict, not {open:?}") };
        assert_eq!(
            (key, None, "edit_beats_delete"),
            (conflict.key, conflict.field.as_ref(), conflict.reason.as_str())
        );
    }
}

#[tokio::test]
async fn a_deleted_piece_that_nobody_edited_stays_gone_when_a_stale_device_syncs() {
    let host = Host::start().await;
    let (a, b, key) = two_devices(&host).await;
    let stale = host.device_on(&host.folder.path().join("stale.db")).await;
    host.sync(&stale).await;
    a.delete(key).await.unwrap();

    for device in [&a, &b, &stale, &a, &b] {
        host.sync(device).await;
    }

    for device in [&a, &b, &stale] {
        assert_eq!(None, device.record(key).await.unwrap());
        assert_eq!(0, device.status().pending);
    }
    assert!(a.conflicts(&host.transport(), None, 9).await.unwrap().conflicts.is_empty());
}

#[tokio::test]
async fn of_one_line_written_twice_one_is_shown_and_the_other_comes_back_when_asked_for() {
    let host = Host::start().await;
    let (a, b, key) = two_devices(&host).await;
    a.set(key, fields([("lyrics", text("one of a\ntwo\nthree"))])).await.unwrap();
    host.clock.pass_ms(1000);
    b.set(key, fields([("lyrics", text("one of b\ntwo\nthree"))])).await.unwrap();
    for device in [&a, &b, &a] {
        host.sync(device).await;
    }
    let transport = host.transport();

    for device in [&a, &b] {
        assert_eq!(text("one of b\ntwo\nthree"), get(device, key, "lyrics").await);
    }
    let open = b.conflicts(&transport, None, 9).await.unwrap().conflicts;
    assert_eq!((1, "text_clash"), (open.len(), open[0].reason.as_str()));
    assert_eq!(text("one of a\ntwo\nthree"), open[0].lost);
    let history = b.history(&transport, key, None, 9).await.unwrap().versions;
    let earlier = history.iter().flat_map(|version| &version.changed);
    let mut earlier = earlier.filter_map(|changed| changed.earlier.as_ref());
    assert!(earlier.any(|value| *value == text("one of a\ntwo\nthree")));
    b.resolve(&transport, open[0].id, Some(key), Resolution::Restore).await.unwrap();
    for device in [&b, &a] {
        host.sync(device).await;
        assert_eq!(text("one of a\ntwo\nthree"), get(device, key, "lyrics").await);
    }
}

#[tokio::test]
async fn a_device_that_was_offline_for_a_year_joins_again_and_loses_no_edit() {
    let host = Host::start().await;
    let (a, b, key) = two_devices(&host).await;
    let deleted = Key::piece(a.add_piece(fields([("title", text("deleted"))])).await.unwrap());
    host.sync(&a).await;
    host.sync(&b).await;
    b.set(key, fields([("notes", text("of last year")), ("title", text("old title"))]))
        .await
        .unwrap();
    b.set(deleted, fields([("notes", text("still wanted"))])).await.unwrap();
    let new = Key::piece(b.add_piece(fields([("title", text("made offline"))])).await.unwrap());
    a.delete(deleted).await.unwrap();
    for n in 0..12 {
        host.clock.pass_ms(YEAR_MS / 12);
        a.set(key, fields([("title", text(&format!("month {n}")))])).await.unwrap();
        host.sync(&a).await;
    }

    host.sync(&b).await;
    host.sync(&a).await;

    assert_eq!(0, b.status().pending);
    assert_eq!(
        a.records(KindNumber::PIECE).await.unwrap(),
        b.records(KindNumber::PIECE).await.unwrap()
    );
    assert_eq!(text("of last year"), get(&a, key, "notes").await);
    assert_eq!(text("month 11"), get(&a, key, "title").await, "the later title is shown");
    assert_eq!(text("still wanted"), get(&a, deleted, "notes").await);
    assert_eq!(text("made offline"), get(&a, new, "title").await);
    let open = a.conflicts(&host.transport(), None, 9).await.unwrap().conflicts;
    let mut lost = open.iter().map(|conflict| &conflict.lost);
    assert!(lost.any(|lost| *lost == text("old title")), "the earlier one is in the inbox");
}

#[tokio::test]
async fn after_an_erasure_a_stale_device_is_told_uploads_nothing_unasked_and_no_byte_is_left() {
    const MARKER: &str = "KahuaOKaMeleHuna";
    let host = Host::start().await;
    let (a, b, key) = two_devices(&host).await;
    let secret = |n: usize| text(&format!("{MARKER} {n} ").repeat(50));
    for n in 0..40 {
        a.add_piece(fields([("title", secret(n)), ("lyrics", secret(n))])).await.unwrap();
    }
    a.set(key, fields([("notes", secret(0))])).await.unwrap();
    for device in [&a, &b, &a] {
        host.sync(device).await;
    }
    // History, tombstones and conflicts hold it too.
    for (device, notes) in [(&a, secret(1)), (&b, secret(2))] {
        device.set(key, fields([("notes", notes)])).await.unwrap();
        host.clock.pass_ms(1000);
    }
    a.delete(
        a.records(KindNumber::PIECE)
            .await
            .unwrap()
            .into_iter()
            .find(|view| view.key != key)
            .unwrap()
            .key,
    )
    .await
    .unwrap();
    for device in [&a, &b, &a] {
        host.sync(device).await;
    }
    b.set(key, fields([("title", secret(3))])).await.unwrap();
    assert_ne!(0, occurrences(&host, MARKER), "the file holds what was written");

    erase(&host).await;

    assert_eq!(0, occurrences(&host, MARKER), "nothing of it is left");
    for _ in 0..2 {
        let told = b.sync(&host.transport()).await.unwrap_err();
        assert_eq!((ErrorKind::Erased, Phase::Erased), (told.kind(), b.status().phase));
    }
    assert_eq!(0, occurrences(&host, MARKER), "nothing of it comes back unasked");
    assert_eq!(0, host.engine.store().head(&user("kai")).await.unwrap().unwrap().records);
    b.settle_erasure(Erasure::UploadAsNew).await.unwrap();
    host.sync(&b).await;
    assert_ne!(0, occurrences(&host, MARKER), "and all of it when asked for");
    assert_eq!(40, host.engine.store().head(&user("kai")).await.unwrap().unwrap().records);
}

/// Erases the account, as its person does: `DELETE /users/me`.
async fn erase(host: &Host) {
    let url = format!("{}/users/me", host.url);
    let sent = reqwest::Client::new().delete(url).bearer_auth(token_of("kai")).send().await;
    assert_eq!(204, sent.unwrap().status().as_u16());
}

/// Counts the marker in the server's database and its log.
fn occurrences(host: &Host, marker: &str) -> usize {
    let files = host.database_files().into_iter().map(|path| std::fs::read(path).unwrap());
    files.map(|bytes| bytes.windows(marker.len()).filter(|w| *w == marker.as_bytes()).count()).sum()
}
