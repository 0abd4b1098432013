//! What one account may cost: a token bucket that is kept in the account's head.
//!
//! The head is read by each call anyway, and written by each commit anyway, so the bucket costs no
//! request of its own. Only an account that costs a lot without ever writing, such as one that
//! exports in a loop, makes the store write the bucket for itself, once for every
//! [`SAVED_AT`](Allowance::SAVED_AT)th of it. See ADR 0031.
//!
//! A bucket is one number, the time at which everything that the account has cost will be paid off
//! at the rate of its allowance. Whoever is further ahead than the whole bucket has to wait.

use crate::heads::Update;
use crate::items::{Item, key_item, n};
use crate::meter::Direction;
use crate::schema::{PIECES, head_key};
use crate::store::DynamoStore;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use haumana_sync::engine::Clock;
use haumana_sync::id::UserId;
use haumana_sync::store::{Error, ErrorKind, Result};
use haumana_sync::time::UnixMillis;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The attribute of a head that holds the bucket.
pub(crate) const PAID: &str = "_paid";

const DAY_MS: f64 = 86_400_000.0;

/// How many accounts a store remembers between their calls.
const ACCOUNTS: usize = 1000;

/// What one account may cost, in millionths of a dollar, or of whatever the host counts in.
///
/// The host says what each call has cost, with [`DynamoStore::charge`]. An account that has used up
/// its allowance is refused with [`ErrorKind::Spent`] where its head is read, before other work, and
/// is served again as soon as enough time has passed.
#[derive(Clone)]
pub struct Allowance {
    burst: u64,
    per_day: u64,
    clock: Arc<dyn Clock>,
}

impl Allowance {
    /// What part of the bucket may be spent by calls that write nothing, before the store writes the
    /// bucket for itself.
    pub const SAVED_AT: u64 = 100;

    /// An account may cost `burst` at once, and `per_day` each day for ever. Neither may be 0.
    pub fn new(burst: u64, per_day: u64, clock: Arc<dyn Clock>) -> Self {
        Self { burst: burst.max(1), per_day: per_day.max(1), clock }
    }

    /// In how much time a cost is paid off.
    fn ms_of(&self, cost: f64) -> i64 {
        // Saturates far beyond any cost.
        (cost * DAY_MS / self.per_day as f64).ceil() as i64
    }

    fn bucket_ms(&self) -> i64 {
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
#[derive(Clone, Copy, Debug, Default)]
struct Tab {
    /// As its head said last.
    paid: i64,
    /// What came on top in this process since then, and is not in the head.
    unsaved_ms: i64,
    /// When the first of that came.
    since: i64,
}

impl Tab {
    /// When everything will be paid off, or was.
    fn paid_at(self) -> i64 {
        self.paid.max(self.since).saturating_add(self.unsaved_ms)
    }

    fn charge(&mut self, ms: i64, now: UnixMillis) {
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

    fn change(&self, user: &UserId, change: impl FnOnce(&mut Tab)) -> Tab {
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
    pub at: i64,
    unsaved_ms: i64,
}

impl DynamoStore {
    /// Refuses an account that has used up its allowance; `paid` is what its head says.
    pub(crate) fn check_allowance(&self, user: &UserId, paid: i64) -> Result<()> {
        let Some(allowance) = &self.options.allowance else { return Ok(()) };
        let now = allowance.clock.now();
        let tab = self.tabs.change(user, |tab| tab.paid = paid);
        match tab.paid_at().saturating_sub(now.0) <= allowance.bucket_ms() {
            true => Ok(()),
            false => Err(Error::new("head", ErrorKind::Spent)),
        }
    }

    /// What the commit that is about to be made writes of the bucket.
    pub(crate) fn payment(&self, user: &UserId) -> Option<Payment> {
        self.options.allowance.as_ref()?;
        let tab = self.tabs.change(user, |_| ());
        Some(Payment { at: tab.paid_at(), unsaved_ms: tab.unsaved_ms })
    }

    /// The payment is in the head.
    pub(crate) fn paid(&self, user: &UserId, payment: Option<Payment>) {
        if let Some(Payment { at, unsaved_ms }) = payment {
            self.tabs.change(user, |tab| {
                tab.paid = at;
                tab.unsaved_ms = (tab.unsaved_ms - unsaved_ms).max(0);
            });
        }
    }

    /// Says that a call of this account has cost so much. Does nothing without
    /// [`DynamoOptions::allowance`](crate::DynamoOptions::allowance).
    ///
    /// Mostly only remembers it, for the account's next commit. What many calls without a commit
    /// have cost is written at once. A failure of that write is nobody's: it is tried again with the
    /// next call.
    pub async fn charge(&self, user: &UserId, cost: f64) {
        let Some(allowance) = &self.options.allowance else { return };
        let ms = allowance.ms_of(cost.max(0.0));
        let now = allowance.clock.now();
        let tab = self.tabs.change(user, |tab| tab.charge(ms, now));
        if allowance.bucket_ms() / (Allowance::SAVED_AT as i64) <= tab.unsaved_ms {
            self.save(user, tab, now).await;
        }
    }

    async fn save(&self, user: &UserId, tab: Tab, now: UnixMillis) {
        // Where others may have paid meanwhile, theirs is added to and not replaced.
        let (update, value) = match now.0 < tab.paid {
            true => ("ADD #paid :paid", tab.unsaved_ms),
            false => ("SET #paid = :paid", tab.paid_at()),
        };
        let saved = self
            .client
            .update_item()
            .table_name(self.table(PIECES))
            .set_key(Some(key_item(&head_key(user))))
            .update_expression(update)
            // Of who has no records nothing is kept.
            .condition_expression("attribute_exists(#epoch)")
            .expression_attribute_names("#paid", PAID)
            .expression_attribute_names("#epoch", "_epoch")
            .expression_attribute_values(":paid", n(value))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        if let Ok(saved) = saved {
            self.meter.add(Direction::Write, saved.consumed_capacity.as_slice());
            let payment = Payment { at: tab.paid_at(), unsaved_ms: tab.unsaved_ms };
            self.paid(user, Some(payment));
        }
    }
}

/// Adds a payment to the update of a head.
pub(crate) fn pay(update: &mut Update, payment: Option<Payment>) {
    if let Some(Payment { at, .. }) = payment {
        update.and_set(PAID, n(at));
    }
}

/// What a head says of its bucket; 0: nothing is owed.
pub(crate) fn read(item: &Item) -> i64 {
    match item.get(PAID) {
        Some(AttributeValue::N(number)) => number.parse().unwrap_or(0),
        _ => 0,
    }
}
