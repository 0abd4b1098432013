//! What the server says about itself. These calls need no token.
//!
//! `/limits`, `/schema` and `/openapi.json` are the same for everybody and never change while the
//! host runs. Each is made when it is first asked for, and compressed once. So strangers who ask
//! again and again cost little, and no start waits for them.
//!
//! `/health` is the exception: it reads one small item of the store. At most one such look is in
//! progress at a time, however many clients ask.

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
use std::time::Instant;
use tokio::sync::Mutex;

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

/// It reads the head of a user that does not exist, so it says nothing about any account. 503 if
/// the store does not answer.
async fn health(
    State(api): State<Arc<Api>>,
    Extension(about): Extension<Arc<About>>,
) -> Result<Reply, Failure> {
    about.health.look(async || Ok(api.engine.health().await?)).await?;
    Ok(Reply::new(br#"{"status":"ok"}"#.to_vec()))
}

/// The looks at the store's health. Nobody needs a token to ask for one. So requests share them:
/// all together use one connection of the store.
#[derive(Debug, Default)]
struct Health {
    /// When the last look began, and whether the store answered.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    /// Looks, or uses the result of a look that began after this call.
    async fn look(&self, look: impl AsyncFnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        match *last {
            Some((began, true)) if asked <= began => Ok(()),
            Some((began, false)) if asked <= began => Err(Failure::Overloaded("health")),
            _ => {
                let began = Instant::now();
                let looked = look().await;
                *last = Some((began, looked.is_ok()));
                looked
            }
        }
    }
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

/// A value that is made when somebody first asks for it, so that no start waits for it.
type Later<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// What the host says about itself, which is the same as long as it runs. Everybody may ask for it,
/// so each part is written and compressed once.
#[derive(Debug)]
pub(crate) struct About {
    /// `GET /limits`
    limits: Later<Fixed>,
    /// `GET /schema`, as a schema file in JSON.
    schema: Later<Fixed>,
    /// `GET /openapi.json`
    openapi: Document,
    /// `GET /health`
    health: Health,
}

impl About {
    /// `openapi` makes the OpenAPI document, without the servers. A host may have a feed and still
    /// not serve `GET /live`; then `serves_live` is false.
    pub(crate) fn new(
        api: &Api,
        serves_live: bool,
        openapi: impl FnOnce() -> Value + Send + 'static,
    ) -> Self {
        let config = api.config.clone();
        let live = api.live.as_ref().filter(|_| serves_live).map(|live| *live.limits());
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
            health: Health::default(),
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
    /// The reply for the path that was asked for first. There are others only on hosts that nest
    /// the router under a path with parameters.
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn however_many_ask_for_health_one_look_is_under_way() {
        for is_well in [true, false] {
            let (health, running, looks) =
                (Health::default(), AtomicUsize::new(0), AtomicUsize::new(0));
            let look = async || {
                assert_eq!(0, running.fetch_add(1, Ordering::Relaxed), "two at a time");
                looks.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::Relaxed);
                if is_well { Ok(()) } else { Err(Failure::Overloaded("store")) }
            };

            let found = join_all((0..50).map(|_| health.look(look))).await;

            assert!(found.iter().all(|found| found.is_ok() == is_well));
            assert_eq!(2, looks.load(Ordering::Relaxed), "one began before the others asked");
            assert_eq!(is_well, health.look(look).await.is_ok());
            assert_eq!(3, looks.load(Ordering::Relaxed), "what was found before is old");
        }
    }
}
