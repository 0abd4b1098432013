//! A model of many phones that behave exactly as the app on people's phones does, and of everything
//! that happens to them, against any store.
//!
//! It is written from the wire contract and not from the engine, so that it finds the engine's
//! mistakes. One seed decides a whole run: what users type, which requests and replies are lost,
//! repeated or late, which clocks are off, who is faster. After each call the store is read, and
//! whatever changed must be explained by the push that was made ([`ledger`], [`mod@judge`]); each
//! reply is decoded under the app's strict rules ([`reply`]) and must leave the phone exact
//! ([`checks`]); at the end everybody must agree ([`calm`]).
//!
//! New clients take part from outside ([`guest`], [`meeting`]): whoever drives them hands their
//! requests in, and the same ledger explains what they change ([`guest_judge`]).
//!
//! # What the model excuses
//!
//! - What the app itself destroys: an edit that is made while a reply is on its way, and that the
//!   reply's copy overwrites before any server saw it; an unsent edit of one account, overwritten
//!   by the reply to a request that the app made for another; what its user deletes on the phone.
//! - What the protocol cannot know ([`leeway`]): the base of a copy from before this server; content
//!   of a life that a restored backup does not remember, until the phone has synced once; edits
//!   whose base is past its retention; pushes of one delivery in the same second. There either side
//!   may win, and the other must be kept.
//! - Requests that reach the server after a newer one of their phone, where the newer one came from a
//!   clock that was set back, or changed nothing and so left nothing to know it by.
//! - A form that was open too long and whose long texts give it away merges with the version it
//!   was opened on, so its short fields may go either way.
//! - Sessions that were accepted after the backup that is restored: the app never sends them again.
//! - Of new clients: edits whose base belongs to another life of the server, or may be past its
//!   retention; edits sent in a call of which nobody heard, which may be known already.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a model that cannot go on stops there, and says why"
)]

pub mod asks;
pub mod before;
pub mod calm;
pub mod checks;
pub mod content;
pub mod copies;
pub mod counts;
pub mod dice;
pub mod events;
pub mod guest;
pub mod guest_judge;
pub mod guest_reply;
pub mod hands;
pub mod inbox;
pub mod judge;
pub mod ledger;
pub mod leeway;
pub mod lines;
pub mod meeting;
pub mod mends;
pub mod overtaken;
pub mod phone;
pub mod profile;
pub mod rare;
pub mod readable;
pub mod reply;
pub mod rewinds;
pub mod schemas;
pub mod server;
pub mod sessions;
pub mod small;
pub mod storm;
pub mod story;
pub mod traces;
pub mod watch;
pub mod words;
pub mod world;

pub use counts::{Counts, Rare};
pub use judge::Violation;
pub use profile::Profile;
pub use world::{Backend, Tally, World};

use haumana_sync::store::{BatchLimits, MemoryStore, Operate, Store};
use std::sync::Arc;

/// A backend in memory, which can take backups.
#[derive(Debug, Default)]
pub struct InMemory {
    store: Arc<MemoryStore>,
    backups: Vec<MemoryStore>,
}

impl InMemory {
    /// A backend whose commits are at most this large.
    pub fn with_limits(limits: BatchLimits) -> Self {
        Self { store: Arc::new(MemoryStore::new().with_limits(limits)), backups: Vec::new() }
    }
}

/// A store that takes no backups, and that has no calls for an operator.
impl Backend for Arc<dyn Store> {
    fn store(&self) -> Arc<dyn Store> {
        self.clone()
    }
}

/// A store that takes no backups. At the end of a run, what it has stored is verified.
impl<S: Store + Operate> Backend for Arc<S> {
    fn store(&self) -> Arc<dyn Store> {
        self.clone()
    }

    fn operate(&self) -> Option<Arc<dyn Operate>> {
        Some(self.clone())
    }
}

#[async_trait::async_trait]
impl Backend for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn operate(&self) -> Option<Arc<dyn Operate>> {
        Some(self.store.clone())
    }

    async fn back_up(&mut self) -> bool {
        self.backups.push(self.store.snapshot());
        true
    }

    async fn restore(&mut self, backup: usize) {
        MemoryStore::restore(&self.store, &self.backups[backup]);
    }
}

/// A run that went wrong.
#[derive(Debug)]
pub struct Failure {
    /// What must not have happened.
    pub violation: Violation,
    /// What happened before, as far as it concerns the piece.
    pub trace: Vec<String>,
    /// After how many events.
    pub events: usize,
}

/// Makes the run of `seed`, with at most `events` events.
///
/// # Errors
///
/// The first thing that must not happen.
pub async fn run(
    profile: Profile,
    seed: u64,
    events: usize,
    backend: &mut dyn Backend,
    is_traced: bool,
) -> Result<Tally, Failure> {
    let mut world = World::new(profile, seed, backend, is_traced);
    let n_events = (10 + world.dice.below(profile.events)).min(events);
    let mut done = 0;
    let violation = loop {
        if n_events <= done {
            break world.come_to_rest().await.err();
        }
        if done == 0 {
            world.begin();
        }
        done += 1;
        if let Err(violation) = world.event().await {
            break Some(violation);
        }
    };
    let Some(violation) = violation else { return Ok(world.tally) };
    let concerns = |about: &Option<haumana_sync::id::RecordId>| {
        about.is_none() || violation.piece.is_none() || *about == violation.piece
    };
    let trace = world.trace.take().unwrap_or_default();
    let trace: Vec<String> =
        trace.into_iter().filter(|(about, _)| concerns(about)).map(|(_, text)| text).collect();
    let first = trace.len().saturating_sub(80);
    Err(Failure { violation, trace: trace[first..].to_vec(), events: done })
}

/// Makes the run of `seed`; if it fails, looks for the fewest events that fail and tells the story.
///
/// `make` opens a backend without records of the model's users, for each try a new one. It is awaited on
/// whichever runtime the caller is. `repeat` is the command that makes these runs again.
///
/// ```
/// use haumana_sim::{Backend, check, profile};
/// use haumana_sync::store::MemoryStore;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// for seed in haumana_sim::seeds(2) {
///     let open = async || {
///         // Yours is opened here, asynchronously.
///         Box::new(Arc::new(MemoryStore::new())) as Box<dyn Backend>
///     };
///     check(profile::EVERYDAY, seed, open, "cargo test model").await;
/// }
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// If the run fails, with the seed, the command that repeats it, and what happened to the piece.
pub async fn check(
    profile: Profile,
    seed: u64,
    make: impl AsyncFn() -> Box<dyn Backend>,
    repeat: &str,
) -> Tally {
    let failure = match run(profile, seed, usize::MAX, &mut *make().await, false).await {
        Ok(tally) => return tally,
        Err(failure) => failure,
    };
    let mut fewest = failure.events;
    for events in 1..=failure.events {
        if run(profile, seed, events, &mut *make().await, false).await.is_err() {
            fewest = events;
            break;
        }
    }
    let told = run(profile, seed, fewest, &mut *make().await, true).await;
    let failure = told.err().unwrap_or(failure);
    panic!(
        "\n{}\n\n{} {:?}: {}\n\nHAUMANA_SIM_SEED={seed} {repeat}\n",
        failure.trace.join("\n"),
        profile.name,
        failure.violation.piece,
        failure.violation.text,
    );
}

/// Returns the seeds that a test tries: `n_runs` from 0 on. `HAUMANA_SIM_RUNS` sets another number,
/// `HAUMANA_SIM_FIRST` another first one, and `HAUMANA_SIM_SEED` names one alone.
pub fn seeds(n_runs: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = number("HAUMANA_SIM_SEED") {
        return seed..seed + 1;
    }
    let first = number("HAUMANA_SIM_FIRST").unwrap_or(0);
    first..first + number("HAUMANA_SIM_RUNS").unwrap_or(n_runs)
}
