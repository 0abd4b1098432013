//! `POST /sync`.

use crate::world::{PIECE, SESSION, World, anonymous, other_token, push, tell};
use serde_json::json;

#[tokio::test]
async fn what_one_device_pushes_another_pulls() {
    let world = World::new();
    let mut body = push("a", None, json!({ "set": { "title": "Oli Aloha", "mood": 1.0 } }));
    let start = json!({ "pieceId": PIECE, "startedAt": "2025-06-15T12:00:00Z" });
    let session = json!({ "kind": "session", "id": SESSION, "base": null, "set": start });
    body["push"].as_array_mut().unwrap().push(session);

    let pushed = world.post("/sync", &body).await;
    let pulled = world.post("/sync", &json!({ "deviceId": "b", "cursor": null })).await;

    let outcomes: Vec<_> = pushed["results"].as_array().unwrap().iter().collect();
    assert!(outcomes.iter().all(|result| result["outcome"] == "applied"), "{pushed}");
    assert_eq!(2, pulled["changes"].as_array().unwrap().len());
    assert_eq!("Oli Aloha", pulled["changes"][0]["value"]["title"]);
    assert_eq!((false, false), (pulled["more"] == true, pulled["reset"] == true));
    assert_eq!(pushed["digest"], pulled["digest"], "both are the server");
    let idle = json!({ "deviceId": "b", "cursor": pulled["cursor"] });
    let idle = world.post("/sync", &idle).await;
    assert_eq!(0, idle["changes"].as_array().unwrap().len());
}

#[tokio::test]
async fn ids_are_taken_in_any_case_and_printed_in_upper_case() {
    let world = World::new();
    let mut body = push("a", None, json!({ "set": { "title": "0" } }));
    body["push"][0]["id"] = PIECE.to_lowercase().into();

    let pushed = world.post("/sync", &body).await;

    assert_eq!(PIECE, pushed["results"][0]["id"]);
}

#[tokio::test]
async fn a_push_that_cannot_be_taken_is_rejected_alone() {
    let world = World::new();
    let mut body = push("a", None, json!({ "set": { "title": "0" } }));
    let bad = json!({ "kind": "piece", "id": "x", "set": { "title": "0" } });
    body["push"].as_array_mut().unwrap().insert(0, bad);

    let pushed = world.post("/sync", &body).await;

    assert_eq!("invalid_id", pushed["results"][0]["error"]["code"]);
    assert_eq!("applied", pushed["results"][1]["outcome"]);
}

#[tokio::test]
async fn a_cursor_that_means_nothing_is_no_error() {
    let world = World::new();

    let reply = world.post("/sync", &json!({ "deviceId": "a", "cursor": "x".repeat(500) })).await;

    assert_eq!(true, reply["reset"]);
}

#[tokio::test]
async fn a_request_that_is_none_is_refused() {
    let world = World::new();

    for body in [
        json!({}),
        json!([]),
        json!({ "deviceId": "" }),
        json!({ "deviceId": "a".repeat(65) }),
        json!({ "deviceId": "a", "limit": 0 }),
        json!({ "deviceId": "a", "limit": 1001 }),
        json!({ "deviceId": "a", "push": vec![json!({}); 1001] }),
        json!({ "deviceId": 7 }),
    ] {
        world.send(tell("/sync", &body)).await.failed(400, "invalid_request");
    }
    world.store_was_not_called();
    let limits =
        json!({ "deviceId": "a".repeat(64), "limit": 1000, "push": vec![json!({}); 1000] });
    assert_eq!(1000, world.post("/sync", &limits).await["results"].as_array().unwrap().len());
}

#[tokio::test]
async fn two_users_of_new_clients_never_see_each_other() {
    let world = World::new();
    let ours = world.post("/sync", &push("a", None, json!({ "set": { "title": "0" } }))).await;

    let body = json!({ "deviceId": "a", "cursor": ours["cursor"] });
    let request = anonymous("/sync").header("authorization", format!("Bearer {}", other_token()));
    let theirs = world.send(request.body(body.to_string().into()).unwrap()).await;

    theirs.succeeded();
    let theirs = theirs.json();
    assert_eq!((true, 0), (theirs["reset"] == true, theirs["changes"].as_array().unwrap().len()));
}
