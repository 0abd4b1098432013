//! The tests of haumana-sim, one binary.

#![allow(clippy::unwrap_used, reason = "tests")]

mod runs;
mod schemas;
mod stories;
