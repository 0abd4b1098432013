//! Rows that somebody has changed by hand: each call answers with everything else, says what is
//! broken, and other users notice nothing.

use crate::support::{DAY, connect, open};
use haumana_store_postgres::testing::Server;
use haumana_store_postgres::{PostgresOptions, PostgresStore};
use haumana_sync::Store;
use haumana_sync::conformance::sample::{everything, user};
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{Asked, Engine, EngineConfig, ErrorKind, Fault, Unreadable, Witness};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::store::{After, Generation, HistoryKey, Operate};
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

const BROKEN: &str = "5EED0000-0000-4000-8000-000000000001";
const SOUND: &str = "5EED0000-0000-4000-8000-000000000002";

/// What can be done to the first piece's row. A `NULL` is let in first.
const DEEDS: [(&str, &str); 17] = [
    ("cut text", "content = substr(content, 1, 20)"),
    ("no letters", r"content = '\xff00'"),
    ("no letters beside it", r"meta = '\xff00'"),
    ("no text", "content = ''"),
    ("a list", "content = '[]'"),
    ("a number", "content = '5'"),
    ("a negative version", "version = -3"),
    ("a version too large", "version = 1::bigint << 40"),
    ("a number too large", "format = 1000000"),
    ("no content", "content = NULL"),
    ("nothing beside it", "meta = NULL"),
    ("no hash", "hash = NULL"),
    ("no version", "version = NULL"),
    ("no stamp", "stamp = NULL"),
    ("no time", "modified_at = NULL"),
    ("neither deleted nor not", "deleted = NULL"),
    ("no format", "format = NULL"),
];

/// Writes down what is reported.
#[derive(Debug, Default)]
struct Notebook(Mutex<Vec<(UserId, Unreadable)>>);

impl Witness for Notebook {
    fn unreadable(&self, user: &UserId, what: Unreadable) {
        self.0.lock().unwrap().push((user.clone(), what));
    }
}

fn key(id: &str) -> Key {
    Key::piece(RecordId::parse(id).unwrap())
}

fn edit(id: &str, base: Option<u32>, title: &str) -> Value {
    json!({"kind": "piece", "id": id, "base": base, "set": {"title": title},
    "editedAt": match title {
        "made" => "2026-11-22T10:00:00Z",
        "edited" => "2026-11-22T11:00:00Z",
        _ => "2026-11-22T12:00:00Z",
    }})
}

fn ids(changes: &Value) -> Vec<&str> {
    changes.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

/// A store in a schema of its own, and an engine on it.
struct Begun {
    engine: Engine,
    store: Arc<PostgresStore>,
    options: PostgresOptions,
    notebook: Arc<Notebook>,
    cursor: Value,
}

/// Two users make two pieces each, which have a history.
async fn begin(server: &Server) -> Begun {
    let options = server.empty();
    let store = Arc::new(open(&options).await);
    let (clock, random) = (Arc::new(SetClock::at(DAY)), Arc::new(SeededRandom::starting_at(7)));
    let notebook = Arc::new(Notebook::default());
    let engine = Engine::new(store.clone(), clock, random, EngineConfig::new(Generation(0)));
    let engine = engine.with_witness(notebook.clone());
    let mut begun = Begun { engine, store, options, notebook, cursor: Value::Null };
    for name in ["noe", "kai"] {
        let made = [BROKEN, SOUND].map(|id| edit(id, None, "made"));
        let made = begun.sync(&user(name), &Value::Null, &made).await;
        let edits = [BROKEN, SOUND].map(|id| edit(id, Some(1), "edited"));
        let edited = begun.sync(&user(name), &made["cursor"], &edits).await;
        begun.cursor = edited["cursor"].clone();
    }
    begun
}

impl Begun {
    async fn sync(&self, user: &UserId, cursor: &Value, push: &[Value]) -> Value {
        self.sync_some(user, cursor, push, 500).await
    }

    async fn sync_some(
        &self,
        user: &UserId,
        cursor: &Value,
        push: &[Value],
        limit: usize,
    ) -> Value {
        let text = json!({"deviceId": "a", "cursor": cursor, "push": push, "limit": limit});
        let text = text.to_string();
        let request = SyncRequest::from_json(text.as_bytes()).unwrap();
        let reply = self.engine.sync(user, &request, 1 << 20);
        // A store whose pages lead nowhere keeps the engine for ever.
        let reply = tokio::time::timeout(Duration::from_secs(60), reply).await;
        let reply = reply.expect("a sync ends whatever is stored").unwrap();
        serde_json::from_slice(&reply.into_json()).unwrap()
    }

    async fn export(&self, user: &UserId) -> Value {
        let mut export = self.engine.export(user).await.unwrap();
        let mut text = String::new();
        while let Some(part) = self.engine.export_more(&mut export).await.unwrap() {
            text.push_str(&part);
        }
        serde_json::from_str(&text).unwrap()
    }

    /// Changes rows of kai's, as a person with `psql` does. Constraints are in nobody's way.
    async fn change(&self, server: &Server, table: &str, set: &str) {
        let (client, schema) = (connect(server).await, &self.options.schema);
        if let Some(column) = set.strip_suffix(" = NULL") {
            let allow = format!("ALTER TABLE {schema}.{table} ALTER {column} DROP NOT NULL");
            client.batch_execute(&allow).await.unwrap();
        }
        let account = format!("SELECT account FROM {schema}.heads WHERE subject = 'kai'");
        let id = Uuid::parse_str(BROKEN).unwrap();
        let of = match table {
            "heads" => "subject = 'kai'".to_owned(),
            _ => format!("account = ({account}) AND id = '{id}'"),
        };
        let update = format!("UPDATE {schema}.{table} SET {set} WHERE {of}");
        let n_changed = client.execute(&update, &[]).await.unwrap();
        assert!(0 < n_changed, "{update}");
    }

    /// Another user's syncs, pushes and exports are as ever.
    async fn check_others(&self, name: &str) {
        let noe = user("noe");
        let reply = self.sync(&noe, &Value::Null, &[edit(BROKEN, Some(2), "mine")]).await;
        assert_eq!("applied", reply["results"][0]["outcome"], "{name}: {reply}");
        assert!(reply["digest"].is_string(), "{name}: {reply}");
        assert_eq!(2, self.export(&noe).await["pieces"].as_array().unwrap().len(), "{name}");
        let told = self.notebook.0.lock().unwrap();
        assert!(told.iter().all(|(user, _)| user.as_str() == "kai"), "{name}: {told:?}");
    }
}

#[tokio::test]
async fn a_row_that_was_changed_by_hand_is_set_aside_in_every_call() {
    let (server, kai) = (server_or_skip!(), user("kai"));
    for (name, set) in DEEDS {
        let begun = begin(server).await;
        begun.change(server, "records", set).await;

        let pushes = [edit(BROKEN, Some(2), "mine"), edit(SOUND, Some(2), "mine")];
        let reply = begun.sync(&kai, &begun.cursor, &pushes).await;
        let again = begun.sync(&kai, &Value::Null, &[]).await;
        let document = begun.export(&kai).await;
        let stream = begun.store.changes(&kai, After::Start, 10).await.unwrap();
        let index = begun.store.index(&kai, KindNumber::PIECE).await.unwrap();
        let (engine, limit) = (&begun.engine, 1 << 20);
        let history = engine.history_of(&kai, key(SOUND), None, 10, limit).await.unwrap();

        assert_eq!("rejected", reply["results"][0]["outcome"], "{name}: {reply}");
        assert_eq!("unreadable", reply["results"][0]["error"]["code"], "{name}");
        assert_eq!("applied", reply["results"][1]["outcome"], "{name}");
        assert_eq!(vec![SOUND], ids(&again["changes"]), "{name}");
        assert_eq!(Value::Null, again["digest"], "{name}: no device can agree with it");
        assert_eq!(1, document["pieces"].as_array().unwrap().len(), "{name}");
        assert_eq!(json!([]), document["tombstones"], "{name}");
        assert!(!index.is_empty() && !stream.records.is_empty(), "{name}");
        assert_eq!(3, history.versions.len(), "{name}");
        let told = begun.notebook.0.lock().unwrap().clone();
        let is_named = |(_, what): &(UserId, Unreadable)| {
            *what == Unreadable { key: key(BROKEN), history: None }
        };
        assert!(told.iter().any(is_named), "{name}: a person is told which one");
        begun.check_others(name).await;
    }
}

#[tokio::test]
async fn a_record_whose_size_is_wrong_is_whole_and_keeps_nothing_back() {
    let (server, kai) = (server_or_skip!(), user("kai"));
    for set in ["size_bytes = NULL", "size_bytes = -5", "size_bytes = 1::bigint << 50"] {
        let begun = begin(server).await;
        begun.change(server, "records", set).await;

        let pushed = [edit(SOUND, Some(2), "mine")];
        let reply = begun.sync(&kai, &Value::Null, &pushed).await;

        assert_eq!("applied", reply["results"][0]["outcome"], "{set}: {reply}");
        assert_eq!(vec![BROKEN, SOUND], ids(&reply["changes"]), "{set}: {reply}");
        begun.check_others(set).await;
    }
}

#[tokio::test]
async fn a_row_whose_key_cannot_be_read_is_not_there_and_pages_go_on_behind_it() {
    let (server, kai) = (server_or_skip!(), user("kai"));
    for set in ["kind = 300", "kind = -3", "kind = 256", "kind = -1"] {
        let begun = begin(server).await;
        begun.change(server, "records", set).await;

        let (mut cursor, mut seen) = (Value::Null, Vec::new());
        loop {
            let page = begun.sync_some(&kai, &cursor, &[], 1).await;
            seen.extend(ids(&page["changes"]).into_iter().map(str::to_owned));
            cursor = page["cursor"].clone();
            if page["more"] != true {
                break;
            }
        }
        let pushed = begun.sync(&kai, &cursor, &[edit(SOUND, Some(2), "mine")]).await;
        let document = begun.export(&kai).await;
        let verified = begun.engine.verify(&*begun.store, &kai).await.unwrap();

        assert_eq!(vec![SOUND], seen, "{set}");
        assert_eq!("applied", pushed["results"][0]["outcome"], "{set}: {pushed}");
        assert_eq!(1, document["pieces"].as_array().unwrap().len(), "{set}");
        assert!(!verified.findings.is_empty(), "{set}: whoever verifies is told");
        begun.check_others(set).await;
    }
}

#[tokio::test]
async fn a_kind_that_no_schema_has_is_a_newer_programs_and_harms_nobody() {
    let (server, kai) = (server_or_skip!(), user("kai"));
    let begun = begin(server).await;
    begun.change(server, "records", "kind = 77").await;

    let reply = begun.sync(&kai, &Value::Null, &[edit(SOUND, Some(2), "mine")]).await;
    let document = begun.export(&kai).await;

    assert_eq!("applied", reply["results"][0]["outcome"], "{reply}");
    assert!(ids(&reply["changes"]).contains(&SOUND), "{reply}");
    assert_eq!(1, document["pieces"].as_array().unwrap().len(), "{document}");
    begun.check_others("kind = 77").await;
}

#[tokio::test]
async fn an_entry_of_the_history_that_was_changed_by_hand_is_passed_over() {
    let (server, kai) = (server_or_skip!(), user("kai"));
    for set in [
        r"content = '\xff00'",
        "content = '[]'",
        "content = NULL",
        "meta = '{'",
        r"meta = '\xff00'",
        "meta = NULL",
        "at = NULL",
        "side = side - 9",
        "side = side + (1::bigint << 40)",
        "version = version - 9",
    ] {
        let begun = begin(server).await;
        begun.change(server, "history", set).await;
        let (engine, limit) = (&begun.engine, 1 << 20);

        let page = engine.history_of(&kai, key(BROKEN), None, 10, limit).await.unwrap();
        let restored = engine.restore_record(&kai, key(BROKEN), 1, &Asked::default()).await;
        let at = HistoryKey { key: key(BROKEN), version: 1, side: 0 };
        let read = begun.store.history(&kai, &[at]).await;
        let walked = begun.store.user_history(&kai, None, 1).await;
        let reply = begun.sync(&kai, &begun.cursor, &[edit(BROKEN, Some(2), "mine")]).await;

        assert_eq!(1, page.versions.len(), "{set}");
        assert_eq!(ErrorKind::PastRetention, restored.unwrap_err().kind(), "{set}");
        assert!(read.is_ok() && walked.is_ok(), "{set}");
        assert_eq!("applied", reply["results"][0]["outcome"], "{set}: {reply}");
        begun.check_others(set).await;
    }
}

#[tokio::test]
async fn entries_behind_one_whose_key_cannot_be_read_are_listed() {
    let (server, kai) = (server_or_skip!(), user("kai"));
    let begun = begin(server).await;
    let schema = &begun.options.schema;
    // More than a page of one entry looks at.
    let more = format!(
        "INSERT INTO {schema}.history (account, kind, id, version, side, at, content, meta)
         SELECT account, kind, id, version, side - n, at, content, meta
         FROM {schema}.history, generate_series(7, 9) n"
    );
    connect(server).await.batch_execute(&more).await.unwrap();

    let listed = begun.store.history_of(&kai, &key(BROKEN), None, 1).await.unwrap();

    assert_eq!(
        vec![(1, 0)],
        listed.iter().map(|one| (one.key.version, one.key.side)).collect::<Vec<_>>()
    );
}

/// Without a head nobody knows what a device has, so nothing of that account is served or written.
#[tokio::test]
async fn a_head_that_was_changed_by_hand_stops_its_own_user_alone_and_is_found() {
    let (server, kai) = (server_or_skip!(), user("kai"));
    for set in [
        "state = 9",
        r"notes = '\xff00'",
        "notes = NULL",
        "generation = -1",
        "max_version = 1::bigint << 40",
        "commit_id = NULL",
        "bytes = NULL",
    ] {
        let begun = begin(server).await;
        let before = everything(&*begun.store, &user("noe"), &[key(SOUND)]).await;
        begun.change(server, "heads", set).await;

        let text = json!({"deviceId": "a", "cursor": null, "push": [edit(SOUND, Some(2), "mine")]});
        let text = text.to_string();
        let request = SyncRequest::from_json(text.as_bytes()).unwrap();
        let refused = begun.engine.sync(&kai, &request, 1 << 20).await.unwrap_err();
        let exported = begun.engine.export(&kai).await.map(drop).unwrap_err();
        let verified = begun.engine.verify(&*begun.store, &kai).await.unwrap();

        assert_eq!(ErrorKind::Internal, refused.kind(), "{set}: it is not the client's mistake");
        assert_eq!(ErrorKind::Internal, exported.kind(), "{set}");
        assert_eq!(Fault::HeadUnreadable, verified.findings[0].fault, "{set}");
        let users = begun.store.users(None, 10).await.unwrap().users;
        assert_eq!(2, users.len(), "{set}: the operator's list goes on");
        begun.store.sweep(DAY, None, 10).await.unwrap();
        let after = everything(&*begun.store, &user("noe"), &[key(SOUND)]).await;
        assert_eq!(before, after, "{set}");
        begun.check_others(set).await;
        let reopened = open(&begun.options).await;
        assert!(reopened.head(&user("noe")).await.unwrap().is_some(), "{set}: it opens again");
    }
}
