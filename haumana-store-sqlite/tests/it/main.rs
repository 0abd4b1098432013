//! The tests of haumana-store-sqlite, one binary.

#![allow(clippy::unwrap_used, reason = "tests")]

mod backup;
mod busy;
mod conformance;
mod differential;
mod erase;
mod full;
mod group_commit;
mod open;
mod processes;
mod support;
