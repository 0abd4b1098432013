//! Parameters of addresses and queries.
//!
//! There is one function for each parameter, so calls that share a parameter document it alike.
//! Nothing here enforces anything: `query` reads queries, and the handlers read paths. Numbers come
//! from the same constants.

use super::examples;
use crate::limits::{DEFAULT_LIST_ENTRIES, LIST_ENTRIES};
use haumana_sync::limits as of_records;
use haumana_sync::schema::Schema;
use serde_json::{Value, json};

pub(crate) fn me() -> Value {
    json!({
        "name": "me", "in": "path", "required": true, "example": "me",
        "description": "The user's own id, or the word `me`.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
    })
}

pub(crate) fn kind(schema: &Schema) -> Value {
    let first = schema.kinds().first().map(|kind| kind.name());
    json!({
        "name": "kind", "in": "path", "required": true, "example": first,
        "description": "The name of a kind, as `GET /schema` has it.",
        "schema": { "$ref": "#/components/schemas/Kind" },
    })
}

pub(crate) fn record_id(description: &str) -> Value {
    json!({
        "name": "id", "in": "path", "required": true, "description": description,
        "schema": { "$ref": "#/components/schemas/Id" },
    })
}

pub(crate) fn conflict_id() -> Value {
    json!({
        "name": "id", "in": "path", "required": true, "description": "The conflict.",
        "schema": { "$ref": "#/components/schemas/Id" }, "example": examples::CONFLICT,
    })
}

pub(crate) fn limit() -> Value {
    json!({
        "name": "limit", "in": "query", "description": "The most entries of the page.",
        "schema": {
            "type": "integer", "minimum": 1, "maximum": LIST_ENTRIES,
            "default": DEFAULT_LIST_ENTRIES,
        },
    })
}

pub(crate) fn after() -> Value {
    json!({
        "name": "after", "in": "query",
        "description": "`next` of the page before, as it came.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 64 },
    })
}

pub(crate) fn after_revision() -> Value {
    json!({
        "name": "after", "in": "query",
        "description": "The revision that the client knows. A long poll is answered once there is \
            another one, or its time is over.",
        "schema": { "type": "integer", "minimum": 0, "maximum": u64::MAX },
    })
}

pub(crate) fn last_event_id() -> Value {
    json!({
        "name": "Last-Event-ID", "in": "header",
        "description": "The `id` of the last event that the client has heard. A stream then begins \
            with the present revision only if it is another one.",
        "schema": { "type": "string" },
    })
}

pub(crate) fn page() -> Value {
    json!({
        "name": "page", "in": "query",
        "description": "`first`, or `next` of the page before, as it came; without it the export \
            is one document.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 256 },
    })
}

pub(crate) fn request_id() -> Value {
    json!({
        "name": "requestId", "in": "query", "example": examples::REQUEST,
        "description": "A name of this request, such as a random UUID. The same again, after the \
            user has begun anew, erases nothing.",
        "schema": {
            "type": "string", "minLength": 1, "maxLength": of_records::REQUEST_ID_CHARS,
            "pattern": super::NO_CONTROLS,
        },
    })
}

pub(crate) fn before() -> Value {
    json!({
        "name": "before", "in": "query",
        "description": "Only versions below this one; `next` of the page before.",
        "schema": { "type": "integer", "minimum": 1, "maximum": u32::MAX },
    })
}
