//! Metrics for Prometheus, at an address of their own.
//!
//! This listener is separate from the API's, and has a few connections of its own. So a flood of
//! requests to the API does not keep Prometheus from asking, and the public address of the API does
//! not serve metrics. Nobody has to sign in here.
//!
//! Counters and times come from the API and from the connections, through the facade `metrics`.
//! This module installs the recorder behind it, so it must start before anything is counted.

use crate::connections;
use crate::idle;
use crate::problem::Problem;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;

/// LIMIT: connections to the listener.
///
/// One collector needs one. The others allow a person to look.
const ROOM: usize = 16;
/// The upper ends of the ranges of times, in seconds. They reach from a sync that changes nothing
/// to the longest time that a request may be at work.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0, 60.0];
/// How often measured times are sorted into the ranges, so that they do not pile up if nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);
/// The format of the text, version 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4";

/// A listener for collectors of metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    listener: TcpListener,
    handle: PrometheusHandle,
}

impl Metrics {
    /// Listens, and begins to count.
    ///
    /// # Errors
    ///
    /// [`Problem::Metrics`] if the address is taken, or another recorder is installed in this
    /// process.
    pub(crate) async fn listen(address: SocketAddr) -> Result<Self, Problem> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| Problem::Metrics(format!("{address}: {error}")))?;
        let recorder = PrometheusBuilder::new().set_buckets(&SECONDS);
        let handle = recorder.and_then(PrometheusBuilder::install_recorder);
        let handle = handle.map_err(|error| Problem::Metrics(error.to_string()))?;
        haumana_api::describe_metrics();
        idle::describe_metrics();
        Ok(Self { listener, handle })
    }

    /// The address at which it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers `GET /metrics` as long as the server runs.
    ///
    /// It never returns while its listener works. If the listener fails, that is logged, and the
    /// API goes on without metrics.
    pub(crate) async fn serve(self) {
        let Self { listener, handle } = self;
        let shown = handle.clone();
        let router = Router::new()
            .route("/metrics", get(async move || ([(CONTENT_TYPE, TEXT)], shown.render())));
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP).await;
                handle.run_upkeep();
            }
        };
        tokio::select! {
            served = connections::serve("metrics", listener, router, ROOM, pending()) => {
                if let Err(error) = served {
                    tracing::warn!(detail = %error, "metrics are served no more");
                }
            }
            () = upkeep => {}
        }
    }
}
