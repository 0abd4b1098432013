//! What was sent and not answered for is sent again as it was, before what is newer.

use crate::scripted::{Scripted, reply};
use crate::support::{Server, fields, text, user};
use haumana_replica::transport::Transport;
use haumana_replica::{Outgoing, Replica};
use haumana_sync::id::Key;
use haumana_sync::record::Value;
use serde_json::{Value as Json, json};

async fn sync(server: &Server, device: &Replica) {
    device.sync(&server.transport()).await.unwrap();
}

/// A device that holds version 1 of a piece.
async fn device(server: &Server) -> (Replica, Key) {
    let device = server.device().await;
    let set = fields([("title", text("0")), ("notes", text("0"))]);
    let key = Key::piece(device.add_piece(set).await.unwrap());
    sync(server, &device).await;
    server.clock.pass_ms(1000);
    (device, key)
}

fn pushes(outgoing: &Outgoing) -> Vec<Json> {
    let body: Json = serde_json::from_slice(&outgoing.body).unwrap();
    body["push"].as_array().unwrap().clone()
}

async fn set(device: &Replica, key: Key, field: &str, value: &str) {
    device.set(key, fields([(field, text(value))])).await.unwrap();
}

#[tokio::test]
async fn a_change_that_was_not_answered_for_comes_again_before_a_later_one_of_its_field() {
    let server = Server::new();
    let (device, key) = device(&server).await;
    set(&device, key, "title", "1").await;
    let lost = pushes(&device.begin().await.unwrap());
    server.clock.pass_ms(1000);
    set(&device, key, "title", "2").await;
    set(&device, key, "notes", "2").await;

    let again = pushes(&device.begin().await.unwrap());

    assert_eq!((1, 2), (lost.len(), again.len()));
    assert_eq!(lost[0], again[0], "the same base, time and value");
    assert_eq!(json!({"title": "2", "notes": "2"}), again[1]["set"]);
    assert_eq!(lost[0]["base"], again[1]["base"]);
}

#[tokio::test]
async fn of_many_changes_that_were_not_answered_for_the_last_one_comes_again() {
    let server = Server::new();
    let (device, key) = device(&server).await;
    for title in ["1", "2", "never sent", "3"] {
        set(&device, key, "title", title).await;
        if title != "never sent" {
            device.begin().await.unwrap();
        }
        server.clock.pass_ms(1000);
    }
    set(&device, key, "title", "4").await;

    let again = pushes(&device.begin().await.unwrap());

    let titles: Vec<_> = again.iter().map(|push| push["set"]["title"].clone()).collect();
    assert_eq!(vec![json!("3"), json!("4")], titles);
}

#[tokio::test]
async fn what_was_sent_with_it_comes_again_with_it() {
    let server = Server::new();
    let device = server.device().await;
    let made = fields([("title", text("0")), ("lyrics", text("all of them"))]);
    let key = Key::piece(device.add_piece(made).await.unwrap());
    let lost = pushes(&device.begin().await.unwrap());
    server.clock.pass_ms(1000);
    set(&device, key, "title", "1").await;

    let again = pushes(&device.begin().await.unwrap());

    assert_eq!((2, &lost[0]["set"]), (again.len(), &again[0]["set"]), "no half of a piece is made");
    assert_eq!(
        (json!("1"), json!(null)),
        (again[1]["set"]["title"].clone(), again[1]["base"].clone())
    );
}

#[tokio::test]
async fn before_a_delete_what_was_sent_comes_again_as_it_was_and_what_was_not_goes() {
    let server = Server::new();
    let (device, key) = device(&server).await;
    set(&device, key, "title", "1").await;
    let lost = pushes(&device.begin().await.unwrap());
    server.clock.pass_ms(1000);
    set(&device, key, "title", "never sent").await;
    device.delete(key).await.unwrap();

    let again = pushes(&device.begin().await.unwrap());
    sync(&server, &device).await;

    assert_eq!(lost, again);
    assert_eq!((None, 0), (device.record(key).await.unwrap(), device.status().pending));
    let (open, _) = server.engine.conflict_page(&user("kai"), None, 9, usize::MAX).await.unwrap();
    assert!(open.is_empty(), "one device does not clash with itself");
}

#[tokio::test]
async fn an_answer_to_the_earlier_change_alone_leaves_the_later_one_pending() {
    let server = Server::new();
    let (device, key) = device(&server).await;
    set(&device, key, "title", "1").await;
    let first = device.begin().await.unwrap();
    let answer = server.transport().sync(&first.account, first.body.clone()).await.unwrap();
    set(&device, key, "title", "2").await;
    device.begin().await.unwrap();
    set(&device, key, "title", "3").await;

    device.finish(&first, &answer).await.unwrap();
    let left = pushes(&device.begin().await.unwrap());

    let titles: Vec<_> = left.iter().map(|push| push["set"]["title"].clone()).collect();
    assert_eq!(vec![json!("2"), json!("3")], titles);
    sync(&server, &device).await;
    let other = server.device().await;
    sync(&server, &other).await;
    assert_eq!(text("3"), other.record(key).await.unwrap().unwrap().content.get("title"));
}

#[tokio::test]
async fn an_earlier_change_that_is_refused_holds_up_nothing() {
    let server = Server::new();
    let (device, key) = device(&server).await;
    set(&device, key, "title", "refused").await;
    device.begin().await.unwrap();
    set(&device, key, "title", "good").await;
    let result = |outcome: &str, version: Json| {
        json!({"kind": "piece", "id": key.id.to_string(), "outcome": outcome, "version": version,
            "conflicts": []})
    };
    let mut refused = result("rejected", json!(null));
    refused["error"] = json!({"code": "too_large", "message": "title: too long"});
    let results = json!([refused, result("merged", json!(2))]);
    let scripted = Scripted::new([reply().with("results", results)]);

    device.sync(&scripted).await.unwrap();

    let view = device.record(key).await.unwrap().unwrap();
    assert_eq!((None, text("good")), (view.refused, view.content.get("title")));
}

#[tokio::test]
async fn an_earlier_end_of_a_session_does_not_come_again() {
    let server = Server::new();
    let (device, piece) = device(&server).await;
    let at = |minute: usize| text(&format!("2026-11-22T10:{minute:02}:00.000Z"));
    let piece_id = ("pieceId", text(&piece.id.to_string()));
    let id = device.add_session(fields([piece_id, ("startedAt", at(0))])).await.unwrap();
    let key = Key { kind: haumana_sync::id::KindNumber::SESSION, id };
    sync(&server, &device).await;
    device.set(key, fields([("endedAt", at(50))])).await.unwrap();
    device.begin().await.unwrap();
    device.set(key, fields([("endedAt", at(20))])).await.unwrap();

    let again = pushes(&device.begin().await.unwrap());

    assert_eq!(1, again.len());
    assert_eq!(at(20), Value::Text(again[0]["set"]["endedAt"].as_str().unwrap().to_owned()));
}

/// A device with edits of `n` pieces, and a server that answers each of them with `code`.
async fn refused(server: &Server, n: u32, code: &str) -> (Replica, Vec<Key>) {
    let (device, mut keys) = (server.device().await, Vec::new());
    for title in 0..n {
        let set = fields([("title", text(&title.to_string()))]);
        keys.push(Key::piece(device.add_piece(set).await.unwrap()));
    }
    let error = json!({"code": code, "message": "later"});
    let result = json!({"kind": "piece", "id": keys[0].id.to_string(), "outcome": "rejected",
        "version": null, "conflicts": [], "error": error});
    let full = Scripted::new([reply().with("results", vec![result; n as usize])]);
    device.sync(&full).await.unwrap();
    assert_eq!((1, n as usize), (full.sent().len(), device.status().refused), "{code}");
    (device, keys)
}

#[tokio::test]
async fn what_was_refused_for_a_reason_that_passes_is_sent_again_by_the_next_sync() {
    for code in ["quota_exceeded", "unreadable"] {
        let server = Server::new();
        let (device, keys) = refused(&server, 25, code).await;
        let refused = device.record(keys[0]).await.unwrap().unwrap().refused;
        assert_eq!(Some(code), refused.as_deref(), "until then the app can say so");

        let summary = device.sync(&server.transport()).await.unwrap();

        assert_eq!((0, 0), (device.status().pending, device.status().refused), "{code}");
        assert_eq!(3, summary.rounds, "10 and 15, and that there are no more");
    }
}

#[tokio::test]
async fn an_account_that_stays_full_is_asked_for_a_few_records_a_sync_and_for_others_each_time() {
    let server = Server::new();
    let (device, _) = refused(&server, 25, "quota_exceeded").await;
    let mut tried = Vec::new();
    for n in [10, 10, 5] {
        let error = json!({"code": "quota_exceeded", "message": "later"});
        let result = json!({"kind": "piece", "id": "x", "outcome": "rejected", "version": null,
            "conflicts": [], "error": error});
        let full = Scripted::new([reply().with("results", vec![result; n])]);
        device.sync(&full).await.unwrap();
        let pushed = full.sent()[0]["push"].as_array().unwrap().clone();
        tried.extend(pushed.iter().map(|push| push["id"].as_str().unwrap().to_owned()));
        assert_eq!((1, 25), (full.sent().len(), device.status().refused));
    }
    tried.sort_unstable();
    tried.dedup();
    assert_eq!(25, tried.len());
}

#[tokio::test]
async fn what_only_its_user_can_mend_is_not_sent_again() {
    let server = Server::new();
    let (device, _) = refused(&server, 1, "invalid_field").await;

    let idle = Scripted::new([reply()]);
    device.sync(&idle).await.unwrap();

    assert_eq!(json!([]), idle.sent()[0]["push"]);
    assert_eq!(1, device.status().refused);
}
