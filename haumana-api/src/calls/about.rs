//! What the server says about itself; no token is needed.
//!
//! `/limits`, `/schema` and `/openapi.json` are the same for everybody and never change while the
//! host runs. They are made when they are first asked for, written once and compressed once. So
//! strangers who ask for them again and again cost little, and a start waits for none of them.
//!
//! `/health` is the exception: it reads one small item of the store each time.

use super::{Route, limits};
use crate::api::{Api, ApiConfig};
use crate::doc::{Doc, examples};
use crate::error::Failure;
use crate::host::Host;
use crate::live::LiveLimits;
use crate::reply::{Fixed, Reply};
use crate::served::Call;
use axum::Extension;
use axum::extract::rejection::NestedPathRejection;
use axum::extract::{NestedPath, State};
use axum::routing::get;
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

/// It reads the head of a user that nobody is, so it says nothing about any account. 503 if the
/// store does not answer.
async fn health(State(api): State<Arc<Api>>) -> Result<Reply, Failure> {
    api.engine.health().await?;
    Ok(Reply::new(br#"{"status":"ok"}"#.to_vec()))
}

async fn show_limits(Extension(about): Extension<Arc<About>>) -> Fixed {
    about.limits.clone()
}

async fn show_schema(Extension(about): Extension<Arc<About>>) -> Fixed {
    about.schema.clone()
}

/// The path in which the router is nested comes from the request: the router itself is made before
/// it is nested.
async fn document(
    Extension(about): Extension<Arc<About>>,
    nested: Result<NestedPath, NestedPathRejection>,
) -> Fixed {
    about.openapi.at(nested.as_ref().map_or("/", NestedPath::as_str))
}

/// What is made when somebody first asks for it, so that no start waits for it.
type Later<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// What the host says about itself, which is the same as long as it runs. Everybody may ask for it, so
/// it is written, and compressed, once.
#[derive(Debug)]
pub(crate) struct About {
    /// `GET /limits`
    limits: Later<Fixed>,
    /// `GET /schema`, as a schema file in JSON.
    schema: Later<Fixed>,
    /// `GET /openapi.json`
    openapi: Document,
}

impl About {
    /// `openapi` makes the OpenAPI document, without the servers.
    pub(crate) fn new(api: &Api, openapi: impl FnOnce() -> Value + Send + 'static) -> Self {
        let config = api.config.clone();
        let live = api.live.as_ref().map(|live| *live.limits());
        let (schema, of_limits) = (api.engine.schema().clone(), api.engine.schema().clone());
        let limits = move || limits::all(&config, live.as_ref(), &of_limits).to_string();
        Self {
            limits: later(move || Fixed::new(limits())),
            schema: later(move || Fixed::new(schema.to_json())),
            openapi: Document {
                value: later(openapi),
                host: api.host.clone(),
                reply: OnceLock::new(),
            },
        }
    }
}

fn later<T>(make: impl FnOnce() -> T + Send + 'static) -> Later<T> {
    LazyLock::new(Box::new(make))
}

/// The OpenAPI document of a router.
#[derive(Debug)]
struct Document {
    /// The document without its addresses.
    value: Later<Value>,
    host: Host,
    /// The reply for the path that was asked for first, which is the only one but for hosts that nest
    /// under a path with parameters.
    reply: OnceLock<(String, Fixed)>,
}

impl Document {
    /// The reply of a router at this path.
    fn at(&self, path: &str) -> Fixed {
        let (known, reply) = self.reply.get_or_init(|| (path.to_owned(), self.write(path)));
        if known == path { reply.clone() } else { self.write(path) }
    }

    /// Copies the document and puts the addresses in.
    fn write(&self, path: &str) -> Fixed {
        let mut value = self.value.clone();
        value["servers"] = self.host.servers(path);
        Fixed::new(value.to_string())
    }
}
