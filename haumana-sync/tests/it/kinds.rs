//! Records of declared kinds, and what becomes of them when their schema changes.

use crate::import::{Refused, exported, import};
use crate::support::{Server, kai};
use haumana_sim::dice::SeededRandom;
use haumana_sync::engine::{Asked, Engine, EngineConfig};
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::limits;
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind, Merge, Schema};
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value as Json, json};
use std::sync::Arc;

pub(crate) const ID: &str = "5EED0000-0000-4000-8000-000000000001";

/// A kind of notes with a title, and these fields.
pub(crate) fn notes(fields: impl IntoIterator<Item = Field>) -> Schema {
    let title = Field::new(1, "title", FieldType::text(100)).required("");
    let kind = fields.into_iter().fold(Kind::new(3, "note").field(title), Kind::field);
    Schema::new([kind]).unwrap()
}

pub(crate) fn engine(store: &Arc<MemoryStore>, schema: Schema) -> Engine {
    let config = EngineConfig::new(Generation(0));
    let (clock, random) = (Server::new().clock, Arc::new(SeededRandom::new(1)));
    Engine::new(store.clone(), clock, random, config).with_schema(schema)
}

pub(crate) async fn ask(engine: &Engine, body: &Json) -> Json {
    let body = body.to_string();
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = engine.sync(&kai(), &request, 1 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

pub(crate) async fn push(
    engine: &Engine,
    device: &str,
    base: Option<u32>,
    minute: u32,
    set: Json,
) -> Json {
    let edited_at = format!("2026-11-22T10:{minute:02}:00Z");
    let push = json!({ "kind": "note", "id": ID, "base": base, "editedAt": edited_at, "set": set });
    let reply = ask(engine, &json!({ "deviceId": device, "push": [push] })).await;
    reply["results"][0].clone()
}

/// The record as a new device gets it.
pub(crate) async fn read(engine: &Engine) -> Json {
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

const TIMES: [&str; 3] =
    ["2020-01-01T00:00:00.000Z", "2021-01-01T00:00:00.000Z", "2022-01-01T00:00:00.000Z"];

#[tokio::test]
async fn a_time_that_has_the_time_of_the_edit_unless_it_is_said_has_a_past_like_any_field() {
    let store = Arc::new(MemoryStore::new());
    let began = Field::new(2, "began", FieldType::Time).required_edit_time();
    let engine = engine(&store, notes([began]));
    push(&engine, "a", None, 0, json!({ "began": TIMES[0] })).await;
    push(&engine, "a", Some(1), 5, json!({ "began": TIMES[1] })).await;

    push(&engine, "b", Some(1), 3, json!({ "began": TIMES[2] })).await;

    let (inbox, _) = engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    assert_eq!(Some(Value::Text(TIMES[2].to_owned())), inbox[0].lost);
    let key = Key { kind: KindNumber::new(3), id: RecordId::parse(ID).unwrap() };
    engine.restore_record(&kai(), key, 1, &Asked::default()).await.unwrap();
    assert_eq!(TIMES[0], read(&engine).await["began"]);
}

#[tokio::test]
async fn a_record_that_is_brought_back_keeps_its_times() {
    let store = Arc::new(MemoryStore::new());
    let time = |number, name: &'static str| Field::new(number, name, FieldType::Time);
    let engine = engine(
        &store,
        notes([
            time(2, "due").required_as("made").merge(Merge::Later),
            time(3, "made").required_edit_time().merge(Merge::Fixed),
            time(4, "seen").required_edit_time(),
            time(5, "first").required_edit_time().merge(Merge::Least),
            time(6, "also").required_edit_time().merge(Merge::Fixed),
        ]),
    );
    let set = json!({ "made": TIMES[0], "seen": TIMES[1], "first": TIMES[2], "also": TIMES[1] });
    push(&engine, "a", None, 0, set.clone()).await;
    let delete = json!({ "kind": "note", "id": ID, "base": 1, "delete": true,
        "editedAt": "2026-11-22T10:01:00Z" });
    ask(&engine, &json!({ "deviceId": "a", "push": [delete] })).await;

    push(&engine, "b", Some(1), 5, json!({ "title": "Poli" })).await;

    let now = read(&engine).await;
    for name in ["made", "seen", "first", "also"] {
        assert_eq!(set[name], now[name], "{name}");
    }
}

#[tokio::test]
async fn the_default_of_a_field_replaces_a_stored_value_that_does_not_fit() {
    let store = Arc::new(MemoryStore::new());
    let level = |words: &[&'static str]| {
        let words = FieldType::one_of(words.iter().copied());
        Field::new(2, "level", words).required("low")
    };
    let mood =
        |words: &[&'static str]| Field::new(3, "mood", FieldType::one_of(words.iter().copied()));
    let before = engine(&store, notes([level(&["low", "high"]), mood(&["calm", "glad"])]));
    push(&before, "a", None, 0, json!({ "level": "high", "mood": "glad" })).await;

    let after = engine(&store, notes([level(&["low"]), mood(&["calm"])]));
    assert_eq!("high", read(&after).await["level"], "nobody has replaced it");
    let set = push(&after, "a", Some(1), 1, json!({ "level": "low", "mood": null })).await;

    assert_eq!((&json!("applied"), &json!(2)), (&set["outcome"], &set["version"]));
    assert_eq!(json!({ "title": "", "level": "low" }), read(&after).await);
}

#[tokio::test]
async fn a_field_whose_default_is_when_a_record_was_made_says_that_of_old_records() {
    let store = Arc::new(MemoryStore::new());
    push(&engine(&store, notes([])), "a", None, 7, json!({ "title": "Aloha" })).await;

    let made = Field::new(2, "made", FieldType::Time).required_edit_time().merge(Merge::Fixed);
    let due = Field::new(3, "due", FieldType::Time).required_as("made");
    let after = engine(&store, notes([made, due]));
    push(&after, "a", Some(1), 9, json!({ "title": "Poli" })).await;

    let now = read(&after).await;
    assert_eq!("2026-11-22T10:07:00.000Z", now["made"]);
    assert_eq!(now["made"], now["due"]);
}

#[tokio::test]
async fn a_counter_remembers_a_thousand_devices_whoever_pushes_them() {
    let store = Arc::new(MemoryStore::new());
    let engine = engine(&store, notes([Field::new(2, "n", FieldType::Counter)]));
    let counts = |from: u32, to: u32| {
        let entries = (from..to).map(|device| (format!("d{device}"), json!([1, 0])));
        json!({ "n": entries.collect::<serde_json::Map<_, _>>() })
    };
    push(&engine, "a", None, 0, counts(0, 900)).await;
    let full = push(&engine, "a", Some(1), 1, counts(900, 1000)).await;
    assert_eq!(json!(2), full["version"]);

    let refused = push(&engine, "a", Some(2), 2, counts(1000, 1001)).await;

    assert_eq!("too_large", refused["error"]["code"]);
    let counted = json!({ "n": { "d7": [2, 0] } });
    let again = push(&engine, "a", Some(2), 3, counted).await;
    assert_eq!(json!(3), again["version"], "those that it has count on");
}

#[tokio::test]
async fn a_base_that_leaves_no_numbers_is_refused_also_where_there_is_no_record() {
    let store = Arc::new(MemoryStore::new());
    let song = Field::new(2, "song", FieldType::text(9)).mandatory();
    let engine = engine(&store, notes([song]));
    for base in [limits::VERSION_CLAIMED + 1, limits::VERSION] {
        let refused = push(&engine, "a", Some(base), 0, json!({ "song": "x" })).await;
        assert_eq!("invalid_field", refused["error"]["code"], "{base}");
    }
    let taken = push(&engine, "a", Some(limits::VERSION_CLAIMED), 0, json!({ "song": "x" })).await;
    assert_eq!("applied", taken["outcome"], "it may be of another life");
}

#[tokio::test]
async fn a_copy_without_a_time_that_comes_again_undoes_nothing() {
    for edited_at in [None, Some("2026-11-25T00:00:00Z")] {
        let store = Arc::new(MemoryStore::new());
        let engine = engine(&store, notes([]));
        push(&engine, "b", None, 0, json!({ "title": "X" })).await;
        let mut copy = json!({ "kind": "note", "id": ID, "base": null, "set": { "title": "X" } });
        if let Some(edited_at) = edited_at {
            copy["editedAt"] = edited_at.into();
        }
        let copy = json!({ "deviceId": "a", "push": [copy] });
        assert_eq!("unchanged", ask(&engine, &copy).await["results"][0]["outcome"]);
        push(&engine, "b", Some(1), 5, json!({ "title": "Y" })).await;

        let again = ask(&engine, &copy).await;

        assert_eq!("unchanged", again["results"][0]["outcome"], "{edited_at:?}");
        assert_eq!("Y", read(&engine).await["title"]);
    }
}

#[tokio::test]
async fn an_export_comes_back_under_a_schema_that_has_grown() {
    let store = Arc::new(MemoryStore::new());
    let text = |max| Field::new(2, "text", FieldType::text(max));
    let mood =
        |words: &[&'static str]| Field::new(3, "mood", FieldType::one_of(words.iter().copied()));
    let before = engine(&store, notes([text(9), mood(&["calm", "glad"])]));
    push(&before, "a", None, 0, json!({ "title": "1", "text": "too long", "mood": "glad" })).await;
    push(&before, "a", Some(1), 1, json!({ "title": "2" })).await;
    let made = Field::new(4, "made", FieldType::Time).required_edit_time().merge(Merge::Fixed);
    let grown = notes([
        text(3),
        mood(&["calm"]),
        made,
        Field::new(5, "more", FieldType::text(9)).required("yes"),
    ]);

    let exported = exported(&engine(&store, grown.clone()), &kai()).await;
    let empty = Arc::new(MemoryStore::new());
    let after = engine(&empty, grown);
    import(&after, &kai(), &exported).await.unwrap();

    let expected = json!({ "title": "2", "text": "too long", "mood": "glad",
        "made": "2026-11-22T10:00:00.000Z", "more": "yes" });
    assert_eq!(expected, read(&after).await);
}

#[tokio::test]
async fn an_export_comes_back_under_a_schema_that_asks_for_more() {
    let store = Arc::new(MemoryStore::new());
    let word = || Field::new(2, "word", FieldType::text(9));
    let before = engine(&store, notes([word()]));
    push(&before, "a", None, 0, json!({ "title": "1" })).await;
    push(&before, "a", Some(1), 1, json!({ "title": "2", "word": "x" })).await;
    push(&before, "a", Some(2), 2, json!({ "word": "y" })).await;
    push(&before, "b", Some(2), 1, json!({ "word": null })).await;
    push(&before, "a", Some(3), 3, json!({ "word": null })).await;
    let exported = exported(&before, &kai()).await;
    let song = Field::new(3, "song", FieldType::text(9)).mandatory();
    let grown = notes([word().mandatory(), song]);

    for schema in [grown.clone(), notes([word().required("w")])] {
        let after = engine(&Arc::new(MemoryStore::new()), schema);
        import(&after, &kai(), &exported).await.unwrap();
        assert_eq!("2", read(&after).await["title"]);
    }

    let mut foreign: Json = serde_json::from_str(&exported).unwrap();
    foreign["records"][0].as_object_mut().unwrap().remove("_haumana");
    let after = engine(&Arc::new(MemoryStore::new()), grown);
    let refused = import(&after, &kai(), &foreign.to_string()).await.unwrap_err();
    let Refused::Entry(flaw) = refused else { panic!("{refused:?}") };
    assert_eq!("records[0]: word is missing (invalid_field)", flaw.to_string());
    foreign["records"][0]["value"]["word"] = "0123456789".into();
    foreign["records"][0]["value"]["song"] = "x".into();
    let refused = import(&after, &kai(), &foreign.to_string()).await.unwrap_err();
    let Refused::Entry(flaw) = refused else { panic!("{refused:?}") };
    assert_eq!("records[0]: word is too large (too_large)", flaw.to_string());
}

#[tokio::test]
async fn a_push_that_comes_again_after_a_change_of_the_schema_is_still_the_same() {
    let with =
        || notes([Field::new(2, "old", FieldType::text(9)), Field::new(3, "on", FieldType::Flag)]);
    let without = || notes([]);
    for (before, after) in [(with(), without()), (without(), with())] {
        let store = Arc::new(MemoryStore::new());
        let earlier = engine(&store, before);
        push(&earlier, "a", None, 0, json!({"title": "t", "old": "0", "on": false})).await;
        let first = || json!({"old": "A", "on": true});
        push(&earlier, "a", Some(1), 2, first()).await;
        let later = engine(&store, after);
        // Its clock is slow, so its edit is the earlier one, and knows the other.
        push(&later, "b", Some(2), 1, json!({"old": "B", "on": false})).await;

        let again = push(&later, "a", Some(1), 2, first()).await;

        assert_eq!("unchanged", again["outcome"], "{again}");
        assert_eq!((json!("B"), json!(false)), {
            let now = read(&later).await;
            (now["old"].clone(), now["on"].clone())
        });
    }
}

#[tokio::test]
async fn a_value_that_lost_between_two_edits_of_one_request_is_in_the_history() {
    let schema = notes([Field::new(2, "one", FieldType::text(9)).merge(Merge::First)]);
    let engine = engine(&Arc::new(MemoryStore::new()), schema);
    push(&engine, "a", None, 0, json!({"title": "t"})).await;
    push(&engine, "b", Some(1), 1, json!({"one": "early"})).await;
    let edit = |minute: u32, set: Json| {
        json!({"kind": "note", "id": ID, "base": 1, "set": set,
            "editedAt": format!("2026-11-22T10:{minute:02}:00Z")})
    };
    let pushes = [
        edit(2, json!({"title": "T"})),
        edit(3, json!({"one": "lost"})),
        edit(4, json!({"title": "U"})),
    ];
    ask(&engine, &json!({"deviceId": "a", "push": pushes})).await;

    let key = Key { kind: KindNumber::new(3), id: RecordId::parse(ID).unwrap() };
    for limit in [1, 9] {
        let page = engine.history_of(&kai(), key, None, limit, 1 << 20).await.unwrap();
        let lost = page.versions[0].lost.iter().map(|lost| lost.value.clone());
        assert_eq!(vec![Value::Text("lost".to_owned())], lost.collect::<Vec<_>>(), "{limit}");
    }
}

#[tokio::test]
async fn a_record_that_was_brought_back_while_it_was_exported_comes_back_as_it_is() {
    let schema = || notes([]);
    let engine_of = || engine(&Arc::new(MemoryStore::new()), schema());
    let from = engine_of();
    push(&from, "a", None, 0, json!({"title": "1"})).await;
    let delete = json!({"kind": "note", "id": ID, "base": 1, "delete": true});
    ask(&from, &json!({"deviceId": "a", "push": [delete]})).await;
    let mut document: Json = serde_json::from_str(&exported(&from, &kai()).await).unwrap();
    assert_eq!(1, document["tombstones"].as_array().unwrap().len());
    push(&from, "b", Some(1), 5, json!({"title": "back"})).await;
    // The tombstone was read before, and the records are read after.
    let later: Json = serde_json::from_str(&exported(&from, &kai()).await).unwrap();
    for list in ["records", "history"] {
        document[list] = later[list].clone();
    }

    let to = engine_of();
    import(&to, &kai(), &document.to_string()).await.unwrap();

    assert_eq!(json!({"title": "back"}), read(&to).await);
}
