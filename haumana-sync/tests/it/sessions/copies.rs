//! Phones: their sessions have no base and come again.

use super::*;
use haumana_app::Phones as _;
use haumana_app::wire::AppSession;
use haumana_app::{Earlier, EarlierRecord};
use haumana_sync::repertoire::Session;
use haumana_sync::store::{Batch, CommitId, Revision};

/// Puts `record` in the place of what is stored, behind the engine's back.
pub(crate) async fn overwrite(server: &Server, mut record: Envelope) {
    let old = server.memory.head(&kai()).await.unwrap().unwrap();
    let mut head = old.clone();
    head.revision = Revision(head.revision.0 + 1);
    head.commit = CommitId(u128::from(head.revision.0));
    (record.revision, record.stamp) = (head.revision, head.stamp);
    let batch = Batch { head, records: vec![record], history: Vec::new() };
    server.memory.commit(&kai(), Some(&old), &batch).await.unwrap();
}

#[tokio::test]
async fn a_repeated_session_after_another_device_ended_it_writes_nothing() {
    let server = Server::new();
    let sent = of_phone_ended(50, "estimated");
    post(&server, &sent).await;
    push(&server, "b", set(Some(1), 2, &end(10, "manual"))).await;
    let before = revision(&server).await;

    let reply = post(&server, &sent).await;

    assert_eq!(json!([key().id.to_string()]), reply["uploadedSessions"]);
    assert_eq!(before, revision(&server).await, "no commit");
    assert_eq!(0, sides(&server).await.len());
}

#[tokio::test]
async fn a_repeated_session_does_not_undo_a_mend() {
    let server = Server::new();
    let sent = of_phone_ended(50, "manual");
    post(&server, &sent).await;
    push(&server, "b", set(Some(1), 2, &end(10, "estimated"))).await;
    push(&server, "b", set(Some(2), 3, &end(12, "estimated"))).await;
    let before = revision(&server).await;

    post(&server, &sent).await;

    assert_eq!(an_end(12, "estimated"), ended(&server).await);
    assert_eq!(before, revision(&server).await, "no commit");
}

#[tokio::test]
async fn a_session_that_another_device_had_sent_alike_does_not_undo_a_mend_either() {
    let server = Server::new();
    push(&server, "b", start()).await;
    push(&server, "b", set(Some(1), 2, &end(50, "manual"))).await;
    let sent = of_phone_ended(50, "manual");
    post(&server, &sent).await;
    push(&server, "b", set(Some(2), 3, &end(10, "estimated"))).await;

    post(&server, &sent).await;

    assert_eq!(an_end(10, "estimated"), ended(&server).await);
}

#[tokio::test]
async fn an_end_that_a_phone_says_first_is_joined_and_one_that_loses_is_kept_once() {
    let server = Server::new();
    push(&server, "b", start()).await;
    post(&server, &of_phone_ended(50, "estimated")).await;
    push(&server, "b", set(Some(2), 2, &end(10, "manual"))).await;
    let weaker = of_phone_ended(55, "automatic");

    post(&server, &weaker).await;
    let before = revision(&server).await;
    post(&server, &weaker).await;

    assert_eq!(an_end(10, "manual"), ended(&server).await);
    let kept = sides(&server).await;
    assert_eq!((1, json!(at(55))), (kept.len(), kept[0].0["endedAt"].clone()));
    assert_eq!(before, revision(&server).await, "no commit");
}

#[tokio::test]
async fn sessions_come_to_the_same_in_whatever_order_they_arrive() {
    let sent = [
        of_phone(|_| {}),
        of_phone_ended(50, "estimated"),
        of_phone_ended(10, "manual"),
        of_phone(|session| session["createdAt"] = json!("2026-11-22T09:59:00Z")),
        of_phone(|session| session["mood"] = json!(2)),
        of_phone(|session| session["mood"] = json!(1)),
    ];
    let mut results = Vec::new();
    for turn in 0..sent.len() {
        let server = Server::new();
        for place in 0..sent.len() {
            post(&server, &sent[(turn + place) % sent.len()]).await;
            post(&server, &sent[(turn * 5 + place) % sent.len()]).await;
        }
        results.push(fields(&server).await);
    }
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
}

#[tokio::test]
async fn a_join_that_would_be_too_large_is_refused_and_the_account_can_be_taken_along() {
    let server = Server::new();
    post(&server, &of_phone(|session| session["a"] = json!("x".repeat(200_000)))).await;

    let reply = post(&server, &of_phone(|session| session["b"] = json!("x".repeat(200_000)))).await;

    assert_eq!("too_large", reply["rejectedSessions"][0]["code"]);
    assert_eq!(json!([]), reply["uploadedSessions"]);
}

#[tokio::test]
async fn an_item_of_an_earlier_server_does_not_undo_a_mend_for_ever() {
    let server = Server::new();
    let raw = serde_json::value::to_raw_value(&of_phone_ended(50, "manual")).unwrap();
    let session = Box::new(AppSession::read(&raw, &kai()).unwrap());
    let record = EarlierRecord::Session(session);
    let items = [Earlier { item: "a".to_owned(), written_at: None, record }];
    server.engine.take_over(&kai(), &items).await.unwrap();
    push(&server, "b", set(Some(1), 2, &end(10, "estimated"))).await;
    server.pass_secs(400 * 86_400);
    let before = revision(&server).await;

    let again = server.engine.take_over(&kai(), &items).await.unwrap();

    assert_eq!((PushOutcome::Unchanged, Some(2)), (again[0].outcome, again[0].version));
    assert_eq!(an_end(10, "estimated"), ended(&server).await);
    assert_eq!(before, revision(&server).await);
}

#[tokio::test]
async fn what_a_session_stores_reads_back_as_it_was() {
    let server = Server::new();
    post(&server, &of_phone_ended(50, "manual")).await;

    let stored = envelope(&server).await.content;

    let read: Session = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored, read.to_json());
}
