//! What accounts have spent of their [`Allowance`]: charged by the host, written with their heads.
//!
//! | when | what is written |
//! |---|---|
//! | a head is read | nothing; an account that is too far ahead is refused |
//! | a commit is made | what this process has added goes into the head, in the same update |
//! | many calls without a commit | one update for each hundredth of the bucket |

use crate::allowance::{Allowance, PAID, Payment, Tab};
use crate::heads::Update;
use crate::items::{key_item, n};
use crate::meter::Direction;
use crate::schema::{PIECES, head_key};
use crate::store::DynamoStore;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use haumana_sync::id::UserId;
use haumana_sync::store::{Error, ErrorKind, Result};
use haumana_sync::time::UnixMillis;

impl DynamoStore {
    /// Refuses an account that has used up its allowance; `paid` is what its head says.
    ///
    /// Also notes what the head says, so that the next charge starts from there.
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
    ///
    /// Asked before the commit; the amount is fixed for all its tries, so it is not added twice.
    pub(crate) fn payment(&self, user: &UserId) -> Option<Payment> {
        self.options.allowance.as_ref()?;
        let tab = self.tabs.change(user, |_| ());
        Some(Payment { at: tab.paid_at(), unsaved_ms: tab.unsaved_ms })
    }

    /// The payment is in the head.
    ///
    /// What was charged while the commit was under way stays unsaved.
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

    /// A head that is in debt is added to, because another process may have added meanwhile. One
    /// that is not is set, since everything before is paid off.
    async fn save(&self, user: &UserId, tab: Tab, now: UnixMillis) {
        // Where others may have paid meanwhile, theirs is added to and not replaced.
        let (update, value) = match now.0 < tab.paid {
            true => ("ADD #paid :paid", tab.unsaved_ms),
            false => ("SET #paid = :paid", tab.paid_at()),
        };
        let request = self
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
            .send();
        if let Ok(saved) = self.writing("charge").send_once(request).await {
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
