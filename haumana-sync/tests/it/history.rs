//! The history of a piece as a person reads it.

use crate::support::{DAY, Server, kai};
use haumana_sync::engine::{EditTimes, Push, PushOp};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;

const MEGABYTE: usize = 1_000_000;

fn id() -> RecordId {
    RecordId::from_bits(1)
}

async fn set(server: &Server, base: Option<Version>, secs: i64, title: &str) {
    let push = Push {
        key: Key::piece(id()),
        base,
        edited_at: EditTimes::One(UnixMillis(DAY - 86_400_000 + secs * 1000)),
        op: PushOp::Set([("title".to_owned(), Value::Text(title.to_owned()))].into()),
    };
    server.engine.push(&kai(), &format!("device {secs}"), &[push]).await.unwrap();
}

/// The versions that pages of `limit` show, and what they show.
async fn walked(server: &Server, limit: usize, bytes: usize) -> Vec<(Version, Option<Value>)> {
    let mut shown = Vec::new();
    let mut before = None;
    loop {
        let page =
            server.engine.history_of(&kai(), Key::piece(id()), before, limit, bytes).await.unwrap();
        for version in page.versions {
            let earlier = version.changed.first().and_then(|changed| changed.value.clone());
            shown.push((version.version, earlier));
        }
        before = page.next;
        if before.is_none() {
            return shown;
        }
    }
}

#[tokio::test]
async fn pages_of_any_size_show_every_version_with_what_it_replaced() {
    let server = Server::new();
    set(&server, None, 1, "title 1").await;
    for version in 1..100 {
        let title = format!("title {}", version + 1);
        set(&server, Some(version), i64::from(version) + 1, &title).await;
    }

    let replaced =
        |version: Version| (1 < version).then(|| Value::Text(format!("title {}", version - 1)));
    let all: Vec<_> = (1..=100).rev().map(|version| (version, replaced(version))).collect();
    for (limit, bytes) in [(1, MEGABYTE), (7, MEGABYTE), (200, MEGABYTE), (200, 0), (50, 300)] {
        assert_eq!(all, walked(&server, limit, bytes).await, "{limit} {bytes}");
    }
}

/// The history of a user who writes is purged once a day.
#[tokio::test]
async fn a_purge_leaves_what_is_within_its_retention() {
    let server = Server::new();
    set(&server, None, 1, "title 1").await;
    for version in 1..10 {
        server.clock.pass_ms(25 * 3_600_000);
        let title = format!("title {}", version + 1);
        set(&server, Some(version), i64::from(version) + 1, &title).await;
    }

    let shown = walked(&server, 200, MEGABYTE).await;

    assert_eq!(10, shown.len(), "{shown:?}");
    assert!(shown[..9].iter().all(|(_, replaced)| replaced.is_some()), "{shown:?}");
}

#[tokio::test]
async fn a_version_against_which_many_pushes_lost_is_shown_whole() {
    let server = Server::new();
    set(&server, None, 0, "first").await;
    set(&server, Some(1), 1000, "latest").await;
    for secs in 1..=70 {
        set(&server, Some(1), secs, &format!("lost {secs}")).await;
    }

    let page = server.engine.history_of(&kai(), Key::piece(id()), None, 1, MEGABYTE).await.unwrap();

    assert_eq!((2, 70), (page.versions[0].version, page.versions[0].lost.len()));
    assert_eq!(Some(2), page.next);
}
