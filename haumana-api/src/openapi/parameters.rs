//! Parameters of addresses and queries.

use super::examples;
use crate::limits::{DEFAULT_LIST_ENTRIES, LIST_ENTRIES};
use serde_json::{Value, json};

pub(crate) fn me() -> Value {
    json!({
        "name": "me", "in": "path", "required": true, "example": "me",
        "description": "The user's own id, or the word `me`.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
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

pub(crate) fn page() -> Value {
    json!({
        "name": "page", "in": "query",
        "description": "`first`, or `next` of the page before, as it came; without it the export \
            is one document.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 256 },
    })
}

pub(crate) fn before() -> Value {
    json!({
        "name": "before", "in": "query",
        "description": "Only versions below this one; `next` of the page before.",
        "schema": { "type": "integer", "minimum": 1, "maximum": u32::MAX },
    })
}
