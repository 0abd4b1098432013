//! The tests of haumana-sim, one binary.

#![allow(clippy::unwrap_used, reason = "tests")]

mod before;
mod runs;
mod schemas;
mod small;
mod stories;
