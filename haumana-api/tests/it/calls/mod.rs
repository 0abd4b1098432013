//! The calls, as a client sees them.

mod account;
mod audit;
mod bodies;
mod browsers;
mod compression;
mod crowds;
mod declared;
mod document;
mod failures;
mod history;
mod inbox;
mod limits;
mod live;
pub(crate) mod logs;
mod moving;
mod personal;
mod queries;
mod random;
mod repeats;
mod routes;
mod schema;
mod sign_in;
mod sync;
mod syncing;
mod transport;
