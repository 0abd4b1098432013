//! Conflicts, history and restore, to an engine directly and over HTTP alike.

use crate::host::{Host, get};
use crate::support::{fields, text};
use haumana_replica::transport::{DirectTransport, Transport};
use haumana_replica::{ErrorKind, Replica};
use haumana_sync::engine::Resolution;
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;

/// Both ways to reach the host.
pub(crate) fn both(host: &Host) -> [Box<dyn Transport>; 2] {
    let direct = DirectTransport::new(host.engine.clone(), 32 << 20);
    [Box::new(direct), Box::new(host.transport())]
}

/// Two devices that write the same field, `count` times; what `a` wrote loses.
pub(crate) async fn clashes(host: &Host, count: usize) -> (Replica, Replica, Vec<Key>) {
    let (a, b) = (host.device().await, host.device().await);
    let mut keys = Vec::new();
    for _ in 0..count {
        keys.push(Key::piece(a.add_piece(fields([("author", text("0"))])).await.unwrap()));
    }
    host.sync(&a).await;
    host.sync(&b).await;
    for (device, author) in [(&a, "of a"), (&b, "of b")] {
        host.clock.pass_ms(1000);
        for key in &keys {
            device.set(*key, fields([("author", text(author))])).await.unwrap();
        }
    }
    host.sync(&a).await;
    host.sync(&b).await;
    host.sync(&a).await;
    (a, b, keys)
}

#[tokio::test]
async fn open_conflicts_come_in_pages_and_none_twice() {
    let host = Host::start().await;
    let (a, _, keys) = clashes(&host, 5).await;

    for transport in both(&host) {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = a.conflicts(transport.as_ref(), after, 2).await.unwrap();
            assert!(page.conflicts.len() <= 2);
            seen.extend(page.conflicts);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut of: Vec<Key> = seen.iter().map(|conflict| conflict.key).collect();
        of.sort_unstable();
        let mut expected = keys.clone();
        expected.sort_unstable();
        assert_eq!(expected, of);
        for conflict in seen {
            assert_eq!((text("of b"), text("of a")), (conflict.kept, conflict.lost));
            assert_eq!(
                (Some("author"), "later_edit"),
                (conflict.field.as_deref(), conflict.reason.as_str())
            );
        }
    }
}

#[tokio::test]
async fn each_resolution_is_seen_on_both_devices_after_their_next_sync() {
    let host = Host::start().await;
    for transport in both(&host) {
        let resolutions = [
            (Resolution::Keep, text("of b")),
            (Resolution::Restore, text("of a")),
            (Resolution::Set(text("of both")), text("of both")),
            (Resolution::Set(Value::Null), Value::Null),
        ];
        for (resolution, expected) in resolutions {
            let (a, b, keys) = clashes(&host, 1).await;
            let open = a.conflicts(transport.as_ref(), None, 1).await.unwrap().conflicts;

            a.resolve(transport.as_ref(), open[0].id, Some(keys[0]), resolution.clone())
                .await
                .unwrap();
            host.sync(&a).await;
            host.sync(&b).await;

            assert_eq!(expected, get(&a, keys[0], "author").await, "{resolution:?}");
            assert_eq!(expected, get(&b, keys[0], "author").await, "{resolution:?}");
            a.resolve(transport.as_ref(), open[0].id, Some(keys[0]), resolution).await.unwrap();
            let left = a.conflicts(transport.as_ref(), None, 9).await.unwrap();
            assert!(left.conflicts.is_empty() && left.next.is_none());
        }
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_the_servers_code() {
    let host = Host::start().await;
    let (a, _, keys) = clashes(&host, 1).await;
    let nobody = RecordId::from_bits(5);
    let mut open = a.conflicts(&host.transport(), None, 1).await.unwrap().conflicts;
    let id = open.remove(0).id;
    a.resolve(&host.transport(), id, None, Resolution::Keep).await.unwrap();

    for transport in both(&host) {
        let transport = transport.as_ref();
        let restore = Resolution::Restore;
        let failures = [
            a.resolve(transport, nobody, None, Resolution::Keep).await.unwrap_err(),
            a.resolve(transport, id, None, restore).await.unwrap_err(),
            a.conflicts(transport, Some("garbled".to_owned()), 9).await.unwrap_err(),
            a.history(transport, Key::piece(nobody), None, 9).await.unwrap_err(),
            a.restore(transport, keys[0], 99).await.unwrap_err(),
        ];
        let told = failures.iter().map(|error| (error.kind(), error.code().unwrap()));
        let expected = [
            (ErrorKind::NotFound, "not_found"),
            (ErrorKind::ConflictClosed, "conflict_closed"),
            (ErrorKind::Invalid, "invalid_request"),
            (ErrorKind::NotFound, "not_found"),
            (ErrorKind::NotFound, "not_found"),
        ];
        assert_eq!(expected.to_vec(), told.collect::<Vec<_>>());
    }
    host.clock.pass_ms(400 * 86_400_000);
    for transport in both(&host) {
        let gone = a.restore(transport.as_ref(), keys[0], 1).await.unwrap_err();
        assert_eq!((ErrorKind::PastRetention, Some("gone")), (gone.kind(), gone.code()));
    }
}

#[tokio::test]
async fn the_history_comes_in_pages_with_what_changed_and_what_lost() {
    let host = Host::start().await;
    let (a, _, keys) = clashes(&host, 1).await;

    for transport in both(&host) {
        let newest = a.history(transport.as_ref(), keys[0], None, 1).await.unwrap();
        let older = a.history(transport.as_ref(), keys[0], newest.next, 9).await.unwrap();

        let [ref now] = newest.versions[..] else { panic!("one version was asked for") };
        assert_eq!((3, false), (now.version, now.is_deleted));
        assert_eq!(Some(text("of a")), now.changed[0].earlier);
        assert!(now.device.is_some());
        let versions: Vec<_> = older.versions.iter().map(|version| version.version).collect();
        assert_eq!((vec![2, 1], None), (versions, older.next));
        assert!(older.versions[1].changed.is_empty(), "the first version changed nothing");
    }
}

#[tokio::test]
async fn a_deleted_piece_is_restored_on_both_devices() {
    let host = Host::start().await;
    for transport in both(&host) {
        let (a, b, keys) = clashes(&host, 1).await;
        a.delete(keys[0]).await.unwrap();
        host.sync(&a).await;
        host.sync(&b).await;
        assert_eq!(None, b.record(keys[0]).await.unwrap());

        let version = a.restore(transport.as_ref(), keys[0], 2).await.unwrap();
        host.sync(&a).await;
        host.sync(&b).await;

        assert_eq!(5, version);
        for device in [&a, &b] {
            assert_eq!(text("of a"), get(device, keys[0], "author").await);
        }
    }
}
