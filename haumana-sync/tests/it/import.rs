//! Exports that come back.

use crate::support::{Server, body, kai, new_piece};
use haumana_sync::engine::{Engine, ErrorKind, ImportFlaw, Imported, PartState, Resolution};
use haumana_sync::id::UserId;
use haumana_sync::wire::BadRequest;
use haumana_sync::wire::import::ImportRequest;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};

const LISTS: [&str; 5] = ["pieces", "practiceSessions", "history", "conflicts", "tombstones"];

pub fn lani() -> UserId {
    UserId::verified_by_caller("lani").unwrap()
}

async fn exported(engine: &Engine, user: &UserId) -> String {
    let mut export = engine.export(user).await.unwrap();
    let mut text = String::new();
    while let Some(more) = engine.export_more(&mut export).await.unwrap() {
        text.push_str(&more);
    }
    text
}

#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Document(BadRequest),
    Entry(ImportFlaw),
    Engine(ErrorKind),
}

async fn import(engine: &Engine, user: &UserId, text: &str) -> Result<Imported, Refused> {
    let request = ImportRequest::from_json(text.as_bytes()).map_err(Refused::Document)?;
    let import = engine.check_import(user, request).map_err(Refused::Entry)?;
    engine.import(&import).await.map_err(|error| Refused::Engine(error.kind()))
}

/// What an export says, without when it was made, whose it is, and in which order.
fn said(export: &str) -> Value {
    let mut export: Value = serde_json::from_str(export).unwrap();
    export["exportDate"].take();
    export["user"].take();
    for list in LISTS {
        let entries = export[list].as_array_mut().unwrap();
        entries.iter_mut().for_each(|entry| drop(entry.get_mut("userId").map(Value::take)));
        entries.sort_by_key(Value::to_string);
    }
    export
}

async fn sync(server: &Server, user: &UserId, body: &Value) -> Value {
    let body = body.to_string();
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = server.engine.sync(user, &request, 1 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

fn push(device: &str, n: u32, base: Option<u32>, more: Value) -> Value {
    let id = format!("5EED0000-0000-4000-8000-{n:012}");
    let mut push = json!({ "kind": "piece", "id": id, "base": base });
    push.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "deviceId": device, "cursor": null, "push": [push] })
}

fn set(title: &str, secs: i64) -> Value {
    let at = format!("2026-11-22T00:00:{secs:02}Z");
    json!({ "editedAt": at, "set": { "title": title } })
}

/// A server whose account has one of everything, by both protocols.
async fn full() -> Server {
    let server = Server::new();
    let user = kai();
    let mut piece = new_piece(1, "Oli \"Aloha\"", "a\r\n\tb");
    piece["mood"] = json!({ "deep": [1, null, "ʻ"], "key": "E" });
    server.post_pieces(&user, &body(&[piece, new_piece(2, "Mele", "b")], None)).await;
    let session = json!({
        "sessionId": "5EED0000-0000-4000-8000-0000000000B0",
        "pieceId": "5EED0000-0000-4000-8000-000000000001", "startedAt": "2026-11-22T00:00:00Z",
    });
    server.post_sessions(&user, &json!({ "sessions": [session] })).await;
    let number = json!({ "editedAt": "2026-11-22T00:00:01Z", "set": { "tempo": 1 } });
    let number = push("a", 1, Some(1), number).to_string().replace(":1}", ":1.50E2}");
    let request = SyncRequest::from_json(number.as_bytes()).unwrap();
    server.engine.sync(&user, &request, 1 << 20).await.unwrap();
    for (device, secs) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        server.pass_secs(10);
        sync(&server, &user, &push(device, 1, Some(1), set(device, secs))).await;
    }
    let (open, _) = server.engine.conflicts(&user, None, 10).await.unwrap();
    server.engine.resolve(&user, open[0].id, &Resolution::Keep).await.unwrap();
    let value = haumana_sync::record::Value::Text("set".to_owned());
    server.engine.resolve(&user, open[1].id, &Resolution::Set(value)).await.unwrap();
    sync(&server, &user, &push("a", 3, None, set("deleted", 5))).await;
    sync(&server, &user, &push("a", 3, Some(1), json!({ "delete": true }))).await;
    server.pass_secs(100);
    server
}

/// An empty server, later.
fn empty() -> Server {
    let server = Server::new();
    server.pass_secs(1000);
    server
}

#[tokio::test]
async fn an_export_comes_back_whole_under_the_same_and_under_another_user() {
    let text = exported(&full().await.engine, &kai()).await;
    for list in LISTS {
        assert_ne!(0, said(&text)[list].as_array().unwrap().len(), "{list} must be tried");
    }

    for user in [kai(), lani()] {
        let server = empty();
        let imported = import(&server.engine, &user, &text).await.unwrap();

        assert_eq!(PartState::Done, imported.state);
        let again = exported(&server.engine, &user).await;
        assert_eq!(said(&text), said(&again));
        assert!(again.contains(r#""tempo":1.50E2"#), "numbers keep their bytes");
        assert!(again.contains(&format!(r#""userId":"{}""#, user.as_str())));
        let digest = sync(&server, &user, &json!({ "deviceId": "x", "cursor": null })).await;
        let full = full().await;
        let old = sync(&full, &kai(), &json!({ "deviceId": "x", "cursor": null })).await;
        assert_eq!(old["digest"], digest["digest"]);
    }
}

#[tokio::test]
async fn what_lost_can_be_restored_after_an_import() {
    let text = exported(&full().await.engine, &kai()).await;
    let server = empty();
    import(&server.engine, &kai(), &text).await.unwrap();

    let (open, _) = server.engine.conflicts(&kai(), None, 10).await.unwrap();
    server.engine.resolve(&kai(), open[0].id, &Resolution::Restore).await.unwrap();

    let lost = open[0].lost.clone().unwrap();
    let now = said(&exported(&server.engine, &kai()).await);
    let titles: Vec<_> = now["pieces"].as_array().unwrap().iter().map(|p| &p["title"]).collect();
    assert!(titles.contains(&&json!(lost.as_text().unwrap())), "{titles:?}");
}
