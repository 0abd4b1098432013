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
//! - Edits that a phone and its copy both have, as they had not been sent when it was copied: the server
//!   cannot know that one had seen the other's. Either may win, and the other must be kept. An edit that
//!   was taken back before it was sent leaves no trace, so a copy from in between may bring it.
//! - Pieces of a restored backup that the life before it did not have, on phones that synced with that
//!   life: they come when the app starts anew.
//! - Sessions that were accepted after the backup that is restored: the app never sends them again.
//! - Of new clients: edits whose base belongs to another life of the server, or may be past its
//!   retention; edits sent in a call of which nobody heard, which may be known already.
//!
//! # Words of the model
//!
//! | word | what it means |
//! |---|---|
//! | aspect | a field of a piece, or an owned line of its lyrics |
//! | edit | one change of one aspect by one user; a bit in a set of up to 128 |
//! | seen | for each aspect, the edits that are known to whoever made a value |
//! | number | the `version` that the app sends: base, delivery and steps in 64 bits |
//! | delivery | the upper bits of a number, which name one reply to one phone |
//! | life | the time between two restores or erasures; versions of another life say nothing |
//! | event | one thing that happens in a run, such as a sync, an edit or a restart |
//! | story | what happened in a run that failed, as text |
//!
//! # How a run goes
//!
//! 1. [`World::new`] draws phones, clocks and server processes from the seed.
//! 2. [`World::begin`] makes the first pieces.
//! 3. [`World::event`] lets one thing happen, as often as the profile says. After each call of a
//!    server the store is read, and the judge must be able to explain every change.
//! 4. [`World::come_to_rest`] lets everybody sync without faults, and compares phones, server,
//!    inbox, history, and what is stored.
//!
//! # Reading order
//!
//! [`phone`] and [`hands`] are what the app and its users do. [`server`] and [`meeting`] are how
//! their requests reach a server. [`ledger`] is what is remembered, [`mod@judge`], [`leeway`] and
//! [`traces`] decide whether it was right. [`shrink`](mod@shrink) makes a failure small.

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
pub mod faults;
pub mod guest;
pub mod guest_judge;
pub mod guest_reply;
pub mod hands;
pub mod history;
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
pub mod shrink;
pub mod small;
pub mod storm;
pub mod story;
pub mod traces;
pub mod watch;
pub mod wire;
pub mod words;
pub mod world;

pub use counts::{Counts, Rare};
pub use faults::{FaultCounts, FaultKind};
pub use history::{Failure, History, run};
pub use judge::Violation;
pub use profile::Profile;
pub use shrink::{check, repeat, shrink};
pub use wire::{Endpoint, Straight, Wire};
pub use world::{Backend, Tally, World};

use haumana_sync::store::{BatchLimits, MemoryStore, Operate, Store};
use std::sync::Arc;

/// A backend in memory, which can take backups.
///
/// A backup is a snapshot of the whole store, and putting it back replaces everything at once.
#[derive(Debug, Default)]
pub struct InMemory {
    store: Arc<MemoryStore>,
    backups: Vec<MemoryStore>,
}

impl InMemory {
    /// A backend whose commits are at most this large.
    ///
    /// With small limits one push needs several commits, so that a run meets what is done in parts.
    pub fn with_limits(limits: BatchLimits) -> Self {
        Self { store: Arc::new(MemoryStore::new().with_limits(limits)), backups: Vec::new() }
    }
}

/// A store that takes no backups, and that has no calls for an operator.
///
/// Profiles with backups run on it as well; they take none.
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

/// Returns the seeds that a test tries: `n_runs` from 0 on. `HAUMANA_SIM_RUNS` sets another number,
/// `HAUMANA_SIM_FIRST` another first one, and `HAUMANA_SIM_SEED` names one alone.
///
/// A number that cannot be read counts as not set.
pub fn seeds(n_runs: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = number("HAUMANA_SIM_SEED") {
        return seed..seed + 1;
    }
    let first = number("HAUMANA_SIM_FIRST").unwrap_or(0);
    first..first + number("HAUMANA_SIM_RUNS").unwrap_or(n_runs)
}

/// Makes a test of each profile: `check` is awaited with it.
///
/// ```
/// async fn check(profile: haumana_sim::Profile) {
///     // Yours: `haumana_sim::check` for each of `haumana_sim::seeds(40)`.
/// #   let _ = profile;
/// }
///
/// haumana_sim::runs! {
///     check:
///     everyday EVERYDAY
///     stormy STORMY
/// }
/// ```
#[macro_export]
macro_rules! runs {
    ($check:ident: $($name:ident $profile:ident)*) => { $(
        #[tokio::test]
        async fn $name() {
            $check($crate::profile::$profile).await;
        }
    )* };
}
