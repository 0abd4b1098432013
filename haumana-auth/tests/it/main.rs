//! The verifier against everything in its list of attacks, and the keys of issuers.

#![allow(clippy::unwrap_used, reason = "tests")]

mod attacks;
mod keys;
mod tokens;
