//! The directory against an emulator of Cognito, over real HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod calls;
mod laws;
mod moto;
