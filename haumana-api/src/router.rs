//! The router: the calls, the layer around them, and the answers to unknown addresses.
//!
//! ```text
//!  request ─▶ observe ─▶ route of a call ─▶ handler      (Api::write, Api::read)
//!              │      └▶ route of the host ─▶ the host's handler
//!              │      └▶ no route: 404      no such method: 405
//!              └ id, log line, CORS, gzip, panics
//! ```
//! `observe` is the outermost layer and sees every request, also those that match no route. So each
//! reply has a request id and each request has a line in the log. The routes are those of the list
//! in `calls`; the OpenAPI document is made of the same list.
//!
//! The router is generic in the state of the outer router. Its own state is set here, so an
//! embedding service can nest it whatever its own state is.

use crate::api::Api;
use crate::calls::{self, About};
use crate::error::Failure;
use crate::observe::observe;
use crate::openapi::openapi;
use crate::served::Call;
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use std::sync::Arc;

/// Makes the router. It can be served as it is, or nested in another one under any path, whatever
/// the state of that one is.
///
/// The OpenAPI document names the path that it is nested in. The host adds its own layers around
/// it. Layers that are added last run first. The middleware for
/// [`Auth::Trusted`](crate::Auth::Trusted) must be such a layer.
pub fn router<S>(api: Api) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router_beside(api, Router::new())
}

/// Makes the router with routes of the host's own beside the API's.
///
/// Those routes get what every call gets: a request id, a line in the log, compression, permission
/// for the listed origins, and `internal` instead of a broken connection when they panic. They do
/// not get the API's authentication.
///
/// An unknown path is answered as the API answers it: 404 with `not_found`.
///
/// # Panics
///
/// If `routes` has a path and method that the API has too. It panics when the router is made, never
/// during a request.
pub fn router_beside<S>(api: Api, routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let served = api.served();
    let schema = api.engine.schema();
    let calls = calls::of(schema, &served).into_iter();
    let ours = calls.fold(Router::new(), |ours, call| ours.route(call.path, (call.serve)()));
    let (schema, host) = (schema.clone(), api.host.clone());
    let about = About::new(&api, served.has(Call::Live), move || openapi(&schema, &served, &host));
    let api = Arc::new(api.gated());
    ours.layer(Extension(Arc::new(about)))
        .with_state(Arc::clone(&api))
        .merge(routes)
        .fallback(async || Failure::NoSuchRoute)
        .method_not_allowed_fallback(async || Failure::MethodNotAllowed)
        .layer(from_fn_with_state(api, observe))
}
