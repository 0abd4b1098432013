//! What one account may cost: a token bucket that is kept in the account's head.
//!
//! The head is read by each call anyway, and written by each commit anyway, so the bucket costs no
//! request of its own. Only an account that costs a lot without ever writing, such as one that
//! exports in a loop, makes the store write the bucket for itself, once for every
//! [`SAVED_AT`](Allowance::SAVED_AT)th of it. See ADR 0031.
//!
//! A bucket is one number, the time at which everything that the account has cost will be paid off
//! at the rate of its allowance. Whoever is further ahead than the whole bucket has to wait.
//!
//! # The arithmetic
//!
//! With 1,000 units a day, a cost of 1 is paid off in 86.4 s. The bucket's number moves ahead by
//! the time that each cost takes, from now or from where it stands, whichever is later. An account
//! that is ahead by more than `burst` would take to pay off is refused, until time has caught up.
//!
//! One number needs no clock of its own, no refilling job and no history of what was spent.
//!
//! # What several processes see
//!
//! Each process knows what the head said last, and what it has added since. So an account can be
//! ahead by another hundredth of the bucket in each process that serves it. That is the price of
//! writing rarely.

use crate::items::Item;
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_sync::engine::Clock;
use haumana_sync::id::UserId;
use haumana_sync::time::UnixMillis;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The attribute of a head that holds the bucket.
pub(crate) const PAID: &str = "_paid";

const DAY_MS: f64 = 86_400_000.0;

/// How many accounts a store remembers between their calls.
///
/// Beyond it, accounts of which everything is saved are forgotten, and if that does not help, all.
/// What is forgotten is never charged.
const ACCOUNTS: usize = 1000;

/// What one account may cost, in millionths of a dollar, or of whatever the host counts in.
///
/// The host says what each call has cost, with [`DynamoStore::charge`]. An account that has used up
/// its allowance is refused with [`ErrorKind::Spent`] where its head is read, before other work, and
/// is served again as soon as enough time has passed. It can be erased all the same.
///
/// [`DynamoStore::charge`]: crate::DynamoStore::charge
/// [`ErrorKind::Spent`]: haumana_sync::store::ErrorKind::Spent
///
/// Without it, one account that is used by a broken or hostile client can cost as much as all
/// others. It bounds what an account costs, and is no billing: what several processes have not
/// written down yet is in no head.
#[derive(Clone)]
pub struct Allowance {
    burst: u64,
    per_day: u64,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Allowance {
    /// What part of the bucket may be spent by calls that write nothing, before the store writes the
    /// bucket for itself.
    pub const SAVED_AT: u64 = 100;

    /// An account may cost `burst` at once, and `per_day` each day for ever. Neither may be 0.
    ///
    /// `burst` is what a new device with everything to read may cost; `per_day` is what an ordinary
    /// account costs on a busy day, several times over.
    pub fn new(burst: u64, per_day: u64, clock: Arc<dyn Clock>) -> Self {
        Self { burst: burst.max(1), per_day: per_day.max(1), clock }
    }

    /// In how much time a cost is paid off.
    pub(crate) fn ms_of(&self, cost: f64) -> i64 {
        // Saturates far beyond any cost.
        (cost * DAY_MS / self.per_day as f64).ceil() as i64
    }

    /// How far ahead of the present an account may be.
    pub(crate) fn bucket_ms(&self) -> i64 {
        self.ms_of(self.burst as f64)
    }
}

impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Allowance");
        debug.field("burst", &self.burst).field("per_day", &self.per_day).finish_non_exhaustive()
    }
}

/// What a store knows of the accounts that it serves.
#[derive(Debug, Default)]
pub(crate) struct Tabs(Mutex<HashMap<UserId, Tab>>);

/// One account's bucket.
///
/// In the memory of one process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tab {
    /// As its head said last.
    pub(crate) paid: i64,
    /// What came on top in this process since then, and is not in the head.
    pub(crate) unsaved_ms: i64,
    /// When the first of that came.
    ///
    /// In ms since 1970. Without it, a cost would be counted from a time long past, and so be paid
    /// off already.
    since: i64,
}

impl Tab {
    /// When everything will be paid off, or was.
    pub(crate) fn paid_at(self) -> i64 {
        self.paid.max(self.since).saturating_add(self.unsaved_ms)
    }

    /// `ms` is a cost, as the time in which it is paid off.
    pub(crate) fn charge(&mut self, ms: i64, now: UnixMillis) {
        if self.unsaved_ms == 0 || self.paid_at() <= now.0 {
            // What was paid off in the meantime need not be saved.
            (self.unsaved_ms, self.since) = (0, now.0);
        }
        self.unsaved_ms = self.unsaved_ms.saturating_add(ms);
    }
}

impl Tabs {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Tab>> {
        // Nothing that can panic happens under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bucket after the change. The lock is held for no longer than that.
    pub(crate) fn change(&self, user: &UserId, change: impl FnOnce(&mut Tab)) -> Tab {
        let mut tabs = self.lock();
        if ACCOUNTS <= tabs.len() && !tabs.contains_key(user) {
            tabs.retain(|_, tab| 0 < tab.unsaved_ms);
            if ACCOUNTS <= tabs.len() {
                tabs.clear();
            }
        }
        let tab = tabs.entry(user.clone()).or_default();
        change(tab);
        *tab
    }
}

/// What a commit writes of the bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payment {
    /// The new value of [`PAID`].
    pub(crate) at: i64,
    pub(crate) unsaved_ms: i64,
}

/// What a head says of its bucket; 0: nothing is owed.
///
/// A value that cannot be read counts as nothing owed, so a broken number refuses nobody.
pub(crate) fn read(item: &Item) -> i64 {
    match item.get(PAID) {
        Some(AttributeValue::N(number)) => number.parse().unwrap_or(0),
        _ => 0,
    }
}
