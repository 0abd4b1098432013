//! Items that somebody has changed or deleted by hand, in the console: each call answers with
//! everything else.

use crate::support::user;
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_store_dynamo::testing::{Tables, client};
use haumana_store_dynamo::{DynamoOptions, DynamoStore, Retry};
use haumana_sync::Store;
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::{KindNumber, UserId};
use haumana_sync::store::{After, Generation, Stamp};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BROKEN: &str = "5EED0000-0000-4000-8000-000000000001";
const SOUND: &str = "5EED0000-0000-4000-8000-000000000002";
/// 2025-06-15: what was committed then is long over.
const THEN: UnixMillis = UnixMillis(1_750_000_000_000);

async fn sync(engine: &Engine, kai: &UserId, push: &[Value]) -> Value {
    sync_from(engine, kai, &Value::Null, push).await
}

async fn sync_from(engine: &Engine, kai: &UserId, cursor: &Value, push: &[Value]) -> Value {
    let text = json!({"deviceId": "a", "cursor": cursor, "push": push}).to_string();
    let request = SyncRequest::from_json(text.as_bytes()).unwrap();
    let reply = engine.sync(kai, &request, 1 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

fn edit(id: &str, base: Option<u32>, title: &str) -> Value {
    json!({"kind": "piece", "id": id, "base": base,
    "set": {"title": title, "lyrics": "as it was"}, "editedAt": match title {
        "made" => "2025-06-14T10:00:00Z",
        "edited" => "2025-06-14T11:00:00Z",
        _ => "2025-06-14T12:00:00Z",
    }})
}

async fn export(engine: &Engine, kai: &UserId) -> Value {
    let mut export = engine.export(kai).await.unwrap();
    let mut text = String::new();
    while let Some(part) = engine.export_more(&mut export).await.unwrap() {
        text.push_str(&part);
    }
    serde_json::from_str(&text).unwrap()
}

/// A user with two pieces.
struct Account {
    tables: Tables,
    store: Arc<DynamoStore>,
    engine: Engine,
    kai: UserId,
    cursor: Value,
}

impl Account {
    async fn new(at: UnixMillis) -> Self {
        let (tables, kai) = (Tables::create().await, user("kai"));
        let store = Arc::new(tables.store());
        let (clock, random) = (Arc::new(SetClock::at(at)), Arc::new(SeededRandom::starting_at(7)));
        let config = EngineConfig::new(Generation(0));
        let engine = Engine::new(store.clone(), clock, random, config);
        let made = [BROKEN, SOUND].map(|id| edit(id, None, "made"));
        let made = sync(&engine, &kai, &made).await;
        let edits = [BROKEN, SOUND].map(|id| edit(id, Some(1), "edited"));
        let edited = sync_from(&engine, &kai, &made["cursor"], &edits).await;
        Self { tables, store, engine, kai, cursor: edited["cursor"].clone() }
    }

    fn key() -> HashMap<String, AttributeValue> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([("userId".to_owned(), text("kai")), ("pieceId".to_owned(), text(BROKEN))])
    }

    /// Puts a value into an attribute of the first piece, or removes it.
    async fn change(&self, name: &str, value: Option<AttributeValue>) {
        let client = client(&self.tables.options());
        let update = client
            .update_item()
            .table_name(format!("{}pieces", self.tables.prefix()))
            .set_key(Some(Self::key()))
            .expression_attribute_names("#name", name);
        let update = match value {
            Some(value) => update
                .update_expression("SET #name = :value")
                .expression_attribute_values(":value", value),
            None => update.update_expression("REMOVE #name"),
        };
        update.send().await.unwrap();
    }

    async fn delete(&self) {
        let client = client(&self.tables.options());
        let delete = client.delete_item().table_name(format!("{}pieces", self.tables.prefix()));
        delete.set_key(Some(Self::key())).send().await.unwrap();
    }
}

fn text(text: &str) -> Option<AttributeValue> {
    Some(AttributeValue::S(text.to_owned()))
}

#[tokio::test]
async fn an_item_that_was_broken_by_hand_is_set_aside_in_every_call() {
    let deeds = [
        ("_meta", None),
        ("_k", text("two")),
        ("_h", None),
        ("_format", text("one")),
        ("_modified", None),
        ("extra", text("no object")),
    ];
    for (name, value) in deeds {
        let account = Account::new(THEN).await;
        let Account { engine, kai, store, cursor, .. } = &account;
        account.change(name, value).await;

        let pushes = [edit(BROKEN, Some(2), "mine"), edit(SOUND, Some(2), "mine")];
        let reply = sync_from(engine, kai, cursor, &pushes).await;
        let document = export(engine, kai).await;
        let index = store.index(kai, KindNumber::PIECE).await.unwrap();
        let later = store.changes(kai, After::Stamp(Stamp(0)), 10).await.unwrap();

        assert_eq!("rejected", reply["results"][0]["outcome"], "{name}: {reply}");
        assert_eq!("unreadable", reply["results"][0]["error"]["code"], "{name}");
        assert_eq!("applied", reply["results"][1]["outcome"], "{name}");
        assert_eq!(1, document["pieces"].as_array().unwrap().len(), "{name}");
        assert_eq!(json!([]), document["tombstones"], "{name}");
        assert!(!index.is_empty() && !later.records.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_lyric_that_was_mended_in_the_console_is_what_the_record_holds() {
    let account = Account::new(THEN).await;
    account.change("lyrics", text("mended, and longer than it was")).await;

    let reply = sync(&account.engine, &account.kai, &[]).await;
    let edited = sync_from(
        &account.engine,
        &account.kai,
        &account.cursor,
        &[json!({"kind": "piece", "id": BROKEN,
        "base": 2, "set": {"title": "mine"}, "editedAt": "2025-06-14T12:00:00Z"})],
    )
    .await;
    let document = export(&account.engine, &account.kai).await;

    let changes = reply["changes"].as_array().unwrap();
    let found = changes.iter().find(|one| one["id"] == BROKEN).unwrap();
    assert_eq!("mended, and longer than it was", found["value"]["lyrics"]);
    assert_eq!("applied", edited["results"][0]["outcome"]);
    let pieces = document["pieces"].as_array().unwrap();
    let found = pieces.iter().find(|one| one["pieceId"] == BROKEN).unwrap();
    assert_eq!(
        ("mine", "mended, and longer than it was"),
        (found["title"].as_str().unwrap(), found["lyrics"].as_str().unwrap())
    );
}

#[tokio::test]
async fn an_item_that_was_deleted_by_hand_is_not_there_and_a_device_brings_it_back() {
    let account = Account::new(THEN).await;
    let Account { engine, kai, store, cursor, .. } = &account;
    account.delete().await;
    let begun = Instant::now();

    let reply = sync_from(engine, kai, cursor, &[edit(SOUND, Some(2), "mine")]).await;
    let document = export(engine, kai).await;
    let index = store.index(kai, KindNumber::PIECE).await.unwrap();
    let later = store.changes(kai, After::Stamp(Stamp(0)), 10).await.unwrap();
    let whole = json!({"title": "held", "category": "oli", "lyrics": "", "includeInPractice": true,
        "isFavorite": false, "createdAt": "2025-06-15T10:00:00.000Z"});
    let again = json!({"kind": "piece", "id": BROKEN, "base": null, "set": whole,
        "editedAt": "2025-06-14T13:00:00Z"});
    let back = sync(engine, kai, &[again]).await;

    assert!(begun.elapsed() < Duration::from_secs(20), "nobody waits until the time is over");
    assert_eq!("applied", reply["results"][0]["outcome"]);
    assert_eq!(1, document["pieces"].as_array().unwrap().len());
    assert_eq!(json!([]), document["tombstones"]);
    assert_eq!((1, 1), (index.len(), later.records.len()));
    assert_eq!("applied", back["results"][0]["outcome"]);
    assert_eq!(2, export(engine, kai).await["pieces"].as_array().unwrap().len());
}

#[tokio::test]
async fn what_a_commit_of_just_now_wrote_is_waited_for() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let account = Account::new(UnixMillis(i64::try_from(now.as_millis()).unwrap())).await;
    account.delete().await;
    let retry = Retry { budget: Duration::from_secs(1), ..account.tables.options().retry };
    let store = DynamoStore::open(DynamoOptions { retry, ..account.tables.options() });

    let refused = store.index(&account.kai, KindNumber::PIECE).await.unwrap_err();

    use haumana_sync::store::ErrorKind::{Throttled, Unavailable};
    assert!(matches!(refused.kind(), Throttled | Unavailable), "to be asked again later");
}
