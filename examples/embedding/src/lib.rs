//! A service with users of its own that offers haumana-sync under one of its paths.
//!
//! Three things make an embedding: an [`Engine`] on a store, a middleware that says who is asking,
//! and `nest`. The service's own routes stand beside the API and share its users.

mod members;

pub use members::{Member, Members};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use haumana_api::{Api, ApiConfig, Auth, Exports, SystemClock, SystemRandom, limits};
use haumana_sync::engine::{Engine, EngineConfig, RETENTION_MS};
use haumana_sync::store::{Generation, Store};
use std::sync::Arc;
use std::time::Duration;

/// The header in which members of this service send their keys.
pub const KEY_HEADER: &str = "x-api-key";

/// Makes the service: `/me` is its own, and everything under `/sync-api` is haumana-sync's. The
/// generation is that of the life which the store's data is in.
pub fn service(members: Members, store: Arc<dyn Store>, generation: Generation) -> Router {
    Router::new()
        .route("/me", get(me))
        .nest("/sync-api", sync_api(store, generation))
        .layer(from_fn_with_state(Arc::new(members), identify))
}

fn sync_api(store: Arc<dyn Store>, generation: Generation) -> Router {
    let random = Arc::new(SystemRandom);
    let config = EngineConfig { generation, retention_ms: RETENTION_MS };
    let engine = Engine::new(store, Arc::new(SystemClock), random.clone(), config);
    let config = ApiConfig {
        request_limit_bytes: limits::REQUEST_BYTES,
        reply_limit_bytes: limits::REPLY_BYTES,
        exports: Exports::Streamed,
        cors_origins: vec![],
        body_timeout: Duration::from_secs(60),
    };
    haumana_api::router(Api {
        engine: Arc::new(engine),
        auth: Auth::Trusted,
        accounts: None,
        random,
        config,
    })
}

/// Says who is asking: a [`Member`] to the routes of this service, and a
/// [`UserId`](haumana_sync::id::UserId) to the API, which refuses every request without one.
async fn identify(
    State(members): State<Arc<Members>>,
    mut request: Request,
    next: Next,
) -> Response {
    let key = request.headers().get(KEY_HEADER).and_then(|key| key.to_str().ok());
    if let Some(member) = key.and_then(|key| members.find(key)) {
        let member = member.clone();
        if let Some(user) = member.sync_user() {
            request.extensions_mut().insert(user);
        }
        request.extensions_mut().insert(member);
    }
    next.run(request).await
}

async fn me(member: Option<Extension<Member>>) -> Response {
    match member {
        Some(Extension(member)) => format!("Aloha {}!\n", member.name).into_response(),
        None => (StatusCode::UNAUTHORIZED, "Who are you?\n").into_response(),
    }
}
