//! Schemas of what all records have, and of pieces and sessions in the phones' calls.
//!
//! The phones' keys are a fixed list, whatever the schema says.

use super::reference;
use haumana_sync::limits;
use serde_json::{Value, json};

pub(super) fn id() -> Value {
    json!({
        "type": "string", "format": "uuid", "example": "5EED0000-0000-4000-8000-00000000000A",
        "description": "A UUID with hyphens, equal whatever its case, printed in upper case.",
    })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time", "example": "2026-06-18T12:00:00.000Z" })
}

pub(super) fn version() -> Value {
    json!({
        "type": "integer", "minimum": 1, "maximum": limits::VERSION,
        "description": "The number of a record's content: 1, 2, 3 …",
    })
}

fn text(max: usize) -> Value {
    json!({ "type": "string", "maxLength": max })
}

fn optional_text(max: usize) -> Value {
    json!({ "type": ["string", "null"], "maxLength": max })
}

/// The keys of a piece that the app on people's phones knows.
fn piece_fields() -> Value {
    json!({
        "title": text(limits::TITLE_CHARS),
        "category": text(limits::WORD_CHARS),
        "lyrics": text(limits::LONG_TEXT_BYTES),
        "language": optional_text(limits::WORD_CHARS),
        "englishTranslation": optional_text(limits::LONG_TEXT_BYTES),
        "author": optional_text(limits::AUTHOR_CHARS),
        "sourceUrl": optional_text(limits::SOURCE_URL_CHARS),
        "notes": optional_text(limits::LONG_TEXT_BYTES),
        "includeInPractice": { "type": "boolean" },
        "isFavorite": { "type": "boolean" },
        "createdAt": reference("Time"),
    })
}

/// The keys of a session that the app on people's phones knows.
fn session_fields() -> Value {
    json!({
        "pieceId": reference("Id"),
        "startedAt": reference("Time"),
        "endedAt": reference("Time"),
        "endedAtSource": { "type": "string", "enum": ["manual", "automatic", "estimated"] },
        "createdAt": reference("Time"),
    })
}

/// A piece without its id.
pub(super) fn piece_value() -> Value {
    let required = ["title", "category", "lyrics", "includeInPractice", "isFavorite", "createdAt"];
    json!({ "type": "object", "required": required, "properties": piece_fields() })
}

/// A session without its id.
pub(super) fn session_value() -> Value {
    let required = ["pieceId", "startedAt", "createdAt"];
    json!({ "type": "object", "required": required, "properties": session_fields() })
}

/// A piece in replies to the app, and in exports.
pub(super) fn piece() -> Value {
    let own = json!({
        "type": "object",
        "required": ["pieceId", "userId", "modifiedAt", "version", "locallyModified"],
        "properties": {
            "pieceId": reference("Id"),
            "userId": { "type": "string" },
            "modifiedAt": reference("Time"),
            "lastSyncedAt": reference("Time"),
            "version": {
                "type": "integer", "minimum": 1, "maximum": (1_u64 << 53) - 1,
                "description": "In replies to the app a number that carries the base of its \
                    next edit; in exports the version.",
            },
            "locallyModified": { "type": "boolean", "const": false },
        },
    });
    json!({ "allOf": [reference("PieceValue"), own] })
}

/// A session in replies to the app, and in exports.
pub(super) fn session() -> Value {
    let own = json!({
        "type": "object",
        "required": ["sessionId", "userId"],
        "properties": { "sessionId": reference("Id"), "userId": { "type": "string" } },
    });
    json!({ "allOf": [reference("SessionValue"), own] })
}

/// A piece as the app sends it. Nothing is required here: a flaw is reported in the reply, and
/// everything else goes through.
pub(super) fn pushed_piece() -> Value {
    json!({
        "type": "object",
        "description": "A piece with all of its content. One that cannot be taken is reported \
            in `rejectedPieces`.",
        "properties": {
            "pieceId": { "type": "string" },
            "locallyModified": { "type": "boolean" },
            "version": { "type": "integer" },
        },
    })
}

/// A session as the app sends it.
pub(super) fn pushed_session() -> Value {
    json!({
        "type": "object",
        "description": "One that cannot be taken is reported in `rejectedSessions`.",
        "properties": { "sessionId": { "type": "string" }, "pieceId": { "type": "string" } },
    })
}

/// An entry of the inbox about a kind: its kind, its field, and its value.
pub(super) fn conflict(kind: Value, field: Value, value: Value) -> Value {
    let any_of = |description: &str| json!({ "anyOf": [value], "description": description });
    json!({
        "type": "object",
        "required": [
            "conflictId", "kind", "id", "field", "kept", "lost", "base", "reason", "at", "deviceId",
        ],
        "properties": {
            "conflictId": reference("Id"),
            "kind": kind,
            "id": reference("Id"),
            "field": field,
            "kept": any_of("The field's value now."),
            "lost": any_of("What lost; null also if it is past its retention."),
            "base": { "type": ["integer", "null"] },
            "reason": reference("Reason"),
            "at": reference("Time"),
            "deviceId": { "type": ["string", "null"] },
        },
    })
}
