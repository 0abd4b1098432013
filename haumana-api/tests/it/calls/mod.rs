//! The calls, as a client sees them.

mod bodies;
mod browsers;
mod compression;
mod failures;
mod logs;
mod routes;
mod syncing;
mod transport;
