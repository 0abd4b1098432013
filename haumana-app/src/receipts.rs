//! What this dialect keeps beside a piece: pushes from phones whose reply may be lost.
//!
//! # What a receipt is for
//!
//! A phone whose reply was lost has its old number, and an edit that the server knows already. When
//! it pushes again, its base is that edit, not the version that the number names. The receipt says
//! what was pushed, in hashes, and where to find the text if it is in no version.
//!
//! # Size
//!
//! Receipts are packed as rows. Their numbers are differences from the row before. A piece keeps a
//! limited number of them, for the retention time. Receipts of an import stay longer, since the
//! earlier tables do.

use crate::keys::field_spec;
use crate::wire::WireVersion;
use haumana_sync::limits;
use haumana_sync::record::Content;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use haumana_sync::transaction::{Applied, Edit, MergeContext, Packed, Record, Slot, step, stepped};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// A push from a phone, kept in case the phone never sees the reply.
///
/// It is stored packed, as a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// The delivery that the phone held; 0 for the device that created the piece. For an import, it
    /// is [`EARLIER`] and a hash of the item.
    #[serde(rename = "d")]
    pub delivery: u64,
    /// The app's steps, and the phone's time of the edit. They order the pushes from one delivery.
    #[serde(rename = "o")]
    pub order: (u64, i64),
    /// Hash of the whole push.
    #[serde(rename = "h")]
    pub hash: u64,
    /// The version that the push was merged into.
    #[serde(rename = "v")]
    pub version: Version,
    /// The base of the push.
    #[serde(rename = "b")]
    pub base: Version,
    /// Fields in which the result differs from the push, with the hash of what was pushed.
    #[serde(rename = "x", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub diverged: BTreeMap<String, u64>,
    /// Where the whole push is kept, if a part of it is in no version.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub side: Option<(Version, u32)>,
    /// When it arrived.
    #[serde(rename = "t")]
    pub at: UnixMillis,
    /// The n of the number that the reply gave for `version`; `None` if not noted.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub given: Option<u64>,
    /// Whether this is no push, but what the device holds under the number of `delivery`: an
    /// acknowledged copy of a deleted piece that is of no version.
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_held: bool,
}

/// The bit of [`Receipt::delivery`] that marks an import. No number from a phone has it.
pub(crate) const EARLIER: u64 = 1 << 63;

impl Receipt {
    /// Checks the bit, because each item has its own delivery.
    fn is_of_import(&self) -> bool {
        // The largest number marks copies from before this server.
        self.delivery & EARLIER == EARLIER && self.delivery != u64::MAX
    }
}

impl Packed for Receipt {
    type Row = ReceiptRow;

    fn to_row(&self, before: Option<&Self>) -> Self::Row {
        let (version, at) = (i64::from(self.version), self.at.0);
        ReceiptRow {
            delivery: self.delivery,
            order: (self.order.0, step(self.order.1, Some(at))),
            hash: self.hash.to_le_bytes(),
            version: step(version, before.map(|old| old.version.into())),
            base: step(self.base.into(), Some(version)),
            diverged: self.diverged.iter().map(|(k, v)| (k.clone(), v.to_le_bytes())).collect(),
            side: self.side,
            at: step(at, before.map(|old| old.at.0)),
            given: self.given,
            is_held: self.is_held,
        }
    }

    fn of_row(row: Self::Row, before: Option<&Self>) -> Option<Self> {
        let at = stepped(row.at, before.map(|old| old.at.0));
        let version = stepped(row.version, before.map(|old| old.version.into()));
        let diverged = row.diverged.into_iter().map(|(k, v)| (k, u64::from_le_bytes(v)));
        Some(Self {
            delivery: row.delivery,
            order: (row.order.0, stepped(row.order.1, Some(at))),
            hash: u64::from_le_bytes(row.hash),
            version: version.try_into().ok()?,
            base: stepped(row.base, Some(version)).try_into().ok()?,
            diverged: diverged.collect(),
            side: row.side,
            at: UnixMillis(at),
            given: row.given,
            is_held: row.is_held,
        })
    }
}

/// The packed form of a receipt. The phone's time is near the time of arrival, and the base is near
/// the version.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReceiptRow {
    delivery: u64,
    order: (u64, i64),
    hash: [u8; 8],
    version: i64,
    base: i64,
    diverged: Vec<(String, [u8; 8])>,
    side: Option<(Version, u32)>,
    at: i64,
    given: Option<u64>,
    is_held: bool,
}

/// What to keep of a push from a phone.
///
/// The version and the fields that diverged are known only after the edit was applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiptDraft {
    pub delivery: u64,
    pub order: (u64, i64),
    pub hash: u64,
    /// The number that the phone sent, and the n of its reply; `None` if the arrival of the reply
    /// is not followed.
    pub answer: Option<(WireVersion, u64)>,
}

/// An edit, with its receipt.
///
/// It derefs to the edit, which the engine applies. The receipt concerns only this dialect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned {
    pub edit: Edit,
    pub receipt: Option<ReceiptDraft>,
}

impl Deref for Planned {
    type Target = Edit;

    fn deref(&self) -> &Edit {
        &self.edit
    }
}

impl DerefMut for Planned {
    fn deref_mut(&mut self) -> &mut Edit {
        &mut self.edit
    }
}

/// A piece, with its receipts of pushes from phones.
///
/// Derefs to the record.
#[derive(Clone, Debug)]
pub(crate) struct AppRecord {
    pub record: Record,
    /// Oldest first. They include what phones hold of deleted pieces.
    pub receipts: Vec<Receipt>,
}

impl Deref for AppRecord {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl AppRecord {
    /// Reads the receipts. An import may have brought anything, so impossible ones are left out.
    ///
    /// Times in the future, and versions that the record has not reached, are corrected or left
    /// out. So a wrong import cannot affect later decisions for long.
    pub(crate) fn of(record: Record, context: MergeContext) -> Self {
        let mut receipts: Vec<Receipt> = record.meta.slot.read_list().unwrap_or_default();
        receipts.retain(|receipt| receipt.version <= record.version);
        receipts.truncate(limits::RECEIPTS);
        receipts.iter_mut().for_each(|receipt| receipt.at = receipt.at.min(context.now));
        Self { record, receipts }
    }
}

/// Adds a receipt. Receipts that are older than `oldest`, or too many, are dropped. Receipts of an
/// import stay, because the earlier server's tables outlive any retention.
pub(crate) fn remember(receipts: &mut Vec<Receipt>, receipt: Receipt, oldest: UnixMillis) {
    receipts.retain(|old| oldest <= old.at || old.is_of_import());
    receipts.push(receipt);
    if limits::RECEIPTS < receipts.len() {
        let first = receipts.iter().position(|old| !old.is_of_import());
        receipts.remove(first.unwrap_or(0));
    }
    // Pushes with many diverged fields need more room, so fewer of them are kept.
    let bytes = |receipt: &Receipt| RECEIPT_BYTES + DIVERGED_BYTES * receipt.diverged.len();
    let mut left: usize = receipts.iter().map(bytes).sum();
    let n_surplus = receipts.iter().take_while(|receipt| {
        let is_surplus = RECEIPTS_BYTES < left;
        left -= bytes(receipt);
        is_surplus
    });
    // The newest one must be kept.
    let n_surplus = n_surplus.count().min(receipts.len() - 1);
    receipts.drain(..n_surplus);
}

/// LIMIT: about how many bytes all receipts of a piece take. All ordinary ones fit.
const RECEIPTS_BYTES: usize = 100_000;
/// The stored size of a receipt, and of a field in it.
const RECEIPT_BYTES: usize = 180;
const DIVERGED_BYTES: usize = 40;

/// Keeps the receipt of a push with the record. Returns the number that its reply must give.
///
/// It is `None` if there is no receipt, or if the arrival of the reply is not followed.
pub(crate) fn keep_receipt(
    applied: &mut Applied,
    old: Option<&AppRecord>,
    planned: &Planned,
    context: MergeContext,
) -> Option<WireVersion> {
    let (Some(draft), Some(pushed)) = (planned.receipt, &planned.whole) else { return None };
    let mut receipts = old.map(|old| old.receipts.clone()).unwrap_or_default();
    let receipt = receipt(applied, &receipts, draft, planned, pushed, context);
    let given = receipt.given.map(|n| WireVersion::issue(receipt.version, n));
    remember(&mut receipts, receipt, context.oldest);
    applied.set_slot(Slot::of_list(&receipts));
    given
}

/// Fields whose result is as pushed need no hash: the version has them.
fn receipt(
    applied: &Applied,
    earlier: &[Receipt],
    draft: ReceiptDraft,
    planned: &Planned,
    pushed: &Content,
    context: MergeContext,
) -> Receipt {
    let record = &applied.record;
    let result = record.content.as_ref();
    let is_same = |name: &str| result.is_some_and(|result| result.is_same(pushed, name));
    let differs = |name: &&str| {
        !is_same(name) && !field_spec(name).app_unchanged(&pushed.get(name), record.hash(name))
    };
    let diverged = pushed.names().filter(differs);
    let diverged =
        diverged.map(|name| (name.to_owned(), field_spec(name).app_hash(&pushed.get(name))));
    Receipt {
        delivery: draft.delivery,
        order: draft.order,
        hash: draft.hash,
        version: record.version,
        base: planned.base.unwrap_or(0),
        diverged: diverged.collect(),
        side: applied.side.map(|key| (key.version, key.side)),
        at: context.now,
        given: draft.answer.map(|(held, n)| answer_n(record, earlier, held, n, pushed)),
        is_held: false,
    }
}

/// The n of the number in the reply: the one that was drawn, or the next one that the phone does
/// not hold and from which nothing was pushed. If the phone must store content, the number is
/// greater than its own.
///
/// A used number would turn two deliveries into one.
fn answer_n(
    record: &Record,
    earlier: &[Receipt],
    held: WireVersion,
    drawn: u64,
    pushed: &Content,
) -> u64 {
    let version = record.version;
    let is_same_version = held.is_issued() && held.version() == version;
    let is_exact = record.content.as_ref().is_some_and(|result| {
        result.content_hash(record.id, "") == pushed.content_hash(record.id, "")
    });
    let lowest = if is_same_version && !is_exact { held.n() + 1 } else { 0 };
    // If there was no greater n, the push was given a version of its own.
    let count = WireVersion::N_COUNT.saturating_sub(lowest).max(1);
    let is_used = |n: u64| {
        let delivery = WireVersion::issue(version, n).delivery();
        is_same_version && held.delivery() == delivery
            || earlier.iter().any(|old| old.delivery == delivery)
    };
    let mut candidates = (0..64).map(|at| lowest + (drawn + at) % count);
    candidates.find(|n| !is_used(*n)).unwrap_or(lowest + drawn % count)
}
