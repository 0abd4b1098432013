//! The spending of accounts: the host charges it, and it is written with their heads. See
//! [`Allowance`].
//!
//! | when | what is written |
//! |---|---|
//! | a head is read | nothing; an account that is too far ahead is refused |
//! | a commit is made | the costs in this process go into the head, in the same update |
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
    /// Refuses an account that has used up its allowance. `paid` is the number in its head.
    ///
    /// It also remembers that number, so that the next charge starts from there.
    pub(crate) fn check_allowance(&self, user: &UserId, paid: i64) -> Result<()> {
        let Some(allowance) = &self.options.allowance else { return Ok(()) };
        let now = allowance.clock.now();
        let tab = self.tabs.change(user, |tab| tab.paid = paid);
        match tab.paid_at().saturating_sub(now.0) <= allowance.bucket_ms() {
            true => Ok(()),
            false => Err(Error::new("head", ErrorKind::Spent)),
        }
    }

    /// Returns what the next commit writes of the bucket.
    ///
    /// It is called before the commit. The amount is the same for all tries, so it is not added
    /// twice.
    pub(crate) fn payment(&self, user: &UserId) -> Option<Payment> {
        self.options.allowance.as_ref()?;
        let tab = self.tabs.change(user, |_| ());
        Some(Payment { at: tab.paid_at(), unsaved_ms: tab.unsaved_ms })
    }

    /// Notes that the payment is in the head.
    ///
    /// Charges that came during the commit stay unsaved.
    pub(crate) fn paid(&self, user: &UserId, payment: Option<Payment>) {
        if let Some(Payment { at, unsaved_ms }) = payment {
            self.tabs.change(user, |tab| {
                tab.paid = at;
                tab.unsaved_ms = (tab.unsaved_ms - unsaved_ms).max(0);
            });
        }
    }

    /// Reports the cost of a call of this account. Does nothing without
    /// [`DynamoOptions::allowance`](crate::DynamoOptions::allowance).
    ///
    /// Usually it only remembers the cost, for the account's next commit. After many calls without
    /// a commit it writes the sum at once. If that write fails, no call fails; the next charge
    /// tries again.
    pub async fn charge(&self, user: &UserId, cost: f64) {
        let Some(allowance) = &self.options.allowance else { return };
        let ms = allowance.ms_of(cost.max(0.0));
        let now = allowance.clock.now();
        let tab = self.tabs.change(user, |tab| tab.charge(ms, now));
        if allowance.bucket_ms() / (Allowance::SAVED_AT as i64) <= tab.unsaved_ms {
            self.save(user, tab, now).await;
        }
    }

    /// If the head is in debt, the cost is added, because another process may have added meanwhile.
    /// If not, the number is set, since everything before is paid off.
    async fn save(&self, user: &UserId, tab: Tab, now: UnixMillis) {
        // If others may have added meanwhile, this is added to their sum and does not replace it.
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
            // Nothing is stored for a user without an account.
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
