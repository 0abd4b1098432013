//! What readers hear of changes.

use crate::kinds::{AnyServer, Setlist};
use haumana_replica::{Cause, Changes, Event};
use haumana_sync::Record;
use haumana_sync::id::{Key, KindNumber};

async fn next(changes: &mut Changes) -> (Vec<Key>, Cause) {
    match changes.next().await.unwrap() {
        Event::Changed(change) => (change.keys.to_vec(), change.cause),
        other => panic!("a change is told, not {other:?}"),
    }
}

#[tokio::test]
async fn edits_and_syncs_are_told_with_their_records() {
    let server = AnyServer::setlists();
    let (a, b) = (server.device().await, server.device().await);
    let (mut here, mut there) = (a.changes(), b.changes_of_kind(KindNumber::new(3)));

    let id = a.add(&Setlist::default()).await.unwrap();
    server.sync(&a).await;
    server.sync(&b).await;
    a.delete(Setlist::key(id)).await.unwrap();

    let keys = vec![Setlist::key(id)];
    assert_eq!((keys.clone(), Cause::Edit), next(&mut here).await);
    assert_eq!((keys.clone(), Cause::Sync), next(&mut here).await);
    assert_eq!((keys.clone(), Cause::Edit), next(&mut here).await);
    assert_eq!((keys, Cause::Sync), next(&mut there).await);
}

#[tokio::test]
async fn who_watches_one_record_hears_of_no_other_but_of_another_account() {
    let server = AnyServer::setlists();
    let device = server.device().await;
    let one = Setlist::key(device.add(&Setlist::default()).await.unwrap());
    let mut changes = device.changes_of(one);

    device.add(&Setlist::default()).await.unwrap();
    device.edit(one.id, |set: &mut Setlist| set.performed += 1).await.unwrap();
    device.edit(one.id, |_: &mut Setlist| {}).await.unwrap();
    device.sign_out().await;
    drop(device);

    assert_eq!((vec![one], Cause::Edit), next(&mut changes).await);
    assert_eq!((vec![], Cause::Account), next(&mut changes).await);
    assert_eq!(None, changes.next().await, "the replica is gone");
}

#[tokio::test]
async fn a_slow_reader_keeps_nobody_waiting_and_hears_that_it_missed_something() {
    let server = AnyServer::setlists();
    let device = server.device().await;
    let mut changes = device.changes();

    for _ in 0..300 {
        device.add(&Setlist::default()).await.unwrap();
    }

    assert_eq!(Some(Event::Missed), changes.next().await);
    let mut heard = 0;
    let id = device.add(&Setlist::default()).await.unwrap();
    loop {
        match changes.next().await {
            Some(Event::Missed) => {}
            Some(Event::Changed(change)) if change.keys.contains(&Setlist::key(id)) => break,
            _ => heard += 1,
        }
    }
    assert!(heard <= 256, "{heard} changes are kept for it");
}
