//! Writing: batches, the next head, and the compare-and-swap.

pub(crate) mod notes;
pub(crate) mod trail;
pub(crate) mod transaction;

use crate::digest::Digest;
use crate::engine::commit::notes::Notes;
use crate::engine::commit::trail::Trail;
use crate::engine::edit::meta::FORMAT;
use crate::engine::edit::record::to_json;
use crate::engine::edit::{Applied, Lost};
use crate::engine::{Engine, Error, Result};
use crate::id::{Key, KindNumber, RecordId, UserId};
use crate::merge::Reason;
use crate::record::Value;
use crate::schema::Schema;
use crate::store::{
    Batch, CommitId, Envelope, Epoch, ErrorKind, Head, HeadState, HistoryEntry, Revision, Stamp,
    Version,
};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// How much later than the server's second a commit is stamped: two seconds by which the clocks of
/// servers may differ, and one for the fraction that the phones cut off. A `lastSyncedAt` that a
/// fast server gave is then never at or behind the stamp of a later commit by a slow one.
pub(crate) const STAMP_AHEAD_SECS: i64 = 3;

/// A commit that took longer is stamped again: phones may have synced meanwhile with a time that
/// its first stamp is not later than.
const SLOW_COMMIT_MS: i64 = 1000;

/// How often the history of a user who writes is purged.
const PURGE_EVERY_MS: i64 = 86_400_000;

/// LIMIT: after so many drafts for which a full store has no room, those that make their record
/// longer are refused without asking it.
const FULL_TRIES: usize = 50;

/// Changes the notes of a head; told are the head before, and the revision of the commit.
pub(crate) type Noting<'a> =
    &'a (dyn for<'h> Fn(&mut Notes, (Option<&'h Head>, Revision)) + Send + Sync);

/// One record to write, with what must be written together with it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub old: Option<OldFacts>,
    pub new: Envelope,
    pub history: Vec<HistoryEntry>,
    /// New entries of the inbox.
    pub inbox: Vec<Envelope>,
}

/// What the head's sums need to know of a record's last state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OldFacts {
    pub version: u32,
    pub deleted: bool,
    pub hash: Digest,
    pub content_bytes: usize,
}

impl Draft {
    /// What an applied edit writes; `None` if that is nothing.
    pub(crate) fn of(applied: Applied, old: Option<&Envelope>, now: UnixMillis) -> Option<Self> {
        let key = applied.envelope.key;
        let inbox = applied.lost.iter().filter(|lost| lost.asks);
        let inbox = inbox.map(|lost| inbox_entry(key, lost, now)).collect();
        let (old, new) = (old.map(OldFacts::of), applied.envelope);
        applied.writes.then_some(Self { old, new, history: applied.history, inbox })
    }
}

impl OldFacts {
    pub(crate) fn of(envelope: &Envelope) -> Self {
        Self {
            version: envelope.version,
            deleted: envelope.deleted,
            hash: envelope.hash,
            content_bytes: envelope.content.len(),
        }
    }
}

impl Draft {
    fn items(&self) -> usize {
        1 + self.history.len() + self.inbox.len()
    }

    fn grows(&self) -> bool {
        self.old.is_none_or(|old| old.content_bytes < self.new.content.len())
    }

    fn size_bytes(&self) -> usize {
        let history: usize = self.history.iter().map(HistoryEntry::size_bytes).sum();
        let inbox: usize = self.inbox.iter().map(Envelope::size_bytes).sum();
        self.new.size_bytes() + history + inbox
    }
}

/// How far a list of drafts got.
#[derive(Debug)]
pub struct Committed {
    /// How many drafts, from the first, are committed or in `full`.
    pub(crate) done: usize,
    /// By place, the drafts for which the store has no room, with the version that stays.
    pub(crate) full: BTreeMap<usize, Option<Version>>,
    /// Why the rest is not, if it is not.
    pub(crate) stopped: Option<Stopped>,
    /// What was committed, from the head that was given.
    pub(crate) trail: Trail,
}

impl Committed {
    /// Nothing was to be committed.
    pub(crate) fn nothing(head: Option<Head>) -> Self {
        let trail = Trail::starting_at(head);
        Self { done: 0, full: BTreeMap::new(), stopped: None, trail }
    }

    /// How many staged edits, from the first, are decided: committed, or refused for want of room.
    pub fn n_decided(&self) -> usize {
        self.done
    }

    /// Whether the store had no room for the edit that was staged at this place.
    pub fn is_full(&self, place: usize) -> bool {
        self.full.contains_key(&place)
    }

    /// Why the others are not committed, if there are any.
    pub fn into_stopped(self) -> Option<Stopped> {
        self.stopped
    }

    /// What stopped drafts of which none can be left out: a full store stops them too.
    pub fn stopped_whole(self) -> Option<Stopped> {
        let is_full = !self.full.is_empty();
        self.stopped.or(is_full.then(|| Stopped::Failed(Error::no_room())))
    }
}

/// Why a list of drafts was not committed to its end.
#[derive(Debug)]
pub enum Stopped {
    /// Somebody else was faster: read again, merge again.
    Raced,
    /// The store failed.
    Failed(Error),
}

impl Engine {
    /// Commits `drafts` in as few batches as the store allows, each whole. Where the store has no
    /// room for a batch, smaller ones find out for which drafts.
    pub(crate) async fn commit(
        &self,
        user: &UserId,
        head: Option<Head>,
        drafts: Vec<Draft>,
    ) -> Committed {
        self.commit_all(user, head, drafts, None, &|_, _| ()).await
    }

    /// As [`Engine::commit`], with new notes, which are there as soon as the first draft is.
    pub(crate) async fn commit_with(
        &self,
        user: &UserId,
        head: Option<Head>,
        drafts: Vec<Draft>,
        notes: Option<Notes>,
    ) -> Committed {
        self.commit_all(user, head, drafts, notes, &|_, _| ()).await
    }

    /// As [`Engine::commit`]; each batch changes the head's notes as `noting` does, which is told the
    /// head before it and its own revision.
    pub(crate) async fn commit_noting(
        &self,
        user: &UserId,
        head: Option<Head>,
        drafts: Vec<Draft>,
        noting: Noting<'_>,
    ) -> Committed {
        self.commit_all(user, head, drafts, None, noting).await
    }

    async fn commit_all(
        &self,
        user: &UserId,
        head: Option<Head>,
        drafts: Vec<Draft>,
        mut notes: Option<Notes>,
        noting: Noting<'_>,
    ) -> Committed {
        let mut trail = Trail::starting_at(head);
        let mut done = 0;
        let mut full = BTreeMap::new();
        let mut most = usize::MAX;
        let mut left = std::collections::VecDeque::from(drafts);
        let mut open = self.open_conflicts(user, trail.head.as_ref(), left.is_empty()).await;
        while let Some(first) = left.front() {
            let version = first.old.map(|old| old.version);
            if FULL_TRIES <= full.len() && first.grows() {
                full.insert(done, version);
                done += 1;
                left.pop_front();
                continue;
            }
            let now = self.clock.now();
            let count = self.batch_count(&left).min(most);
            let head = trail.head.as_ref();
            let drafts = left.iter().take(count).cloned().collect();
            let mut batch = self.batch(head, drafts, notes.as_ref(), now);
            let open_then = open.map(|open| count_open(open, &batch.records));
            // Notes that cannot be read are a newer program's, and stay as they are.
            if let Ok(mut notes) = Notes::of(Some(&batch.head)) {
                notes.open = open_then;
                noting(&mut notes, (head, batch.head.revision));
                batch.head.notes = notes.to_text();
            }
            match self.commit_once(user, head, &batch).await {
                Ok(()) => {
                    let is_slow = now.plus_ms(SLOW_COMMIT_MS) < self.clock.now();
                    let purges = head.is_some_and(|old| old.purged_at != batch.head.purged_at);
                    done += count;
                    open = open_then;
                    notes = None;
                    left.drain(..count);
                    most = most.saturating_mul(2);
                    let again = if is_slow { self.stamp_again(user, &batch).await } else { None };
                    trail.add(batch);
                    again.into_iter().for_each(|again| trail.add(again));
                    if purges {
                        // What is left behind now goes the next time.
                        let _ = self.purge(user).await;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Full && 1 < count => most = count / 2,
                Err(error) if error.kind() == ErrorKind::Full => {
                    full.insert(done, version);
                    done += 1;
                    left.pop_front();
                }
                Err(error) => {
                    let stopped = match error.kind() {
                        ErrorKind::Conflict => Stopped::Raced,
                        _ => Stopped::Failed(error.into()),
                    };
                    return Committed { done, full, stopped: Some(stopped), trail };
                }
            }
        }
        Committed { done, full, stopped: None, trail }
    }

    /// How many entries of the inbox are open. They are counted once for an account of version 0.1;
    /// `None` where the store does not tell.
    async fn open_conflicts(
        &self,
        user: &UserId,
        head: Option<&Head>,
        is_idle: bool,
    ) -> Option<u64> {
        let Some(head) = head else { return Some(0) };
        let noted = Notes::of(Some(head)).ok()?.open;
        if noted.is_some() || is_idle {
            return noted;
        }
        let index = self.store.index(user, KindNumber::CONFLICT).await.ok()?;
        Some(index.iter().filter(|entry| !entry.deleted).count() as u64)
    }

    /// A conflict that is in the inbox already, open or closed, is not put there again.
    pub(crate) async fn drop_known_conflicts(
        &self,
        user: &UserId,
        drafts: Vec<&mut Draft>,
    ) -> Result<()> {
        let inbox = drafts.iter().flat_map(|draft| &draft.inbox);
        let keys: Vec<Key> = inbox.map(|entry| entry.key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let found = self.store.read(user, &keys).await?;
        let known: HashSet<Key> = found.into_iter().flatten().map(|entry| entry.key).collect();
        for draft in drafts {
            draft.inbox.retain(|entry| !known.contains(&entry.key));
        }
        Ok(())
    }

    /// Deletes history that is past its retention.
    async fn purge(&self, user: &UserId) -> Result<()> {
        let oldest = self.context(self.clock.now()).oldest;
        Ok(self.store.purge(user, oldest).await?)
    }

    /// Commits nothing but notes. If somebody was faster, or the store fails, they are lost: whoever
    /// has news again notes it again.
    pub(crate) async fn commit_notes(
        &self,
        user: &UserId,
        old: &Head,
        notes: &Notes,
    ) -> Option<Batch> {
        let quiet_since = notes.quiet_since.or(Some(old.revision.0));
        let mut head = self.next_head(Some(old), old.state, self.clock.now());
        // No record changes, so nothing is stamped.
        head.stamp = old.stamp;
        head.notes = Notes { quiet_since, ..notes.clone() }.to_text();
        let batch = Batch { head, records: Vec::new(), history: Vec::new() };
        self.commit_once(user, Some(old), &batch).await.ok().map(|()| batch)
    }

    /// Commits one batch; an unknown outcome is settled by the identical call.
    pub(crate) async fn commit_once(
        &self,
        user: &UserId,
        head: Option<&Head>,
        batch: &Batch,
    ) -> crate::store::Result<()> {
        let mut result = self.store.commit(user, head, batch).await;
        for _ in 0..3 {
            match &result {
                Err(error) if error.kind() == ErrorKind::Unknown => {
                    result = self.store.commit(user, head, batch).await;
                }
                _ => break,
            }
        }
        result
    }

    /// How many of `drafts`, from the first, one batch may hold; at least one.
    fn batch_count(&self, drafts: &std::collections::VecDeque<Draft>) -> usize {
        let limits = self.store.batch_limits();
        let (mut items, mut bytes) = (0, 0);
        for (at, draft) in drafts.iter().enumerate() {
            items += draft.items();
            bytes += draft.size_bytes();
            if 0 < at && (limits.items < items || limits.bytes < bytes) {
                return at;
            }
        }
        drafts.len()
    }

    /// Writes the records of a slow commit once more, with a stamp of now. If somebody was faster,
    /// the records keep the stamp that they have, and the next commit finds that out.
    async fn stamp_again(&self, user: &UserId, slow: &Batch) -> Option<Batch> {
        let now = self.clock.now();
        let mut head = slow.head.clone();
        head.revision.0 += 1;
        head.stamp = head.stamp.max(Stamp(now.secs() + STAMP_AHEAD_SECS));
        head.commit = CommitId(self.random_u128());
        let mut records = slow.records.clone();
        for record in &mut records {
            record.revision = head.revision;
            record.stamp = head.stamp;
        }
        let again = Batch { head, records, history: Vec::new() };
        self.store.commit(user, Some(&slow.head), &again).await.ok().map(|()| again)
    }

    fn batch(
        &self,
        old: Option<&Head>,
        drafts: Vec<Draft>,
        notes: Option<&Notes>,
        now: UnixMillis,
    ) -> Batch {
        let mut head = self.next_head(old, HeadState::Active, now);
        if let Some(notes) = notes {
            head.notes = Notes { quiet_since: None, ..notes.clone() }.to_text();
        }
        if head.purged_at.plus_ms(PURGE_EVERY_MS) <= now {
            head.purged_at = now;
        }
        let (mut records, mut history) = (Vec::new(), Vec::new());
        for draft in drafts {
            count(&self.schema, &mut head, draft.old, &draft.new);
            history.extend(draft.history);
            records.push(draft.new);
            records.extend(draft.inbox);
        }
        // Two pushes of one batch may raise the same conflict; it is one entry.
        records.sort_by_key(|record: &Envelope| record.key);
        records.dedup_by_key(|record| record.key);
        for record in &mut records {
            record.revision = head.revision;
            record.stamp = head.stamp;
        }
        Batch { head, records, history }
    }

    /// The head of a commit on `old`, with the sums still as they were.
    pub(crate) fn next_head(&self, old: Option<&Head>, state: HeadState, now: UnixMillis) -> Head {
        let mut head = old.cloned().unwrap_or_else(|| self.first_head(now));
        head.revision.0 += 1;
        head.stamp = head.stamp.max(Stamp(now.secs() + STAMP_AHEAD_SECS));
        head.generation = self.config.generation;
        head.commit = CommitId(self.random_u128());
        head.notes = notes_of_next(&head);
        head.state = state;
        head
    }

    pub(crate) fn first_head(&self, now: UnixMillis) -> Head {
        Head {
            epoch: Epoch(self.random.next_u64()),
            revision: Revision(0),
            stamp: Stamp(0),
            generation: self.config.generation,
            versions: Digest::default(),
            content: Digest::default(),
            records: 0,
            bytes: 0,
            max_version: 0,
            commit: CommitId(0),
            state: HeadState::Active,
            erased_at: None,
            purged_at: now,
            notes: String::new(),
        }
    }
}

/// How many entries of the inbox are open after a commit of `records`. Each is written twice: when it
/// opens, and when it is closed.
fn count_open(before: u64, records: &[Envelope]) -> u64 {
    let entries = records.iter().filter(|record| record.key.kind.is_inbox());
    entries.fold(before, |open, entry| match entry.deleted {
        true => open.saturating_sub(1),
        false => open + 1,
    })
}

/// Notes for a commit that changes records, on the head before it.
fn notes_of_next(old: &Head) -> String {
    // Nearly always there is nothing to take out or to add.
    if old.state != HeadState::Erased && !old.notes.contains("quietSince") {
        return old.notes.clone();
    }
    match Notes::of(Some(old)) {
        Ok(notes) => Notes { quiet_since: None, ..notes }.to_text(),
        Err(_) => old.notes.clone(),
    }
}

/// The term of one live piece in the head's digest of content. It names the version too: a phone
/// with the right content under an old number is given the new one, or its untouched copy would
/// later be measured against a base that it is not.
pub fn live_term(hash: Digest, version: u32) -> Digest {
    Digest::of([&hash.bits().to_be_bytes()[..], &version.to_be_bytes()[..]])
}

/// Keeps the head's sums: what the record was goes out, what it is comes in.
pub(crate) fn count(schema: &Schema, head: &mut Head, old: Option<OldFacts>, new: &Envelope) {
    let key = new.key;
    let kind = schema.name_of(key.kind);
    if key.kind.is_inbox() {
        return;
    }
    let is_compared = schema.kind(key.kind).is_some_and(|kind| kind.is_compared());
    let is_compared = |deleted: bool| is_compared && !deleted;
    if let Some(old) = old {
        head.versions =
            head.versions.minus(Digest::of_version(&kind, key.id, old.version, old.deleted));
        if is_compared(old.deleted) {
            head.content = head.content.minus(live_term(old.hash, old.version));
        }
        head.bytes = head.bytes.saturating_sub(old.content_bytes as u64);
    } else {
        head.records += 1;
    }
    head.versions = head.versions.plus(Digest::of_version(&kind, key.id, new.version, new.deleted));
    if is_compared(new.deleted) {
        head.content = head.content.plus(live_term(new.hash, new.version));
    }
    head.bytes += new.content.len() as u64;
    head.max_version = head.max_version.max(new.version);
}

/// An entry of the inbox, as stored: it refers to versions instead of copying texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredConflict {
    pub key: Key,
    /// `None` where a delete was involved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The version in which the other value stands.
    pub version: u32,
    /// Where the lost value is kept: version and side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<u32>,
    pub reason: Reason,
    pub at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How it was closed; `None` while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// The id of a conflict is derived from (record, version, field, lost value), so that a repeat makes
/// no second one.
pub(crate) fn conflict_id(
    key: Key,
    version: Version,
    field: Option<&str>,
    lost: &Value,
) -> RecordId {
    let (tag, value) = lost.canonical();
    let (kind, field) = (key.kind.code(), field.unwrap_or_default());
    let place = format!("{kind}\0{}\0{version}\0{field}\0", key.id);
    Digest::of([place.as_bytes(), &[tag], value]).into_id()
}

/// Makes the inbox entry of a value that lost.
pub(crate) fn inbox_entry(key: Key, lost: &Lost, now: UnixMillis) -> Envelope {
    let id = conflict_id(key, lost.version, lost.field.as_deref(), &lost.lost);
    let stored = StoredConflict {
        key,
        field: lost.field.clone(),
        version: lost.version,
        lost: lost.at.map(|at| (at.version, at.side)),
        base: lost.base,
        reason: lost.reason,
        at: now,
        device: lost.device.clone(),
        resolution: None,
    };
    Envelope {
        key: Key::conflict(id),
        version: 1,
        revision: Revision(0),
        stamp: Stamp(0),
        modified_at: now,
        deleted: false,
        hash: inbox_hash(now),
        format: FORMAT,
        content: to_json(&stored),
        meta: "{}".to_owned(),
    }
}

/// What the hash of an inbox entry is: when the value lost, to the millisecond. So the index can tell
/// the order in which entries came without reading them.
pub(crate) fn inbox_hash(at: UnixMillis) -> Digest {
    Digest::from_bits(u128::try_from(at.0).unwrap_or(0))
}
