//! What the benchmarks share: repertoires of any size, phones that hold them, and the places where
//! they sync.

mod bench;
pub mod cost;
pub mod floor;
pub mod load;
pub mod month;
pub mod moving;
pub mod postgres;
pub mod process;
pub mod texts;
mod tokens;
pub mod units;

pub use bench::{Bench, Held};
pub use tokens::Tokens;

use serde_json::{Value, json};
use std::collections::HashMap;

/// A new piece of about 1 kB, as a phone sends it.
pub fn piece(n: usize) -> Value {
    let line = format!("Haʻaheo ka ua i nā pali, ke nihi aʻela i ka nahele {n}\n");
    json!({
        "pieceId": format!("5EED0000-0000-4000-8000-{n:012X}"),
        "title": format!("Aloha ʻOe {n}"),
        "category": "mele",
        "lyrics": line.repeat(11).trim_end(),
        "language": "haw",
        "author": "Queen Liliʻuokalani",
        "includeInPractice": true,
        "isFavorite": false,
        "createdAt": "2026-11-22T00:00:00Z",
        "modifiedAt": "2026-11-22T00:00:00Z",
        "version": 1,
        "locallyModified": true,
    })
}

/// The pieces of a phone.
pub fn pieces(count: usize) -> Vec<Value> {
    (0..count).map(piece).collect()
}

/// Returns the bytes of a piece's item in the earlier server's table: names and values.
pub fn item_bytes(piece: &Value) -> usize {
    let of = |value: &Value| match value {
        Value::String(text) => text.len(),
        // A switch has one byte, a small number two.
        Value::Bool(_) => 1,
        _ => 2,
    };
    let sent: usize = piece.as_object().into_iter().flatten().map(|(k, v)| k.len() + of(v)).sum();
    // What the server added: a user id of 21 digits, and when it was.
    sent + "userId".len() + 21 + "lastSyncedAt".len() + "2026-11-22T00:00:00.000Z".len()
}

/// What a phone sends to `POST /pieces`.
pub fn body(pieces: &[Value], last_synced_at: Option<&str>) -> Vec<u8> {
    let body = json!({"operation": "sync", "pieces": pieces, "lastSyncedAt": last_synced_at});
    body.to_string().into_bytes()
}

/// Takes over versions and content from a reply, as the app does.
pub fn apply(local: &mut Vec<Value>, reply: &[u8]) {
    let Ok(reply) = serde_json::from_slice::<Value>(reply) else { return };
    let list = |name: &str| reply[name].as_array().cloned().unwrap_or_default();
    let place: HashMap<String, usize> = local
        .iter()
        .enumerate()
        .map(|(at, piece)| (piece["pieceId"].as_str().unwrap_or_default().to_owned(), at))
        .collect();
    let find = |piece: &Value| place.get(piece["pieceId"].as_str().unwrap_or_default()).copied();
    for theirs in list("serverPieces") {
        match find(&theirs) {
            Some(at) => local[at] = theirs,
            None => local.push(theirs),
        }
    }
    for theirs in list("updatedPieces") {
        if let Some(at) = find(&theirs) {
            for key in ["version", "modifiedAt", "locallyModified"] {
                local[at][key] = theirs[key].clone();
            }
        }
    }
}
