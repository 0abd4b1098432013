//! The service's own figures of what its work has cost.
//!
//! Every request for data asks for the capacity that it consumed, and the answer is added here. So
//! the numbers are the service's own and not an estimate. [`rules`](crate::rules) has the estimate,
//! and a test compares them.
//!
//! Units are added as halves, because an eventually consistent read costs half a unit. So they are
//! whole numbers, which can be added without a lock.

use aws_sdk_dynamodb::types::ConsumedCapacity;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a store's requests have consumed, in the service's own figures.
///
/// Multiply units by the price of the region: reads and writes are all that DynamoDB charges for
/// besides storage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Consumed {
    /// Requests that succeeded.
    pub requests: u64,
    /// Read request units.
    pub read_units: f64,
    /// Write request units.
    pub write_units: f64,
    /// How often a request was repeated, because it failed, was refused for now, or found a part of
    /// a commit. Sending the rest of a batch that was done in part is not a retry, if the batch
    /// made progress.
    ///
    /// If this number stays above zero, a table is too hot, or the service is failing.
    pub retries: u64,
}

/// Whether a request reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Adds up consumption. The service counts in halves.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    requests: AtomicU64,
    read_halves: AtomicU64,
    write_halves: AtomicU64,
    retries: Retries,
}

/// Counts retries, for all calls of a store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retries(Arc<AtomicU64>);

impl Retries {
    /// Adds one.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Meter {
    /// Returns the counter for the retries of calls.
    pub(crate) fn retries(&self) -> Retries {
        self.retries.clone()
    }

    /// Adds an answered request. Returns its units, if the service has reported them.
    pub(crate) fn add(&self, direction: Direction, consumed: &[ConsumedCapacity]) -> Option<f64> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let units: Vec<f64> =
            consumed.iter().filter_map(ConsumedCapacity::capacity_units).collect();
        let sum: f64 = units.iter().sum();
        let halves = match direction {
            Direction::Read => &self.read_halves,
            Direction::Write => &self.write_halves,
        };
        // Sums of halves far below 2^52.
        halves.fetch_add((sum * 2.0) as u64, Ordering::Relaxed);
        (!units.is_empty()).then_some(sum)
    }

    /// Returns what was consumed since the last call of this method, and starts over.
    ///
    /// Each number is taken separately. If a request ends in between, its numbers may be in two
    /// results. None is counted twice.
    pub(crate) fn take(&self) -> Consumed {
        let halves = |count: &AtomicU64| count.swap(0, Ordering::Relaxed) as f64 / 2.0;
        Consumed {
            requests: self.requests.swap(0, Ordering::Relaxed),
            read_units: halves(&self.read_halves),
            write_units: halves(&self.write_halves),
            retries: self.retries.0.swap(0, Ordering::Relaxed),
        }
    }
}
