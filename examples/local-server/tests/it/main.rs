//! The real program, called by a real HTTP client.

#![allow(clippy::unwrap_used, reason = "tests")]

mod killing;
mod readme;
mod server;
mod serving;
mod starting;
mod stopping;
