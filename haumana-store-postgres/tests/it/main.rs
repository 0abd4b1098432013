//! The tests of haumana-store-postgres, one binary. They start a server of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

/// The server of the tests, or the end of the test if none is installed.
macro_rules! server_or_skip {
    () => {
        match haumana_store_postgres::testing::server() {
            Some(server) => server,
            None => return,
        }
    };
}

mod conformance;
mod cuts;
mod differential;
mod erase;
mod journal;
mod live;
mod lives;
mod lost;
mod open;
mod plans;
mod proxy;
mod round_trips;
mod schemas;
mod sim;
mod support;
mod telling;
mod unreadable;
