//! The real program, called by a real HTTP client.

#![allow(clippy::unwrap_used, reason = "tests")]

mod auditing;
mod connections;
mod dynamodb;
mod google;
mod guides;
mod killing;
mod killing_postgres;
mod live;
mod manuals;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod memory;
mod metering;
mod page;
mod postgres;
mod restoring;
mod schema;
mod server;
mod serving;
mod signing_in;
mod starting;
mod stopping;
mod upkeep;
