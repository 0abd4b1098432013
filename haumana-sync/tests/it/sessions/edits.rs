//! Edits of new clients: what applies, what is merged, and where the loser stands.

use super::*;
use haumana_sync::json::JsonText;
use haumana_sync::wire::Refusal;

fn raw(json: &str) -> Value {
    Value::Json(JsonText::parse(json).unwrap())
}

#[tokio::test]
async fn an_edit_of_the_current_version_mends_a_wrong_end() {
    cov_mark::check!(only_the_pusher_changed_it);
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &end(50, "manual"))).await;

    let mended = push(&server, "b", set(Some(2), 3, &end(10, "estimated"))).await;

    assert_eq!((PushOutcome::Applied, Some(3)), said(&mended));
    assert_eq!(an_end(10, "estimated"), ended(&server).await);
    assert_eq!(0, sides(&server).await.len(), "what was corrected is an earlier version");
}

#[tokio::test]
async fn an_edit_of_the_current_version_clears_an_end_and_an_unknown_key() {
    let server = Server::new();
    let whole = [&frame(0)[..], &end(50, "manual"), &[("mood", raw("1.0"))]].concat();
    push(&server, "a", set(None, 1, &whole)).await;

    let nothing = ["endedAt", "endedAtSource", "mood"].map(|name| (name, Value::Null));
    let cleared = push(&server, "b", set(Some(1), 2, &nothing)).await;

    assert_eq!((PushOutcome::Applied, Some(2)), said(&cleared));
    let expected = serde_json::json!({"pieceId": PIECE, "startedAt": at(0), "createdAt": at(0)});
    assert_eq!(expected, fields(&server).await);
}

#[tokio::test]
async fn an_edit_of_a_group_that_nobody_else_changed_since_its_base_applies() {
    let server = Server::new();
    let whole = [&frame(0)[..], &end(50, "manual")].concat();
    push(&server, "a", set(None, 1, &whole)).await;
    push(&server, "a", set(Some(1), 2, &[("mood", raw("1"))])).await;

    let mended = push(&server, "b", set(Some(1), 3, &end(10, "automatic"))).await;

    assert_eq!((PushOutcome::Applied, Some(3)), said(&mended));
    assert_eq!(an_end(10, "automatic"), ended(&server).await);
}

#[tokio::test]
async fn a_weaker_concurrent_end_loses_and_stands_in_the_history_once() {
    cov_mark::check!(earlier_push_loses);
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;
    let weaker = set(Some(1), 3, &end(50, "estimated"));

    let lost = push(&server, "b", weaker.clone()).await;
    let (kept, before) = (sides(&server).await, revision(&server).await);
    let again = push(&server, "b", weaker).await;

    assert_eq!((PushOutcome::Merged, Some(2)), said(&lost));
    assert_eq!(an_end(10, "manual"), ended(&server).await);
    assert_eq!(at(50), kept[0].0["endedAt"]);
    let reasons = json!([["endedAt", "policy"], ["endedAtSource", "policy"]]);
    assert_eq!(reasons, kept[0].1);
    assert_eq!((PushOutcome::Unchanged, Some(2)), said(&again));
    assert_eq!((1, before), (sides(&server).await.len(), revision(&server).await));
}

#[tokio::test]
async fn a_stronger_concurrent_end_wins_and_the_weaker_is_an_earlier_version() {
    cov_mark::check!(later_push_wins);
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &end(50, "estimated"))).await;

    let won = push(&server, "b", set(Some(1), 3, &end(10, "manual"))).await;

    assert_eq!((PushOutcome::Applied, Some(3)), said(&won));
    assert_eq!(an_end(10, "manual"), ended(&server).await);
    assert_eq!(2, history(&server).await.len());
}

#[tokio::test]
async fn part_of_an_end_is_completed_from_the_version_that_its_device_edited() {
    let server = Server::new();
    let whole = [&frame(0)[..], &end(20, "manual")].concat();
    push(&server, "a", set(None, 1, &whole)).await;
    push(&server, "a", set(Some(1), 2, &end(10, "estimated"))).await;

    push(&server, "b", set(Some(1), 3, &[("endedAt", text(&at(30)))])).await;

    assert_eq!(an_end(30, "manual"), ended(&server).await, "not half of each");
}

#[tokio::test]
async fn what_a_push_repeats_of_its_base_is_no_edit() {
    cov_mark::check!(what_the_record_has_had_is_no_news);
    let server = Server::new();
    let whole = [&frame(0)[..], &end(50, "manual")].concat();
    push(&server, "a", set(None, 1, &whole)).await;
    push(&server, "a", set(Some(1), 2, &end(10, "automatic"))).await;

    let echo = [&whole[..], &[("mood", raw("1"))]].concat();
    let pushed = push(&server, "b", set(Some(1), 3, &echo)).await;

    assert_eq!(Some(3), pushed.version);
    assert_eq!(an_end(10, "automatic"), ended(&server).await, "the mend holds");
    assert_eq!(json!(1), fields(&server).await["mood"]);
    assert_eq!(0, sides(&server).await.len());
}

#[tokio::test]
async fn a_later_edit_of_one_device_replaces_its_earlier_one_whatever_the_base() {
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &end(50, "manual"))).await;

    let later = push(&server, "a", set(Some(1), 3, &end(10, "estimated"))).await;
    let late = push(&server, "a", set(Some(1), 2, &end(50, "manual"))).await;

    assert_eq!((PushOutcome::Applied, Some(3)), said(&later));
    assert_eq!((PushOutcome::Unchanged, Some(3)), said(&late));
    assert_eq!(an_end(10, "estimated"), ended(&server).await);
}

#[tokio::test]
async fn a_repeated_push_is_unchanged_after_others_have_moved_on() {
    let server = Server::new();
    push(&server, "a", start()).await;
    let first = set(Some(1), 2, &end(50, "manual"));
    push(&server, "a", first.clone()).await;
    push(&server, "b", set(Some(2), 3, &end(10, "estimated"))).await;
    let before = revision(&server).await;

    let again = push(&server, "a", first).await;
    let created_again = push(&server, "a", start()).await;

    assert_eq!((PushOutcome::Unchanged, Some(3)), said(&again));
    assert_eq!((PushOutcome::Unchanged, Some(3)), said(&created_again));
    assert_eq!(before, revision(&server).await);
}

#[tokio::test]
async fn concurrent_edits_come_to_the_same_in_either_order() {
    let ends = [end(10, "manual"), end(50, "estimated"), end(20, "manual"), end(50, "automatic")];
    let cleared = [("endedAt", Value::Null), ("endedAtSource", Value::Null)];
    let edits: Vec<_> = ends.iter().chain([&cleared]).collect();
    for one in &edits {
        for other in &edits {
            let mut results = Vec::new();
            for (first, second) in [(one, other), (other, one)] {
                let server = Server::new();
                let whole = [&frame(0)[..], &end(30, "automatic")].concat();
                push(&server, "c", set(None, 1, &whole)).await;
                push(&server, "a", set(Some(1), 2, &first[..])).await;
                push(&server, "b", set(Some(1), 2, &second[..])).await;
                results.push(ended(&server).await);
            }
            assert_eq!(results[0], results[1], "{one:?} {other:?}");
        }
    }
}

#[tokio::test]
async fn of_concurrent_values_of_an_unknown_key_the_smaller_bytes_stay_and_the_other_is_kept() {
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &[("mood", raw("1"))])).await;

    let lost = push(&server, "b", set(Some(1), 2, &[("mood", raw("2"))])).await;
    let corrected = push(&server, "b", set(Some(2), 3, &[("mood", raw("3"))])).await;

    assert_eq!((PushOutcome::Merged, Some(2)), said(&lost));
    assert_eq!(json!([["mood", "policy"]]), sides(&server).await[0].1);
    assert_eq!((PushOutcome::Applied, Some(3)), said(&corrected));
    assert_eq!(json!(3), fields(&server).await["mood"]);
}

#[tokio::test]
async fn a_session_without_a_time_of_creation_was_made_when_it_started() {
    let server = Server::new();

    push(&server, "a", set(None, 1, &frame(7)[..2])).await;

    assert_eq!(json!(at(7)), fields(&server).await["createdAt"]);
}

#[tokio::test]
async fn part_of_a_session_that_the_server_lacks_has_lost_its_base() {
    let server = Server::new();

    let lacking = push(&server, "a", set(Some(4), 1, &end(10, "manual"))).await;
    let without_base = push(&server, "a", set(None, 1, &end(10, "manual"))).await;

    assert_eq!(PushOutcome::Rejected(Refusal::BaseGone), lacking.outcome);
    assert_eq!(PushOutcome::Rejected(Refusal::InvalidField), without_base.outcome);
    assert_eq!(0, revision(&server).await);
}

#[tokio::test]
async fn part_of_an_end_whose_base_is_past_its_retention_has_lost_its_base() {
    let server = Server::new();
    let whole = [&frame(0)[..], &end(20, "manual")].concat();
    push(&server, "a", set(None, 1, &whole)).await;
    push(&server, "a", set(Some(1), 2, &end(10, "estimated"))).await;
    server.pass_secs(91 * 86_400);

    let part = [("endedAt", text(&at(30)))];
    let refused = push(&server, "b", set(Some(1), 3, &part)).await;
    let whole = [&frame(0)[..], &end(30, "manual")].concat();
    let taken = push(&server, "b", set(None, 3, &whole)).await;

    assert_eq!(PushOutcome::Rejected(Refusal::BaseGone), refused.outcome);
    assert_eq!((PushOutcome::Applied, Some(3)), said(&taken));
}

#[tokio::test]
async fn a_record_of_version_0_1_counts_as_changed_in_all_groups_at_its_version() {
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;
    forget_groups(&server).await;

    let concurrent = push(&server, "b", set(Some(1), 3, &end(50, "estimated"))).await;
    let mended = push(&server, "b", set(Some(2), 4, &end(50, "estimated"))).await;

    assert_eq!((PushOutcome::Merged, Some(2)), said(&concurrent));
    assert_eq!((PushOutcome::Applied, Some(3)), said(&mended));
}

/// Makes the stored record one that version 0.1 might have written.
async fn forget_groups(server: &Server) {
    let mut record = envelope(server).await;
    record.meta = json!({"created": {"v": 1, "e": 0, "c": 0}, "generation": 0}).to_string();
    super::copies::overwrite(server, record).await;
}

#[tokio::test]
async fn a_session_is_taken_whatever_its_clock_says() {
    let server = Server::new();
    let far = [
        ("pieceId", text(PIECE)),
        ("startedAt", text("2099-01-01T00:00:00.000Z")),
        ("endedAt", text("2099-01-31T00:00:00.000Z")),
    ];

    let taken = push(&server, "a", set(None, 1, &far)).await;

    assert_eq!((PushOutcome::Applied, Some(1)), said(&taken));
    assert_eq!("2099-01-31T00:00:00.000Z", fields(&server).await["endedAt"]);
}

#[tokio::test]
async fn a_session_that_was_pushed_comes_back_as_it_is_stored() {
    let server = Server::new();
    let id = key().id;
    let push = |base: &str, set: &str| {
        format!(
            r#"{{"kind":"session","id":"{id}","base":{base},"editedAt":"{}","set":{set}}}"#,
            at(0)
        )
    };
    let body = |pushes: &[String]| {
        format!(r#"{{"deviceId":"a","cursor":null,"push":[{}]}}"#, pushes.join(","))
    };
    let made =
        push("null", &format!(r#"{{"pieceId":"{PIECE}","startedAt":"2026-11-22T10:00:00Z"}}"#));
    let ends = [10, 20].map(|n| push("1", &format!(r#"{{"endedAt":"{}"}}"#, at(n))));

    let created = sync(&server, &body(&[made])).await;
    let ended = sync(&server, &body(&ends)).await;

    assert_eq!(json!(at(0)), created["changes"][0]["value"]["createdAt"]);
    assert_eq!(json!(at(20)), ended["changes"][0]["value"]["endedAt"]);
}
