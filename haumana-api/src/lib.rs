//! The HTTP API of haumana-sync as one [`axum::Router`].
//!
//! [`router`] makes the same router for every host: a Lambda function, the local server, or another
//! service that mounts it under a path of its own. [`Api`] holds all its input: the engine, the way
//! to find the user of a request, and the limits. The router reads no environment, opens no socket,
//! starts no thread, and never calls the network. A host that takes ID tokens puts a
//! [`Verifier`](haumana_auth::Verifier) into [`Auth`].
//!
//! ```
//! use haumana_api::{Api, ApiConfig, Auth, Call, Served, SystemClock, SystemRandom};
//! use haumana_sync::engine::{Engine, EngineConfig};
//! use haumana_sync::store::{Generation, MemoryStore};
//! use std::sync::Arc;
//!
//! let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
//! let config = EngineConfig::new(Generation(0));
//! let engine = Engine::new(Arc::new(MemoryStore::new()), clock, random.clone(), config);
//! // The host's own middleware puts a `UserId` into the extensions of each request.
//! let api = Api::new(Arc::new(engine), Auth::Trusted, random, ApiConfig::of_a_server())
//!     .serving(Served::all().without([Call::Erase]));
//! let service: axum::Router = axum::Router::new().nest("/sync-api", haumana_api::router(api));
//! ```
//!
//! A host says which calls there are ([`Served`]) and how its users prove who they are ([`Host`]);
//! `GET /openapi.json` then documents exactly that, under the path that the router is nested in.
//!
//! A host that hears of commits adds a [`Live`] feed. Connected devices then hear of each commit at
//! once, over `GET /live`. The host must pass that stream through as it comes: no compression, no
//! time-out of its own.
//!
//! # Reading order
//!
//! 1. [`Api`] and [`ApiConfig`]: everything that a host puts in.
//! 2. [`Auth`]: how the user of a request is found. [`auth`] verifies ID tokens.
//! 3. [`router`]: what comes out. [`router_beside`] adds routes of the host's own.
//! 4. [`Served`], [`Host`], [`openapi()`]: which calls there are, and how they are documented.
//! 5. [`Load`], [`limits`]: how much is done at once, and how much one request may hold.
//! 6. [`Live`]: telling connected devices. [`directory`]: who has signed in.
//! 7. [`LogWitness`], [`AUDIT`]: what an operator reads.
//!
//! # One request
//!
//! ```text
//!  request ─▶ who asks ─▶ a place in line ─▶ body ─▶ engine ─▶ reply, log line
//!               401          429, 503        413
//! ```
//! The user is found before a byte of the body is read. If a handler panics, its request is
//! answered with `internal` and no other request is affected. If a client hangs up, a commit that
//! was under way may still be made. Sending the same request again is harmless.
//!
//! # Failures
//!
//! A failed request has a body of `{"error": "<for people>", "code": "<stable>"}`. [`error_codes`]
//! lists every code with its status, when it is answered, and what a client does. One bad record
//! does not fail the request: the reply says which record it is.
//!
//! # Features
//!
//! - `verify`: verification of ID tokens, as [`auth`]. Without it no crypto library is compiled. A
//!   host then uses [`Auth::Trusted`] or a verifier of its own.
//! - `conformance`: the laws of [`UserDirectory`](directory::UserDirectory).
//!
//! The reply to a sync has [`Counts`](haumana_app::wire::Counts) in its extensions: how many
//! records were pushed, pulled, merged and rejected. Hosts that count read them there.
//!
//! **Invariant:** no request reaches the engine without a user that [`Auth`] vouches for.
//! **Invariant:** no token, e-mail address, user id, title or lyric is ever logged.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod directory;
pub mod limits;

mod api;
mod asker;
mod body;
mod calls;
mod compress;
mod cors;
mod doc;
mod error;
mod gzip_body;
mod host;
mod live;
mod load;
mod meter;
mod observe;
mod openapi;
mod query;
mod reply;
mod router;
mod served;
mod stream;
mod system;
mod unsent;
mod witness;

pub use api::{Api, ApiConfig, Compression, Exports};
pub use asker::Auth;
pub use compress::accepts_coding;
pub use cors::Origin;
pub use doc::{ErrorCode, error_codes};
pub use error::out_of_time;
pub use haumana_auth as auth;
pub use host::Host;
pub use live::{Live, LiveLimits};
pub use load::Load;
pub use meter::describe_metrics;
pub use observe::AUDIT;
pub use openapi::openapi;
pub use router::{router, router_beside};
pub use served::{Call, Served};
pub use system::{SystemClock, SystemRandom};
pub use witness::LogWitness;

/// The Rust of the guide to embeddings.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
