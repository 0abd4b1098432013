//! The tests of haumana-sync, one binary.

#![allow(clippy::unwrap_used, reason = "tests")]

mod app;
mod conformance;
mod copies;
mod export;
mod full;
mod history;
mod import;
mod lives;
mod merge;
mod phone;
mod push;
mod sim;
mod support;
mod sync;
mod takeover;
mod text;
