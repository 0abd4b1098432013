//! Imports records from the tables of an earlier server.
//!
//! An item of such a table counts as a device that never sees a reply. What was last imported from
//! it is kept with the record, like a push of a phone whose replies get lost. It is the base of the
//! item's later states.
//!
//! The import can run again and again while phones still write to the old tables. Each run compares
//! with what was imported before. The same item, in the same or an older state, changes nothing.
//!
//! All items of a call are committed together with their receipts. So if a run is interrupted, the
//! next run imports the rest.

use crate::App;
use crate::plan::plan_earlier;
use crate::receipts::{AppRecord, EARLIER, Planned, ReceiptDraft, keep_receipt};
use crate::sessions::edit_of;
use crate::wire::{AppPiece, AppSession, WireVersion};
use haumana_sync::digest::Digest;
use haumana_sync::engine::{Error, PushOutcome, Refusal, Result};
use haumana_sync::id::{Key, UserId};
use haumana_sync::repertoire::{piece_kind, session_kind};
use haumana_sync::schema::Kind;
use haumana_sync::store::{Envelope, Version};
use haumana_sync::time::UnixMillis;
use haumana_sync::transaction::{Applied, Edit, Lost, MergeContext, Stopped, Transaction, needed};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The name of the device in the history for an import.
pub const IMPORT_DEVICE: &str = "import";

/// An item of an earlier server's table.
///
/// The reader of the tables makes it. This crate does not know their format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The item's name, which no other item of the user has. Two items may be one record, if their
    /// ids differ only in case.
    pub item: String,
    /// When the earlier server last wrote it, if it says so. Otherwise the phone's edit time shows
    /// which of two states of the item is older.
    pub written_at: Option<UnixMillis>,
    /// The content of the item.
    pub record: EarlierRecord,
}

/// The content of an item. Its `version` is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EarlierRecord {
    /// A piece.
    Piece(Box<AppPiece>),
    /// A session.
    Session(Box<AppSession>),
}

/// The outcome for an item.
///
/// The importing program counts and reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The record.
    pub key: Key,
    /// The outcome.
    pub outcome: PushOutcome,
    /// The record's version now; `None` if there is no such record.
    pub version: Option<Version>,
    /// The values that lost and wait in the inbox.
    pub conflicts: Vec<Lost>,
}

impl App<'_> {
    /// See [`crate::Phones::take_over`].
    ///
    /// Each round has one item for each record. If two items are one record, the second is merged
    /// into the first.
    pub(super) async fn take_over(
        &self,
        user: &UserId,
        records: &[Earlier],
    ) -> Result<Vec<TakenOver>> {
        let mut results: Vec<Option<TakenOver>> = records.iter().map(|_| None).collect();
        let mut attempts = self.0.attempts(user);
        loop {
            let transaction = attempts.next().await?;
            if transaction.head().is_some_and(|head| head.erased_at.is_some()) {
                return Err(Error::erased());
            }
            let mut keys = HashSet::new();
            let open = (0..records.len()).filter(|at| results[*at].is_none());
            let due: Vec<usize> = open.filter(|at| keys.insert(records[*at].key())).collect();
            if due.is_empty() {
                return Ok(results.into_iter().flatten().collect());
            }
            if let Some(stopped) = take_over_due(transaction, records, &due, &mut results).await? {
                attempts.start_over(stopped)?;
            }
        }
    }
}

/// Imports at most one item for each record, and commits.
///
/// Returns why the commit stopped, if it did. What was decided until then has a result.
async fn take_over_due(
    mut transaction: Transaction<'_>,
    records: &[Earlier],
    due: &[usize],
    results: &mut [Option<TakenOver>],
) -> Result<Option<Stopped>> {
    let keys: Vec<Key> = due.iter().map(|at| records[*at].key()).collect();
    let found = transaction.read(&keys).await?;
    let context = transaction.context();
    let mut opened: HashMap<Key, (Envelope, AppRecord)> = HashMap::new();
    let mut aside: HashMap<Key, Version> = HashMap::new();
    for envelope in found.into_iter().flatten() {
        match transaction.open_readable(&envelope)? {
            Some(record) => {
                opened.insert(envelope.key, (envelope, AppRecord::of(record, context)));
            }
            None => drop(aside.insert(envelope.key, envelope.version)),
        }
    }
    let (mut planned, mut history_keys) = (Vec::new(), BTreeSet::new());
    for &at in due {
        let key = records[at].key();
        if let Some(version) = aside.get(&key).copied() {
            let outcome = PushOutcome::Rejected(Refusal::Unreadable);
            let (version, conflicts) = (Some(version), Vec::new());
            results[at] = Some(TakenOver { key, outcome, version, conflicts });
            continue;
        }
        let record = opened.get(&key).map(|(_, record)| record);
        match records[at].plan(record, context) {
            Some(plan) => {
                history_keys.extend(needed(record.map(|record| &record.record), &plan));
                planned.push((at, key, plan));
            }
            None => {
                let version = record.map(|record| record.version);
                let outcome = PushOutcome::Unchanged;
                results[at] = Some(TakenOver { key, outcome, version, conflicts: Vec::new() });
            }
        }
    }
    let bases = transaction.read_bases(history_keys).await?;
    let mut waiting = Vec::new();
    for (at, key, plan) in planned {
        let earlier = opened.get(&key).map(|(_, record)| record);
        let there = opened.get(&key).map(|(envelope, _)| envelope);
        let old = there.zip(earlier.map(|earlier| &earlier.record));
        let refused = |refusal| TakenOver {
            key,
            outcome: PushOutcome::Rejected(refusal),
            version: there.map(|envelope| envelope.version),
            conflicts: Vec::new(),
        };
        let applied = transaction.apply(records[at].kind(), key, old, &plan.edit, &bases);
        let staged = applied.and_then(|mut applied| {
            keep_receipt(&mut applied, earlier, &plan, context);
            let result = result_of(&applied, &plan.edit, there);
            Ok((transaction.stage(applied, there)?, result))
        });
        match staged {
            Err(refusal) => results[at] = Some(refused(refusal)),
            Ok((false, result)) => results[at] = Some(result),
            Ok((true, result)) => waiting.push((at, result)),
        }
    }
    let committed = transaction.commit().await?;
    for (place, (at, result)) in waiting.into_iter().enumerate() {
        if committed.is_decided(place) {
            let refused = |refusal| TakenOver {
                outcome: PushOutcome::Rejected(refusal),
                version: opened.get(&result.key).map(|(envelope, _)| envelope.version),
                conflicts: Vec::new(),
                ..result
            };
            results[at] = Some(match committed.refusal(place) {
                Some(refusal) => refused(refusal),
                None => result,
            });
        }
    }
    Ok(committed.into_stopped())
}

/// A new receipt alone counts as unchanged.
fn result_of(applied: &Applied, edit: &Edit, old: Option<&Envelope>) -> TakenOver {
    let content = applied.record.content.as_ref();
    let has_all = content.is_some_and(|content| {
        edit.changes.iter().all(|change| content.unit(&change.name) == change.value)
    });
    let conflicts: Vec<Lost> = applied.lost.iter().filter(|lost| lost.asks).cloned().collect();
    let is_raised = old.is_none_or(|old| old.version != applied.record.version);
    // If a session is joined, the existing content has a part in the result.
    let is_joined = edit.is_sent_always && old.is_some();
    let outcome = match old {
        // Only its receipt is new.
        _ if !applied.writes || (!is_raised && edit.changes.is_empty()) => PushOutcome::Unchanged,
        _ if is_raised && has_all && conflicts.is_empty() && !is_joined => PushOutcome::Applied,
        _ => PushOutcome::Merged,
    };
    let (key, version) = (applied.envelope.key, Some(applied.record.version));
    TakenOver { key, outcome, version, conflicts }
}

impl Earlier {
    fn key(&self) -> Key {
        match &self.record {
            EarlierRecord::Piece(piece) => Key::piece(piece.id),
            EarlierRecord::Session(session) => Key::session(session.id),
        }
    }

    fn kind(&self) -> &'static Arc<Kind> {
        match &self.record {
            EarlierRecord::Piece(_) => piece_kind(),
            EarlierRecord::Session(_) => session_kind(),
        }
    }

    /// The edit for the item; `None` if it changes nothing.
    ///
    /// The item's own `version` is replaced by 1, as if a phone had made the piece and never
    /// synced.
    fn plan(&self, record: Option<&AppRecord>, context: MergeContext) -> Option<Planned> {
        let piece = match &self.record {
            EarlierRecord::Piece(piece) => piece,
            // The session itself identifies what it says when it comes again.
            EarlierRecord::Session(session) => {
                let edit = edit_of(record.map(|record| &record.record), session, context)?;
                return Some(Planned { edit, receipt: None });
            }
        };
        // Another server counted its number, which names no version of this one.
        let version = WireVersion(1);
        let piece = AppPiece { version, was_synced: false, ..(**piece).clone() };
        let mut planned = plan_earlier(record, &piece, self.receipt(&piece), context)?;
        planned.device = Some(IMPORT_DEVICE.to_owned());
        Some(planned)
    }

    /// The delivery is a hash of the item's name with a bit that no phone's number has.
    fn receipt(&self, piece: &AppPiece) -> ReceiptDraft {
        let delivery = Digest::of([self.item.as_bytes()]).short() | EARLIER;
        let written_ms = self.written_at.map_or(0, |at| u64::try_from(at.0).unwrap_or(0));
        let claimed_ms = piece.modified_at.map_or(i64::MIN, |at| at.0);
        // Unknown keys are content, too.
        let content = piece.piece.to_json();
        ReceiptDraft {
            // The largest number marks copies from before this server.
            delivery: delivery.min(u64::MAX - 1),
            order: (written_ms, claimed_ms),
            hash: Digest::of([content.as_bytes()]).short(),
            answer: None,
        }
    }
}
