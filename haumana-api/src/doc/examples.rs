//! Examples of requests and replies. Tests send the requests, and validate both against their
//! schemas.
//!
//! They are about pieces and sessions. A server whose schema has no such records shows samples of
//! its own kinds.

use super::samples;
use haumana_sync::schema::{Kind, Schema};
use serde_json::{Value, json};

pub(super) const PIECE: &str = "5EED0000-0000-4000-8000-00000000000A";
const SESSION: &str = "5EED0000-0000-4000-8000-0000000000B0";
/// Devices have random ids: two with the same id would be taken for one.
pub(super) const DEVICE: &str = "7f3c0a52-9d1e-4b60-8a77-5c2f4e9b1d03";
pub(super) const OTHER_DEVICE: &str = "c41d8e6b-0f27-4a95-b3d8-91e60a7c25f4";
pub(crate) const REQUEST: &str = "2b9e4d17-6a30-4c8f-95b2-e07d13a8f6c4";
/// The id of the conflict that the pushes of `.ci/schemathesis` make.
pub(crate) const CONFLICT: &str = "D90357F6-E751-3C2C-BA03-F609CB9C92BA";
/// Tests put a good token in its place.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
pub(super) const AT: &str = "2026-06-18T12:00:00.000Z";

fn value() -> Value {
    json!({
        "title": "Aloha ʻOe", "category": "mele", "lyrics": "Haʻaheo e ka ua i nā pali",
        "includeInPractice": true, "isFavorite": false, "createdAt": AT,
    })
}

/// Whether a schema has the records that the examples are about.
fn are_of(schema: &Schema) -> bool {
    let session = json!({ "pieceId": PIECE, "startedAt": AT, "createdAt": AT });
    takes(schema.named("piece"), &value()) && takes(schema.named("session"), &session)
}

/// Whether a record of the kind can be made of the fields of this one.
fn takes(kind: Option<&std::sync::Arc<Kind>>, record: &Value) -> bool {
    let (Some(kind), Value::Object(fields)) = (kind, record) else { return false };
    let fits = |(name, value): (&String, &Value)| {
        let raw = serde_json::value::to_raw_value(value).ok();
        let field = kind.named(name);
        let read = raw.and_then(|raw| field.read(&raw));
        field.is_declared() && read.is_some_and(|value| field.check(&value).is_ok())
    };
    fields.iter().all(fits) && kind.missing(|name| fields.contains_key(name)).is_none()
}

fn with(mut record: Value, more: Value) -> Value {
    if let (Value::Object(record), Value::Object(more)) = (&mut record, more) {
        record.extend(more);
    }
    record
}

fn piece(version: u64) -> Value {
    with(
        value(),
        json!({
            "pieceId": PIECE, "userId": "110248495921238986420", "modifiedAt": AT,
            "version": version, "locallyModified": false,
        }),
    )
}

fn session() -> Value {
    json!({
        "sessionId": SESSION, "userId": "110248495921238986420", "pieceId": PIECE,
        "startedAt": AT, "createdAt": AT,
    })
}

pub(crate) fn pieces() -> [(&'static str, Value); 2] {
    let mut pushed = piece(1);
    pushed["locallyModified"] = Value::Bool(true);
    if let Value::Object(pushed) = &mut pushed {
        // The token says which user it is.
        pushed.remove("userId");
    }
    [
        ("push", json!({ "operation": "sync", "pieces": [pushed] })),
        ("first sync of a new phone", json!({ "operation": "sync", "pieces": [] })),
    ]
}

pub(crate) fn pieces_reply() -> Value {
    json!({
        "serverPieces": [], "uploadedPieces": [PIECE], "rejectedPieces": [], "syncedAt": AT,
        "updatedPieces": [piece((1 << 32) + (7 << 12))],
    })
}

pub(crate) fn sign_in() -> [(&'static str, Value); 2] {
    let identity = "us-west-2:5eed0000-0000-4000-8000-0000000000c0";
    [
        ("with an identity", json!({ "googleIdToken": TOKEN, "identityId": identity })),
        ("without", json!({ "googleIdToken": TOKEN, "identityId": null })),
    ]
}

pub(crate) fn sign_in_reply() -> Value {
    json!({
        "success": true,
        "user": {
            "id": "110248495921238986420", "email": "kai@example.org", "name": "Kai",
            "picture": "https://example.org/kai.png", "username": "google_110248495921238986420",
        },
    })
}

pub(crate) fn sessions() -> [(&'static str, Value); 1] {
    let started =
        json!({ "sessionId": SESSION, "pieceId": PIECE, "startedAt": AT, "createdAt": AT });
    [("a session starts", json!({ "sessions": [started] }))]
}

pub(crate) fn sessions_reply() -> Value {
    json!({
        "uploadedSessions": [SESSION], "serverSessions": [session()], "rejectedSessions": [],
        "syncedAt": AT,
    })
}

pub(crate) fn sync(schema: &Schema) -> Vec<(&'static str, Value)> {
    if !are_of(schema) {
        return samples::sync(schema);
    }
    let offer = json!({
        "kind": "piece", "id": PIECE, "base": null, "offered": true, "editedAt": AT,
        "set": { "title": "Aloha ʻOe", "category": "mele", "lyrics": "Haʻaheo e ka ua i nā pali" },
    });
    let create = json!({
        "kind": "piece", "id": PIECE, "base": null, "editedAt": AT,
        "set": { "title": "Aloha ʻOe", "category": "mele", "lyrics": "Haʻaheo e ka ua i nā pali" },
    });
    let edit = json!({
        "kind": "piece", "id": PIECE, "base": 1, "editedAt": { "title": AT, "notes": AT },
        "set": { "title": "Aloha ʻOe (Liliʻuokalani)", "notes": null },
    });
    let practise = json!({
        "kind": "session", "id": SESSION, "base": null,
        "set": { "pieceId": PIECE, "startedAt": AT },
    });
    let delete = json!({ "kind": "piece", "id": PIECE, "base": 2, "editedAt": AT, "delete": true });
    vec![
        (
            "1 create, edit and practise",
            json!({
                "deviceId": DEVICE, "cursor": null, "limit": 500, "push": [create, edit, practise],
            }),
        ),
        ("2 pull", json!({ "deviceId": OTHER_DEVICE, "cursor": null })),
        ("3 offer after a reset", json!({ "deviceId": DEVICE, "cursor": null, "push": [offer] })),
        ("4 delete", json!({ "deviceId": DEVICE, "cursor": null, "push": [delete] })),
    ]
}

pub(crate) fn sync_reply(schema: &Schema) -> Value {
    if !are_of(schema) {
        return samples::sync_reply(schema);
    }
    let result = json!({
        "kind": "piece", "id": PIECE, "outcome": "merged", "version": 3, "conflicts": [CONFLICT],
    });
    let change = json!({
        "kind": "piece", "id": PIECE, "version": 3, "modifiedAt": AT, "value": value(),
    });
    let deleted = json!({
        "kind": "session", "id": SESSION, "version": 2, "modifiedAt": AT, "deleted": true,
    });
    json!({
        "results": [result], "changes": [change, deleted], "conflicts": [conflict()],
        "cursor": "AQ", "more": false, "reset": false, "openConflicts": 1,
        "digest": "00000000000000000000000000000000", "serverTime": AT,
    })
}

fn conflict() -> Value {
    json!({
        "conflictId": CONFLICT, "kind": "piece", "id": PIECE, "field": "title",
        "kept": "Aloha Oe", "lost": "Aloha ʻOe", "base": 1, "reason": "later_edit", "at": AT,
        "deviceId": OTHER_DEVICE,
    })
}

pub(crate) fn conflicts_reply(schema: &Schema) -> Value {
    if !are_of(schema) {
        return samples::conflicts_reply();
    }
    json!({ "conflicts": [conflict()], "next": "AQ" })
}

pub(crate) fn resolve() -> [(&'static str, Value); 3] {
    [
        ("keep", json!({ "resolution": "keep" })),
        ("restore", json!({ "resolution": "restore" })),
        ("set", json!({ "resolution": "set", "value": "Aloha ʻOe" })),
    ]
}

pub(crate) fn resolve_reply() -> Value {
    json!({ "conflictId": CONFLICT, "resolution": "restore" })
}

pub(crate) fn history_reply() -> Value {
    let lost = json!({
        "field": "title", "value": "Aloha Oe", "reason": "later_edit", "at": AT,
        "deviceId": OTHER_DEVICE,
    });
    let version = json!({
        "version": 2, "at": AT, "deviceId": DEVICE, "deleted": false,
        "changed": [{ "field": "title", "earlier": "Aloha" }], "lost": [lost],
    });
    json!({ "pieceId": PIECE, "versions": [version], "next": 2 })
}

pub(crate) fn record_history_reply(schema: &Schema) -> Value {
    if !are_of(schema) {
        return samples::record_history_reply(schema);
    }
    let mut reply = history_reply();
    reply["kind"] = json!("piece");
    reply["id"] = json!(PIECE);
    if let Some(reply) = reply.as_object_mut() {
        reply.remove("pieceId");
    }
    reply
}

/// The beginning of a schema file: its first kind, with two fields.
pub(crate) fn schema(schema: &Schema) -> Value {
    let mut whole: Value = serde_json::from_str(&schema.to_json()).unwrap_or_default();
    let kinds = whole.get_mut("kind").and_then(Value::as_array_mut);
    if let Some(kinds) = kinds {
        kinds.truncate(1);
        for kind in kinds {
            if let Some(fields) = kind.get_mut("field").and_then(Value::as_array_mut) {
                fields.truncate(2);
            }
            if let Some(kind) = kind.as_object_mut() {
                kind.remove("group");
            }
        }
    }
    whole
}

pub(crate) fn restore() -> [(&'static str, Value); 1] {
    [("an earlier version", json!({ "version": 1, "requestId": REQUEST }))]
}

pub(crate) fn restore_reply() -> Value {
    json!({ "version": 4 })
}

/// An empty import: the account on which the examples are tried is not empty.
pub(crate) fn import() -> [(&'static str, Value); 1] {
    let nothing = json!({
        "exportDate": AT, "exportVersion": "1.0", "user": { "id": "110248495921238986420" },
        "pieces": [], "practiceSessions": [], "history": [], "conflicts": [], "tombstones": [],
    });
    [("the export of an empty account", nothing)]
}

pub(crate) fn erased() -> Value {
    json!({ "erasedBy": "2026-03-01T09:00:00.000Z" })
}

pub(crate) fn rewind() -> [(&'static str, Value); 1] {
    [(
        "what would become of the records",
        json!({ "to": "2025-06-01T09:00:00.000Z", "dryRun": true }),
    )]
}

pub(crate) fn rewound(schema: &Schema) -> Value {
    let kind = schema.kinds().first().map_or("piece", |kind| kind.name());
    json!({
        "changed": 1, "deleted": 0, "restored": 0, "kept": 0, "before": AT,
        "records": [{ "kind": kind, "id": PIECE, "outcome": "changed" }],
    })
}

pub(crate) fn import_reply() -> Value {
    json!({
        "pieces": 12, "practiceSessions": 340, "history": 30, "conflicts": 2, "tombstones": 1,
        "done": true,
    })
}

pub(crate) fn export_reply(schema: &Schema) -> Value {
    if !are_of(schema) {
        return samples::export_reply(schema);
    }
    let earlier = json!({
        "kind": "piece", "id": PIECE, "version": 1, "side": 0, "at": AT, "supersededAt": AT,
        "deviceId": DEVICE, "changed": [], "lost": [], "deleted": false, "value": value(),
    });
    json!({
        "exportDate": AT, "exportVersion": "1.0", "user": { "id": "110248495921238986420" },
        "pieces": [piece(2)], "practiceSessions": [session()], "history": [earlier],
        "conflicts": [conflict()], "tombstones": [],
    })
}
