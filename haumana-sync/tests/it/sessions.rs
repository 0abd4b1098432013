//! Sessions: one path for phones, new clients and earlier servers.

mod copies;
mod deletes;
mod edits;
mod laws;
mod lives;
mod reserved;
mod restores;

use crate::support::{DAY, Server, kai};
use haumana_sync::engine::{EditTimes, Push, PushOp, PushOutcome, PushResult};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;
use haumana_sync::store::{Envelope, HistoryEntry, Store, Version};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::import::ImportRequest;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::json;

const PIECE: &str = "5EED0000-0000-4000-8000-000000000001";

fn key() -> Key {
    Key::session(RecordId::parse("5EED0000-0000-4000-8000-0000000000AA").unwrap())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A time of the practice, by its minute.
fn at(minute: u32) -> String {
    format!("2026-11-22T10:{minute:02}:00.000Z")
}

fn push_of(base: Option<Version>, secs: i64, op: PushOp) -> Push {
    let edited_at = EditTimes::One(UnixMillis(DAY - 86_400_000 + secs * 1000));
    Push { key: key(), base, edited_at, op }
}

fn set(base: Option<Version>, secs: i64, fields: &[(&str, Value)]) -> Push {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    push_of(base, secs, PushOp::Set(fields.collect()))
}

/// A session that starts at minute 0 and has no end.
fn start() -> Push {
    set(None, 1, &frame(0))
}

fn frame(minute: u32) -> [(&'static str, Value); 3] {
    [("pieceId", text(PIECE)), ("startedAt", text(&at(minute))), ("createdAt", text(&at(minute)))]
}

fn end(minute: u32, source: &str) -> [(&'static str, Value); 2] {
    [("endedAt", text(&at(minute))), ("endedAtSource", text(source))]
}

async fn push(server: &Server, device: &str, push: Push) -> PushResult {
    let results = server.engine.push(&kai(), device, &[push]).await.unwrap();
    results.into_iter().next().unwrap()
}

async fn envelope(server: &Server) -> Envelope {
    server.memory.read(&kai(), &[key()]).await.unwrap().remove(0).unwrap()
}

async fn fields(server: &Server) -> serde_json::Value {
    serde_json::from_str(&envelope(server).await.content).unwrap()
}

/// The end: when, and who says so.
async fn ended(server: &Server) -> (Option<String>, Option<String>) {
    let fields = fields(server).await;
    let field = |name: &str| fields[name].as_str().map(str::to_owned);
    (field("endedAt"), field("endedAtSource"))
}

fn an_end(minute: u32, source: &str) -> (Option<String>, Option<String>) {
    (Some(at(minute)), Some(source.to_owned()))
}

async fn history(server: &Server) -> Vec<HistoryEntry> {
    server.memory.history_of(&kai(), &key(), None, 100).await.unwrap()
}

/// What lost: each with the fields and their reasons.
async fn sides(server: &Server) -> Vec<(serde_json::Value, serde_json::Value)> {
    let entries = history(server).await.into_iter().filter(|entry| entry.key.side != 0);
    let read = |entry: HistoryEntry| {
        let meta: serde_json::Value = serde_json::from_str(&entry.meta).unwrap();
        (serde_json::from_str(&entry.content).unwrap(), meta["lost"].clone())
    };
    entries.map(read).collect()
}

async fn revision(server: &Server) -> u64 {
    server.engine.store().head(&kai()).await.unwrap().map_or(0, |head| head.revision.0)
}

fn said(result: &PushResult) -> (PushOutcome, Option<Version>) {
    (result.outcome, result.version)
}

/// The session as a phone sends it.
fn of_phone(change: impl FnOnce(&mut serde_json::Value)) -> serde_json::Value {
    let mut session = json!({
        "sessionId": key().id.to_string(), "userId": "kai", "pieceId": PIECE,
        "startedAt": at(0), "createdAt": at(0),
    });
    change(&mut session);
    session
}

fn of_phone_ended(minute: u32, source: &str) -> serde_json::Value {
    of_phone(|session| {
        session["endedAt"] = json!(at(minute));
        session["endedAtSource"] = json!(source);
    })
}

async fn post(server: &Server, session: &serde_json::Value) -> serde_json::Value {
    server.post_sessions(&kai(), &json!({ "sessions": [session] })).await
}

async fn exported(server: &Server) -> String {
    let mut export = server.engine.export(&kai()).await.unwrap();
    let mut text = String::new();
    while let Some(more) = server.engine.export_more(&mut export).await.unwrap() {
        text.push_str(&more);
    }
    text
}

async fn imported(server: &Server, export: &str) {
    let request = ImportRequest::from_json(export.as_bytes()).unwrap();
    let import = server.engine.check_import(&kai(), request).unwrap();
    server.engine.import(&import).await.unwrap();
}

/// `POST /sync` as it is sent.
async fn sync(server: &Server, body: &str) -> serde_json::Value {
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = server.engine.sync(&kai(), &request, 32 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}
