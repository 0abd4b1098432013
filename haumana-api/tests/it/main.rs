//! The verifier against everything in its list of attacks, and the router as a client sees it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod attacks;
mod calls;
mod tokens;
mod world;
