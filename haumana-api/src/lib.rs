//! The HTTP API of haumana-sync as one [`axum::Router`].
//!
//! [`router`] makes the same router for every host: a Lambda function, the local server, or another
//! service that mounts it under a path of its own. It is told everything in [`Api`]: the engine,
//! who says who is asking, and the limits. It reads no environment, opens no socket, starts no
//! thread, and never calls the network. What verifies ID tokens is a
//! [`Verifier`](haumana_auth::Verifier), which a host puts into it.
//!
//! ```
//! use haumana_api::{Api, ApiConfig, Auth, Exports, SystemClock, SystemRandom, limits};
//! use haumana_sync::engine::{Engine, EngineConfig, RETENTION_MS};
//! use haumana_sync::store::{Generation, MemoryStore};
//! use std::{sync::Arc, time::Duration};
//!
//! let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
//! let config = EngineConfig { generation: Generation(0), retention_ms: RETENTION_MS };
//! let engine = Engine::new(Arc::new(MemoryStore::new()), clock, random.clone(), config);
//! let config = ApiConfig {
//!     request_limit_bytes: limits::REQUEST_BYTES,
//!     reply_limit_bytes: limits::REPLY_BYTES,
//!     exports: Exports::Streamed,
//!     cors_origins: vec![],
//!     body_timeout: Duration::from_secs(60),
//! };
//! // The host's own middleware puts a `UserId` into the extensions of each request.
//! let api = Api { engine: Arc::new(engine), auth: Auth::Trusted, accounts: None, random, config };
//! let service: axum::Router = axum::Router::new().nest("/sync-api", haumana_api::router(api));
//! ```
//!
//! A reply to a sync carries what it came to in its extensions, as
//! [`Counts`](haumana_app::wire::Counts), for hosts that count.
//!
//! **Invariant:** no request reaches the engine without a user that [`Auth`] vouches for.
//! **Invariant:** no token, e-mail address, user id, title or lyric is ever logged.

pub mod directory;
pub mod limits;

mod auth;
mod body;
mod calls;
mod compress;
mod cors;
mod error;
mod gzip_body;
mod observe;
mod openapi;
mod query;
mod reply;
mod router;
mod stream;
mod system;

pub use auth::Auth;
pub use cors::Origin;
pub use error::out_of_time;
pub use openapi::{openapi, openapi_of};
pub use router::{Api, ApiConfig, Exports, router, router_beside};
pub use system::{SystemClock, SystemRandom};

/// The README's Rust, which must compile and hold.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
