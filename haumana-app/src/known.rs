//! Finds what must be known of the user's records to answer a phone, with few reads.
//!
//! The app sends every piece that it holds. The head has the sum of the terms of all live pieces.
//! If the unread part of a request and the records that were read add up to the head's sum, nothing
//! else needs a comparison. So a push of ten pieces among a thousand reads the head and ten
//! records, and so does a pull of ten.
//!
//! # The steps, from cheap to expensive
//!
//! | step | reads | it ends if |
//! |---|---|---|
//! | 1 | only the head | the sum of what was sent is the head's sum |
//! | 2 | the records of edited pieces | what was read and the rest of the request add up |
//! | 3 | what changed since `lastSyncedAt`, at most 500 | the same |
//! | 4 | the records of all sent pieces, if these are few | nothing else is requested |
//! | 5 | the index of all pieces | always |
//!
//! Each term is a hash of content, id and version. Adding a piece and removing it cancel each
//! other. So a request can be checked in any order, and with parts replaced.

use crate::App;
use crate::given::Gap;
use crate::request::{AppSync, Known, Pushed};
use crate::wire::Operation;
use haumana_sync::digest::Digest;
use haumana_sync::engine::Result;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::store::{After, Envelope, Head, IndexEntry};
use haumana_sync::transaction::live_term;
use std::collections::BTreeSet;

/// How many entries of the index cost about as much as one record.
const ENTRIES_PER_RECORD: u64 = 25;
/// LIMIT: if more records changed since the last sync, the index is read instead.
const CHANGES_AT_MOST: u64 = 500;

impl App<'_> {
    /// Finds which of the pieces differ from the server's, as cheaply as the request allows.
    ///
    /// It reads through the engine's screen, which sets aside records that cannot be read. It
    /// writes nothing.
    pub(super) async fn known(&self, sync: &AppSync<'_>, head: Option<&Head>) -> Result<Known> {
        let Some(head) = head else {
            return Ok(Known { is_complete: true, ..Known::default() });
        };
        if sync.is_settled(head) {
            return Ok(Known { is_settled: true, ..Known::default() });
        }
        let mut known = Known::default();
        if sync.may_look_up_pushes(head) {
            let ids = sync.pushed.iter().filter(|push| push.is_due_anyway()).map(|push| push.id);
            self.look_up(sync, ids.collect(), &mut known).await?;
            known.is_settled = sync.sums_up(&known, head);
        }
        if !known.is_settled {
            self.look_at_changes(sync, head, &mut known).await?;
            known.is_settled = sync.sums_up(&known, head);
        }
        if known.is_settled {
            return Ok(known);
        }
        let is_small = (sync.pushed.len() as u64).saturating_mul(4) <= head.records;
        if sync.last.is_some() && is_small {
            let ids = sync.pushed.iter().map(|push| push.id).collect();
            self.look_up(sync, ids, &mut known).await?;
            return Ok(known);
        }
        let entries = self.0.store().index(sync.user, KindNumber::PIECE).await?;
        known.entries = entries.into_iter().map(|entry| (entry.id, entry)).collect();
        known.is_complete = true;
        known.gap = sync.gap(&known, head).map(|gap| (head.revision, gap));
        Ok(known)
    }

    /// Reads the records of `ids` that were not read before.
    async fn look_up(
        &self,
        sync: &AppSync<'_>,
        mut ids: BTreeSet<RecordId>,
        known: &mut Known,
    ) -> Result<()> {
        ids.retain(|id| !known.looked_up.contains(id));
        if ids.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = ids.iter().copied().map(Key::piece).collect();
        let found = self.0.store().read(sync.user, &keys).await?;
        known.looked_up.extend(ids);
        found.into_iter().flatten().for_each(|envelope| known.note(envelope));
        Ok(())
    }

    /// Reads what changed since the device's last sync, unless that is too much.
    ///
    /// It includes everything that was there when the head was read: a later commit makes this
    /// round's commit fail, and the next round reads again.
    async fn look_at_changes(
        &self,
        sync: &AppSync<'_>,
        head: &Head,
        known: &mut Known,
    ) -> Result<()> {
        let Some(last) = sync.last.filter(|_| sync.operation != Operation::Upload) else {
            return Ok(());
        };
        if head.stamp <= last {
            known.changed = Some(Vec::new());
            return Ok(());
        }
        let limit = (head.records / 4).clamp(ENTRIES_PER_RECORD, CHANGES_AT_MOST);
        // At most 500.
        let page = self.0.store().changes(sync.user, After::Stamp(last), limit as usize).await?;
        if page.more {
            return Ok(());
        }
        let in_request = sync.ids_in_request();
        let mut changed = Vec::new();
        for envelope in page.records.into_iter().filter(|one| one.key.kind == KindNumber::PIECE) {
            known.looked_up.insert(envelope.key.id);
            if in_request.contains(&envelope.key.id) {
                known.note(envelope);
            } else {
                known.entries.insert(envelope.key.id, IndexEntry::of(&envelope));
                changed.push(envelope);
            }
        }
        known.changed = Some(changed);
        Ok(())
    }

    /// The existing records of the pushes that are due.
    ///
    /// A record that is known to be absent is not read.
    pub(super) async fn read_due(
        &self,
        sync: &mut AppSync<'_>,
        due: &[usize],
    ) -> Result<Vec<Envelope>> {
        let (mut read, mut keys) = (Vec::new(), Vec::new());
        for at in due {
            let id = sync.pushed[*at].id;
            match sync.known.envelopes.remove(&id) {
                Some(envelope) => read.push(envelope),
                None if sync.known.is_absent(&id) => {}
                None => keys.push(Key::piece(id)),
            }
        }
        if !keys.is_empty() {
            read.extend(self.0.store().read(sync.user, &keys).await?.into_iter().flatten());
        }
        Ok(read)
    }
}

impl AppSync<'_> {
    /// Whether the device's content equals the server's, judged only by what it sent.
    ///
    /// A piece with a number that the app made itself must be looked at. So it makes this false.
    fn is_settled(&self, head: &Head) -> bool {
        let has_everything = self.last.is_some_and(|last| head.stamp <= last);
        if has_everything && self.pushed.is_empty() {
            return true;
        }
        self.operation != Operation::Download
            && self.pushed.iter().all(|push| push.version.is_issued())
            && self.is_all(self.sum(|_| true), head)
    }

    /// Whether this is the sum of all that the server has, apart from the known differences of the
    /// device.
    fn is_all(&self, sum: Digest, head: &Head) -> bool {
        let is_all = |sum| head.content == sum;
        is_all(sum) || self.gaps.iter().any(|gap| is_all(sum.plus(*gap)))
    }

    /// The difference of the device, if the reply tells it nothing.
    ///
    /// It is only for a plain sync without edits, in which all numbers are the server's.
    fn gap(&self, known: &Known, head: &Head) -> Option<Gap> {
        let is_plain = |push: &Pushed<'_>| push.version.is_issued() && !push.is_due_anyway();
        if self.operation != Operation::Sync || !self.pushed.iter().all(is_plain) {
            return None;
        }
        let held = self.ids_in_request();
        let lacks = known.entries.values().any(|entry| !entry.deleted && !held.contains(&entry.id));
        // Who lacks a piece that was never offered to them is compared again.
        if lacks && self.last.is_none() {
            return None;
        }
        let sum = head.content.minus(self.sum(|_| true));
        Some(Gap { sum, offered: self.last.filter(|_| lacks) })
    }

    /// Whether the records that were read, and the rest as the device sent it, are all that the
    /// server has.
    ///
    /// An edit that was not read makes it false.
    fn sums_up(&self, known: &Known, head: &Head) -> bool {
        let is_rest = |id: &RecordId| !known.looked_up.contains(id);
        self.operation != Operation::Download
            && !known.looked_up.is_empty()
            && self.pushed.iter().all(|push| !is_rest(&push.id) || !push.is_due_anyway())
            && self.is_all(self.sum(is_rest).plus(known.sum()), head)
    }

    fn sum(&self, counts: impl Fn(&RecordId) -> bool) -> Digest {
        let counted = self.pushed.iter().filter(|push| counts(&push.id));
        let terms = counted.map(|push| live_term(push.hash, push.version.version()));
        terms.fold(Digest::default(), Digest::plus)
    }

    /// Whether the pieces that must be looked at anyway are read before anything is compared. Most
    /// pieces that the device made are not here yet. If there are many of them, the index costs
    /// less.
    fn may_look_up_pushes(&self, head: &Head) -> bool {
        let n_made = self.pushed.iter().filter(|push| !push.version.is_issued()).count() as u64;
        self.operation != Operation::Download
            && n_made <= ENTRIES_PER_RECORD.max(head.records / ENTRIES_PER_RECORD)
    }
}
