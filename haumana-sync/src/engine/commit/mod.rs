//! Writes: batches, the next head, and the compare-and-swap.

mod conflict;
pub(crate) mod draft;
mod line;
pub(crate) mod notes;
pub(crate) mod retained;
mod shed;
pub(crate) mod staging;
pub(crate) mod trail;
pub(crate) mod transaction;

pub(crate) use crate::engine::commit::conflict::{
    StoredConflict, conflict_id, inbox_entry, inbox_hash,
};
use crate::engine::commit::draft::is_raised;
pub(crate) use crate::engine::commit::draft::{Draft, OldFacts};
pub(crate) use crate::engine::commit::line::Refused;

use crate::digest::Digest;
use crate::engine::commit::line::{Line, refusal_of};
use crate::engine::commit::notes::Notes;
use crate::engine::commit::staging::Staging;
use crate::engine::commit::trail::Trail;
use crate::engine::{Engine, Error, Refusal, Result};
use crate::id::{Key, KindNumber, UserId};
use crate::schema::Schema;
use crate::store::{
    Batch, BatchLimits, CommitId, Envelope, Epoch, ErrorKind, Head, HeadState, Revision, Stamp,
    StoreExt,
};
use crate::time::UnixMillis;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// How much later than the server's second a commit is stamped: two seconds by which the clocks of
/// servers may differ, and one for the fraction that the phones cut off. So a `lastSyncedAt` from a
/// fast server is always before the stamp of a later commit by a slow server.
pub(crate) const STAMP_AHEAD_SECS: i64 = 3;

/// If a commit took longer than this, its records are stamped again. Phones may have synced
/// meanwhile, with a time that is not before the first stamp.
const SLOW_COMMIT_MS: i64 = 1000;

/// How often the history of a user who writes is purged.
const PURGE_EVERY_MS: i64 = 86_400_000;

/// LIMIT: records and history entries of one commit, and its bytes, unless one record alone needs
/// more. A store has one writer or few. So long work is written in slices, and others get their
/// turn between them.
pub(crate) const SLICE: BatchLimits = BatchLimits { items: 500, bytes: 4_000_000 };

/// Changes the notes of a head. Its arguments are the head before, and the revision of the commit.
pub(crate) type Noting<'a> =
    &'a (dyn for<'h> Fn(&mut Notes, (Option<&'h Head>, Revision)) + Send + Sync);

/// How far a list of edits was committed.
///
/// A commit may have been made in several batches, in order. If another commit came in between, the
/// first edits are committed and the last ones are not. Those are decided again on the new state.
#[derive(Debug)]
pub struct Committed {
    /// How many drafts, from the first, are committed or refused.
    done: usize,
    /// The drafts that the store does not accept, by their place.
    refused: BTreeMap<usize, Refused>,
    /// For each edit, the draft that completes it.
    edits: Vec<usize>,
    /// Why the rest was not committed, if there is a rest.
    pub(crate) stopped: Option<Stopped>,
    /// What was committed on the given head.
    pub(crate) trail: Trail,
}

impl Committed {
    /// Nothing was to be committed.
    pub(crate) fn nothing(head: Option<Head>) -> Self {
        let trail = Trail::starting_at(head);
        Self { done: 0, refused: BTreeMap::new(), edits: Vec::new(), stopped: None, trail }
    }

    /// Whether the edit that was staged at this place is committed or refused.
    ///
    /// Answer an edit only after that.
    pub fn is_decided(&self, place: usize) -> bool {
        self.edits.get(place).is_some_and(|draft| *draft < self.done)
    }

    /// Why the store does not accept the edit that was staged at this place; `None` if it does.
    ///
    /// Other edits of the same commit are not affected.
    pub fn refusal(&self, place: usize) -> Option<Refusal> {
        self.refused(place).map(|refused| refused.refusal)
    }

    pub(crate) fn refused(&self, place: usize) -> Option<Refused> {
        self.refused.get(self.edits.get(place)?).copied()
    }

    /// Returns why the rest was not committed, if there is a rest.
    pub fn into_stopped(self) -> Option<Stopped> {
        self.stopped
    }

    /// The same for drafts that must be committed together: if the store refuses one, all stop.
    pub fn stopped_whole(self) -> Option<Stopped> {
        let refused = self.refused.into_values().next();
        self.stopped.or(refused.map(|one| Stopped::Failed(Error::refused(one.refusal))))
    }
}

/// Why a list of drafts was not committed to its end.
///
/// Pass it to [`Attempts::start_over`](crate::engine::Attempts::start_over).
#[derive(Debug)]
pub enum Stopped {
    /// Another commit was faster: read again, merge again.
    Raced,
    /// The store failed.
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Failed(error)
    }
}

impl From<crate::store::Error> for Stopped {
    fn from(error: crate::store::Error) -> Self {
        match error.kind() {
            ErrorKind::Conflict => Stopped::Raced,
            _ => Stopped::Failed(error.into()),
        }
    }
}

impl Engine {
    /// Commits `drafts` in as few batches as the store allows. Each batch is atomic. If the store
    /// does not accept a batch, smaller ones find the drafts that it does not accept.
    pub(crate) async fn commit(
        &self,
        user: &UserId,
        head: Option<Head>,
        drafts: Vec<Draft>,
    ) -> Committed {
        let mut staging = self.staging();
        drafts.into_iter().for_each(|draft| staging.add(vec![draft]));
        self.commit_all(user, head, staging, None, &|_, _| ()).await
    }

    /// Returns an empty staging.
    pub(crate) fn staging(&self) -> Staging {
        Staging::new(self.store.batch_limits())
    }

    /// As [`Engine::commit`], with new notes. They are written with the first draft.
    pub(crate) async fn commit_with(
        &self,
        user: &UserId,
        head: Option<Head>,
        staging: Staging,
        notes: Option<Notes>,
    ) -> Committed {
        self.commit_all(user, head, staging, notes, &|_, _| ()).await
    }

    /// As [`Engine::commit`]. With each batch, `noting` changes the notes of the head; it gets the
    /// head before the batch and the batch's revision.
    pub(crate) async fn commit_noting(
        &self,
        user: &UserId,
        head: Option<Head>,
        staging: Staging,
        noting: Noting<'_>,
    ) -> Committed {
        self.commit_all(user, head, staging, None, noting).await
    }

    async fn commit_all(
        &self,
        user: &UserId,
        head: Option<Head>,
        staging: Staging,
        mut notes: Option<Notes>,
        noting: Noting<'_>,
    ) -> Committed {
        let mut trail = Trail::starting_at(head);
        let (drafts, edits) = staging.into_drafts();
        let mut line = Line::new(drafts);
        let (mut stopped, mut is_over) = (None, false);
        let mut open = self.open_conflicts(user, trail.head.as_ref(), line.left.is_empty()).await;
        while line.next_is_asked() {
            let now = self.clock.now();
            let count = self.batch_count(&line.left).min(line.most);
            let head = trail.head.as_ref();
            let restamps = line.left.iter().take(count).any(|one| !is_raised(one.old, &one.new));
            let mut batch = self.batch(head, line.next(count), notes.as_ref(), now);
            let open_then = open.map(|open| count_open(open, &batch.records));
            let mut over_then = false;
            // A newer program wrote notes that cannot be read. They stay unchanged.
            if let Ok(mut notes) = Notes::of(Some(&batch.head)) {
                notes.open = open_then;
                notes.restamped = restamps.then_some(batch.head.stamp).or(notes.restamped);
                self.count_history(&mut notes, head, &batch.history, now);
                over_then = notes.history.cutoff(self.history_bytes).is_some();
                noting(&mut notes, (head, batch.head.revision));
                batch.head.notes = notes.to_text();
            }
            match self.store.commit_settled(user, head, &batch).await {
                Ok(()) => {
                    let is_slow = now.plus_ms(SLOW_COMMIT_MS) < self.clock.now();
                    let purges = head.is_some_and(|old| old.purged_at != batch.head.purged_at);
                    (open, is_over) = (open_then, over_then);
                    notes = None;
                    line.take(count);
                    let again = if is_slow { self.stamp_again(user, &batch).await } else { None };
                    trail.add(batch);
                    again.into_iter().for_each(|again| trail.add(again));
                    if purges {
                        // What this leaves behind is deleted the next time.
                        let _ = self.purge(user).await;
                    }
                }
                Err(error) => match refusal_of(error.kind()) {
                    Some(_) if 1 < count => {
                        line.give_back(batch);
                        line.most = count / 2;
                    }
                    Some(refusal) => line.refuse(refusal),
                    None => {
                        stopped = Some(error.into());
                        break;
                    }
                },
            }
        }
        if is_over {
            self.shed(user, &mut trail).await;
        }
        let Line { done, refused, .. } = line;
        Committed { done, refused, edits, stopped, trail }
    }

    /// The number of open inbox entries; `None` if the store does not answer. For an account of
    /// version 0.1 they are counted once.
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

    /// Drops conflicts that are in the inbox already, open or closed.
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

    /// Commits only notes. If another commit was faster, or the store fails, the notes are lost.
    /// They are made again with the next news.
    pub(crate) async fn commit_notes(
        &self,
        user: &UserId,
        old: Option<&Head>,
        notes: &Notes,
    ) -> Option<Batch> {
        let head = self.noted(old, notes);
        let batch = Batch { head, records: Vec::new(), history: Vec::new() };
        self.store.commit_settled(user, old, &batch).await.ok().map(|()| batch)
    }

    /// The head of a commit that changes nothing but notes.
    pub(crate) fn noted(&self, old: Option<&Head>, notes: &Notes) -> Head {
        let state = old.map_or(HeadState::Active, |old| old.state);
        let mut head = self.next_head(old, state, self.clock.now());
        let quiet_since = notes.quiet_since.or(old.map(|old| old.revision.0));
        // No record changes, so the stamp stays.
        head.stamp = old.map_or(head.stamp, |old| old.stamp);
        head.notes = Notes { quiet_since, ..notes.clone() }.to_text();
        head
    }

    /// How much one commit writes if the work can be split.
    pub(crate) fn slice(&self) -> BatchLimits {
        let BatchLimits { items, bytes } = self.store.batch_limits();
        BatchLimits { items: items.min(SLICE.items), bytes: bytes.min(SLICE.bytes) }
    }

    /// How many of `drafts`, from the first, one batch may hold; at least one.
    fn batch_count(&self, drafts: &VecDeque<Draft>) -> usize {
        let slice = self.slice();
        let (mut items, mut bytes) = (0, 0);
        let mut keys = HashSet::new();
        for (at, draft) in drafts.iter().enumerate() {
            items += draft.items();
            bytes += draft.size_bytes();
            // A batch writes each record once. Another draft of the same record goes to the next
            // batch.
            let is_new = keys.insert(draft.new.key);
            if 0 < at && (slice.items < items || slice.bytes < bytes || !is_new) {
                return at;
            }
        }
        drafts.len()
    }

    /// Writes the records of a slow commit once more, with a current stamp. If another commit was
    /// faster, the records keep their stamp, and the next commit finds that out.
    async fn stamp_again(&self, user: &UserId, slow: &Batch) -> Option<Batch> {
        let now = self.clock.now();
        let mut head = slow.head.clone();
        head.revision.0 += 1;
        head.stamp = head.stamp.max(Stamp(now.secs() + STAMP_AHEAD_SECS));
        head.commit = CommitId(self.random_u128());
        if let Ok(notes) = Notes::of(Some(&head)) {
            head.notes = Notes { restamped: Some(head.stamp), ..notes }.to_text();
        }
        let mut records = slow.records.clone();
        for record in &mut records {
            record.revision = head.revision;
            record.stamp = head.stamp;
        }
        let again = Batch { head, records, history: Vec::new() };
        self.store.commit(user, Some(&slow.head), &again).await.ok().map(|()| again)
    }

    /// Makes the batch that writes `drafts`. It takes their contents, so nothing is copied.
    fn batch<'a>(
        &self,
        old: Option<&Head>,
        drafts: impl Iterator<Item = &'a mut Draft>,
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
            count(self.schema(), &mut head, draft.old, &draft.new);
            history.append(&mut draft.history);
            records.push(draft.take_new());
            records.extend(draft.inbox.iter().cloned());
        }
        // Two pushes of one batch may raise the same conflict, which is one entry.
        records.sort_by_key(|record: &Envelope| record.key);
        records.dedup_by_key(|record| record.key);
        for record in &mut records {
            record.revision = head.revision;
            record.stamp = head.stamp;
        }
        Batch { head, records, history }
    }

    /// The head of a commit on `old`. The sums are not changed yet.
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
        Head::before_all(Epoch(self.random.next_u64()), self.config.generation, now)
    }

    /// The next head, with the same contents as this one.
    pub(crate) fn following(&self, old: &Head) -> Head {
        let mut head = old.clone();
        head.revision.0 += 1;
        head.commit = CommitId(self.random_u128());
        head
    }
}

/// The number of open inbox entries after a commit of `records`. Each entry is written twice: when
/// it is opened, and when it is closed.
fn count_open(before: u64, records: &[Envelope]) -> u64 {
    let entries = records.iter().filter(|record| record.key.kind.is_inbox());
    entries.fold(before, |open, entry| match entry.deleted {
        true => open.saturating_sub(1),
        false => open + 1,
    })
}

/// Notes for a commit that changes records, on the head before it.
fn notes_of_next(old: &Head) -> String {
    // Nearly always there is nothing to remove or to add.
    if old.state != HeadState::Erased && !old.notes.contains("quietSince") {
        return old.notes.clone();
    }
    match Notes::of(Some(old)) {
        Ok(notes) => Notes { quiet_since: None, ..notes }.to_text(),
        Err(_) => old.notes.clone(),
    }
}

/// The term of one live piece in the head's digest of content.
///
/// It includes the version: a phone that has the right content under an old number must get the new
/// number. Otherwise its untouched copy would later be compared with the wrong base.
pub fn live_term(hash: Digest, version: u32) -> Digest {
    Digest::of([&hash.bits().to_be_bytes()[..], &version.to_be_bytes()[..]])
}

/// Updates the head's sums: subtracts the record's old state, and adds its new state.
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
