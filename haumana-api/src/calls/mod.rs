//! The calls: for each its method and path, what serves it, and what is documented about it.

mod about;
mod account;
mod app;
mod auth;
mod conflicts;
mod pieces;
mod sync;

use crate::openapi::Doc;
use crate::router::Api;
use axum::routing::MethodRouter;
use std::sync::Arc;

/// One call.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) serve: fn() -> MethodRouter<Arc<Api>>,
    pub(crate) doc: fn() -> Doc,
}

/// Every call there is; the router and the OpenAPI document are made of this list alone.
pub(crate) fn all() -> Vec<Call> {
    let phones = [about::CALLS, auth::CALLS, app::CALLS];
    let others = [sync::CALLS, conflicts::CALLS, pieces::CALLS, account::CALLS];
    phones.into_iter().chain(others).flatten().map(|call| Call { ..*call }).collect()
}
