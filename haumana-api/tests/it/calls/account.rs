//! `GET /users/{me}/export`, `DELETE /users/{me}` and `GET /limits`.

use crate::tokens::SUBJECT;
use crate::world::{
    LYRICS, PIECE, SESSION, Sky, World, anonymous, ask, bare, config_with, one_piece, one_session,
    other_token, push, tell,
};
use axum::body::{Body, HttpBody};
use axum::http::Request;
use haumana_sync::store::{ErrorKind, Fault};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tower::ServiceExt;

fn n(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

/// A repertoire with one of everything: a piece of the app's, a session, a deleted piece, a
/// superseded version, a conflict that is open and one that is closed.
async fn full(world: &World) {
    world.post("/pieces", &serde_json::from_str(&one_piece()).unwrap()).await;
    world.post("/sessions", &serde_json::from_str(&one_session()).unwrap()).await;
    for (device, second) in [("a", 1), ("b", 2), ("c", 3)] {
        let at = format!("2025-06-15T12:00:0{second}Z");
        let set = json!({ "editedAt": at, "set": { "author": device, "mood": 1.0 } });
        world.post("/sync", &push(device, Some(1), set)).await;
    }
    let open = world.get("/conflicts").await;
    let id = open["conflicts"][0]["conflictId"].as_str().unwrap();
    world.post(&format!("/conflicts/{id}"), &json!({ "resolution": "keep" })).await;
    let other = "5EED0000-0000-4000-8000-00000000000F";
    for (base, more) in
        [(None, json!({ "set": { "title": "x" } })), (Some(1), json!({ "delete": true }))]
    {
        let mut body = push("a", base, more);
        body["push"][0]["id"] = other.into();
        world.post("/sync", &body).await;
    }
}

#[tokio::test]
async fn an_export_holds_everything() {
    let world = World::new();
    full(&world).await;

    let answer = world.send(ask("GET", "/users/me/export")).await;

    answer.succeeded();
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment"));
    let export = answer.json();
    assert_eq!(SUBJECT, export["user"]["id"]);
    assert_eq!(
        (1, PIECE),
        (n(&export["pieces"]), export["pieces"][0]["pieceId"].as_str().unwrap())
    );
    assert_eq!(LYRICS, export["pieces"][0]["lyrics"]);
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""mood":1.0"#), "byte for byte");
    assert_eq!(SESSION, export["practiceSessions"][0]["sessionId"]);
    assert_eq!(1, n(&export["tombstones"]));
    let closed = export["conflicts"].as_array().unwrap().iter();
    let closed = closed.filter(|conflict| conflict["resolution"] == "keep").count();
    assert_eq!((1, true), (closed, 1 < n(&export["conflicts"])), "{}", export["conflicts"]);
    let past = export["history"].as_array().unwrap();
    let versions: BTreeSet<_> = past
        .iter()
        .map(|entry| (entry["id"].as_str(), entry["version"].as_u64(), entry["side"].as_u64()))
        .collect();
    assert_eq!(past.len(), versions.len(), "each once");
    assert!(past.iter().any(|entry| entry["value"]["author"] == "b"), "what lost is there");
    assert!(past.iter().any(|entry| entry["value"]["title"] == "x"), "what was deleted is there");
}

#[tokio::test]
async fn the_export_of_nothing_is_empty() {
    let world = World::new();

    let export = world.get(&format!("/users/{SUBJECT}/export")).await;

    for list in ["pieces", "practiceSessions", "history", "conflicts", "tombstones"] {
        assert_eq!(0, n(&export[list]), "{list}");
    }
}

/// A new piece, and a new session of it.
fn both(n: u32) -> [Value; 2] {
    let id = |n: u32| format!("5EED0000-0000-4000-8000-{n:012X}");
    let piece = json!({ "title": "t", "lyrics": LYRICS });
    let session = json!({ "pieceId": id(n), "startedAt": "2025-06-15T12:00:00Z" });
    [
        json!({ "kind": "piece", "id": id(n), "base": null, "set": piece }),
        json!({ "kind": "session", "id": id(n + 1), "base": null, "set": session }),
    ]
}

#[tokio::test]
async fn a_large_export_is_sent_in_parts_and_holds_each_record_once() {
    let world = World::with_config(config_with(|config| config.request_limit_bytes = 10_000_000));
    for batch in 0..6 {
        let pushes: Vec<_> = (0..250).flat_map(|k| both(batch * 1000 + 2 * k)).collect();
        world.post("/sync", &json!({ "deviceId": "a", "limit": 1, "push": pushes })).await;
    }

    let response = world.router.clone().oneshot(ask("GET", "/users/me/export")).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(None, body.size_hint().exact(), "nobody knows how long it is");
    let (mut text, mut n_parts) = (Vec::new(), 0);
    while let Some(frame) =
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
    {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.len() < 150_000, "a part is small: {}", data.len());
        text.extend(data);
        n_parts += 1;
    }

    assert!(3 < n_parts, "{n_parts}");
    let export: Value = serde_json::from_slice(&text).unwrap();
    for (list, id) in [("pieces", "pieceId"), ("practiceSessions", "sessionId")] {
        let ids: BTreeSet<_> =
            export[list].as_array().unwrap().iter().map(|record| record[id].as_str()).collect();
        assert_eq!((1500, 1500), (n(&export[list]), ids.len()), "{list}");
    }
}

/// The next part of a body; `None` at its end.
async fn part(body: &mut Body) -> Option<Result<usize, axum::Error>> {
    let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap().len()))
}

#[tokio::test]
async fn an_export_that_breaks_off_is_an_error_and_no_end() {
    let world = World::new();
    let long = push("a", None, json!({ "set": { "title": "0", "lyrics": "a".repeat(70_000) } }));
    world.post("/sync", &long).await;
    let export = || world.router.clone().oneshot(ask("GET", "/users/me/export"));
    let mut body = export().await.unwrap().into_body();

    let first = part(&mut body).await.unwrap().unwrap();
    world.sky(Sky::Fails(Fault::Before(ErrorKind::Unavailable)));
    let second = part(&mut body).await.unwrap();

    assert!(70_000 < first);
    assert!(second.is_err(), "the client must not take it for whole");
    assert!(part(&mut body).await.is_none());
    world.send(ask("GET", "/users/me/export")).await.failed(503, "unavailable");
}

#[tokio::test]
async fn nobody_asks_for_anybody_else() {
    let world = World::new();

    for other in ["somebody-else", "ME", "%6Dee", "*", "%ff", &SUBJECT[1..]] {
        let path = format!("/users/{other}");
        world.send(ask("GET", &format!("{path}/export"))).await.failed(403, "forbidden");
        world.send(ask("DELETE", &path)).await.failed(403, "forbidden");
        let none = Request::delete(&path).body(Body::empty()).unwrap();
        world.send(none).await.failed(401, "unauthorized");
    }
    world.store_was_not_called();
    let theirs = world.send(bare("GET", &format!("/users/{SUBJECT}/export"), &other_token())).await;
    theirs.failed(403, "forbidden");
}

#[tokio::test]
async fn erasing_leaves_nothing_and_can_be_repeated() {
    let world = World::new();
    full(&world).await;

    for path in ["/users/me", &format!("/users/{SUBJECT}"), "/users/me"] {
        let answer = world.send(ask("DELETE", path)).await;
        assert_eq!((204, 0), (answer.status.as_u16(), answer.body.len()));
    }

    let export = world.get("/users/me/export").await;
    assert_eq!((0, 0), (n(&export["pieces"]), n(&export["history"])));
    assert!(!format!("{:?}", world.store).contains("Haʻaheo"), "not a byte is left");
}

#[tokio::test]
async fn one_users_erasure_is_nobody_elses() {
    let world = World::new();
    full(&world).await;

    let theirs = world.send(bare("DELETE", "/users/me", &other_token())).await;

    assert_eq!(204, theirs.status.as_u16());
    assert_eq!(1, n(&world.get("/users/me/export").await["pieces"]));
}

#[tokio::test]
async fn devices_from_before_the_erasure_are_told() {
    let world = World::new();
    full(&world).await;
    let cursor = world.post("/sync", &json!({ "deviceId": "a" })).await["cursor"].clone();
    let phone = world.post("/pieces", &json!({})).await;
    world.send(ask("DELETE", "/users/me")).await;

    let stale = push("a", Some(1), json!({ "set": { "title": "again" } }));
    let stale = json!({ "deviceId": "a", "cursor": cursor, "push": stale["push"] });
    world.send(tell("/sync", &stale)).await.failed(410, "gone");
    let held = json!({ "lastSyncedAt": phone["syncedAt"], "pieces": phone["serverPieces"] });
    let told = world.post("/pieces", &held).await;
    assert_eq!(
        (json!([]), json!([])),
        (told["serverPieces"].clone(), told["updatedPieces"].clone())
    );
    assert_eq!(0, n(&world.get("/users/me/export").await["pieces"]), "nothing came back");
    let fresh = world.post("/sync", &json!({ "deviceId": "new", "cursor": null })).await;
    assert_eq!(0, n(&fresh["changes"]));
}

#[tokio::test]
async fn new_calls_need_a_token_before_anything_else() {
    let world = World::new();

    for path in ["/sync", "/conflicts/x", "/pieces/x/restore"] {
        let request = anonymous(path).body(Body::from("no JSON")).unwrap();
        world.send(request).await.failed(401, "unauthorized");
    }
    for path in ["/conflicts?limit=x", "/pieces/x/history?limit=x", "/users/x/export"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        world.send(request).await.failed(401, "unauthorized");
    }
    world.store_was_not_called();
}

#[tokio::test]
async fn limits_are_told_to_anyone_with_those_of_the_host() {
    let world = World::new();

    let answer = world.send(Request::get("/limits").body(Body::empty()).unwrap()).await;

    answer.succeeded();
    let limits = answer.json();
    assert_eq!(
        (100_000, 1_000_000),
        (limits["requestBytes"].as_u64().unwrap(), limits["replyBytes"].as_u64().unwrap())
    );
    assert_eq!(
        (30_000, 1000),
        (limits["bodyTimeoutMs"].as_u64().unwrap(), limits["pushes"].as_u64().unwrap())
    );
    world.store_was_not_called();
}
