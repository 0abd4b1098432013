//! The router, and everything that it is made of.

use crate::auth::Auth;
use crate::body::{self, Bounds, Received};
use crate::calls;
use crate::cors::Origin;
use crate::directory::Accounts;
use crate::error::Failure;
use crate::observe::observe;
use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use haumana_sync::engine::{Engine, Random};
use haumana_sync::id::UserId;
use std::sync::Arc;
use std::time::Duration;

/// Everything that the API is made of.
#[derive(Clone, Debug)]
pub struct Api {
    /// What answers.
    pub engine: Arc<Engine>,
    /// Who says who is asking.
    pub auth: Auth,
    /// The host's user directory, if it keeps one.
    pub accounts: Option<Accounts>,
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
    /// Whether that bounds exports too.
    pub exports: Exports,
    /// Origins whose pages may call from a browser; none if empty.
    pub cors_origins: Vec<Origin>,
    /// The longest time in which a request's body may arrive.
    pub body_timeout: Duration,
}

/// How an export that nobody asked for in pages is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exports {
    /// Sent while it is read, however large it is.
    Streamed,
    /// The host collects replies: one that exceeds [`ApiConfig::reply_limit_bytes`] is refused, and
    /// the client asks for pages.
    Bounded,
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
    let calls = calls::of(api.engine.schema()).into_iter();
    let ours = calls.fold(Router::new(), |ours, call| ours.route(call.path, (call.serve)()));
    ours.with_state(Arc::clone(&api))
        .merge(routes)
        .fallback(async || Failure::NoSuchRoute)
        .method_not_allowed_fallback(async || Failure::MethodNotAllowed)
        .layer(from_fn_with_state(api, observe))
}

impl Api {
    /// Finds out who is asking, and only then reads what they ask.
    pub(crate) async fn enter(&self, request: Request) -> Result<(UserId, Vec<u8>), Failure> {
        self.enter_as(request, |_| Ok(())).await
    }

    /// As [`Api::enter`], with a look at who it is before the body is read.
    pub(crate) async fn enter_as(
        &self,
        request: Request,
        check: impl FnOnce(&UserId) -> Result<(), Failure>,
    ) -> Result<(UserId, Vec<u8>), Failure> {
        let (head, body) = request.into_parts();
        let user = self.auth.user(&head).await?;
        check(&user)?;
        let received = head.extensions.get::<Received>().cloned().unwrap_or_default();
        let bounds = Bounds {
            limit_bytes: self.config.request_limit_bytes,
            timeout: self.config.body_timeout,
        };
        let body = body::read(&head.headers, body, bounds, &received).await?;
        Ok((user, body))
    }

    /// Finds out who is asking for something that takes no body; what was sent as one is not read.
    pub(crate) async fn who(&self, request: Request) -> Result<(UserId, Uri), Failure> {
        let (head, _) = request.into_parts();
        let user = self.auth.user(&head).await?;
        Ok((user, head.uri))
    }
}
