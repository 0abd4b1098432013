//! The calls: for each its method and path, what serves it, and what is documented about it.

mod about;
mod account;
mod app;
mod auth;
mod conflicts;
mod pieces;
mod records;
mod sync;

use crate::openapi::Doc;
use crate::router::Api;
use axum::routing::MethodRouter;
use haumana_sync::schema::Schema;
use std::sync::Arc;

/// One call.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) serve: fn() -> MethodRouter<Arc<Api>>,
    pub(crate) doc: fn() -> Doc,
}

/// Every call that a server of this schema has; the router and the OpenAPI document are made of this
/// list alone. The phones' calls and those of pieces are there only where there are pieces.
pub(crate) fn of(schema: &Schema) -> Vec<Call> {
    let phones: &[&[Call]] = &[app::CALLS, pieces::CALLS];
    let others =
        [about::CALLS, auth::CALLS, sync::CALLS, conflicts::CALLS, records::CALLS, account::CALLS];
    let phones = phones.iter().filter(|_| schema.named("piece").is_some()).copied();
    others.into_iter().chain(phones).flatten().map(|call| Call { ..*call }).collect()
}
