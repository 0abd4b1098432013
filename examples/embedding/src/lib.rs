//! A service with users of its own that offers haumana-sync under one of its paths.
//!
//! Three things make an embedding: an [`Engine`] on a store, a middleware that says who is asking,
//! and `nest`. The service's own routes stand beside the API and share its users. The service has a
//! state of its own; the API has none that it must know of, so `with_state` comes last.

mod members;

pub use members::{Member, Members};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use haumana_api::{Api, ApiConfig, Auth, Call, Host, Served, SystemClock, SystemRandom};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::store::{Generation, Store};
use serde_json::json;
use std::sync::Arc;

/// The header in which members of this service send their keys.
pub const KEY_HEADER: &str = "x-api-key";

/// What this service's own routes work with.
#[derive(Clone, Debug)]
struct Service {
    members: Arc<Members>,
    greeting: &'static str,
}

/// Makes the service: `/me` is its own, and everything under `/sync-api` is haumana-sync's. The
/// generation is that of the life which the store's data is in.
pub fn service(members: Members, store: Arc<dyn Store>, generation: Generation) -> Router {
    let service = Service { members: Arc::new(members), greeting: "Aloha" };
    Router::new()
        .route("/me", get(me))
        .nest("/sync-api", haumana_api::router(sync_api(store, generation)))
        // What is layered here comes before the routes above, those of the API included.
        .layer(from_fn_with_state(service.clone(), identify))
        .with_state(service)
}

/// Erasing a repertoire belongs to ending a membership, and nothing is imported here: this service
/// serves neither call, and its document has neither.
fn sync_api(store: Arc<dyn Store>, generation: Generation) -> Api {
    let random = Arc::new(SystemRandom);
    let config = EngineConfig::new(generation);
    let engine = Engine::new(store, Arc::new(SystemClock), random.clone(), config);
    let api_key = json!({ "type": "apiKey", "in": "header", "name": KEY_HEADER });
    Api::new(Arc::new(engine), Auth::Trusted, random, ApiConfig::of_a_server())
        .serving(Served::all().without([Call::Erase, Call::Import]))
        .documented_for(Host::with_security("apiKey", api_key))
}

/// Says who is asking: a [`Member`] to the routes of this service, and a
/// [`UserId`](haumana_sync::id::UserId) to the API, which refuses every request without one.
async fn identify(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let key = request.headers().get(KEY_HEADER).and_then(|key| key.to_str().ok());
    if let Some(member) = key.and_then(|key| service.members.find(key)) {
        let member = member.clone();
        request.extensions_mut().insert(member.sync_user());
        request.extensions_mut().insert(member);
    }
    next.run(request).await
}

async fn me(State(service): State<Service>, member: Option<Extension<Member>>) -> Response {
    match member {
        Some(Extension(member)) => {
            format!("{} {}!\n", service.greeting, member.name).into_response()
        }
        None => (StatusCode::UNAUTHORIZED, "Who are you?\n").into_response(),
    }
}
