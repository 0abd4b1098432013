//! Schemas of requests and replies.
//!
//! Components that do not depend on the kinds of record are written here, group by group; those of
//! each kind come from `kinds`. All are in one map, and the ones that no served call reaches are
//! dropped later.
//!
//! A request may have keys that are not named, because clients may be newer than the server. The
//! reply says what is wrong with one record, so the schemas of requests require little.

use super::reference;
use super::{errors, kinds, records};
use crate::limits;
use haumana_auth::limits as of_tokens;
use haumana_sync::limits as of_records;
use haumana_sync::schema::Schema;
use haumana_sync::wire::Refusal;
use serde_json::{Value, json};

/// Returns the components of a server of this schema.
pub(crate) fn all(schema: &Schema) -> Value {
    let names: Vec<&str> = schema.kinds().iter().map(|kind| kind.name()).collect();
    let mut schemas = json!({
        "Error": errors::schema(),
        "Refusal": { "type": "string", "enum": Refusal::ALL.map(Refusal::code) },
        "Id": records::id(),
        "Time": records::time(),
        "Version": records::version(),
        "Kind": { "type": "string", "enum": names },
        "Reason": { "type": "string", "enum": REASONS },
        "PieceValue": records::piece_value(),
        "SessionValue": records::session_value(),
        "Piece": records::piece(),
        "Session": records::session(),
        "PushedPiece": records::pushed_piece(),
        "PushedSession": records::pushed_session(),
    });
    let of_kinds = Value::Object(kinds::components(schema));
    let calls =
        [of_sign_in(), of_the_app(), of_sync(), of_the_inbox(), of_history(), of_export(), about()];
    for more in calls.into_iter().chain([of_kinds, kinds::of_pushes()]) {
        if let (Value::Object(all), Value::Object(more)) = (&mut schemas, more) {
            all.extend(more);
        }
    }
    schemas
}

const REASONS: [&str; 8] = [
    "later_edit",
    "text_clash",
    "edit_beats_delete",
    "base_gone",
    "stale_form",
    "other_life",
    "policy",
    "earlier_record",
];

pub(super) fn list_of(schema: &str) -> Value {
    json!({ "type": "array", "items": reference(schema) })
}

pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn rejected(id: &str) -> Value {
    let properties = json!({
        id: { "type": "string", "description": "As it was sent." },
        "code": reference("Refusal"),
        "message": { "type": "string" },
    });
    json!({ "type": "array", "items": object(&[id, "code", "message"], properties) })
}

fn of_sign_in() -> Value {
    let text = json!({ "type": "string" });
    let user = object(
        &["id", "email", "username"],
        json!({
            "id": { "type": "string", "minLength": 1, "description": "The user's own id." },
            "email": text, "name": text, "picture": text,
            "username": {
                "type": "string",
                "description": "The name in the user directory: `google_` and the id.",
            },
        }),
    );
    json!({
        "SignInRequest": object(&["googleIdToken"], json!({
            "googleIdToken": {
                "type": "string", "minLength": 1, "maxLength": of_tokens::TOKEN_BYTES,
                "description": "An ID token whose e-mail address is verified.",
            },
            "identityId": {
                "type": ["string", "null"], "maxLength": limits::IDENTITY_ID_CHARS,
                "description": "Given back as it came.",
            },
        })),
        "SignInReply": object(&["success", "user"], json!({
            "success": { "type": "boolean", "const": true },
            "user": user,
            "identityId": text,
        })),
    })
}

fn of_the_app() -> Value {
    let last = json!({
        "type": ["string", "null"], "example": "2026-06-18T12:00:00Z",
        "description": "`syncedAt` of the last reply; one that is garbled counts as none.",
    });
    let pieces = ["serverPieces", "uploadedPieces", "updatedPieces", "rejectedPieces", "syncedAt"];
    let sessions = ["uploadedSessions", "serverSessions", "rejectedSessions", "syncedAt"];
    json!({
        "PiecesRequest": object(&[], json!({
            "operation": {
                "type": "string", "enum": ["sync", "upload", "download"], "default": "sync",
            },
            "pieces": list_of("PushedPiece"),
            "lastSyncedAt": last,
        })),
        "PiecesReply": object(&pieces, json!({
            "serverPieces": list_of("Piece"),
            "uploadedPieces": list_of("Id"),
            "updatedPieces": list_of("Piece"),
            "rejectedPieces": rejected("pieceId"),
            "syncedAt": reference("Time"),
        })),
        "SessionsRequest": object(&[], json!({
            "sessions": list_of("PushedSession"),
            "lastSyncedAt": last,
        })),
        "SessionsReply": object(&sessions, json!({
            "uploadedSessions": list_of("Id"),
            "serverSessions": list_of("Session"),
            "rejectedSessions": rejected("sessionId"),
            "syncedAt": reference("Time"),
        })),
    })
}

fn of_sync() -> Value {
    let reply = ["results", "changes", "conflicts", "cursor", "more", "reset", "serverTime"];
    let device = json!({
        "type": "string", "minLength": 1, "maxLength": of_records::DEVICE_ID_CHARS,
        "pattern": super::NO_CONTROLS,
        "description": "Random for each installation, such as a UUID.",
    });
    let limit = json!({
        "type": ["integer", "null"], "minimum": 1, "maximum": of_records::PAGE_RECORDS,
        "default": 500,
    });
    json!({
        "SyncRequest": object(&["deviceId"], json!({
            "deviceId": device,
            "cursor": {
                "type": ["string", "null"],
                "description": "`cursor` of the last reply, as it came; null at first. One that \
                    means nothing here is answered with `reset`.",
            },
            "limit": limit,
            "push": {
                "type": ["array", "null"], "maxItems": of_records::PUSHES,
                "items": reference("Push"),
            },
        })),
        "SyncReply": object(&reply, json!({
            "results": list_of("PushResult"),
            "changes": list_of("Change"),
            "conflicts": list_of("Conflict"),
            "cursor": { "type": ["string", "null"], "maxLength": of_records::CURSOR_BYTES },
            "more": { "type": "boolean" },
            "reset": { "type": "boolean" },
            "openConflicts": {
                "type": "integer", "minimum": 0,
                "description": "How many conflicts are open. Absent while nothing was written since \
                    the server was one of version 0.1.",
            },
            "copy": {
                "type": "boolean", "const": true,
                "description": "Absent otherwise: the cursor is older than one that this device has \
                    shown, so another installation has its name, or its folder was put back. The \
                    client takes a new random `deviceId`.",
            },
            "digest": {
                "type": "string", "pattern": "^[0-9a-f]{32}$",
                "description": "Only with `more: false`.",
            },
            "serverTime": reference("Time"),
        })),
        "PushResult": push_result(),
    })
}

fn push_result() -> Value {
    let error = json!({ "code": reference("Refusal"), "message": { "type": "string" } });
    object(
        &["kind", "id", "outcome", "version", "conflicts"],
        json!({
            "kind": { "type": "string", "description": "As it was sent, if it was rejected." },
            "id": { "type": "string", "description": "As it was sent, if it was rejected." },
            "outcome": { "type": "string", "enum": ["applied", "merged", "unchanged", "rejected"] },
            "version": { "type": ["integer", "null"] },
            "conflicts": list_of("Id"),
            "error": object(&["code", "message"], error),
        }),
    )
}

fn of_the_inbox() -> Value {
    let word = |words: Value| json!({ "type": "string", "enum": words });
    json!({
        "ConflictsReply": object(&["conflicts"], json!({
            "conflicts": {
                "type": "array", "maxItems": limits::LIST_ENTRIES, "items": reference("Conflict"),
            },
            "next": {
                "type": "string", "description": "`after` of the next page; absent at the end.",
            },
        })),
        "ResolveRequest": {
            "type": "object",
            "required": ["resolution"],
            "properties": {
                "resolution": word(json!(["keep", "restore", "set"])),
                "value": { "description": "With `set` only: what to put there." },
                "base": seen_base(),
                "requestId": request_id(),
            },
            "oneOf": [
                { "properties": {
                    "resolution": word(json!(["keep", "restore"])), "value": false,
                } },
                { "properties": { "resolution": word(json!(["set"])) }, "required": ["value"] },
            ],
        },
        "ResolveReply": object(&["conflictId", "resolution"], json!({
            "conflictId": reference("Id"),
            "resolution": word(json!(["keep", "restore", "set"])),
        })),
    })
}

/// The version that a person saw.
fn seen_base() -> Value {
    json!({
        "type": ["integer", "null"], "minimum": 1, "maximum": of_records::VERSION,
        "description": "The version that the person saw; edits since are merged with.",
    })
}

fn request_id() -> Value {
    json!({
        "type": ["string", "null"], "minLength": 1, "maxLength": of_records::REQUEST_ID_CHARS,
        "pattern": super::NO_CONTROLS,
        "description": "A name of this request; the same again changes nothing.",
    })
}

fn of_history() -> Value {
    json!({
        "HistoryReply": object(&["pieceId", "versions"], json!({
            "pieceId": reference("Id"),
            "versions": {
                "type": "array", "maxItems": limits::LIST_ENTRIES,
                "items": reference("Version_piece"),
            },
            "next": kinds::next_version(),
        })),
        "RestoreRequest": object(&["version"], json!({
            "version": reference("Version"),
            "base": seen_base(),
            "requestId": request_id(),
        })),
        "RestoreReply": object(&["version"], json!({
            "version": reference("Version"),
            "unchanged": {
                "type": "boolean", "const": true,
                "description": "Absent otherwise: the piece has this content, or the request was \
                    seen before.",
            },
        })),
    })
}

fn of_export() -> Value {
    let required = [
        "exportDate",
        "exportVersion",
        "user",
        "pieces",
        "practiceSessions",
        "history",
        "conflicts",
        "tombstones",
    ];
    let entry = object(
        &["kind", "id", "version", "side", "at", "changed", "lost", "value"],
        json!({
            "kind": reference("Kind"),
            "id": reference("Id"),
            "version": reference("Version"),
            "side": {
            "type": "integer", "minimum": 0,
            "description": "0: the version; others: a push of which a part lost.",
        },
            "at": reference("Time"),
            "supersededAt": reference("Time"),
            "deviceId": { "type": ["string", "null"] },
            "changed": { "type": "array", "items": { "type": "string" } },
            "lost": { "type": "array", "items": object(&["field", "reason"], json!({
                "field": { "type": "string" }, "reason": reference("Reason"),
            })) },
            "deleted": { "type": "boolean" },
            "value": { "type": "object" },
        }),
    );
    let tombstone = object(
        &["kind", "id", "version", "modifiedAt", "deleted"],
        json!({
            "kind": reference("Kind"),
            "id": reference("Id"),
            "version": reference("Version"),
            "modifiedAt": reference("Time"),
            "deleted": { "type": "boolean", "const": true },
        }),
    );
    let record = object(
        &["kind", "id", "version", "modifiedAt", "value"],
        json!({
            "kind": reference("Kind"),
            "id": reference("Id"),
            "version": reference("Version"),
            "modifiedAt": reference("Time"),
            "value": reference("RecordValue"),
        }),
    );
    let list = json!({ "type": "array", "items": { "type": "object" } });
    let count = json!({ "type": "integer", "minimum": 0 });
    let counts = ["pieces", "practiceSessions", "history", "conflicts", "tombstones", "done"];
    json!({ "ImportRequest": object(&["exportVersion", "pieces", "practiceSessions"], json!({
        "exportDate": reference("Time"),
        "exportVersion": { "type": "string", "const": "1.0" },
        "user": { "type": ["object", "null"], "description": "Whose export it is." },
        "pieces": list, "practiceSessions": list, "history": list, "conflicts": list,
        "tombstones": list, "records": list,
        "next": {
            "type": ["string", "null"],
            "description": "Present in every page of an export but the last: more is to come.",
        },
    })), "RewindRequest": object(&["to"], json!({
        "to": reference("Time"),
        "dryRun": { "type": "boolean", "description": "Nothing is written; false if absent." },
        "requestId": request_id(),
    })), "RewindReply": object(&["changed", "deleted", "restored", "kept", "before", "records"], json!({
        "changed": count, "deleted": count, "restored": count,
        "kept": { "type": "integer", "minimum": 0, "description": "Could not be made so." },
        "before": reference("Time"),
        "repeated": { "type": "boolean", "const": true, "description": "Seen before." },
        "records": {
            "type": "array", "maxItems": of_records::REWIND_LISTED,
            "description": "As far as there is room: first those that were kept.",
            "items": object(&["kind", "id", "outcome"], json!({
                "kind": { "type": "string" },
                "id": reference("Id"),
                "outcome": { "enum": ["changed", "deleted", "restored", "kept"] },
                "code": {
                    "type": "string",
                    "description": "Why it was kept: past_retention, or a refusal's.",
                },
            })),
        },
    })), "EraseReply": object(&["erasedBy"], json!({
        "erasedBy": reference("Time"),
    })), "ImportReply": object(&counts, json!({
        "pieces": count, "practiceSessions": count, "history": count, "conflicts": count,
        "tombstones": count,
        "done": { "type": "boolean", "description": "False: the next page is waited for." },
    })), "Export": object(&required, json!({
        "exportDate": reference("Time"),
        "exportVersion": { "type": "string" },
        "user": object(&["id"], json!({ "id": { "type": "string" } })),
        "pieces": list_of("Piece"),
        "practiceSessions": list_of("Session"),
        "history": { "type": "array", "items": entry },
        "conflicts": list_of("Conflict"),
        "tombstones": { "type": "array", "items": tombstone },
        "records": {
            "type": "array", "items": record,
            "description": "Records of kinds without a list of their own.",
        },
        "next": { "type": "string", "description": "The next `page`; absent at the end." },
    })) })
}

fn about() -> Value {
    json!({
        "Health": object(&["status"], json!({ "status": { "type": "string", "const": "ok" } })),
        "Schema": object(&["kind"], json!({
            "kind": { "type": "array", "items": object(&["name", "number", "field"], json!({
                "name": { "type": "string" },
                "number": { "type": "integer", "minimum": 0, "maximum": 250 },
                "id_key": { "type": "string", "description": "The key of the id in exports." },
                "unknown_keys": { "type": "string", "enum": ["later", "smallest"] },
                "field": { "type": "array", "items": object(&["name", "number", "type"], json!({
                    "name": { "type": "string" },
                    "number": { "type": "integer", "minimum": 1, "maximum": 65_535 },
                    "type": { "type": "string" },
                    "merge": { "type": "string", "description": "Absent: the later edit wins." },
                    "max": { "type": "integer", "minimum": 1 },
                })) },
            })) },
        })),
        "Live": object(&["revision"], json!({ "revision": {
            "type": "integer", "minimum": 0, "description": "Grows with each commit; 0 before.",
        }})),
        "Limits": {
            "type": "object",
            "required": [
                "requestBytes", "replyBytes", "recordBytes", "pushes", "pageRecords", "live",
                "kinds",
            ],
            "properties": { "live": limits_of_live(), "kinds": limits_of_kinds() },
            "additionalProperties": { "type": "integer", "minimum": 0 },
        },
        "OpenApi": object(&["openapi", "paths"], json!({
            "openapi": { "type": "string" }, "paths": { "type": "object" },
        })),
    })
}

/// The limits of `GET /live`, or null.
fn limits_of_live() -> Value {
    json!({
        "type": ["object", "null"], "additionalProperties": { "type": "integer", "minimum": 0 },
        "description": "`ofAccount` and `inAll`: connected devices; `heartbeatMs`: the longest \
            silence of a stream; `pollMs`: how long a long poll waits; `lifetimeMs`: how long a \
            stream lasts; `retryMs`: how long to wait before connecting again. Null: there is no \
            `GET /live`, and clients sync now and then.",
    })
}

/// The limits of each field, by kind.
fn limits_of_kinds() -> Value {
    let of_field = json!({
        "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 },
    });
    let of_kind = json!({ "type": "object", "additionalProperties": of_field });
    json!({
        "type": "object", "additionalProperties": of_kind,
        "description": "For each kind, for each field that has limits: `chars`, `bytes`, \
            `elements` of a list or a set and `elementChars` of each, `devices` of a counter and \
            `deviceChars` of their names.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LaterEdit` as `later_edit`.
    fn spelt(variant: &str) -> String {
        let letters = variant.chars().map(|c| match c.is_ascii_uppercase() {
            true => format!("_{}", c.to_ascii_lowercase()),
            false => c.to_string(),
        });
        letters.collect::<String>().trim_start_matches('_').to_owned()
    }

    #[test]
    fn every_reason_is_documented_and_nothing_else_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../haumana-sync/src/merge/field.rs");
        let source = std::fs::read_to_string(path).unwrap();
        let body = source.split("pub enum Reason {").nth(1).unwrap().split('}').next().unwrap();

        let variants = body.lines().map(str::trim).filter(|line| line.ends_with(','));
        let reasons: Vec<_> = variants.map(|line| spelt(line.trim_end_matches(','))).collect();

        assert_eq!(REASONS[..], reasons[..]);
    }
}
