//! What was sent for a record. The answer is recognised by it.

use crate::record::{Local, Offer};
use haumana_sync::id::Key;
use haumana_sync::json::JsonText;
use haumana_sync::schema::Kind;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The fields of one push, as they were sent, each with its time.
pub(crate) type SentFields = BTreeMap<String, (JsonText, UnixMillis)>;

/// One push, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SentPush {
    pub(crate) key: Key,
    pub(crate) kind: Arc<Kind>,
    pub(crate) base: Option<Version>,
    pub(crate) op: SentOp,
    /// Whether it is from another past of the server, and no new edit.
    pub(crate) is_offered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SentOp {
    Set(SentFields),
    Delete(UnixMillis),
    /// An offer with its fields; a tombstone has none.
    Offer(Offer, Option<SentFields>),
}

impl SentPush {
    /// Whether some of it must be sent again unchanged.
    pub(crate) fn is_due(&self, local: &Local) -> bool {
        let is_open = match &self.op {
            SentOp::Delete(_) | SentOp::Offer(..) => self.is_pending(local),
            SentOp::Set(fields) => fields.iter().any(|(name, (_, at))| {
                let touch = local.pending.touches.get(name);
                touch.is_some_and(|touch| touch.at == *at && touch.acked.is_none())
            }),
        };
        is_open && local.pending.refused.is_none()
    }

    /// Whether some of it still waits unchanged. What was touched since does not count.
    pub(crate) fn is_pending(&self, local: &Local) -> bool {
        match &self.op {
            SentOp::Delete(at) => {
                local.pending.removal.as_ref().is_some_and(|removal| removal.at == *at)
            }
            SentOp::Offer(offer, _) => local.pending.offers.contains(offer),
            SentOp::Set(fields) => fields.iter().any(|(name, (_, at))| {
                local.pending.touches.get(name).is_some_and(|touch| touch.at == *at)
            }),
        }
    }
}
