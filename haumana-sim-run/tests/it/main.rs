//! The tests of haumana-sim-run, one binary.

#![allow(clippy::unwrap_used, reason = "tests")]

mod planted;
mod resume;
mod stores;
