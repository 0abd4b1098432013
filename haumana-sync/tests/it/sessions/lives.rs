//! Restored backups: numbers of two lives are never mistaken for each other.

use super::*;
use haumana_sync::engine::{OtherLife, Resolution};
use haumana_sync::merge::Reason;
use haumana_sync::store::Generation;
use std::sync::Arc;

/// The same data under the next generation.
fn restored(server: &Server) -> Server {
    Server::on(Arc::clone(&server.memory), Generation(1))
}

#[tokio::test]
async fn the_first_change_in_a_new_life_leaps_and_the_next_does_not() {
    let server = Server::new();
    push(&server, "a", start()).await;
    let server = restored(&server);

    let first = push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;
    let second = push(&server, "b", set(first.version, 3, &end(20, "manual"))).await;

    assert!(1000 < first.version.unwrap(), "{first:?}");
    assert_eq!(first.version.map(|version| version + 1), second.version);
}

#[tokio::test]
async fn a_base_of_a_lost_life_is_merged_without_one_and_the_loser_is_kept() {
    let server = Server::new();
    push(&server, "a", start()).await;
    let server = restored(&server);
    let first = push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;

    let lost = push(&server, "b", set(Some(2), 3, &end(50, "estimated"))).await;
    let again = push(&server, "b", set(Some(2), 3, &end(50, "estimated"))).await;

    assert_eq!((PushOutcome::Merged, first.version), said(&lost));
    assert_eq!(an_end(10, "manual"), ended(&server).await);
    assert_eq!(json!([["endedAt", "other_life"], ["endedAtSource", "other_life"]]), {
        sides(&server).await[0].1.clone()
    });
    assert_eq!((PushOutcome::Unchanged, first.version), said(&again));
}

#[tokio::test]
async fn a_number_that_is_not_given_out_yet_is_of_another_life_and_is_not_reached_by_counting() {
    let server = Server::new();
    push(&server, "a", start()).await;

    let ahead = push(&server, "b", set(Some(2), 2, &end(10, "manual"))).await;
    let next = push(&server, "a", set(ahead.version, 3, &end(20, "manual"))).await;
    let old = push(&server, "c", set(Some(2), 4, &end(5, "estimated"))).await;

    assert!(1000 < ahead.version.unwrap(), "{ahead:?}");
    assert_eq!(ahead.version.map(|version| version + 1), next.version);
    assert_eq!((PushOutcome::Merged, next.version), said(&old));
}

#[tokio::test]
async fn a_delete_of_a_lost_life_leaves_what_is_here_and_stands_in_the_inbox_once() {
    cov_mark::check!(delete_on_a_base_of_another_life_stands_in_the_inbox);
    let server = Server::new();
    push(&server, "a", start()).await;
    let server = restored(&server);
    let first = push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;

    let lost = push(&server, "b", push_of(Some(2), 3, PushOp::Delete)).await;
    let before = revision(&server).await;
    let again = push(&server, "b", push_of(Some(2), 3, PushOp::Delete)).await;

    assert_eq!((PushOutcome::Merged, first.version), said(&lost));
    assert!(!envelope(&server).await.deleted);
    assert_eq!(
        (None, Reason::OtherLife),
        (lost.conflicts[0].field.clone(), lost.conflicts[0].reason)
    );
    assert_eq!((PushOutcome::Unchanged, first.version), said(&again));
    assert_eq!(before, revision(&server).await);
    let (open, _) = server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
    assert_eq!(lost.conflicts, open);
}

#[tokio::test]
async fn a_person_may_delete_a_session_after_all() {
    let server = Server::new();
    push(&server, "a", start()).await;
    let lost = push(&server, "b", push_of(None, 3, PushOp::OfferDelete)).await;
    imported(&Server::new(), &exported(&server).await).await;

    let id = lost.conflicts[0].id;
    server.engine.resolve(&kai(), id, &Resolution::Restore).await.unwrap();

    let record = envelope(&server).await;
    assert_eq!((true, 2), (record.deleted, record.version));
    let (open, _) = server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
    assert!(open.is_empty());
}

#[tokio::test]
async fn what_a_device_offers_of_another_life_is_merged_by_rank_and_a_copy_is_no_edit() {
    let server = Server::new();
    let whole = [&frame(0)[..], &end(50, "manual")].concat();
    push(&server, "a", set(None, 1, &whole)).await;
    push(&server, "a", set(Some(1), 2, &end(10, "automatic"))).await;
    let offer = |fields: &[(&'static str, Value)]| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        push_of(None, 3, PushOp::Offer(fields.collect()))
    };

    let copy = offer(&[&frame(0)[..], &end(50, "manual")].concat());
    let copy = push(&server, "a", copy).await;
    let weaker = offer(&[&frame(0)[..], &end(20, "estimated")].concat());
    let weaker = push(&server, "a", weaker).await;

    assert_eq!((PushOutcome::Unchanged, Some(2)), said(&copy));
    assert_eq!((PushOutcome::Merged, Some(2)), said(&weaker));
    assert_eq!(an_end(10, "automatic"), ended(&server).await);
    assert_eq!(json!(["endedAt", "other_life"]), sides(&server).await[0].1[0]);
}

#[tokio::test]
async fn a_delete_in_a_new_life_leaps_too() {
    let server = Server::new();
    push(&server, "a", start()).await;
    let server = restored(&server);

    let deleted = push(&server, "a", push_of(Some(1), 2, PushOp::Delete)).await;

    assert!(1000 < deleted.version.unwrap(), "{deleted:?}");
}

#[tokio::test]
async fn a_whole_session_of_a_lost_life_is_made_anew_above_its_number() {
    let server = Server::new();

    let made = push(&server, "a", set(Some(7), 1, &frame(0))).await;
    let other = push(&server, "b", set(Some(7), 2, &end(10, "manual"))).await;

    assert!(1000 < made.version.unwrap(), "{made:?}");
    assert_eq!(made.version.map(|version| version + 1), other.version);
}

#[tokio::test]
async fn after_an_import_numbers_of_the_server_before_are_of_another_life() {
    let before = Server::new();
    push(&before, "a", start()).await;
    let server = Server::new();
    imported(&server, &exported(&before).await).await;

    let first = push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;
    let old = push(&server, "b", set(Some(2), 3, &end(50, "estimated"))).await;

    assert!(1000 < first.version.unwrap(), "{first:?}");
    assert_eq!((PushOutcome::Merged, first.version), said(&old));
    assert_eq!(json!(["endedAt", "other_life"]), sides(&server).await[0].1[0]);
}

#[tokio::test]
async fn where_the_backup_is_to_win_what_a_lost_life_says_is_kept_aside() {
    let server = Server::new();
    push(&server, "a", start()).await;
    let mut server = restored(&server);
    server.engine = server.engine.with_other_life(OtherLife::Discarded);
    let first = push(&server, "a", set(Some(1), 2, &end(10, "estimated"))).await;

    let lost = push(&server, "b", set(Some(2), 3, &end(50, "manual"))).await;

    assert_eq!((PushOutcome::Merged, first.version), said(&lost));
    assert_eq!(an_end(10, "estimated"), ended(&server).await);
    assert_eq!(json!(at(50)), sides(&server).await[0].0["endedAt"]);
}

#[tokio::test]
async fn a_session_that_is_made_after_an_erasure_is_numbered_above_the_life_before() {
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;
    server.engine.erase(&kai()).await.unwrap();

    let made = push(&server, "a", start()).await;
    let old = push(&server, "b", set(Some(2), 3, &end(50, "estimated"))).await;

    assert_eq!((PushOutcome::Applied, Some(3)), said(&made));
    assert_eq!((PushOutcome::Applied, Some(4)), said(&old), "an end beats no end");
    assert_eq!(an_end(50, "estimated"), ended(&server).await);
}
