//! The calls.

use crate::auth::Auth;
use crate::body::{self, Bounds, Received};
use crate::cors::Origin;
use crate::error::Failure;
use crate::observe::observe;
use crate::reply::Reply;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use haumana_sync::engine::{Engine, Random};
use haumana_sync::id::UserId;
use haumana_sync::wire::app::{PiecesRequest, SessionsRequest};
use std::sync::Arc;
use std::time::Duration;

/// Everything that the API is made of.
#[derive(Clone, Debug)]
pub struct Api {
    /// What answers.
    pub engine: Arc<Engine>,
    /// Who says who is asking.
    pub auth: Auth,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// What the host decides.
    pub config: ApiConfig,
}

/// What the host decides. There is no `Default`; `haumana_api::limits` has values to start from.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The largest request body, on the wire and decompressed.
    pub request_limit_bytes: usize,
    /// The largest reply body, before compression.
    pub reply_limit_bytes: usize,
    /// Origins whose pages may call from a browser; none if empty.
    pub cors_origins: Vec<Origin>,
    /// The longest time in which a request's body may arrive.
    pub body_timeout: Duration,
}

/// Makes the router. It can be served as it is, or nested in another one under any path.
pub fn router(api: Api) -> Router {
    router_beside(api, Router::new())
}

/// Makes the router with routes of the host's own beside the API's.
///
/// They get what every call gets: a request id, a line in the log, compression, permission for the
/// listed origins, and `internal` instead of a broken connection when they panic. They do not get
/// the API's authentication.
pub fn router_beside(api: Api, routes: Router) -> Router {
    let api = Arc::new(api);
    Router::new()
        .route("/pieces", post(sync_pieces))
        .route("/sessions", post(sync_sessions))
        .route("/health", get(health))
        .with_state(Arc::clone(&api))
        .merge(routes)
        .fallback(async || Failure::NoSuchRoute)
        .method_not_allowed_fallback(async || Failure::MethodNotAllowed)
        .layer(from_fn_with_state(api, observe))
}

async fn sync_pieces(State(api): State<Arc<Api>>, request: Request) -> Result<Reply, Failure> {
    let (user, body) = api.enter(request).await?;
    let request = PiecesRequest::from_json(&body)?;
    let limit_bytes = api.config.reply_limit_bytes;
    let reply = api.engine.sync_pieces(&user, &request, limit_bytes).await?;
    let counts = reply.counts;
    Ok(Reply::counted(reply.into_json(), counts))
}

async fn sync_sessions(State(api): State<Arc<Api>>, request: Request) -> Result<Reply, Failure> {
    let (user, body) = api.enter(request).await?;
    let request = SessionsRequest::from_json(&body)?;
    let limit_bytes = api.config.reply_limit_bytes;
    let reply = api.engine.sync_sessions(&user, &request, limit_bytes).await?;
    let counts = reply.counts;
    Ok(Reply::counted(reply.into_json(), counts))
}

async fn health(State(api): State<Arc<Api>>) -> Result<Reply, Failure> {
    api.engine.health().await?;
    Ok(Reply::new(br#"{"status":"ok"}"#.to_vec()))
}

impl Api {
    /// Finds out who is asking, and only then reads what they ask.
    async fn enter(&self, request: Request) -> Result<(UserId, Vec<u8>), Failure> {
        let (head, body) = request.into_parts();
        let user = self.auth.user(&head).await?;
        let received = head.extensions.get::<Received>().cloned().unwrap_or_default();
        let bounds = Bounds {
            limit_bytes: self.config.request_limit_bytes,
            timeout: self.config.body_timeout,
        };
        let body = body::read(&head.headers, body, bounds, &received).await?;
        Ok((user, body))
    }
}
