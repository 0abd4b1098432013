//! `GET /conflicts` and `POST /conflicts/{id}`.

use crate::world::{PIECE, World, bare, config_with, other_token, push, tell};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Three devices write one title; returns what is open then.
async fn clash(world: &World) -> Vec<Value> {
    world.post("/sync", &push("a", None, json!({ "set": { "title": "0" } }))).await;
    for (device, second) in [("a", 1), ("b", 2), ("c", 3)] {
        let at = format!("2025-06-15T12:00:0{second}Z");
        let set = json!({ "editedAt": at, "set": { "title": device } });
        world.post("/sync", &push(device, Some(1), set)).await;
    }
    world.get("/conflicts").await["conflicts"].as_array().unwrap().clone()
}

fn path(conflict: &Value) -> String {
    format!("/conflicts/{}", conflict["conflictId"].as_str().unwrap())
}

async fn title(world: &World) -> Value {
    let pulled = world.post("/sync", &json!({ "deviceId": "z", "cursor": null })).await;
    pulled["changes"][0]["value"]["title"].clone()
}

#[tokio::test]
async fn what_lost_is_in_the_inbox() {
    let open = clash(&World::new()).await;

    assert_eq!(2, open.len());
    let lost: BTreeSet<_> =
        open.iter().map(|conflict| conflict["lost"].as_str().unwrap()).collect();
    assert_eq!(BTreeSet::from(["a", "b"]), lost);
    for conflict in &open {
        assert_eq!(
            ("c", "title"),
            (conflict["kept"].as_str().unwrap(), conflict["field"].as_str().unwrap())
        );
        assert_eq!(
            (PIECE, "later_edit"),
            (conflict["id"].as_str().unwrap(), conflict["reason"].as_str().unwrap())
        );
    }
}

#[tokio::test]
async fn pages_of_one_hold_every_conflict_once() {
    let world = World::new();
    let open = clash(&world).await;

    let first = world.get("/conflicts?limit=1").await;
    let after = first["next"].as_str().unwrap();
    let second = world.get(&format!("/conflicts?after={after}&limit=1")).await;

    assert_eq!(open[..1], first["conflicts"].as_array().unwrap()[..]);
    assert_eq!(open[1..], second["conflicts"].as_array().unwrap()[..]);
    assert_eq!(None, second.get("next"));
}

#[tokio::test]
async fn a_page_ends_where_the_reply_is_full_and_makes_progress() {
    let world = World::with_config(config_with(|config| config.reply_limit_bytes = 100));
    clash(&world).await;

    let first = world.get("/conflicts").await;

    assert_eq!(1, first["conflicts"].as_array().unwrap().len());
    assert!(first["next"].is_string());
}

#[tokio::test]
async fn a_conflict_is_closed_once_and_the_same_again_changes_nothing() {
    let world = World::new();
    let open = clash(&world).await;
    let lost = open[0]["lost"].clone();

    for _ in 0..2 {
        let closed = world.post(&path(&open[0]), &json!({ "resolution": "restore" })).await;
        assert_eq!(open[0]["conflictId"], closed["conflictId"]);
    }

    assert_eq!(lost, title(&world).await);
    assert_eq!(1, world.get("/conflicts").await["conflicts"].as_array().unwrap().len());
    for other in [json!({ "resolution": "keep" }), json!({ "resolution": "set", "value": "x" })] {
        world.send(tell(&path(&open[0]), &other)).await.failed(409, "conflict_closed");
    }
}

#[tokio::test]
async fn a_conflict_is_closed_with_another_value() {
    let world = World::new();
    let open = clash(&world).await;

    let lower = path(&open[0]).to_lowercase();
    for _ in 0..2 {
        world.post(&lower, &json!({ "resolution": "set", "value": "both" })).await;
    }
    world.post(&path(&open[1]), &json!({ "resolution": "keep" })).await;

    assert_eq!("both", title(&world).await);
    let other = json!({ "resolution": "set", "value": "neither" });
    world.send(tell(&path(&open[0]), &other)).await.failed(409, "conflict_closed");
}

#[tokio::test]
async fn a_resolution_that_is_none_is_refused() {
    let world = World::new();
    let open = clash(&world).await;

    for body in [
        json!({}),
        json!({ "resolution": "undo" }),
        json!({ "resolution": "set" }),
        json!({ "resolution": "keep", "value": "x" }),
        json!({ "resolution": "set", "value": 7 }),
        json!({ "resolution": "set", "value": null }),
        json!({ "resolution": "set", "value": "x".repeat(4097) }),
    ] {
        world.send(tell(&path(&open[0]), &body)).await.failed(400, "invalid_request");
    }
    assert_eq!(2, world.get("/conflicts").await["conflicts"].as_array().unwrap().len());
}

#[tokio::test]
async fn nobody_sees_or_closes_anothers_conflict() {
    let world = World::new();
    let open = clash(&world).await;
    let token = other_token();

    let theirs = world.send(bare("GET", "/conflicts", &token)).await;
    let mut request = tell(&path(&open[0]), &json!({ "resolution": "keep" }));
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);

    assert_eq!(json!({ "conflicts": [] }), theirs.json());
    world.send(request).await.failed(404, "not_found");
    for id in [PIECE, "x", "%00", "%ff"] {
        let request = tell(&format!("/conflicts/{id}"), &json!({ "resolution": "keep" }));
        world.send(request).await.failed(404, "not_found");
    }
}
