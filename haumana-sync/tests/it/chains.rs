//! Several pushes of one record in one request: each is an edit of what the one before it left, and
//! all of them are written as one version.

use crate::support::{Server, kai};
use haumana_sim::dice::SeededRandom;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::schema::{Element, Field, FieldType, Group, Kind, Merge, Schema};
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value as Json, json};
use std::sync::Arc;

const ID: &str = "5EED0000-0000-4000-8000-000000000001";

fn engine() -> Engine {
    let note = Kind::new(3, "note")
        .field(Field::new(1, "title", FieldType::text(100)))
        .field(Field::new(2, "tags", FieldType::Set { of: Element::Text, max: 9 }))
        .field(Field::new(3, "steps", FieldType::List { of: Element::Text, max: 9 }))
        .field(Field::new(4, "lyrics", FieldType::lines(1_000)))
        .field(Field::new(5, "score", FieldType::Integer).merge(Merge::Greatest))
        .field(Field::new(6, "done", FieldType::Flag).merge(Merge::Least))
        .field(Field::new(7, "place", FieldType::text(100)))
        .field(Field::new(8, "from", FieldType::text(100)))
        .group(Group::new("place", ["place", "from"]));
    let (server, random) = (Server::new(), Arc::new(SeededRandom::new(1)));
    let store = Arc::new(MemoryStore::new());
    let config = EngineConfig::new(Generation(0));
    Engine::new(store, server.clock, random, config).with_schema(Schema::new([note]).unwrap())
}

/// Sends all of these in one request, each edited a minute after the one before it.
async fn push(engine: &Engine, device: &str, pushes: &[(Option<u32>, Json)]) -> Json {
    let minutes = pushes.iter().zip(10..);
    let pushes = minutes.map(|((base, set), minute)| {
        let edited_at = format!("2026-11-22T10:{minute}:00Z");
        json!({ "kind": "note", "id": ID, "base": base, "editedAt": edited_at, "set": set })
    });
    let pushes: Vec<Json> = pushes.collect();
    ask(engine, &json!({ "deviceId": device, "push": pushes })).await["results"].clone()
}

async fn ask(engine: &Engine, body: &Json) -> Json {
    let body = body.to_string();
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = engine.sync(&kai(), &request, 1 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

/// The record as a new device gets it.
async fn read(engine: &Engine) -> Json {
    let reply = ask(engine, &json!({ "deviceId": "reader" })).await;
    reply["changes"][0]["value"].clone()
}

/// Everything that the account has, past and present.
async fn all(engine: &Engine) -> String {
    let mut export = engine.export(&kai()).await.unwrap();
    let mut text = String::new();
    while let Some(part) = engine.export_more(&mut export).await.unwrap() {
        text.push_str(&part);
    }
    text
}

#[tokio::test]
async fn what_a_device_added_and_took_out_again_stays_out_beside_anothers_edit() {
    let cases = [
        ("tags", json!(["oli"]), json!(["mele", "oli"]), json!(["hula", "oli"])),
        ("steps", json!(["oli"]), json!(["oli", "mele"]), json!(["hula", "oli"])),
        ("lyrics", json!("oli\nkahea"), json!("oli\nkahea\nmele"), json!("hula\noli\nkahea")),
    ];
    for (field, base, added, theirs) in cases {
        let engine = engine();
        push(&engine, "a", &[(None, json!({ field: base }))]).await;
        push(&engine, "b", &[(Some(1), json!({ field: theirs }))]).await;

        let (add, remove) = (json!({ field: added }), json!({ field: base }));
        push(&engine, "a", &[(Some(1), add), (Some(1), remove)]).await;

        assert_eq!(theirs, read(&engine).await[field]);
    }
}

#[tokio::test]
async fn what_was_taken_out_of_an_edit_whose_reply_was_lost_stays_out() {
    let engine = engine();
    push(&engine, "a", &[(None, json!({ "tags": ["oli"] }))]).await;
    let add = (Some(1), json!({ "tags": ["mele", "oli"] }));
    push(&engine, "a", std::slice::from_ref(&add)).await;
    push(&engine, "b", &[(Some(2), json!({ "tags": ["hula", "mele", "oli"] }))]).await;

    push(&engine, "a", &[add, (Some(1), json!({ "tags": ["oli"] }))]).await;

    assert_eq!(json!(["hula", "oli"]), read(&engine).await["tags"]);
}

#[tokio::test]
async fn an_edit_stands_on_no_push_that_was_refused() {
    let engine = engine();
    push(&engine, "a", &[(None, json!({ "tags": ["oli"] }))]).await;
    push(&engine, "b", &[(Some(1), json!({ "tags": ["hula", "oli"] }))]).await;

    let refused = json!({ "tags": ["mele", "oli"], "score": "many" });
    let results =
        push(&engine, "a", &[(Some(1), refused), (Some(1), json!({ "tags": ["mele", "oli"] }))])
            .await;

    assert_eq!("rejected", results[0]["outcome"]);
    assert_eq!(json!(["hula", "mele", "oli"]), read(&engine).await["tags"]);
}

#[tokio::test]
async fn a_value_that_is_cleared_without_a_base_is_an_edit_if_its_device_had_set_it() {
    let engine = engine();
    let make = (None, json!({ "done": true }));
    push(&engine, "a", std::slice::from_ref(&make)).await;
    push(&engine, "b", &[(Some(1), json!({ "done": false }))]).await;

    let results = push(&engine, "a", &[make, (None, json!({ "done": null }))]).await;

    assert_eq!("merged", results[1]["outcome"], "{results}");
    assert!(all(&engine).await.contains(r#""done":null"#), "what lost by the policy is kept");
}

#[tokio::test]
async fn a_value_that_is_cleared_without_a_base_is_an_edit_also_if_its_device_set_it_long_before() {
    let engine = engine();
    push(&engine, "a", &[(None, json!({ "title": "Poli" }))]).await;
    push(&engine, "b", &[(Some(1), json!({ "title": "Aloha" }))]).await;

    // It has not seen the reply, and does not send the first push again.
    let late = (None, json!({ "score": 1 }));
    push(&engine, "a", &[late, (None, json!({ "title": null }))]).await;

    assert_eq!(Json::Null, read(&engine).await["title"]);
    assert!(all(&engine).await.contains("Aloha"), "what lost is kept");
}

#[tokio::test]
async fn a_push_of_which_a_part_lost_by_rank_is_merged_and_asks_nobody() {
    let engine = engine();
    push(&engine, "a", &[(None, json!({ "score": 1 }))]).await;
    push(&engine, "b", &[(Some(1), json!({ "score": 9 }))]).await;

    let results = push(&engine, "a", &[(Some(1), json!({ "score": 5, "title": "Poli" }))]).await;

    assert_eq!((&json!("merged"), &json!([])), (&results[0]["outcome"], &results[0]["conflicts"]));
    assert_eq!("Poli", read(&engine).await["title"]);
}

#[tokio::test]
async fn who_never_set_a_value_does_not_clear_it_without_a_base() {
    let engine = engine();
    push(&engine, "b", &[(None, json!({ "title": "Aloha" }))]).await;

    push(&engine, "a", &[(None, json!({ "title": null }))]).await;

    assert_eq!("Aloha", read(&engine).await["title"]);
}

#[tokio::test]
async fn a_device_that_does_not_know_a_group_replaces_only_what_it_names() {
    let engine = engine();
    let make = (None, json!({ "place": "Kona", "title": "Poli" }));

    push(&engine, "a", &[make, (None, json!({ "from": "Hilo" }))]).await;

    let record = read(&engine).await;
    assert_eq!(("Kona", "Hilo"), (text(&record, "place"), text(&record, "from")));
}

#[tokio::test]
async fn what_another_device_put_into_a_group_is_not_mixed_with_what_is_set_without_a_base() {
    let engine = engine();
    push(&engine, "a", &[(None, json!({ "place": "Kona" }))]).await;
    push(&engine, "b", &[(Some(1), json!({ "place": "Waimea", "from": "Kapaʻa" }))]).await;

    let late = (None, json!({ "title": "Poli" }));
    push(&engine, "a", &[late, (None, json!({ "from": "Hilo" }))]).await;

    let record = read(&engine).await;
    assert_eq!((Json::Null, "Hilo"), (record["place"].clone(), text(&record, "from")));
    assert!(all(&engine).await.contains("Waimea"), "what lost is kept");
}

fn text<'r>(record: &'r Json, field: &str) -> &'r str {
    record[field].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_value_that_was_replaced_within_its_request_is_news_of_another_device() {
    let engine = engine();
    push(&engine, "a", &[(None, json!({ "score": 1 }))]).await;
    push(&engine, "a", &[(Some(1), json!({ "score": 5 })), (Some(1), json!({ "score": 9 }))]).await;
    assert!(!all(&engine).await.contains(r#""score":5"#), "no version has it");

    push(&engine, "b", &[(Some(1), json!({ "score": 5 }))]).await;

    assert_eq!(9, read(&engine).await["score"]);
    assert!(all(&engine).await.contains(r#""score":5"#), "it lost, and is kept");
}

#[tokio::test]
async fn the_base_of_a_field_is_found_before_versions_that_were_written_as_one() {
    let engine = engine();
    push(&engine, "a", &[(None, json!({ "tags": ["mele"] }))]).await;
    let both = [(Some(1), json!({ "title": "Poli" })), (Some(1), json!({ "tags": [] }))];
    push(&engine, "a", &both).await;

    push(&engine, "b", &[(Some(1), json!({ "tags": ["mele"], "score": 3 }))]).await;

    let record = read(&engine).await;
    assert_eq!(json!([]), record["tags"], "the other device has changed nothing of it");
    assert_eq!(3, record["score"]);
}
