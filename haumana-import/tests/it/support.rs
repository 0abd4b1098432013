//! What the tests share: items as the earlier server wrote them, exports on disk, and servers.

use flate2::Compression;
use flate2::write::GzEncoder;
use haumana_api::SystemRandom;
use haumana_app::Phones as _;
use haumana_app::wire::PiecesRequest;
use haumana_import::{Counts, Found, Item, Report, Result, Source, Table, Watch, import};
use haumana_sync::Store;
use haumana_sync::conformance::SetClock;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::store::{Envelope, Generation};
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// 2026-11-23T00:00:00Z; every item is older.
const NOW: UnixMillis = UnixMillis(1_795_392_000_000);

pub(crate) fn engine(store: Arc<dyn Store>) -> Engine {
    engine_at(store, NOW)
}

pub(crate) fn engine_at(store: Arc<dyn Store>, now: UnixMillis) -> Engine {
    let config = EngineConfig::new(Generation(0));
    Engine::new(store, Arc::new(SetClock::at(now)), Arc::new(SystemRandom), config)
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::verified_by_caller(name).unwrap()
}

pub(crate) fn uuid(number: u32) -> String {
    format!("5EED0000-0000-4000-8000-{number:012}")
}

/// A piece's item in DynamoDB's JSON, as the functions stored what a phone had sent.
pub(crate) fn piece(owner: &str, number: u32) -> Value {
    json!({
        "userId": {"S": owner},
        "pieceId": {"S": uuid(number)},
        "title": {"S": format!("Mele {number}")},
        "category": {"S": "mele"},
        "lyrics": {"S": "Haʻaheo ka ua i nā pali\nKe nihi aʻela i ka nahele"},
        "includeInPractice": {"BOOL": true},
        "isFavorite": {"BOOL": false},
        "createdAt": {"S": "2025-06-18T12:00:00Z"},
        "modifiedAt": {"S": "2025-06-18T12:30:00Z"},
        "lastSyncedAt": {"S": "2025-06-18T12:30:05.123Z"},
        "version": {"N": "4"},
        "locallyModified": {"BOOL": true},
    })
}

/// A session's item.
pub(crate) fn session(owner: &str, number: u32) -> Value {
    let started_at = "2025-06-19T08:00:00Z";
    json!({
        "pk": {"S": format!("USER#{owner}")},
        "sk": {"S": format!("SESSION#{started_at}#{}", uuid(number))},
        "sessionId": {"S": uuid(number)},
        "userId": {"S": owner},
        "pieceId": {"S": uuid(1)},
        "startedAt": {"S": started_at},
        "createdAt": {"S": started_at},
        "syncedAt": {"S": "2025-06-19T08:00:09.001Z"},
    })
}

/// `item` with other attributes; `null` takes one away.
pub(crate) fn with(mut item: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(item.as_object_mut().unwrap().remove(name)),
            value => item[name] = value.clone(),
        }
    }
    item
}

/// Writes an export as S3 has it; `files` are the lines of its data files.
pub(crate) fn write_export(folder: &Path, files: &[Vec<String>]) {
    let root = folder.join("AWSDynamoDB/01700000000000-5eed0000");
    fs::create_dir_all(root.join("data")).unwrap();
    fs::write(root.join("_started"), "").unwrap();
    let mut listed = String::new();
    for (at, lines) in files.iter().enumerate() {
        let name = format!("file{at}.json.gz");
        let file = fs::File::create(root.join("data").join(&name)).unwrap();
        let mut packed = GzEncoder::new(file, Compression::fast());
        for line in lines {
            writeln!(packed, "{line}").unwrap();
        }
        packed.finish().unwrap();
        let key = format!("some/prefix/AWSDynamoDB/01700000000000-5eed0000/data/{name}");
        let entry = json!({"itemCount": lines.len(), "md5Checksum": "x", "dataFileS3Key": key});
        listed.push_str(&format!("{entry}\n"));
    }
    fs::write(root.join("manifest-files.json"), listed).unwrap();
    let summary = json!({"version": "2020-06-30", "outputFormat": "DYNAMODB_JSON", "exportType": "FULL_EXPORT"});
    fs::write(root.join("manifest-summary.json"), summary.to_string()).unwrap();
}

pub(crate) fn lines(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| json!({ "Item": item }).to_string()).collect()
}

/// Items from memory, each page as given.
pub(crate) struct Pages(pub Vec<Vec<Found>>);

#[async_trait::async_trait]
impl Source for Pages {
    async fn next(&mut self) -> Result<Option<Vec<Found>>> {
        Ok((!self.0.is_empty()).then(|| self.0.remove(0)))
    }
}

pub(crate) fn found(table: Table, item: &Value) -> Found {
    let item: Item = item
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let raw = serde_json::value::to_raw_value(value).unwrap();
            (name.clone(), haumana_import::Attribute::read(&raw))
        })
        .collect();
    Found { table, place: "here".to_owned(), item: Some(item) }
}

pub(crate) struct Nobody;

impl Watch for Nobody {
    fn page_done(&mut self, _counts: &Counts) {}
}

/// What was written to it.
#[derive(Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Imports `source` and returns the counts and the report's lines.
pub(crate) async fn run(engine: &Engine, source: &mut dyn Source) -> (Counts, Vec<Value>) {
    let buffer = Buffer::default();
    let mut report = Report::new(Some(Box::new(buffer.clone())));
    import(engine, source, &mut report, &mut Nobody).await.unwrap();
    (report.counts, buffer.lines())
}

/// Imports items of one table.
pub(crate) async fn run_items(
    engine: &Engine,
    table: Table,
    items: &[Value],
) -> (Counts, Vec<Value>) {
    let page = items.iter().map(|item| found(table, item)).collect();
    run(engine, &mut Pages(vec![page])).await
}

pub(crate) async fn read(store: &dyn Store, owner: &str, key: Key) -> Option<Envelope> {
    store.read(&user(owner), &[key]).await.unwrap().remove(0)
}

/// The content of a live record.
pub(crate) async fn content(store: &dyn Store, owner: &str, key: Key) -> Value {
    let envelope = read(store, owner, key).await.unwrap();
    serde_json::from_str(&envelope.content).unwrap()
}

pub(crate) fn piece_key(number: u32) -> Key {
    Key::piece(RecordId::parse(&uuid(number)).unwrap())
}

pub(crate) fn session_key(number: u32) -> Key {
    Key::session(RecordId::parse(&uuid(number)).unwrap())
}

/// What a phone sends and gets.
pub(crate) async fn post_pieces(engine: &Engine, owner: &str, pieces: &[Value]) -> Value {
    let body = json!({"operation": "sync", "pieces": pieces}).to_string();
    let request = PiecesRequest::from_json(body.as_bytes()).unwrap();
    let reply = engine.sync_pieces(&user(owner), &request, 32 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}
