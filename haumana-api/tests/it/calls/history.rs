//! `GET /pieces/{id}/history` and `POST /pieces/{id}/restore`.

use crate::world::{PIECE, World, ask, bare, other_token, push, tell};
use serde_json::{Value, json};

/// Version 1 has a title, 2 another and notes, 3 is deleted.
async fn life(world: &World) {
    let create = json!({ "set": { "title": "0" } });
    let edit = json!({ "set": { "title": "1", "notes": "n" } });
    for (base, more) in [(None, create), (Some(1), edit), (Some(2), json!({ "delete": true }))] {
        world.post("/sync", &push("ipad", base, more)).await;
    }
}

fn history() -> String {
    format!("/pieces/{PIECE}/history")
}

fn restore() -> String {
    format!("/pieces/{PIECE}/restore")
}

fn numbers(page: &Value) -> Vec<u64> {
    let versions = page["versions"].as_array().unwrap();
    versions.iter().map(|version| version["version"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn versions_come_newest_first_with_what_they_took_over() {
    let world = World::new();
    life(&world).await;

    let page = world.get(&history()).await;

    assert_eq!(vec![3, 2, 1], numbers(&page));
    assert_eq!(
        (true, "ipad"),
        (page["versions"][0]["deleted"] == true, page["versions"][0]["deviceId"].as_str().unwrap())
    );
    let mut changed = page["versions"][1]["changed"].as_array().unwrap().clone();
    changed.sort_by_key(|changed| changed["field"].to_string());
    assert_eq!(
        json!([{ "field": "notes", "earlier": null }, { "field": "title", "earlier": "0" }]),
        Value::from(changed)
    );
    assert_eq!(None, page.get("next"));
}

#[tokio::test]
async fn pages_of_one_hold_every_version_once() {
    let world = World::new();
    life(&world).await;
    let whole = world.get(&history()).await;

    let mut versions = Vec::new();
    let mut path = format!("{}?limit=1", history());
    loop {
        let page = world.get(&path).await;
        versions.extend(page["versions"].as_array().unwrap().clone());
        let Some(next) = page.get("next") else { break };
        path = format!("{}?limit=1&before={next}", history());
    }

    assert_eq!(whole["versions"], Value::from(versions));
}

#[tokio::test]
async fn a_push_that_lost_is_named_with_its_reason() {
    let world = World::new();
    life(&world).await;
    world.post(&restore(), &json!({ "version": 2 })).await;
    let at = |second: u8| format!("2025-06-15T12:00:0{second}Z");
    let later = json!({ "editedAt": at(2), "set": { "author": "later" } });
    let earlier = json!({ "editedAt": at(1), "set": { "author": "earlier" } });
    world.post("/sync", &push("a", Some(4), later)).await;
    world.post("/sync", &push("b", Some(4), earlier)).await;

    let page = world.get(&history()).await;

    let lost = &page["versions"][0]["lost"][0];
    assert_eq!(
        ("author", "earlier"),
        (lost["field"].as_str().unwrap(), lost["value"].as_str().unwrap())
    );
    assert_eq!(
        ("later_edit", "b"),
        (lost["reason"].as_str().unwrap(), lost["deviceId"].as_str().unwrap())
    );
}

#[tokio::test]
async fn a_deleted_piece_is_brought_back() {
    let world = World::new();
    life(&world).await;

    let restored = world.post(&restore().to_lowercase(), &json!({ "version": 1 })).await;

    assert_eq!(4, restored["version"]);
    let pulled = world.post("/sync", &json!({ "deviceId": "z", "cursor": null })).await;
    assert_eq!("0", pulled["changes"][0]["value"]["title"]);
}

#[tokio::test]
async fn what_never_was_cannot_be_restored() {
    let world = World::new();
    life(&world).await;

    for version in [0, 9, u32::MAX] {
        let request = tell(&restore(), &json!({ "version": version }));
        world.send(request).await.failed(404, "not_found");
    }
    for body in [json!({}), json!({ "version": -1 }), json!({ "version": "1" })] {
        world.send(tell(&restore(), &body)).await.failed(400, "invalid_request");
    }
    for id in ["x", "5EED0000-0000-4000-8000-00000000000F", "%ff"] {
        let request = tell(&format!("/pieces/{id}/restore"), &json!({ "version": 1 }));
        world.send(request).await.failed(404, "not_found");
        let request = ask("GET", &format!("/pieces/{id}/history"));
        world.send(request).await.failed(404, "not_found");
    }
}

#[tokio::test]
async fn nobody_reads_anothers_history() {
    let world = World::new();
    life(&world).await;

    let theirs = world.send(bare("GET", &history(), &other_token())).await;

    theirs.failed(404, "not_found");
}

#[tokio::test]
async fn what_is_past_its_retention_is_gone() {
    let world = World::new();
    life(&world).await;
    world.pass_days(91);

    world.send(tell(&restore(), &json!({ "version": 1 }))).await.failed(410, "gone");
    assert_eq!(vec![3], numbers(&world.get(&history()).await));
}
