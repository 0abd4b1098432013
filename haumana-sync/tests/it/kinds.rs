//! Records of declared kinds, and what becomes of them when their schema changes.

use crate::support::{Server, kai};
use haumana_sim::dice::SeededRandom;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::schema::{Field, FieldType, Kind, Schema};
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value as Json, json};
use std::sync::Arc;

const ID: &str = "5EED0000-0000-4000-8000-000000000001";

/// A kind of notes with a title, and these fields.
fn notes(fields: impl IntoIterator<Item = Field>) -> Schema {
    let title = Field::new(1, "title", FieldType::text(100)).required("");
    let kind = fields.into_iter().fold(Kind::new(3, "note").field(title), Kind::field);
    Schema::new([kind]).unwrap()
}

fn engine(store: &Arc<MemoryStore>, schema: Schema) -> Engine {
    let config = EngineConfig::new(Generation(0));
    let (clock, random) = (Server::new().clock, Arc::new(SeededRandom::new(1)));
    Engine::new(store.clone(), clock, random, config).with_schema(schema)
}

async fn ask(engine: &Engine, body: &Json) -> Json {
    let body = body.to_string();
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = engine.sync(&kai(), &request, 1 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

async fn push(engine: &Engine, device: &str, base: Option<u32>, minute: u32, set: Json) -> Json {
    let edited_at = format!("2026-11-22T10:{minute:02}:00Z");
    let push = json!({ "kind": "note", "id": ID, "base": base, "editedAt": edited_at, "set": set });
    let reply = ask(engine, &json!({ "deviceId": device, "push": [push] })).await;
    reply["results"][0].clone()
}

/// The record as a new device gets it.
async fn read(engine: &Engine) -> Json {
    let reply = ask(engine, &json!({ "deviceId": "reader" })).await;
    reply["changes"][0]["value"].clone()
}

#[tokio::test]
async fn an_element_that_was_taken_out_and_put_back_survives_an_older_removal() {
    let store = Arc::new(MemoryStore::new());
    let engine = engine(&store, notes([Field::new(2, "tags", FieldType::set_of_texts(9))]));
    push(&engine, "a", None, 0, json!({ "tags": ["mele", "oli"] })).await;
    push(&engine, "a", Some(1), 1, json!({ "tags": ["oli"] })).await;
    push(&engine, "a", Some(2), 2, json!({ "tags": ["mele", "oli"] })).await;

    let late = push(&engine, "b", Some(1), 3, json!({ "tags": ["oli"] })).await;

    assert_eq!("merged", late["outcome"]);
    assert_eq!(json!(["mele", "oli"]), read(&engine).await["tags"]);
    let history = engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    assert_eq!(1, history.0.len(), "the removal that lost waits for a person");
}

#[tokio::test]
async fn a_key_that_becomes_a_field_is_that_field_and_keeps_its_past() {
    let store = Arc::new(MemoryStore::new());
    let before = engine(&store, notes([]));
    push(&before, "a", None, 0, json!({ "mood": "calm" })).await;
    push(&before, "a", Some(1), 1, json!({ "mood": "glad" })).await;
    let bytes = read(&before).await;

    let after = engine(&store, notes([Field::new(2, "mood", FieldType::text(100))]));

    assert_eq!(bytes, read(&after).await);
    // The device says nothing new: it knows the value of its base, whoever calls it a field.
    let same = push(&after, "b", Some(1), 2, json!({ "mood": "calm", "title": "Poli" })).await;
    assert_eq!("merged", same["outcome"]);
    let edited = push(&after, "c", Some(3), 3, json!({ "mood": "proud" })).await;
    assert_eq!("applied", edited["outcome"]);
    assert_eq!("proud", read(&after).await["mood"]);
}

#[tokio::test]
async fn a_stored_value_that_does_not_fit_stays_until_one_that_fits_replaces_it() {
    let store = Arc::new(MemoryStore::new());
    let before = engine(&store, notes([]));
    push(&before, "a", None, 0, json!({ "count": "many" })).await;

    let after = engine(&store, notes([Field::new(2, "count", FieldType::Integer)]));

    push(&after, "a", Some(1), 1, json!({ "title": "Poli" })).await;
    assert_eq!(json!({ "title": "Poli", "count": "many" }), read(&after).await);
    let refused = push(&after, "a", Some(2), 2, json!({ "count": "more" })).await;
    assert_eq!("invalid_field", refused["error"]["code"]);
    push(&after, "a", Some(2), 3, json!({ "count": 3 })).await;
    assert_eq!(json!({ "title": "Poli", "count": 3 }), read(&after).await);
}

#[tokio::test]
async fn a_field_that_is_no_longer_declared_is_a_key_that_comes_back_to_the_byte() {
    let store = Arc::new(MemoryStore::new());
    let tags = Field::new(2, "tags", FieldType::set_of_texts(9));
    let before = engine(&store, notes([tags]));
    push(&before, "a", None, 0, json!({ "tags": ["b", "a"] })).await;

    let after = engine(&store, notes([]));
    push(&after, "a", Some(1), 1, json!({ "title": "Poli" })).await;

    assert_eq!(json!({ "title": "Poli", "tags": ["a", "b"] }), read(&after).await);
}

#[tokio::test]
async fn sixty_four_kinds_of_128_fields_cost_a_sync_without_changes_one_read() {
    let field = |at: u16| Field::new(at, format!("f{at}"), FieldType::text(10));
    let kind = |at: u8| (1..=128).map(field).fold(Kind::new(at, format!("k_{at}")), Kind::field);
    let schema = Schema::new((3..67).map(kind)).unwrap();
    let server = Server::new();
    let config = EngineConfig::new(Generation(0));
    let random = Arc::new(SeededRandom::new(1));
    let engine = Engine::new(server.store.clone(), server.clock.clone(), random, config);
    let engine = engine.with_schema(schema);
    let push = json!({ "kind": "k_66", "id": ID, "base": null, "set": { "f128": "x" } });
    ask(&engine, &json!({ "deviceId": "a", "push": [push] })).await;
    let first = ask(&engine, &json!({ "deviceId": "b" })).await;
    ask(&engine, &json!({ "deviceId": "b", "cursor": first["cursor"] })).await;
    server.store.take();

    ask(&engine, &json!({ "deviceId": "b", "cursor": first["cursor"] })).await;

    let calls = server.store.take();
    assert_eq!((1, 0, 0), (calls.head, calls.read, calls.changes));
}
