//! The OpenAPI document, made of the same list as the router.
//!
//! It is written by hand: handlers take whole requests, because nobody's body is read before it is
//! known who sends it, and records are spliced in as stored text. Macros would find no types in
//! that to derive schemas from. Tests hold router, examples and document to one another.
//!
//! `cargo run -p haumana-api --example openapi > openapi.json` writes the copy that is checked in.

mod doc;
mod errors;
pub(crate) mod examples;
pub(crate) mod parameters;
mod records;
mod schemas;

pub(crate) use doc::Doc;
#[cfg(test)]
pub(crate) use errors::ERRORS;

use crate::calls;
use haumana_sync::repertoire;
use haumana_sync::schema::Schema;
use serde_json::{Map, Value, json};

const ABOUT: &str = "Keeps repertoires of oli and mele the same on every device. Part 1 \
    (`/pieces`, `/sessions`) is what the app on people's phones speaks; new clients speak `/sync` \
    and what stands around it. Keys that are not named here are ignored in requests and kept in records.";

/// Returns the OpenAPI 3.1 document of every call of a server of pieces and sessions.
pub fn openapi() -> Value {
    openapi_of(&repertoire::schema())
}

/// Returns the OpenAPI 3.1 document of every call that [`crate::router`] serves with this schema.
pub fn openapi_of(schema: &Schema) -> Value {
    let mut paths = Map::new();
    for call in calls::of(schema) {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method] = (call.doc)().into_json();
    }
    let mut schemas = schemas::all();
    let names: Vec<&str> = schema.kinds().iter().map(|kind| kind.name()).collect();
    schemas["Kind"]["enum"] = json!(names);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "haumana-sync",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": errors::responses(),
            "securitySchemes": { "idToken": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "An ID token whose subject is the user.",
            }},
        },
    })
}
