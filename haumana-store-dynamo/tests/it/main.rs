//! The tests of haumana-store-dynamo, one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod allowance;
mod clients;
mod conformance;
mod copies;
mod differential;
mod faults;
mod large;
mod life;
mod meter;
mod sim;
mod support;
mod tables;
mod unreadable;
