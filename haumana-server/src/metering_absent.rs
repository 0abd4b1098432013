//! Replaces `metering` if metrics were not built in: an error that says how to get them.
//!
//! It has the same functions as `metering`, so `serve` is the same in both builds. Its type has no
//! value, so the compiler knows that code after `listen` is never reached.

use crate::problem::Problem;
use std::io;
use std::net::SocketAddr;

/// No metrics.
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
