//! What is instead of metrics that were not built in: an error that says how to get them.
//!
//! It has the same functions as `metering`, so `serve` is written once. The type has no value: what
//! follows from a value of it cannot be reached, and the compiler knows.

use crate::problem::Problem;
use std::io;
use std::net::SocketAddr;

/// There are none.
#[derive(Debug)]
pub(crate) enum Metrics {}

impl Metrics {
    pub(crate) async fn listen(_: SocketAddr) -> Result<Self, Problem> {
        Err(Problem::NoMetrics)
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        match *self {}
    }

    pub(crate) async fn serve(self) {
        match self {}
    }
}
