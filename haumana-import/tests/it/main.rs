//! The tests of haumana-import, one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod back;
mod exports;
mod items;
mod live;
mod programs;
mod repeating;
mod support;
