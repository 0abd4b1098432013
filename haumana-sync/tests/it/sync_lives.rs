//! Versions of two lives of an account, copies, and what devices offer after a reset.

use crate::pushing::{delete_at, fields, piece, push, set, text};
use crate::support::{DAY, Server, kai};
use haumana_sync::engine::{Asked, PushOutcome, Resolution};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::merge::Reason;
use haumana_sync::store::{Generation, Store};
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::sync::Arc;

fn id(n: u128) -> String {
    piece(n).id.to_string()
}

/// A second of the day before the tests' day, as devices write it.
fn at(secs: i64) -> String {
    haumana_sync::time::UnixMillis(DAY - 86_400_000 + secs * 1000).to_string()
}

async fn sync(server: &Server, device: &str, cursor: &Value, pushes: &[Value]) -> Value {
    let body = json!({"deviceId": device, "cursor": cursor, "push": pushes}).to_string();
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = server.engine.sync(&kai(), &request, server.reply_limit_bytes).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

fn edit(n: u128, base: Option<u32>, secs: i64, fields: Value) -> Value {
    json!({"kind": "piece", "id": id(n), "base": base, "editedAt": at(secs), "set": fields})
}

fn delete(n: u128, base: Option<u32>, secs: i64) -> Value {
    json!({"kind": "piece", "id": id(n), "base": base, "editedAt": at(secs), "delete": true})
}

fn offered(mut push: Value) -> Value {
    push["offered"] = json!(true);
    push["base"] = Value::Null;
    push
}

/// What is open in the inbox: field, reason, lost value.
async fn open(server: &Server) -> Vec<(Option<String>, Reason, Option<String>)> {
    let (open, _) = server.engine.conflict_page(&kai(), None, 50, usize::MAX).await.unwrap();
    let lost = |lost: Option<haumana_sync::record::Value>| {
        lost.and_then(|lost| lost.as_text().map(str::to_owned))
    };
    open.into_iter().map(|open| (open.field, open.reason, lost(open.lost))).collect()
}

async fn title(server: &Server, n: u128) -> Option<String> {
    fields(server, piece(n)).await.map(|now| now["title"].as_str().unwrap().to_owned())
}

/// A server that was put back from a backup, under the next generation.
fn restored(server: &Server, backup: &haumana_sync::store::MemoryStore, generation: u32) -> Server {
    server.memory.restore(backup);
    Server::on(Arc::clone(&server.memory), Generation(generation))
}

#[tokio::test]
async fn what_a_backup_brought_back_stays_when_the_device_that_deleted_it_syncs() {
    cov_mark::check!(delete_of_another_life_stands_in_the_inbox);
    let server = Server::new();
    let made: Vec<Value> = (1..4).map(|n| edit(n, None, 1, json!({"title": "t"}))).collect();
    let first = sync(&server, "a", &Value::Null, &made).await;
    let backup = server.memory.snapshot();
    let deletes: Vec<Value> = (1..4).map(|n| delete(n, Some(1), 2)).collect();
    let cursor = sync(&server, "a", &first["cursor"], &deletes).await["cursor"].clone();
    let server = restored(&server, &backup, 1);

    let late = [delete(1, Some(1), 2), offered(delete(2, None, 2)), offered(delete(3, None, 2))];
    let reply = sync(&server, "a", &cursor, &late).await;
    let again = sync(&server, "a", &reply["cursor"], &late[1..]).await;

    assert_eq!(json!(true), reply["reset"]);
    for n in 1..4 {
        assert_eq!(Some("t".to_owned()), title(&server, n).await, "{n}");
        let result = &reply["results"][n as usize - 1];
        assert_eq!(
            (&json!("merged"), 1),
            (&result["outcome"], result["conflicts"].as_array().unwrap().len())
        );
    }
    assert_eq!(json!("unchanged"), again["results"][0]["outcome"]);
    let entries = open(&server).await;
    assert_eq!(vec![(None, Reason::OtherLife, None); 3], entries);
    let (list, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    server.engine.resolve(&kai(), list[0].id, &Resolution::Restore).await.unwrap();
    assert_eq!(None, title(&server, list[0].key.id.bits()).await, "a person deletes it after all");
}

#[tokio::test]
async fn two_lives_of_one_backup_are_not_mistaken_for_each_other() {
    let server = Server::new();
    let made =
        sync(&server, "b", &Value::Null, &[edit(1, None, 1, json!({"title": "t", "notes": "n"}))])
            .await;
    let backup = server.memory.snapshot();
    let first = restored(&server, &backup, 1);
    let b = sync(&first, "b", &made["cursor"], &[edit(1, Some(1), 2, json!({"title": "B"}))]).await;
    let c = sync(&first, "c", &Value::Null, &[]).await;
    let held = c["changes"][0]["version"].as_u64().unwrap();
    assert_eq!(b["results"][0]["version"], json!(held));
    let second = restored(&first, &backup, 2);
    // The very same number in another life.
    while second.memory.read(&kai(), &[piece(1)]).await.unwrap()[0].as_ref().unwrap().version
        < held as u32
    {
        let base =
            second.memory.read(&kai(), &[piece(1)]).await.unwrap()[0].as_ref().unwrap().version;
        let n = format!("D{base}");
        push(&second, "d", set(piece(1), Some(base), i64::from(base), &[("title", text(&n))]))
            .await;
    }
    let theirs = title(&second, 1).await.unwrap();

    let edit = edit(1, Some(held as u32), 50_000, json!({"title": "C"}));
    let reply = sync(&second, "c", &c["cursor"], &[edit]).await;

    assert_eq!(json!("merged"), reply["results"][0]["outcome"]);
    assert_eq!(Some("C".to_owned()), title(&second, 1).await);
    assert_eq!(
        vec![(Some("title".to_owned()), Reason::OtherLife, Some(theirs))],
        open(&second).await
    );
}

#[tokio::test]
async fn a_copy_without_a_base_is_no_edit_and_an_edit_without_one_is() {
    cov_mark::check!(copy_without_a_base_is_no_edit);
    // The value that is pushed, when it was edited, and whether the record is as it was.
    for (value, secs, is_dropped) in [
        ("now", 1, true),
        ("now", 9000, true),
        ("old", 1, true),
        ("old", 90_000, false),
        ("new", 9000, false),
    ] {
        for is_offer in [true, false] {
            let server = Server::new();
            push(&server, "b", set(piece(1), None, 1, &[("title", text("old"))])).await;
            push(&server, "b", set(piece(1), Some(1), 3, &[("title", text("now"))])).await;
            let before = server.memory.head(&kai()).await.unwrap();
            server.pass_secs(10_000);

            let pushed = edit(1, None, secs, json!({"title": value}));
            let pushed = if is_offer { offered(pushed) } else { pushed };
            let reply = sync(&server, "a", &json!("garbled"), &[pushed]).await;

            let case = format!("{value} {secs} {is_offer}");
            assert_eq!(json!(true), reply["reset"], "{case}");
            let result = &reply["results"][0]["outcome"];
            assert_eq!(is_dropped, *result == json!("unchanged"), "{case}");
            assert_eq!(is_dropped, server.memory.head(&kai()).await.unwrap() == before, "{case}");
            assert_eq!(usize::from(!is_dropped), open(&server).await.len(), "{case}");
        }
    }
}

#[tokio::test]
async fn an_untouched_copy_does_not_bring_a_deleted_piece_back_and_an_edit_does() {
    let server = Server::new();
    let whole = [("title", text("t")), ("notes", text("n"))];
    push(&server, "b", set(piece(1), None, 1, &whole)).await;
    push(&server, "b", delete_at(piece(1), Some(1), 3)).await;

    let copy = offered(edit(1, None, 1, json!({"title": "t", "notes": "n"})));
    let copied = sync(&server, "a", &Value::Null, &[copy]).await;
    let is_still_gone = title(&server, 1).await.is_none();
    let edited = offered(edit(1, None, 2, json!({"title": "t", "notes": "mine"})));
    let edited = sync(&server, "a", &Value::Null, &[edited]).await;

    assert_eq!(
        (json!("unchanged"), true),
        (copied["results"][0]["outcome"].clone(), is_still_gone)
    );
    assert_ne!(json!("unchanged"), edited["results"][0]["outcome"]);
    assert_eq!("mine", fields(&server, piece(1)).await.unwrap()["notes"]);
}

/// Both are one commit, and only its last state is a version that others receive. But the user who
/// edited had not seen what was offered.
#[tokio::test]
async fn what_was_offered_stays_in_the_history_if_an_edit_of_the_same_request_replaces_it() {
    let server = Server::new();
    let made = edit(1, None, 1, json!({"title": "t"}));
    let first = sync(&server, "a", &Value::Null, &[made]).await;
    let backup = server.memory.snapshot();
    let noted = edit(1, Some(1), 2, json!({"notes": "from the other life"}));
    let second = sync(&server, "a", &first["cursor"], &[noted]).await;
    let server = restored(&server, &backup, 1);
    let reset = sync(&server, "a", &second["cursor"], &[]).await;

    let offer = offered(edit(1, None, 2, json!({"title": "t", "notes": "from the other life"})));
    let edited = edit(1, Some(1), 3, json!({"notes": "typed since"}));
    let reply = sync(&server, "a", &reset["cursor"], &[offer, edited]).await;

    assert_eq!(json!(true), reset["reset"]);
    assert_eq!("typed since", fields(&server, piece(1)).await.unwrap()["notes"], "{reply}");
    let history = server.memory.history_of(&kai(), &piece(1), None, usize::MAX).await.unwrap();
    let has = |text: &str| history.iter().any(|entry| entry.content.contains(text));
    assert!(has("from the other life"), "{history:?}");
}

#[tokio::test]
async fn a_device_that_goes_back_to_an_older_value_before_any_reply_has_edited() {
    let server = Server::new();
    let edits = [("0", 1), ("1", 2), ("0", 3)];
    for (value, secs) in edits {
        push(&server, "a", set(piece(1), None, secs, &[("title", text(value))])).await;
    }

    assert_eq!(Some("0".to_owned()), title(&server, 1).await);
}

#[tokio::test]
async fn a_create_that_comes_later_than_its_own_devices_delete_makes_nothing() {
    cov_mark::check!(delete_of_what_is_not_there_leaves_a_tombstone);
    let session = Key::session(RecordId::from_bits(9));
    for (device, is_made) in [("a", false), ("b", true)] {
        let server = Server::new();
        let gone = push(&server, "a", delete_at(piece(1), None, 3)).await;
        push(&server, "a", delete_at(session, None, 3)).await;

        let made = push(&server, device, set(piece(1), None, 2, &[("title", text("late"))])).await;

        assert_eq!((PushOutcome::Applied, Some(1)), (gone.outcome, gone.version));
        assert_eq!(is_made, fields(&server, piece(1)).await.is_some(), "{device}");
        assert_eq!(1, made.conflicts.len(), "what lost is in the inbox");
        let start = [("pieceId", text(&id(1))), ("startedAt", text("2026-11-22T10:00:00Z"))];
        push(&server, device, set(session, None, 2, &start)).await;
        assert!(fields(&server, session).await.is_none());
    }
}

#[tokio::test]
async fn a_careless_base_is_refused_and_named_and_the_record_goes_on() {
    let server = Server::new();
    sync(&server, "a", &Value::Null, &[edit(1, None, 1, json!({"title": "0"}))]).await;

    for base in [300_000, 1_966_079, 2_097_151] {
        let reply =
            sync(&server, "a", &Value::Null, &[edit(1, Some(base), 2, json!({"title": "x"}))])
                .await;
        let error = &reply["results"][0]["error"];
        assert_eq!(json!("invalid_field"), error["code"]);
        assert!(error["message"].as_str().unwrap().contains("base"), "{error}");
    }
    let far =
        sync(&server, "a", &Value::Null, &[edit(1, Some(100_000), 2, json!({"title": "1"}))]).await;
    let version = far["results"][0]["version"].as_u64().unwrap() as u32;
    assert!(100_000 < version);
    let next =
        sync(&server, "a", &Value::Null, &[edit(1, Some(version), 3, json!({"title": "2"}))]).await;
    assert_eq!(
        (json!("applied"), json!(version + 1)),
        (next["results"][0]["outcome"].clone(), next["results"][0]["version"].clone())
    );
}

#[tokio::test]
async fn what_was_brought_back_is_nobodys_own_edit() {
    // A device's delete covers its own edits; what a person restored, or another device revived, is none.
    for by_restore in [true, false] {
        let server = Server::new();
        push(&server, "a", set(piece(1), None, 1, &[("title", text("t"))])).await;
        push(&server, "a", delete_at(piece(1), Some(1), 2)).await;
        if by_restore {
            server.engine.restore_record(&kai(), piece(1), 1, &Asked::default()).await.unwrap();
        } else {
            push(&server, "b", set(piece(1), Some(2), 3, &[("notes", text("n"))])).await;
        }

        push(&server, "a", delete_at(piece(1), Some(1), 4)).await;

        assert!(fields(&server, piece(1)).await.is_some(), "{by_restore}");
    }
}
