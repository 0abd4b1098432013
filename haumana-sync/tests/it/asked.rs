//! What a person asks for of records of declared kinds: restoring, rewinding, closing conflicts.

use crate::kinds::{ID, ask, engine, notes, push, read};
use crate::support::{Server, kai};
use haumana_sim::dice::SeededRandom;
use haumana_sync::engine::{
    Asked, Engine, EngineConfig, ErrorKind, Resolution, RewindMode, RewindRequest,
};
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::record::{Counter, Value};
use haumana_sync::schema::{Field, FieldType, Merge, Schema};
use haumana_sync::store::{Envelope, Generation, MemoryStore, StoreExt as _};
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn key() -> Key {
    Key { kind: KindNumber::new(3), id: RecordId::parse(ID).unwrap() }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

async fn delete(engine: &Engine, device: &str, base: u32, minute: u32) -> Json {
    let edited_at = format!("2026-11-22T10:{minute:02}:00Z");
    let push = json!({ "kind": "note", "id": ID, "base": base, "editedAt": edited_at,
        "delete": true });
    ask(engine, &json!({ "deviceId": device, "push": [push] })).await["results"][0].clone()
}

async fn stored(store: &Arc<MemoryStore>) -> Envelope {
    store.read_one(&kai(), key()).await.unwrap().unwrap()
}

fn counts(totals: &[(&str, u64)]) -> Json {
    let totals = totals.iter().map(|(device, n)| ((*device).to_owned(), json!([n, 0])));
    json!({ "n": totals.collect::<serde_json::Map<_, _>>() })
}

#[tokio::test]
async fn a_count_that_lost_is_restored_as_a_sum() {
    let schema = notes([Field::new(2, "n", FieldType::Counter)]);
    for is_deleted in [false, true] {
        let four = serde_json::value::RawValue::from_string(r#"{"b":[4,0]}"#.to_owned()).unwrap();
        let field = schema.kinds()[0].fields()[1].clone();
        for resolution in [Resolution::Restore, Resolution::Set(field.read(&four).unwrap())] {
            let engine = engine(&Arc::new(MemoryStore::new()), schema.clone());
            push(&engine, "a", None, 0, counts(&[("b", 1)])).await;
            push(&engine, "b", Some(1), 1, counts(&[("b", 5)])).await;
            push(&engine, "b", Some(1), 2, counts(&[("b", 4)])).await;
            if is_deleted {
                delete(&engine, "a", 2, 9).await;
            }
            let (inbox, _) = engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();

            engine.resolve(&kai(), inbox[0].id, &resolution).await.unwrap();

            let now = read(&engine).await["n"].to_string();
            let now = serde_json::value::RawValue::from_string(now).unwrap();
            assert_eq!(4, Counter::of(&field.read(&now).unwrap()).sum(), "{resolution:?}");
        }
    }
}

#[tokio::test]
async fn a_conflict_about_a_field_that_is_fixed_now_stays_open() {
    cov_mark::check!(fixed_field_is_not_resolved);
    let store = Arc::new(MemoryStore::new());
    let word = |policy| notes([Field::new(2, "word", FieldType::text(9)).merge(policy)]);
    let before = engine(&store, word(Merge::Later));
    push(&before, "a", None, 0, json!({})).await;
    push(&before, "b", Some(1), 2, json!({ "word": "kept" })).await;
    push(&before, "c", Some(1), 1, json!({ "word": "lost" })).await;
    let after = engine(&store, word(Merge::Fixed));
    let (inbox, _) = after.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();

    for resolution in [Resolution::Restore, Resolution::Set(text("other"))] {
        let refused = after.resolve(&kai(), inbox[0].id, &resolution).await.unwrap_err();
        assert_eq!(ErrorKind::Invalid, refused.kind());
    }

    let (open, _) = after.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    assert_eq!(1, open.len());
    after.resolve(&kai(), inbox[0].id, &Resolution::Keep).await.unwrap();
    assert_eq!("kept", read(&after).await["word"]);
}

#[tokio::test]
async fn a_version_that_is_a_delete_cannot_be_restored() {
    cov_mark::check!(version_that_is_a_delete_is_not_restored);
    let engine = engine(&Arc::new(MemoryStore::new()), notes([]));
    push(&engine, "a", None, 0, json!({ "title": "1" })).await;
    delete(&engine, "a", 1, 1).await;
    let restore =
        async |version| engine.restore_record(&kai(), key(), version, &Asked::default()).await;

    assert_eq!(ErrorKind::NotFound, restore(2).await.unwrap_err().kind());
    push(&engine, "a", Some(2), 2, json!({ "title": "2" })).await;
    assert_eq!(ErrorKind::NotFound, restore(2).await.unwrap_err().kind());
    assert_eq!(4, restore(1).await.unwrap().version);
}

#[tokio::test]
async fn totals_of_a_counter_are_numbers_that_every_client_can_read() {
    let schema = notes([Field::new(2, "n", FieldType::Counter)]);
    let engine = engine(&Arc::new(MemoryStore::new()), schema);
    let most = i64::MAX.unsigned_abs();
    let refused = push(&engine, "a", None, 0, counts(&[("a", most + 1)])).await;
    assert_eq!("too_large", refused["error"]["code"]);
    push(&engine, "a", None, 0, counts(&[("a", most), ("b", most)])).await;
    push(&engine, "c", Some(1), 1, counts(&[("c", 3)])).await;

    let restored = engine.restore_record(&kai(), key(), 1, &Asked::default()).await.unwrap();

    assert!(!restored.is_unchanged, "the counts differ, though no sum of 64 bits can hold them");
    assert_eq!(json!([0, 3]), read(&engine).await["n"]["(restored)"]);
}

#[tokio::test]
async fn empty_text_that_counts_as_absent_does_not_do_for_a_mandatory_field() {
    let song = Field::new(2, "song", FieldType::text(9)).mandatory().empty_is_absent();
    let engine = engine(&Arc::new(MemoryStore::new()), notes([song]));

    let made = push(&engine, "a", None, 0, json!({ "song": "" })).await;
    push(&engine, "a", None, 1, json!({ "song": "Poli" })).await;
    let emptied = push(&engine, "a", Some(1), 2, json!({ "song": "" })).await;

    for refused in [made, emptied] {
        assert_eq!("song cannot be empty", refused["error"]["message"]);
    }
    assert_eq!("Poli", read(&engine).await["song"]);
}

/// Notes, and notes that also say when they were made, and have a word.
fn grown() -> Schema {
    let made = Field::new(2, "made", FieldType::Time).required_edit_time().merge(Merge::Fixed);
    let seen = Field::new(3, "seen", FieldType::Time).required_edit_time();
    notes([made, seen, Field::new(4, "word", FieldType::text(9)).required("new")])
}

fn clocked(server: &Server, store: &Arc<MemoryStore>, schema: Schema) -> Engine {
    let config = EngineConfig::new(Generation(0));
    let random = Arc::new(SeededRandom::new(1));
    Engine::new(store.clone(), server.clock.clone(), random, config).with_schema(schema)
}

#[tokio::test]
async fn whoever_brings_a_record_back_it_was_made_when_it_was_made() {
    for way in ["push", "restore", "rewind"] {
        let (server, store) = (Server::new(), Arc::new(MemoryStore::new()));
        let before = clocked(&server, &store, notes([]));
        push(&before, "a", None, 7, json!({ "title": "1" })).await;
        let to = before.now();
        server.pass_secs(60);
        delete(&before, "a", 1, 8).await;
        server.pass_secs(60);
        let after = clocked(&server, &store, grown());

        match way {
            "push" => drop(push(&after, "b", Some(2), 9, json!({ "title": "1" })).await),
            "restore" => {
                after.restore_record(&kai(), key(), 1, &Asked::default()).await.unwrap();
            }
            _ => {
                let request = RewindRequest { to, mode: RewindMode::Write, request_id: None };
                after.rewind(&kai(), &request).await.unwrap();
            }
        }

        let made = "2026-11-22T10:07:00.000Z";
        let whole = json!({ "title": "1", "made": made, "seen": made, "word": "new" });
        assert_eq!(whole, read(&after).await, "{way}");
    }
}

#[tokio::test]
async fn a_version_has_one_content_whatever_its_kind_has_gained_since() {
    let (server, store) = (Server::new(), Arc::new(MemoryStore::new()));
    let before = clocked(&server, &store, notes([]));
    push(&before, "a", None, 0, json!({ "title": "1" })).await;
    server.pass_secs(60);
    push(&before, "a", Some(1), 1, json!({ "title": "2" })).await;
    let to = before.now();
    let bytes = stored(&store).await;
    server.pass_secs(60);
    let after = clocked(&server, &store, grown());
    let same = async |what: &str| {
        let now = stored(&store).await;
        let facts = |it: &Envelope| (it.version, it.modified_at, it.content.clone(), it.hash);
        assert_eq!(facts(&bytes), facts(&now), "{what}");
    };

    push(&after, "b", Some(1), 2, json!({ "title": "2" })).await;
    same("a push of what is there").await;
    after.restore_record(&kai(), key(), 2, &Asked::default()).await.unwrap();
    same("a restore of the current version").await;
    let request_id = Some("1".to_owned());
    let request = RewindRequest { to, mode: RewindMode::Write, request_id };
    after.rewind(&kai(), &request).await.unwrap();
    same("a rewind to what is there").await;
    push(&after, "b", Some(2), 3, json!({ "title": "3" })).await;
    let back = after.rewind(&kai(), &RewindRequest { request_id: None, ..request }).await.unwrap();
    server.pass_secs(60);
    let again = RewindRequest { to, mode: RewindMode::Write, request_id: None };
    assert_eq!((1, 0), (back.changed, after.rewind(&kai(), &again).await.unwrap().changed));
}
