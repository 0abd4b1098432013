//! The tests of haumana-store-dynamo, one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod conformance;
mod tables;
