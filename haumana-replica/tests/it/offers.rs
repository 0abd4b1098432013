//! What a device offers to a server with another past, and what it does not.

use crate::scripted::{Reply, Scripted, reply};
use crate::support::{Server, fields, text};
use haumana_replica::Replica;
use haumana_sync::id::Key;
use haumana_sync::record::Value;
use serde_json::{Value as Json, json};

const LONG_AGO: &str = "2026-11-01T00:00:00.000Z";

/// A device that holds two pieces, one living and one deleted, each in version 3 of long ago.
async fn device(server: &Server) -> (Replica, Key, Key) {
    let device = server.device().await;
    let [live, deleted] = [1, 2].map(|id| Key::piece(haumana_sync::id::RecordId::from_bits(id)));
    let changes =
        json!([change(live, 3, LONG_AGO, Some(value("ours"))), change(deleted, 3, LONG_AGO, None)]);
    device.sync(&Scripted::new([reply().with("changes", changes)])).await.unwrap();
    (device, live, deleted)
}

fn value(title: &str) -> Json {
    json!({"title": title, "category": "oli", "lyrics": "one", "includeInPractice": true,
        "isFavorite": false, "createdAt": LONG_AGO})
}

fn change(key: Key, version: u32, modified_at: &str, value: Option<Json>) -> Json {
    let mut change = json!({"kind": "piece", "id": key.id.to_string(), "version": version,
        "modifiedAt": modified_at});
    match value {
        Some(value) => change["value"] = value,
        None => change["deleted"] = json!(true),
    }
    change
}

/// A reply of a server that has another past.
fn reset(changes: Json) -> Reply {
    reply().with("reset", true).with("changes", changes).with("cursor", "new")
}

/// What the device pushes after it was told `told`, by record.
async fn pushed_after(device: &Replica, told: Reply) -> Vec<Json> {
    let scripted = Scripted::new([told]);
    // Its next request finds no server.
    let _ = device.sync(&scripted).await;
    let mut sent = scripted.sent();
    if sent.len() < 2 {
        Vec::new()
    } else {
        sent.swap_remove(1)["push"].as_array().unwrap().clone()
    }
}

async fn title(device: &Replica, key: Key) -> Option<Value> {
    device.record(key).await.unwrap().map(|view| view.content.get("title"))
}

#[tokio::test]
async fn a_record_that_differs_is_offered_whole_without_a_base_at_the_time_of_the_copy() {
    let server = Server::new();
    let (device, live, deleted) = device(&server).await;
    let mut theirs = value("theirs");
    theirs["notes"] = json!("theirs alone");
    let now = "2026-11-20T00:00:00.000Z";
    let changes = json!([change(live, 9, now, Some(theirs)), change(deleted, 9, now, None)]);

    let pushed = pushed_after(&device, reset(changes)).await;

    let [push] = &pushed[..] else { panic!("one offer, not {pushed:?}") };
    let mut whole = value("ours");
    whole["notes"] = json!(null);
    assert_eq!(&whole, &push["set"], "what it had cleared is cleared");
    assert_eq!((&json!(null), &json!(LONG_AGO)), (&push["base"], &push["editedAt"]));
    assert_eq!(json!(true), push["offered"]);
    assert_eq!(
        Some(text("theirs")),
        title(&device, live).await,
        "the device holds what the server has"
    );
}

#[tokio::test]
async fn what_is_the_same_is_not_offered_whatever_its_version() {
    let server = Server::new();
    let (device, live, deleted) = device(&server).await;
    let changes =
        json!([change(live, 9, LONG_AGO, Some(value("ours"))), change(deleted, 1, LONG_AGO, None)]);

    let pushed = pushed_after(&device, reset(changes)).await;

    assert!(pushed.is_empty(), "{pushed:?}");
    assert_eq!(0, device.status().pending);
}

#[tokio::test]
async fn a_tombstone_is_offered_as_a_delete_without_a_base_and_what_was_brought_back_is_seen() {
    let server = Server::new();
    let (device, live, deleted) = device(&server).await;
    let back = change(deleted, 2, LONG_AGO, Some(value("back")));
    let changes = json!([change(live, 3, LONG_AGO, Some(value("ours"))), back]);

    let pushed = pushed_after(&device, reset(changes)).await;

    let expected = json!({"kind": "piece", "id": deleted.id.to_string(), "base": null,
        "editedAt": LONG_AGO, "delete": true, "offered": true});
    assert_eq!(vec![expected], pushed);
    assert_eq!(Some(text("back")), title(&device, deleted).await);
}

#[tokio::test]
async fn a_server_that_lacks_everything_is_offered_records_and_tombstones() {
    let server = Server::new();
    let (device, live, deleted) = device(&server).await;

    let pushed = pushed_after(&device, reset(json!([]))).await;

    let [first, second] = &pushed[..] else { panic!("two offers, not {pushed:?}") };
    assert_eq!((&value("ours"), &json!(true)), (&first["set"], &second["delete"]));
    for push in [first, second] {
        assert_eq!((&json!(null), &json!(LONG_AGO)), (&push["base"], &push["editedAt"]));
        assert_eq!(json!(true), push["offered"]);
    }
    assert_eq!(
        (Some(text("ours")), None),
        (title(&device, live).await, title(&device, deleted).await)
    );
}

#[tokio::test]
async fn what_was_typed_is_an_edit_of_its_own_time_without_a_base_of_the_other_past() {
    let server = Server::new();
    let (device, live, deleted) = device(&server).await;
    let is_typed = |push: &Json| push["set"]["title"] == "typed";
    let told = |version| {
        let theirs = change(live, version, LONG_AGO, Some(value("theirs")));
        reset(json!([theirs, change(deleted, 3, LONG_AGO, None)]))
    };
    // It is typed while the reply is on its way, so that the server has not answered for it.
    let outgoing = device.begin().await.unwrap();
    device.set(live, fields([("title", text("typed"))])).await.unwrap();
    device.finish(&outgoing, told(9).to_json().as_bytes()).await.unwrap();

    let body: Json = serde_json::from_slice(&device.begin().await.unwrap().body).unwrap();

    let pushed = body["push"].as_array().unwrap();
    let [offer, edit] = &pushed[..] else { panic!("an offer and an edit, not {pushed:?}") };
    assert!(!is_typed(offer) && is_typed(edit));
    assert_eq!((&json!(null), &json!(null)), (&edit["base"], &edit["offered"]));
    // What the record needs besides is no edit, so it is as old as what is offered.
    let times = json!({"createdAt": offer["editedAt"], "title": "2026-11-23T00:00:00.000Z"});
    assert_eq!(times, edit["editedAt"]);
    assert_ne!(offer["editedAt"], times["title"]);
    assert_eq!(Some(text("typed")), title(&device, live).await);
}

#[tokio::test]
async fn what_was_typed_on_content_that_the_server_has_keeps_a_base() {
    let server = Server::new();
    let (device, live, deleted) = device(&server).await;
    let outgoing = device.begin().await.unwrap();
    device.set(live, fields([("title", text("typed"))])).await.unwrap();
    let same = change(live, 7, LONG_AGO, Some(value("ours")));
    let told = reset(json!([same, change(deleted, 3, LONG_AGO, None)]));
    device.finish(&outgoing, told.to_json().as_bytes()).await.unwrap();

    let body: Json = serde_json::from_slice(&device.begin().await.unwrap().body).unwrap();

    let pushed = body["push"].as_array().unwrap();
    assert_eq!((1, &json!(7)), (pushed.len(), &pushed[0]["base"]), "its number here");
}

#[tokio::test]
async fn an_edit_of_the_lost_life_that_meets_a_tombstone_is_offered_and_a_typed_one_comes_whole() {
    for is_typed in [false, true] {
        let server = Server::new();
        let (device, live, deleted) = device(&server).await;
        let outgoing = device.begin().await.unwrap();
        if is_typed {
            device.set(live, fields([("notes", text("typed"))])).await.unwrap();
        }
        let now = "2026-11-20T00:00:00.000Z";
        let told = reset(json!([change(live, 9, now, None), change(deleted, 3, LONG_AGO, None)]));
        device.finish(&outgoing, told.to_json().as_bytes()).await.unwrap();

        let body: Json = serde_json::from_slice(&device.begin().await.unwrap().body).unwrap();

        let pushed = body["push"].as_array().unwrap();
        let [push] = &pushed[..] else { panic!("one push, not {pushed:?}") };
        assert_eq!((&json!("ours"), &json!(null)), (&push["set"]["title"], &push["base"]));
        assert_eq!(!is_typed, push["offered"] == json!(true));
        let seen = is_typed.then(|| text("ours"));
        assert_eq!(seen, title(&device, live).await, "deleted unless its user typed");
    }
}

#[tokio::test]
async fn a_delete_that_was_not_answered_for_deletes_nothing_that_was_brought_back() {
    let server = Server::new();
    let (device, live, deleted) = device(&server).await;
    let outgoing = device.begin().await.unwrap();
    device.delete(live).await.unwrap();
    let back = change(live, 3, LONG_AGO, Some(value("ours")));
    let told = reset(json!([back, change(deleted, 3, LONG_AGO, None)]));
    device.finish(&outgoing, told.to_json().as_bytes()).await.unwrap();

    let body: Json = serde_json::from_slice(&device.begin().await.unwrap().body).unwrap();

    let push = &body["push"][0];
    let (base, offered) = (&push["base"], &push["offered"]);
    assert_eq!((&json!(true), &json!(null), &json!(true)), (&push["delete"], base, offered));
}

#[tokio::test]
async fn what_is_offered_waits_until_it_is_answered_for_and_is_edited_as_it_is_seen() {
    let server = Server::new();
    let (device, live, _) = device(&server).await;
    pushed_after(&device, reset(json!([]))).await;
    assert_eq!(2, device.status().pending);
    device.set(live, fields([("title", text("edited"))])).await.unwrap();

    let body: Json = serde_json::from_slice(&device.begin().await.unwrap().body).unwrap();

    let push = &body["push"][0];
    let set = (&push["set"]["title"], &push["set"]["lyrics"]);
    assert_eq!((&json!("edited"), &json!("one")), set, "whole, as one edit");
    assert_eq!((&json!(null), &json!(null)), (&push["base"], &push["offered"]));
    let times = (&push["editedAt"]["title"], &push["editedAt"]["lyrics"]);
    assert_eq!((&json!("2026-11-23T00:00:00.000Z"), &json!(LONG_AGO)), times);
}

#[tokio::test]
async fn what_two_lost_lives_held_is_offered_twice() {
    let server = Server::new();
    let (device, live, deleted) = device(&server).await;
    let of = |title: &str| {
        let now = "2026-11-20T00:00:00.000Z";
        reset(json!([change(live, 5, now, Some(value(title))), change(deleted, 3, LONG_AGO, None)]))
    };
    pushed_after(&device, of("second life")).await;

    let pushed =
        pushed_after(&device, of("third life").with("results", json!([answer(live)]))).await;

    let titles: Vec<_> = pushed.iter().map(|push| push["set"]["title"].clone()).collect();
    assert_eq!(vec![json!("second life")], titles, "the first was answered for");
    pushed_after(&device, of("fourth life").with("results", json!([answer(live)]))).await;
    assert_eq!(Some(text("fourth life")), title(&device, live).await);
}

/// The server has looked at an offer, and something was lost.
fn answer(key: Key) -> Json {
    json!({"kind": "piece", "id": key.id.to_string(), "outcome": "merged", "version": 5,
        "conflicts": []})
}
