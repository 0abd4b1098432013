//! What histories consisted of, added up.

use haumana_sim::{FaultKind, Rare, Tally};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

/// How long something took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// Wall-clock time.
    pub micros: u64,
    /// Processor time of this thread.
    pub cpu_micros: u64,
}

/// Measures the time that something takes on one thread.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    begun: Instant,
    cpu_micros: u64,
}

impl Watch {
    /// Begins to measure.
    pub fn start() -> Self {
        Self { begun: Instant::now(), cpu_micros: cpu_micros() }
    }

    /// How long it has taken until now.
    pub fn took(self) -> Took {
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Took { micros, cpu_micros: cpu_micros() - self.cpu_micros }
    }
}

/// The processor time of this thread.
fn cpu_micros() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64) * 1_000_000 + (time.tv_nsec as u64) / 1000
}

/// Sums over histories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Totals {
    /// Histories.
    pub histories: u64,
    /// Edits that users made.
    pub edits: u64,
    /// Requests that servers received.
    pub requests: u64,
    /// Calls of the store that servers made.
    pub store_calls: u64,
    /// Versions of records that were made.
    pub versions: u64,
    /// The time that the histories took, one after the other.
    pub micros: u64,
    /// Their processor time. The time of other servers is not included.
    pub cpu_micros: u64,
    /// Faults and rare events, by name. Names with a colon are the store's own.
    pub faults: BTreeMap<String, u64>,
}

impl Totals {
    /// The totals of one history.
    pub fn of(tally: &Tally, took: Took) -> Self {
        let kinds = FaultKind::ALL.map(|kind| (format!("{kind:?}"), tally.faults.of(kind)));
        let rare = Rare::ALL.map(|rare| (format!("{rare:?}"), tally.rare.of(rare) as u64));
        let faults = kinds.into_iter().chain(rare).filter(|(_, n)| 0 < *n);
        Self {
            histories: 1,
            edits: tally.edits as u64,
            requests: tally.requests as u64,
            store_calls: tally.store_calls,
            versions: tally.versions as u64,
            micros: took.micros,
            cpu_micros: took.cpu_micros,
            faults: faults.collect(),
        }
    }

    /// Edits of users, and requests that servers received.
    pub fn operations(&self) -> u64 {
        self.edits + self.requests
    }

    /// Operations in a second of one worker, by the clock on the wall.
    pub fn operations_per_sec(&self) -> f64 {
        self.operations() as f64 * 1e6 / self.micros.max(1) as f64
    }

    /// Operations for each second of processor time.
    pub fn operations_per_cpu_sec(&self) -> f64 {
        self.operations() as f64 * 1e6 / self.cpu_micros.max(1) as f64
    }

    /// Adds other histories.
    pub fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.edits += other.edits;
        self.requests += other.requests;
        self.store_calls += other.store_calls;
        self.versions += other.versions;
        self.micros += other.micros;
        self.cpu_micros += other.cpu_micros;
        for (name, n) in &other.faults {
            match self.faults.get_mut(name) {
                Some(sum) => *sum += n,
                None => drop(self.faults.insert(name.clone(), *n)),
            }
        }
    }
}
