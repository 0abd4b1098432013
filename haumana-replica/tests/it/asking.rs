//! Calls that change something are requests with a name: made twice, they are one.

use crate::scripted::{Scripted, answer, reply};
use crate::support::{Server, fields, text, user};
use haumana_replica::storage::SqliteStorage;
use haumana_replica::transport::Call;
use haumana_replica::{Replica, ReplicaConfig};
use haumana_sync::engine::Resolution;
use haumana_sync::id::{Key, RecordId};
use haumana_sync::store::Version;
use serde_json::json;
use std::path::Path;

async fn open(server: &Server, path: &Path) -> Replica {
    let (clock, random) = (server.clock.clone(), server.random.clone());
    let storage = SqliteStorage::open(path).unwrap();
    let replica = Replica::open(storage, clock, random, ReplicaConfig::usual()).await.unwrap();
    replica.sign_in(user("kai")).await.unwrap();
    replica
}

/// The base and the name of a request.
fn named(call: &Call) -> (Option<Version>, String) {
    match call {
        Call::Restore { base, request_id, .. } | Call::Resolve { base, request_id, .. } => {
            (*base, request_id.clone())
        }
        Call::Erase { request_id } => (None, request_id.clone()),
        _ => panic!("{call:?} changes nothing"),
    }
}

fn restored(version: Version) -> crate::scripted::Reply {
    answer(json!({ "version": version }))
}

#[tokio::test]
async fn a_restore_names_the_version_that_its_user_saw_and_is_one_request_until_it_is_answered() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("replica.db");
    let device = open(&server, &path).await;
    let key = Key::piece(device.add_piece(fields([("title", text("0"))])).await.unwrap());
    device.sync(&server.transport()).await.unwrap();
    device.set(key, fields([("title", text("1"))])).await.unwrap();
    device.sync(&server.transport()).await.unwrap();

    let nobody = Scripted::default();
    device.restore(&nobody, key, 1).await.unwrap_err();
    drop(device);
    let device = open(&server, &path).await;
    let somebody = Scripted::new([restored(3), restored(4), restored(5)]);
    for version in [1, 1, 2] {
        device.restore(&somebody, key, version).await.unwrap();
    }

    let (lost, calls) = (nobody.called(), somebody.called());
    let [again, new, other] = [0, 1, 2].map(|at| named(&calls[at]));
    assert_eq!((named(&lost[0]), Some(2)), (again.clone(), again.0), "also after a restart");
    assert_ne!(again.1, new.1, "answered, it is another request");
    assert_ne!(new.1, other.1);
}

#[tokio::test]
async fn what_is_asked_again_after_news_of_the_record_is_another_request() {
    let server = Server::new();
    let device = server.device().await;
    let key = Key::piece(device.add_piece(fields([("title", text("0"))])).await.unwrap());
    device.sync(&server.transport()).await.unwrap();
    let nobody = Scripted::default();
    device.restore(&nobody, key, 1).await.unwrap_err();
    device.set(key, fields([("title", text("1"))])).await.unwrap();
    device.sync(&server.transport()).await.unwrap();

    device.restore(&nobody, key, 1).await.unwrap_err();

    let [first, second] = [0, 1].map(|at| named(&nobody.called()[at]));
    assert_eq!((Some(1), Some(2)), (first.0, second.0));
    assert_ne!(first.1, second.1);
}

#[tokio::test]
async fn a_resolution_and_an_erasure_are_requests_of_their_own_too() {
    let server = Server::new();
    let device = server.device().await;
    let key = Key::piece(device.add_piece(fields([("title", text("0"))])).await.unwrap());
    device.sync(&server.transport()).await.unwrap();
    let nobody = Scripted::default();
    let conflict = RecordId::from_bits(7);

    for resolution in [Resolution::Keep, Resolution::Keep, Resolution::Restore] {
        device.resolve(&nobody, conflict, Some(key), resolution).await.unwrap_err();
    }
    for _ in 0..2 {
        device.erase(&nobody).await.unwrap_err();
    }

    let calls: Vec<_> = nobody.called().iter().map(named).collect();
    assert_eq!((Some(1), &calls[0]), (calls[0].0, &calls[1]));
    assert_ne!(calls[1].1, calls[2].1, "another resolution is another request");
    assert_eq!(calls[3], calls[4]);
    device.sync(&Scripted::new([reply()])).await.unwrap();
    device.erase(&nobody).await.unwrap_err();
    assert_eq!(calls[4], named(&nobody.called()[5]), "a sync answers no erasure");
}
