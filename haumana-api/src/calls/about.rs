//! What the server says about itself; no token is needed.

use super::{Route, limits};
use crate::api::{Api, ApiConfig};
use crate::doc::{Doc, examples};
use crate::error::Failure;
use crate::host::Host;
use crate::live::LiveLimits;
use crate::reply::Reply;
use crate::served::Call;
use axum::Extension;
use axum::extract::rejection::NestedPathRejection;
use axum::extract::{NestedPath, State};
use axum::routing::get;
use haumana_sync::schema::Schema;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock, OnceLock};

pub(super) const CALLS: &[Route] =
    &[
        Route {
            call: Call::Health,
            method: "get",
            path: "/health",
            serve: || get(health),
            doc: |_| {
                Doc::public("health", "Whether the store answers")
                    .ok("Health", "It does.", json!({ "status": "ok" }))
                    .fails(&[503])
            },
        },
        Route {
            call: Call::Limits,
            method: "get",
            path: "/limits",
            serve: || get(show_limits),
            doc: |schema| {
                let (config, live) = (ApiConfig::of_a_server(), LiveLimits::usual());
                let example = limits::all(&config, Some(&live), schema);
                Doc::public("limits", "Every limit that this host enforces").ok(
                    "Limits",
                    "The limits by name, and those of each field.",
                    example,
                )
            },
        },
        Route {
            call: Call::Schema,
            method: "get",
            path: "/schema",
            serve: || get(show_schema),
            doc: |schema| {
                let what = "The kinds, in the form of schema files.";
                Doc::public("schema", "The kinds of record that this host keeps, and their fields")
                    .ok("Schema", what, examples::schema(schema))
            },
        },
        Route {
            call: Call::OpenApi,
            method: "get",
            path: "/openapi.json",
            serve: || get(document),
            doc: |_| {
                let example = json!({ "openapi": "3.1.0", "paths": {} });
                Doc::public("openapi", "This document").ok("OpenApi", "OpenAPI 3.1.", example)
            },
        },
    ];

async fn health(State(api): State<Arc<Api>>) -> Result<Reply, Failure> {
    api.engine.health().await?;
    Ok(Reply::new(br#"{"status":"ok"}"#.to_vec()))
}

async fn show_limits(Extension(limits): Extension<Arc<Limits>>) -> Reply {
    Reply::new(limits.0.clone())
}

async fn show_schema(State(api): State<Arc<Api>>) -> Reply {
    Reply::new(api.engine.schema().to_json().into_bytes())
}

async fn document(
    Extension(document): Extension<Arc<Document>>,
    nested: Result<NestedPath, NestedPathRejection>,
) -> Reply {
    let path = nested.as_ref().map_or("/", NestedPath::as_str);
    Reply::new(document.at(path))
}

/// What is made when somebody first asks for it, so that no start waits for it.
type Later<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// The reply to `GET /limits`, which is the same as long as the host runs.
#[derive(Debug)]
pub(crate) struct Limits(Later<Vec<u8>>);

impl Limits {
    pub(crate) fn new(config: ApiConfig, live: Option<LiveLimits>, schema: Schema) -> Self {
        let make = move || limits::all(&config, live.as_ref(), &schema).to_string().into_bytes();
        Self(LazyLock::new(Box::new(make)))
    }
}

/// The OpenAPI document of a router.
#[derive(Debug)]
pub(crate) struct Document {
    value: Later<Value>,
    host: Host,
    /// The text for the path that was asked for first, which is the only one but for hosts that nest
    /// under a path with parameters.
    text: OnceLock<(String, Vec<u8>)>,
}

impl Document {
    pub(crate) fn new(make: impl FnOnce() -> Value + Send + 'static, host: Host) -> Self {
        Self { value: LazyLock::new(Box::new(make)), host, text: OnceLock::new() }
    }

    /// The text, for a router at this path.
    fn at(&self, path: &str) -> Vec<u8> {
        let (known, text) = self.text.get_or_init(|| (path.to_owned(), self.write(path)));
        if known == path { text.clone() } else { self.write(path) }
    }

    fn write(&self, path: &str) -> Vec<u8> {
        let mut value = self.value.clone();
        value["servers"] = self.host.servers(path);
        value.to_string().into_bytes()
    }
}
