//! A model of many phones that behave exactly as the app on people's phones does, and of everything
//! that happens to them. It runs on any store.
//!
//! It is written from the wire contract and not from the engine, so that it finds the engine's
//! mistakes. One seed decides a whole run: what users type, which requests and replies are lost,
//! repeated or late, which clocks are wrong, and who is faster. After each call the store is read.
//! The push that was made must explain every change ([`ledger`], [`mod@judge`]). Each reply is
//! decoded under the app's strict rules ([`reply`]), and after it the phone must hold what the
//! server holds ([`checks`]). At the end all must agree ([`calm`]).
//!
//! New clients take part from outside ([`guest`], [`meeting`]). Their drivers hand in their
//! requests, and the same ledger explains what they change ([`guest_judge`]).
//!
//! # What the model excuses
//!
//! - What the app itself destroys: an edit that is made while a reply is in flight, and that the
//!   copy in the reply overwrites before any server saw it; an unsent edit of one account that is
//!   overwritten by the reply to a request for another; and what the user deletes on the phone.
//! - What the protocol cannot know ([`leeway`]): the base of a copy from before this server;
//!   content of a life that a restored backup does not remember, until the phone has synced once;
//!   edits whose base is past its retention; pushes of one delivery in the same second. There
//!   either value may win, and the other must be kept.
//! - Requests that reach the server after a newer one of their phone, if the newer one came from a
//!   clock that was set back, or changed nothing and so left no trace.
//! - A form that was open too long, and whose long texts show that, merges with the version on
//!   which it was opened. So its short fields may go either way.
//! - Edits that a phone and its copy both have, because they had not been sent when the phone was
//!   copied. The server cannot know that one device had seen the other's edit. Either may win, and
//!   the other must be kept. An edit that was undone before it was sent leaves no trace, so a copy
//!   from in between may bring it.
//! - Pieces of a restored backup that the life before it did not have, on phones that synced with
//!   that life: they come when the app starts anew.
//! - Sessions that were accepted after the restored backup was taken: the app never sends them
//!   again.
//! - Of new clients: edits whose base belongs to another life of the server, or may be past its
//!   retention; and edits in a call without a reply, which the server may know already.
//!
//! # Words of the model
//!
//! | word | what it means |
//! |---|---|
//! | aspect | a field of a piece, or an owned line of its lyrics |
//! | edit | one change of one aspect by one user; a bit in a set of up to 128 |
//! | seen | for each aspect, the edits that the maker of a value had seen |
//! | number | the `version` that the app sends: base, delivery and steps in 64 bits |
//! | delivery | the upper bits of a number, which name one reply to one phone |
//! | life | the time between two restores or erasures; versions of another life say nothing |
//! | event | one thing that happens in a run, such as a sync, an edit or a restart |
//! | story | a failed run as text |
//!
//! # The steps of a run
//!
//! 1. [`World::new`] draws phones, clocks and server processes from the seed.
//! 2. [`World::begin`] makes the first pieces.
//! 3. [`World::event`] makes one event happen, as often as the profile says. After each call of a
//!    server the store is read, and the judge must be able to explain every change.
//! 4. [`World::come_to_rest`] lets all phones sync without faults, and compares phones, server,
//!    inbox, history, and the stored data.
//!
//! # Reading order
//!
//! [`phone`] and [`hands`] are the app and its users. [`server`] and [`meeting`] bring their
//! requests to a server. [`ledger`] is the memory of the model. [`mod@judge`], [`leeway`] and
//! [`traces`] decide whether a change was right. [`shrink`](mod@shrink) makes a failure small.

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

/// A backend in memory, with backups.
///
/// A backup is a snapshot of the whole store. Restoring it replaces everything at once.
#[derive(Debug, Default)]
pub struct InMemory {
    store: Arc<MemoryStore>,
    backups: Vec<MemoryStore>,
}

impl InMemory {
    /// A backend whose commits have at most this size.
    ///
    /// With small limits one push needs several commits, so that a run also tests pushes that are
    /// done in parts.
    pub fn with_limits(limits: BatchLimits) -> Self {
        Self { store: Arc::new(MemoryStore::new().with_limits(limits)), backups: Vec::new() }
    }
}

/// A store without backups and without an operator's calls.
///
/// Profiles with backups run on it as well, without taking any.
impl Backend for Arc<dyn Store> {
    fn store(&self) -> Arc<dyn Store> {
        self.clone()
    }
}

/// A store without backups. At the end of a run its stored data is verified.
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

/// Returns the seeds for a test: `n_runs` of them, from 0 on. `HAUMANA_SIM_RUNS` sets another
/// number, `HAUMANA_SIM_FIRST` another first seed, and `HAUMANA_SIM_SEED` a single seed.
///
/// A variable that is not a number counts as not set.
pub fn seeds(n_runs: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = number("HAUMANA_SIM_SEED") {
        return seed..seed + 1;
    }
    let first = number("HAUMANA_SIM_FIRST").unwrap_or(0);
    first..first + number("HAUMANA_SIM_RUNS").unwrap_or(n_runs)
}

/// Makes a test of each profile. Each test awaits `check` with its profile.
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
