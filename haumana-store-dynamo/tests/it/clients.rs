//! Two clients that push for one user at the same time, and a third that follows.

use crate::support::{batch, piece, record, user};
use haumana_store_dynamo::testing::{Storm, Tables};
use haumana_sync::Store;
use haumana_sync::id::{Key, UserId};
use haumana_sync::store::{After, ErrorKind, Place, Revision};
use std::collections::BTreeMap;

/// How many commits each writer makes.
const COMMITS: u32 = 200;

/// Each writer has keys of its own, and one that both write.
const SHARED: u128 = 0;

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_push_hundreds_of_times_and_a_third_skips_nothing() {
    let tables = Tables::create().await;
    let kai = user("kai");

    let writers = [1, 2].map(|writer| {
        let (store, _) = tables.store_in(Storm::EVERYTHING, writer);
        tokio::spawn(write(store, user("kai"), u128::from(writer)))
    });
    let (follower, _) = tables.store_in(Storm::EVERYTHING, 3);
    let followed = tokio::spawn(follow(follower, user("kai"), Revision(2 * u64::from(COMMITS))));
    for writer in writers {
        writer.await.unwrap();
    }
    let met = followed.await.unwrap();

    let store = tables.store();
    let head = store.head(&kai).await.unwrap().unwrap();
    assert_eq!(2 * u64::from(COMMITS), head.revision.0, "each push is one revision");
    for writer in [1, 2] {
        for number in 0..u128::from(COMMITS) {
            let key = own_key(writer, number);
            assert!(met.contains_key(&key), "the follower has met every record");
        }
    }
    let last = store.read(&kai, &[piece(SHARED)]).await.unwrap();
    let last = last[0].as_ref().unwrap();
    assert_eq!(head.revision, last.revision, "the shared record is the last push's");
    assert_eq!(Some(&last.content), met.get(&last.key), "the follower has its last content");
    assert_eq!(2 * COMMITS, last.version, "no push has overwritten another");
}

fn own_key(writer: u128, number: u128) -> Key {
    piece(writer << 64 | number)
}

/// Pushes: reads the head and the shared record, adds one to its version and a record beside it.
async fn write(store: impl Store, kai: UserId, writer: u128) {
    for number in 0..COMMITS {
        loop {
            let head = store.head(&kai).await.unwrap();
            let shared = store.read(&kai, &[piece(SHARED)]).await.unwrap();
            let version = shared[0].as_ref().map_or(0, |record| record.version) + 1;
            let content = format!(r#"{{"title":"{writer} {number}"}}"#);
            let own = record(own_key(writer, number.into()), 1, &content);
            let commit = writer << 64 | u128::from(version) << 32 | u128::from(number);
            let records = vec![record(piece(SHARED), version, &content), own];
            let next = batch(head.as_ref(), commit, records);
            match store.commit(&kai, head.as_ref(), &next).await {
                Ok(()) => break,
                Err(error) => assert_eq!(ErrorKind::Conflict, error.kind(), "{error:?}"),
            }
        }
    }
}

/// Follows by cursor, in small pages, until the revision is reached.
async fn follow(store: impl Store, kai: UserId, last: Revision) -> BTreeMap<Key, String> {
    let mut met = BTreeMap::new();
    let mut place = Place { revision: Revision(0), within: None };
    loop {
        let page = store.changes(&kai, After::Place(place), 3).await.unwrap();
        let reached = page.head.as_ref().map_or(Revision(0), |head| head.revision);
        for record in page.records {
            assert!((place.revision, place.within) < (record.revision, Some(record.key)));
            place = Place { revision: record.revision, within: Some(record.key) };
            met.insert(record.key, record.content);
        }
        if !page.more && last <= reached {
            return met;
        }
    }
}
