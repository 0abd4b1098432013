//! The OpenAPI document, made of the same list as the router.
//!
//! `cargo run -p haumana-api --example openapi > openapi.json` writes the copy that is checked in.
//!
//! The steps are: collect the calls that are served, take the documentation of each, add every
//! component of the schema and the wire, and drop the components that no call reaches. So a host
//! that serves `POST /sync` alone has a short document.
//!
//! A router makes the document when somebody first asks for it. Tests validate its examples against
//! its schemas.

use crate::host::Host;
use crate::served::{Call, Served};
use crate::{calls, doc};
use haumana_sync::schema::Schema;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const ABOUT_PIECES: &str = "Keeps repertoires of oli and mele the same on every device. Part 1 \
    (`/pieces`, `/sessions`) is what the app on people's phones speaks; new clients speak `/sync` \
    and what stands around it. ";
const ABOUT: &str = "Keeps records the same on every device. Clients speak `/sync` and what stands \
    around it. ";
const ABOUT_KEYS: &str =
    "Keys that are not named here are ignored in requests and kept in records.";

/// Returns the OpenAPI 3.1 document of exactly the calls that a [`router`](crate::router()) of this
/// schema serves to this host's users.
///
/// The records come from the schema. For each kind, `Record_` with its name is a record, and `Set_`
/// with its name is what a push sets, with the type, the limits and the merge policy of each field.
///
/// The document and the router are made of the same list, so it cannot name a call that is not
/// served.
///
/// ```
/// use haumana_api::{Call, Host, Served, openapi};
/// use haumana_sync::repertoire;
///
/// let served = Served::only([Call::Sync]);
/// let document = openapi(&repertoire::schema(), &served, &Host::with_id_tokens());
///
/// let paths = document["paths"].as_object().map(|paths| paths.len());
/// assert_eq!((Some(1), true), (paths, document["paths"]["/sync"]["post"].is_object()));
/// ```
pub fn openapi(schema: &Schema, served: &Served, host: &Host) -> Value {
    let mut paths = Map::new();
    for route in calls::of(schema, served) {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = (route.doc)(schema).into_json(host.requirement());
    }
    let has_phones = schema.named("piece").is_some() && served.has(Call::SyncPieces);
    let about = if has_phones { ABOUT_PIECES } else { ABOUT };
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "haumana-sync",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("{about}{ABOUT_KEYS}"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": host.servers("/"),
        "paths": paths,
        "components": {
            "schemas": doc::schemas(schema),
            "responses": doc::responses(),
            "securitySchemes": host.schemes(),
        },
    });
    drop_unused(&mut document);
    document
}

/// Drops the components that no call refers to.
///
/// It walks from the paths along all references, so a component that only unused components refer
/// to is dropped as well.
fn drop_unused(document: &mut Value) {
    let mut used = BTreeSet::new();
    let mut to_read = vec![document["paths"].clone()];
    while let Some(part) = to_read.pop() {
        let mut found = Vec::new();
        references(&part, &mut found);
        let new = found.into_iter().filter(|name| used.insert(name.clone()));
        to_read.extend(new.filter_map(|name| document.pointer(&name).cloned()).collect::<Vec<_>>());
    }
    for kind in ["schemas", "responses"] {
        if let Some(components) = document["components"][kind].as_object_mut() {
            components.retain(|name, _| used.contains(&format!("/components/{kind}/{name}")));
        }
    }
}

/// Collects what a part refers to, as pointers into the document.
///
/// A reference in an example would be found too; no example has a key `$ref`.
fn references(part: &Value, found: &mut Vec<String>) {
    match part {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|_| name == "$ref") {
                    Some(target) => found.push(target.trim_start_matches('#').to_owned()),
                    None => references(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
