//! Rows that somebody has changed by hand: each call answers with everything else.

use crate::support::{Directory, options, user};
use haumana_store_sqlite::SqliteStore;
use haumana_sync::Store;
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{Asked, Engine, EngineConfig, ErrorKind};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::store::{After, Generation, HistoryKey};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::sync::SyncRequest;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::sync::Arc;

const BROKEN: &str = "5EED0000-0000-4000-8000-000000000001";
const SOUND: &str = "5EED0000-0000-4000-8000-000000000002";

/// What can be done to the first piece's row. `?1` is its id.
const DEEDS: [(&str, &str); 7] = [
    (
        "cut text",
        "UPDATE bodies SET content = substr(content, 1, 20) WHERE body = (SELECT body FROM records WHERE id = ?1)",
    ),
    (
        "no letters",
        "UPDATE bodies SET content = CAST(x'FF00' AS TEXT) WHERE body = (SELECT body FROM records WHERE id = ?1)",
    ),
    (
        "no letters beside it",
        "UPDATE bodies SET meta = CAST(x'FF00' AS TEXT) WHERE body = (SELECT body FROM records WHERE id = ?1)",
    ),
    ("no body", "DELETE FROM bodies WHERE body = (SELECT body FROM records WHERE id = ?1)"),
    ("a short hash", "UPDATE records SET hash = x'00' WHERE id = ?1"),
    ("a negative version", "UPDATE records SET version = -3 WHERE id = ?1"),
    ("a number too large", "UPDATE records SET format = 1000000 WHERE id = ?1"),
];

fn key(id: &str) -> Key {
    Key::piece(RecordId::parse(id).unwrap())
}

async fn sync(engine: &Engine, kai: &UserId, cursor: &Value, push: &[Value]) -> Value {
    let text = json!({"deviceId": "a", "cursor": cursor, "push": push}).to_string();
    let request = SyncRequest::from_json(text.as_bytes()).unwrap();
    let reply = engine.sync(kai, &request, 1 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

fn edit(id: &str, base: Option<u32>, title: &str) -> Value {
    json!({"kind": "piece", "id": id, "base": base, "set": {"title": title},
    "editedAt": match title {
        "made" => "2026-11-22T10:00:00Z",
        "edited" => "2026-11-22T11:00:00Z",
        _ => "2026-11-22T12:00:00Z",
    }})
}

/// A store in a directory of its own, and an engine on it.
struct Begun {
    // Declared first, so closed before the directory goes.
    engine: Engine,
    store: Arc<SqliteStore>,
    directory: Directory,
    cursor: Value,
}

/// Makes two pieces that have a history.
async fn begin(kai: &UserId) -> Begun {
    let directory = Directory::new();
    let options = options(&directory.file("haumana.db"));
    let store = Arc::new(SqliteStore::open(&options).unwrap());
    let clock = Arc::new(SetClock::at(UnixMillis(1_795_392_000_000)));
    let config = EngineConfig::new(Generation(0));
    let random = Arc::new(SeededRandom::starting_at(7));
    let engine = Engine::new(store.clone(), clock, random, config);
    let made = [BROKEN, SOUND].map(|id| edit(id, None, "made"));
    let made = sync(&engine, kai, &Value::Null, &made).await;
    let edits = [BROKEN, SOUND].map(|id| edit(id, Some(1), "edited"));
    let edited = sync(&engine, kai, &made["cursor"], &edits).await;
    Begun { cursor: edited["cursor"].clone(), engine, store, directory }
}

fn change(directory: &Directory, statement: &str) {
    let by_hand = Connection::open(directory.file("haumana.db")).unwrap();
    let id = RecordId::parse(BROKEN).unwrap().bits().to_be_bytes();
    by_hand.pragma_update(None, "ignore_check_constraints", true).unwrap();
    by_hand.pragma_update(None, "foreign_keys", false).unwrap();
    let n_changed = by_hand.execute(statement, [id]);
    assert!(n_changed.is_ok_and(|n| 0 < n), "{statement}");
}

#[tokio::test]
async fn a_row_that_was_changed_by_hand_is_set_aside_in_every_call() {
    let kai = user("kai");
    for (name, statement) in DEEDS {
        let Begun { engine, store, directory, cursor } = begin(&kai).await;
        change(&directory, statement);

        let pushes = [edit(BROKEN, Some(2), "mine"), edit(SOUND, Some(2), "mine")];
        let reply = sync(&engine, &kai, &cursor, &pushes).await;
        let again = sync(&engine, &kai, &Value::Null, &[]).await;
        let mut export = engine.export(&kai).await.unwrap();
        let mut text = String::new();
        while let Some(part) = engine.export_more(&mut export).await.unwrap() {
            text.push_str(&part);
        }
        let index = store.index(&kai, haumana_sync::id::KindNumber::PIECE).await.unwrap();
        let stream = store.changes(&kai, After::Start, 10).await.unwrap();
        let history = engine.history_of(&kai, key(SOUND), None, 10, 1 << 20).await.unwrap();

        assert_eq!("rejected", reply["results"][0]["outcome"], "{name}: {reply}");
        assert_eq!("unreadable", reply["results"][0]["error"]["code"], "{name}");
        assert_eq!("applied", reply["results"][1]["outcome"], "{name}");
        let changed = again["changes"].as_array().unwrap();
        assert_eq!(vec![SOUND], changed.iter().map(|one| &one["id"]).collect::<Vec<_>>(), "{name}");
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(1, document["pieces"].as_array().unwrap().len(), "{name}");
        assert_eq!(json!([]), document["tombstones"], "{name}");
        assert!(!index.is_empty() && !stream.records.is_empty(), "{name}");
        assert_eq!(3, history.versions.len(), "{name}");
    }
}

#[tokio::test]
async fn an_entry_of_the_history_that_was_changed_by_hand_is_passed_over() {
    let kai = user("kai");
    for statement in [
        "UPDATE history SET content = CAST(x'FF00' AS TEXT) WHERE id = ?1",
        "UPDATE history SET meta = '{' WHERE id = ?1",
        "UPDATE history SET side = -1 WHERE id = ?1",
    ] {
        let Begun { engine, store, directory, .. } = begin(&kai).await;
        change(&directory, statement);

        let page = engine.history_of(&kai, key(BROKEN), None, 10, 1 << 20).await.unwrap();
        let restored = engine.restore_record(&kai, key(BROKEN), 1, &Asked::default()).await;
        let at = HistoryKey { key: key(BROKEN), version: 1, side: 0 };
        let read = store.history(&kai, &[at]).await;

        assert_eq!(1, page.versions.len(), "{statement}");
        assert_eq!(ErrorKind::PastRetention, restored.unwrap_err().kind(), "{statement}");
        assert!(read.is_ok(), "{statement}");
    }
}
