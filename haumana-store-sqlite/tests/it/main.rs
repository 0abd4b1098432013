//! The tests of haumana-store-sqlite, one binary.

#![allow(clippy::unwrap_used, reason = "tests")]

mod backup;
mod busy;
mod conformance;
mod differential;
mod erase;
mod foreign_log;
mod full;
mod group_commit;
mod idle;
mod lives;
mod open;
mod processes;
mod restore;
mod schemas;
mod support;
mod unreadable;
