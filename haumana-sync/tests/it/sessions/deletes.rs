//! Deleted sessions stay deleted, and what meets a delete is kept.

use super::*;

fn delete(base: Option<Version>, secs: i64) -> Push {
    push_of(base, secs, PushOp::Delete)
}

#[tokio::test]
async fn a_create_that_comes_later_than_its_delete_makes_nothing_and_is_kept() {
    cov_mark::check!(delete_of_what_is_not_there_leaves_a_tombstone);
    let server = Server::new();

    let deleted = push(&server, "a", delete(None, 2)).await;
    let late = push(&server, "a", start()).await;

    assert_eq!((PushOutcome::Applied, Some(1)), said(&deleted));
    assert!(envelope(&server).await.deleted);
    assert_eq!((PushOutcome::Merged, Some(1)), said(&late));
    let kept = sides(&server).await;
    assert_eq!((1, json!(at(0))), (kept.len(), kept[0].0["startedAt"].clone()));
    assert_eq!(json!(["startedAt", "later_edit"]), kept[0].1[2]);
}

#[tokio::test]
async fn an_edit_of_a_deleted_session_is_kept_once_and_changes_nothing() {
    cov_mark::check!(edit_of_a_deleted_record_is_kept);
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", delete(Some(1), 2)).await;
    let edit = set(Some(1), 3, &end(10, "manual"));

    let met = push(&server, "b", edit.clone()).await;
    let before = revision(&server).await;
    let again = push(&server, "b", edit).await;

    assert_eq!((PushOutcome::Merged, Some(2)), said(&met));
    assert!(envelope(&server).await.deleted);
    let kept = sides(&server).await;
    assert_eq!(json!({ "endedAt": at(10), "endedAtSource": "manual" }), kept[0].0);
    assert_eq!((PushOutcome::Unchanged, Some(2)), said(&again));
    assert_eq!((1, before), (sides(&server).await.len(), revision(&server).await));
}

#[tokio::test]
async fn a_phone_that_repeats_a_deleted_session_writes_nothing() {
    let server = Server::new();
    let sent = of_phone_ended(10, "manual");
    post(&server, &sent).await;
    push(&server, "b", set(Some(1), 2, &end(5, "manual"))).await;
    push(&server, "b", delete(Some(2), 3)).await;
    let before = revision(&server).await;

    let reply = post(&server, &sent).await;

    assert_eq!(json!([key().id.to_string()]), reply["uploadedSessions"]);
    assert_eq!(json!([]), reply["serverSessions"]);
    assert_eq!((before, 0), (revision(&server).await, sides(&server).await.len()));
}

#[tokio::test]
async fn a_phones_session_that_says_something_new_of_a_deleted_one_is_kept() {
    let server = Server::new();
    post(&server, &of_phone(|_| {})).await;
    push(&server, "b", delete(Some(1), 3)).await;

    post(&server, &of_phone_ended(10, "manual")).await;

    assert!(envelope(&server).await.deleted);
    assert_eq!(json!(at(10)), sides(&server).await[0].0["endedAt"]);
}

#[tokio::test]
async fn the_same_delete_again_changes_nothing() {
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", delete(Some(1), 2)).await;
    let before = revision(&server).await;

    let again = push(&server, "a", delete(Some(1), 2)).await;
    let other = push(&server, "b", delete(Some(1), 4)).await;

    assert_eq!((PushOutcome::Unchanged, Some(2)), said(&again));
    assert_eq!((PushOutcome::Unchanged, Some(2)), said(&other));
    assert_eq!(before, revision(&server).await);
}

#[tokio::test]
async fn an_export_with_kept_sessions_can_be_imported() {
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;
    push(&server, "b", set(Some(1), 3, &end(50, "estimated"))).await;
    push(&server, "a", delete(Some(2), 4)).await;
    push(&server, "b", set(Some(2), 5, &end(20, "manual"))).await;
    push(&server, "b", delete(Some(1_000_000), 6)).await;

    let export = exported(&server).await;

    let copy = Server::new();
    imported(&copy, &export).await;
    assert_eq!(history(&server).await.len(), history(&copy).await.len());
    assert!(envelope(&copy).await.deleted);
}
