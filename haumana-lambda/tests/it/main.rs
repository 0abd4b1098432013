//! The functions as they are: their programs, behind a Lambda Runtime API and a gateway, on a
//! DynamoDB emulator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod authorizer;
mod calls;
mod faults;
mod http_api;
mod life;
mod limited;
mod metrics;
mod personal;
mod phones;
mod schema;
mod start;
mod world;
