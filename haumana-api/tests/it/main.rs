//! The verifier against everything in its list of attacks, and the router as a client sees it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod attacks;
mod authorizer;
mod calls;
mod keys;
mod tokens;
mod world;
