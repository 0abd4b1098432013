//! The calls: the method and path of each, its handler, and its documentation.
//!
//! Each module has a list `CALLS`, and below it the handlers. An entry of the list names the call,
//! its handler and its documentation. Router and document are made of these lists, so no call is
//! served without being documented, or documented without being served.
//!
//! To add a call: a variant of [`Call`], an entry here, its schema and its example in `doc`, and a
//! section in `docs/protocol.md`. Tests compare the first three with one another.
//!
//! A handler takes the whole request, not extractors of its parts. It must know who is asking
//! before it reads a byte of the body, and extractors would read first.

mod about;
mod account;
mod app;
mod auth;
mod conflicts;
mod limits;
mod live;
mod pieces;
mod records;
mod sync;

pub(crate) use about::About;

use crate::api::Api;
use crate::doc::Doc;
use crate::served::{Call, Served};
use axum::routing::MethodRouter;
use haumana_sync::schema::Schema;
use std::sync::Arc;

/// One call, as it is served and documented.
pub(crate) struct Route {
    /// The name by which a host chooses it.
    pub(crate) call: Call,
    /// In lower case, as OpenAPI has it.
    pub(crate) method: &'static str,
    /// As axum and OpenAPI both write it: `/conflicts/{id}`.
    pub(crate) path: &'static str,
    /// A function, because lists are constants and method routers are not.
    pub(crate) serve: fn() -> MethodRouter<Arc<Api>>,
    /// A function of the schema, because examples and schemas depend on the kinds that the server
    /// keeps.
    pub(crate) doc: fn(&Schema) -> Doc,
}

/// The calls of a server of this schema that serves these. Router and OpenAPI document are made of
/// this list alone. The phones' calls and the calls about pieces are in it only if the schema has
/// pieces.
pub(crate) fn of(schema: &Schema, served: &Served) -> Vec<&'static Route> {
    let of_pieces: &[&[Route]] = &[app::CALLS, pieces::CALLS];
    let others = [
        about::CALLS,
        auth::CALLS,
        sync::CALLS,
        live::CALLS,
        conflicts::CALLS,
        records::CALLS,
        account::CALLS,
    ];
    let of_pieces = of_pieces.iter().filter(|_| schema.named("piece").is_some()).copied();
    let all = others.into_iter().chain(of_pieces).flatten();
    all.filter(|route| served.has(route.call)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_sync::repertoire;

    #[test]
    fn every_call_has_a_route_and_every_route_a_call() {
        let routes = of(&repertoire::schema(), &Served::all());

        let mut calls: Vec<Call> = routes.iter().map(|route| route.call).collect();
        calls.sort();

        let mut all = Call::ALL;
        all.sort();
        assert_eq!(all[..], calls);
    }
}
