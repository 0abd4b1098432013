//! What is counted and timed, with the recorder of the crate [`metrics`] that the host has
//! installed.
//!
//! No label contains personal data, and each has few values. Routes are labelled as they are
//! declared, never as a client wrote them.
//!
//! The crate `metrics` is a facade: without a recorder each call costs little and does nothing. So
//! a library may always count, and the host decides. `haumana-server` installs a recorder for
//! Prometheus if it is started with `--metrics`.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use std::time::Duration;

const REQUESTS: &str = "haumana_requests_total";
const SECONDS: &str = "haumana_request_seconds";
const QUEUE: &str = "haumana_queue_seconds";
const REFUSED: &str = "haumana_refused_total";
const AT_WORK: &str = "haumana_requests_at_work";

/// Describes the metrics of the API to the recorder that is installed.
///
/// Without a recorder nothing is counted. Call this once, after the recorder is installed:
///
/// | name | kind | labels |
/// |---|---|---|
/// | `haumana_requests_total` | counter | `method`, `route`, `status` |
/// | `haumana_request_seconds` | histogram | `route` |
/// | `haumana_queue_seconds` | histogram: how long a request waited for its turn, if it waited | |
/// | `haumana_refused_total` | counter: refused to protect others | `code`, `reason` |
/// | `haumana_requests_at_work` | gauge | |
///
/// ```
/// haumana_api::describe_metrics();
/// ```
pub fn describe_metrics() {
    describe_counter!(REQUESTS, "Requests that were answered.");
    describe_histogram!(SECONDS, Unit::Seconds, "From the head of a request to its reply.");
    describe_histogram!(QUEUE, Unit::Seconds, "How long a request waited for its turn.");
    describe_counter!(REFUSED, "Requests that were refused to protect others, by limit.");
    describe_gauge!(AT_WORK, "Requests that are at work.");
}

/// One request that was answered.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) method: &'static str,
    /// As it is declared, such as `/conflicts/{id}`; `-` where no route matched.
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    /// From the head of the request to its reply. Sending the reply is not in it.
    pub(crate) time: Duration,
    /// How long it waited for its turn.
    pub(crate) queued: Option<Duration>,
    /// Its code and reason, if it was refused to protect others.
    pub(crate) refused: Option<(&'static str, &'static str)>,
}

impl Answered<'_> {
    /// Counts it.
    ///
    /// The number of series is the product of methods, routes and statuses that occur. All three
    /// are from fixed lists, so no client can make it grow without bound.
    pub(crate) fn count(self) {
        let Self { method, route, status, time, queued, refused } = self;
        let (route, status) = (route.to_owned(), status.to_string());
        counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status)
            .increment(1);
        histogram!(SECONDS, "route" => route).record(time);
        if let Some(queued) = queued {
            histogram!(QUEUE).record(queued);
        }
        if let Some((code, reason)) = refused {
            counter!(REFUSED, "code" => code, "reason" => reason).increment(1);
        }
    }
}

/// Sets how many requests are at work.
pub(crate) fn at_work(count: usize) {
    gauge!(AT_WORK).set(count as f64);
}
