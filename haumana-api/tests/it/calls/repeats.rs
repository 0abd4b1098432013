//! Calls of part 2 that come again, and what a rejection names.

use crate::world::{PIECE, World, ask, good_token, push, tell};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

async fn title(world: &World) -> Value {
    let pulled = world.post("/sync", &json!({ "deviceId": "z", "cursor": null })).await;
    pulled["changes"][0]["value"]["title"].clone()
}

/// A piece of two versions: title 0, 1.
async fn two(world: &World) {
    world.post("/sync", &push("a", None, json!({ "set": { "title": "0" } }))).await;
    world.post("/sync", &push("a", Some(1), json!({ "set": { "title": "1" } }))).await;
}

#[tokio::test]
async fn a_restore_is_known_by_its_name_when_it_comes_again() {
    let world = World::new();
    two(&world).await;
    let path = format!("/pieces/{PIECE}/restore");
    let body = json!({ "version": 1, "base": 2, "requestId": "r" });

    let first = world.post(&path, &body).await;
    world.post("/sync", &push("a", Some(3), json!({ "set": { "title": "2" } }))).await;
    let again = world.post(&path, &body).await;

    assert_eq!(json!({ "version": 3 }), first);
    assert_eq!(json!({ "version": 4, "unchanged": true }), again);
    assert_eq!("2", title(&world).await);
    for more in [
        json!({ "requestId": "" }),
        json!({ "requestId": "x".repeat(65) }),
        json!({ "requestId": 7 }),
        json!({ "base": 0 }),
        json!({ "base": 9 }),
    ] {
        let mut body = json!({ "version": 1 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.send(tell(&path, &body)).await.failed(400, "invalid_request");
    }
}

#[tokio::test]
async fn an_erasure_with_a_name_is_done_once() {
    let world = World::new();
    two(&world).await;
    for _ in 0..2 {
        let answer = world.send(ask("DELETE", "/users/me?requestId=e")).await;
        assert_eq!(204, answer.status);
    }
    world.post("/sync", &push("a", None, json!({ "set": { "title": "anew" } }))).await;

    let answer = world.send(ask("DELETE", "/users/me?requestId=e")).await;

    assert_eq!(204, answer.status);
    assert_eq!("anew", title(&world).await);
    for query in ["requestId=", "requestID=e", "requestId=%07"] {
        let answer = world.send(ask("DELETE", &format!("/users/me?{query}"))).await;
        answer.failed(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_rejection_names_the_field() {
    let world = World::new();
    two(&world).await;
    let session = |set: Value| {
        let push = json!({ "kind": "session", "id": PIECE, "base": null, "set": set });
        json!({ "deviceId": "a", "cursor": null, "push": [push] })
    };
    let cases = [
        (push("a", Some(2), json!({ "set": { "isFavorite": "yes" } })), "isFavorite"),
        (push("a", Some(2), json!({ "set": { "title": null } })), "title"),
        (push("a", Some(2), json!({ "set": { "author": "x".repeat(1025) } })), "author"),
        (push("a", Some(2), json!({ "set": { "userId": "other" } })), "userId"),
        (push("a", Some(2), json!({ "set": { "createdAt": "noon" } })), "createdAt"),
        (push("a", Some(1_966_079), json!({ "set": { "title": "x" } })), "base"),
        (push("a", Some(0), json!({ "set": { "title": "x" } })), "base"),
        (push("a", Some(2), json!({ "editedAt": "noon", "set": {} })), "editedAt"),
        (push("a", Some(2), json!({ "offered": true, "set": {} })), "base"),
        (session(json!({ "startedAt": "2025-06-15T12:00:00Z" })), "pieceId"),
        (session(json!({ "pieceId": PIECE })), "startedAt"),
    ];

    for (body, field) in cases {
        let reply = world.post("/sync", &body).await;

        let error = &reply["results"][0]["error"];
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(field), "{field}: {reply}");
    }
}

#[tokio::test]
async fn the_name_of_the_scheme_counts_in_any_case() {
    let world = World::new();

    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("{scheme} {}", good_token());
        let request = Request::get("/conflicts").header("authorization", header);
        world.send(request.body(Body::empty()).unwrap()).await.succeeded();
    }
}
