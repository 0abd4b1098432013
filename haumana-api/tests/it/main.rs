//! The router as a client sees it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod authorizer;
mod calls;
mod modules;
#[path = "../../../haumana-auth/tests/it/tokens.rs"]
#[allow(dead_code, reason = "the tests of haumana-auth use the rest")]
mod tokens;
mod world;
