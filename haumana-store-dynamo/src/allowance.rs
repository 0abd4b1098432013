//! What one account may cost: a token bucket that is kept in the account's head.
//!
//! Each call reads the head, and each commit writes it. So the bucket costs no request of its own.
//! Only for an account that costs a lot without ever writing, such as one that exports in a loop,
//! the store writes the bucket alone, once for every [`SAVED_AT`](Allowance::SAVED_AT)th of it. See
//! ADR 0031.
//!
//! A bucket is one number: the time at which all costs of the account will be paid off at the rate
//! of its allowance. An account that is ahead of the present by more than the whole bucket has to
//! wait.
//!
//! # The arithmetic
//!
//! With 1,000 units a day, a cost of 1 is paid off in 86.4 s. Each cost moves the bucket's number
//! ahead by its time, counted from now or from the present number, whichever is later. An account
//! that is ahead by more than the time of `burst` is refused, until time has caught up.
//!
//! One number needs no clock of its own, no refilling job and no history of costs.
//!
//! # What several processes see
//!
//! Each process knows the last number in the head, and what it has added since. So in each process
//! that serves an account, the account can be ahead by another hundredth of the bucket. That is the
//! price of writing rarely.

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
/// If there are more, it forgets accounts that are fully saved. If that is not enough, it forgets
/// all. Forgotten costs are never charged.
const ACCOUNTS: usize = 1000;

/// What one account may cost, in millionths of a dollar or in another unit of the host.
///
/// The host reports the cost of each call, with [`DynamoStore::charge`]. If an account has used up
/// its allowance, its calls are refused with [`ErrorKind::Spent`] when its head is read, before
/// other work. It is served again as soon as enough time has passed. It can always be erased.
///
/// [`DynamoStore::charge`]: crate::DynamoStore::charge
/// [`ErrorKind::Spent`]: haumana_sync::store::ErrorKind::Spent
///
/// Without an allowance, one account with a broken or hostile client can cost as much as all
/// others. It limits costs, but it is no billing: costs that a process has not saved yet are in no
/// head.
#[derive(Clone)]
pub struct Allowance {
    burst: u64,
    per_day: u64,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Allowance {
    /// The part of the bucket that calls without a write may spend before the store writes the
    /// bucket alone: one hundredth.
    pub const SAVED_AT: u64 = 100;

    /// An account may cost `burst` at once, and `per_day` each day for ever. Neither may be 0.
    ///
    /// Choose for `burst` the cost of a new device that reads everything, and for `per_day` several
    /// times the cost of an ordinary account on a busy day.
    pub fn new(burst: u64, per_day: u64, clock: Arc<dyn Clock>) -> Self {
        Self { burst: burst.max(1), per_day: per_day.max(1), clock }
    }

    /// The time in which a cost is paid off.
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

/// The buckets of the accounts that a store serves.
#[derive(Debug, Default)]
pub(crate) struct Tabs(Mutex<HashMap<UserId, Tab>>);

/// One account's bucket, in the memory of one process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tab {
    /// The last number in the head.
    pub(crate) paid: i64,
    /// The costs in this process since then, which are not in the head.
    pub(crate) unsaved_ms: i64,
    /// The time of the first of these costs, in ms since 1970.
    ///
    /// Without it, a cost would be counted from a time long past, and so be paid off already.
    since: i64,
}

impl Tab {
    /// The time at which everything is paid off. It may be in the past.
    pub(crate) fn paid_at(self) -> i64 {
        self.paid.max(self.since).saturating_add(self.unsaved_ms)
    }

    /// `ms` is the cost, as the time in which it is paid off.
    pub(crate) fn charge(&mut self, ms: i64, now: UnixMillis) {
        if self.unsaved_ms == 0 || self.paid_at() <= now.0 {
            // Costs that are paid off already need not be saved.
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

    /// Changes a bucket and returns it. The lock is held only meanwhile.
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

/// The part of a commit that writes the bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payment {
    /// The new value of [`PAID`].
    pub(crate) at: i64,
    pub(crate) unsaved_ms: i64,
}

/// The bucket in a head; 0: nothing is owed.
///
/// A value that cannot be read counts as 0, so a broken number refuses nobody.
pub(crate) fn read(item: &Item) -> i64 {
    match item.get(PAID) {
        Some(AttributeValue::N(number)) => number.parse().unwrap_or(0),
        _ => 0,
    }
}
