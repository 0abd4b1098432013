//! The HTTP API of haumana-sync as one [`axum::Router`].
//!
//! [`router`] makes the same router for every host: a Lambda function, the local server, or another
//! service that mounts it under a path of its own. It is told everything in [`Api`]: the engine,
//! who says who is asking, and the limits. It reads no environment, opens no socket, starts no
//! thread, and never calls the network. What verifies ID tokens is a
//! [`Verifier`](haumana_auth::Verifier), which a host puts into it.
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
//! A host that hears of commits adds a [`Live`] feed: then connected devices are told at once, over
//! `GET /live`. It must let that stream through as it comes: no compression, no time-out of its own.
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
//! Who asks is found out before a byte of the body is read. A handler that panics answers
//! `internal` and breaks nothing else. A client that hangs up may leave a commit that was under
//! way; sending the same request again is harmless.
//!
//! # Failures
//!
//! A failed request has a body of `{"error": "<for people>", "code": "<stable>"}`. [`error_codes`]
//! lists every code with its status, when it is answered, and what a client does. One bad record is
//! no failed request: the reply says which record it is.
//!
//! # Features
//!
//! - `verify`: verification of ID tokens, as [`auth`]. Without it nothing of a crypto library is
//!   compiled, and [`Auth::Trusted`] and verifiers of the host's own are what there is.
//! - `conformance`: the laws of [`UserDirectory`](directory::UserDirectory).
//!
//! A reply to a sync carries what it came to in its extensions, as
//! [`Counts`](haumana_app::wire::Counts), for hosts that count.
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
