//! A device that edits titles, for laws and tests of an engine on a store.

use crate::engine::{self, Engine};
use crate::id::UserId;
use crate::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// LIMIT: the bytes of one reply.
const REPLY_BYTES: usize = 1 << 20;

/// One device: what it edited, and what the server returned. Its records are pieces, of the
/// repertoire or of [`sample::schema`](super::sample::schema).
///
/// It speaks `POST /sync` as a client does, and checks nothing. The law or test that uses it
/// compares what it holds.
#[derive(Debug, Default)]
pub struct Device {
    name: String,
    /// Titles of its own pieces by id, with the version that the server gave.
    pub held: BTreeMap<String, (String, Option<u64>)>,
    /// The last version of each piece that the server returned, of its own pieces and others.
    pub seen: BTreeMap<String, u64>,
    edited: Vec<String>,
    cursor: Option<String>,
}

impl Device {
    /// Makes a device without records.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Makes its piece with that number, or changes it.
    pub fn edit(&mut self, number: usize, title: &str) {
        let number = number % 1_000_000;
        let family =
            self.name.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
        let id = format!("{family:08X}-0000-4000-8000-{number:012}");
        let base = self.held.get(&id).and_then(|(_, version)| *version);
        self.held.insert(id.clone(), (title.to_owned(), base));
        if !self.edited.contains(&id) {
            self.edited.push(id);
        }
    }

    /// Returns the body of its next `POST /sync`: the edits that are not acknowledged yet.
    pub fn request(&self) -> String {
        let push = |id: &String| {
            let (title, base) = &self.held[id];
            match base {
                Some(base) => {
                    json!({ "kind": "piece", "id": id, "base": base, "set": { "title": title } })
                }
                None => json!({
                    "kind": "piece", "id": id,
                    "set": {
                        "title": title, "category": "oli", "lyrics": "", "language": "haw",
                        "createdAt": "2026-11-22T00:00:00Z",
                    },
                }),
            }
        };
        let push: Vec<Value> = self.edited.iter().map(push).collect();
        let mut body = json!({ "deviceId": self.name, "push": push });
        if let Some(cursor) = &self.cursor {
            body["cursor"] = json!(cursor);
        }
        body.to_string()
    }

    /// Makes one sync and applies the reply. Returns whether more follows.
    ///
    /// # Errors
    ///
    /// Those of the engine. The device then still has all its edits to send.
    ///
    /// # Panics
    ///
    /// If a push is refused. Nobody else edits the pieces of this device, so that must not happen.
    pub async fn sync(&mut self, engine: &Engine, user: &UserId) -> engine::Result<bool> {
        let body = self.request();
        let request = SyncRequest::from_json(body.as_bytes()).unwrap();
        let reply = engine.sync(user, &request, REPLY_BYTES).await?;
        let reply: Value = serde_json::from_slice(&reply.into_json()).unwrap();
        for result in reply["results"].as_array().unwrap() {
            let id = result["id"].as_str().unwrap();
            let version = result["version"].as_u64();
            assert!(version.is_some(), "a device that edits alone is not refused: {result}");
            self.held.get_mut(id).unwrap().1 = version;
            self.seen.insert(id.to_owned(), version.unwrap());
        }
        for change in reply["changes"].as_array().unwrap() {
            let id = change["id"].as_str().unwrap();
            self.seen.insert(id.to_owned(), change["version"].as_u64().unwrap());
        }
        self.cursor = reply["cursor"].as_str().map(str::to_owned);
        self.edited.clear();
        Ok(reply["more"] == true)
    }

    /// Syncs until nothing follows.
    ///
    /// # Panics
    ///
    /// If a sync fails.
    pub async fn sync_all(&mut self, engine: &Engine, user: &UserId) {
        while self.sync(engine, user).await.unwrap() {}
    }
}
