//! The calls, as a client sees them.

mod account;
mod bodies;
mod browsers;
mod compression;
mod document;
mod failures;
mod history;
mod inbox;
mod logs;
mod moving;
mod queries;
mod routes;
mod schema;
mod sign_in;
mod sync;
mod syncing;
mod transport;
