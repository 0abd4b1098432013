//! Restores an account to an earlier time, by ordinary edits.
//!
//! The change feed shows which records have changed since that time, and the history shows what
//! each of them was. A record goes back by the same edit as a restore of that version. A record
//! that did not exist then is deleted. These edits are in the history like all others, so another
//! rewind undoes this one.
//!
//! The work is done in slices. A slice is one commit on the head that it was read under. If it
//! loses the race, the slice is read again. If somebody edits a record after its slice, that edit
//! stays.

use crate::digest::Digest;
use crate::engine::commit::notes::Notes;
use crate::engine::commit::transaction::Transaction;
use crate::engine::commit::{STAMP_AHEAD_SECS, Stopped};
use crate::engine::edit::bases::{fields, needed, units};
use crate::engine::edit::record::{HistoryMeta, Record, is_whole, parse};
use crate::engine::edit::{Bases, Edit};
use crate::engine::history::restore::content_edit;
use crate::engine::inbox::past_retention;
use crate::engine::{Engine, Error, ErrorKind, Refusal, Result};
use crate::id::{Key, UserId};
use crate::limits;
use crate::record::Value;
use crate::store::{
    After, Batch, Envelope, Head, HistoryEntry, HistoryKey, Place, Revision, Stamp, StoreExt,
    Version,
};
use crate::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many records are decided at once.
const SLICE_RECORDS: usize = 250;

/// Whether a rewind is done, or only simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RewindMode {
    /// The account is rewound.
    #[default]
    Write,
    /// Nothing is written.
    ///
    /// Use it to show a person what would happen. Others may write before the person confirms, so
    /// the second call may find something else.
    DryRun,
}

/// The request to rewind an account.
///
/// The time is the server's. A person chooses it from a history, or from [`Rewound::before`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewindRequest {
    /// The time. All that was committed at or before it is restored.
    pub to: UnixMillis,
    /// Whether the rewind is written.
    pub mode: RewindMode,
    /// A name of the request: repeating the same request, early or late, changes nothing.
    ///
    /// Without a name, a rewind that is repeated after a lost reply would also undo what devices
    /// have synced between the two.
    pub request_id: Option<String>,
}

/// What a rewind does to one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewindChange {
    /// Its content changes.
    Changed,
    /// It is deleted: it was made after the time, or was deleted at the time.
    Deleted,
    /// It is restored after a delete.
    BroughtBack,
    /// It stays as it is: its content at that time is in no history any more.
    Forgotten,
    /// It stays as it is: the account has no room for its content at that time.
    Refused(Refusal),
}

/// The outcome of a rewind.
///
/// The counts are complete. The list is cut if there are too many records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewound {
    /// Records whose content changed.
    pub changed: usize,
    /// Records that were deleted.
    pub deleted: usize,
    /// Records that were restored after a delete.
    pub brought_back: usize,
    /// Records that could not be rewound.
    pub kept: usize,
    /// The outcome for each record, at most [`limits::REWIND_LISTED`]; those in `kept` come first.
    pub records: Vec<(Key, RewindChange)>,
    /// The time just before this rewind. A rewind to it undoes this one.
    pub before: UnixMillis,
    /// Whether the request was seen before. Then nothing was done.
    pub is_repeated: bool,
}

impl Engine {
    /// Rewinds all records of the user to a time, by ordinary edits: records made since are
    /// deleted, and records deleted since come back. A rewind to [`Rewound::before`] undoes it.
    ///
    /// Others may write meanwhile. An edit after the rewind of its record stays. An edit before it
    /// is in the history. If it fails half-way, calling it again finishes it.
    ///
    /// Use it if something has damaged the whole account: an import into the wrong account, an app
    /// that broke records, a person who deleted everything. For one record use
    /// [`Engine::restore_record`]; for all accounts at once restore a backup.
    ///
    /// Its cost depends on how much changed since the time. It works on 250 records at once.
    /// Records that cannot be rewound stay as they are and are listed with the reason.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, clock, kai, .. } = example();
    /// use haumana_sync::engine::{RewindMode, RewindRequest};
    ///
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    /// let to = engine.now();
    /// clock.pass_ms(60_000);
    /// engine.push(&kai, "phone", &[push(Some(1), "by mistake")]).await?;
    /// clock.pass_ms(60_000);
    ///
    /// let request = RewindRequest { to, mode: RewindMode::Write, request_id: None };
    /// let rewound = engine.rewind(&kai, &request).await?;
    ///
    /// assert_eq!(1, rewound.changed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PastRetention`] if the time is past the retention, or before an erasure;
    /// [`ErrorKind::Invalid`] if it is in the future; [`ErrorKind::Importing`] or
    /// [`ErrorKind::Erasing`] while the account is being imported or erased.
    pub async fn rewind(&self, user: &UserId, request: &RewindRequest) -> Result<Rewound> {
        let mut run = Run::new(user, request, self.clock.now());
        let mut attempts = self.attempts(user);
        loop {
            let transaction = attempts.next().await?;
            run.check(&transaction)?;
            if run.name.is_some_and(|name| transaction.notes().rewinds.contains(&name)) {
                crate::mark::hit!(repeated_rewind_changes_nothing);
                run.rewound.is_repeated = true;
                break;
            }
            match self.rewind_slice(&mut run, transaction).await? {
                Slice::More => attempts = self.attempts(user),
                Slice::Raced => attempts.raced(),
                Slice::End => {
                    self.note_rewind(&run).await?;
                    break;
                }
            }
        }
        Ok(run.finish())
    }

    /// Reads the next records, and commits the edits that rewind them.
    async fn rewind_slice(
        &self,
        run: &mut Run<'_>,
        mut transaction: Transaction<'_>,
    ) -> Result<Slice> {
        run.see(transaction.head());
        let page = self.store.changes(run.user, run.after, SLICE_RECORDS).await?;
        let Some(last) = page.records.last() else { return Ok(Slice::End) };
        let place = Place { revision: last.revision, within: Some(last.key) };
        let is_end = !page.more || run.is_behind(last.revision);
        let mut opened = Vec::new();
        for envelope in page.records {
            if !run.is_due(&envelope) {
                continue;
            }
            match self.open_readable(run.user, &envelope)? {
                Some(record) => opened.push((envelope, record)),
                None => run.note(envelope.key, RewindChange::Refused(Refusal::Unreadable)),
            }
        }
        let planned = self.rewinding_edits(run, &transaction, &opened).await?;
        let oldest = transaction.context().oldest;
        let needs = planned.iter().flat_map(|(at, edit, _)| needed(Some(&opened[*at].1), edit));
        let needs: BTreeSet<HistoryKey> = needs.collect();
        let bases = self.read_bases(run.user, needs, oldest).await?;
        let staged = run.stage(&mut transaction, &opened, planned, &bases);
        if run.mode == RewindMode::DryRun || staged.is_empty() {
            staged.into_iter().for_each(|(key, change)| run.note(key, change));
        } else {
            let committed = transaction.commit().await?;
            run.last = committed.trail.head.clone();
            for (place, (key, change)) in staged.into_iter().enumerate() {
                match committed.refusal(place) {
                    _ if !committed.is_decided(place) => {}
                    Some(refusal) => run.note(key, RewindChange::Refused(refusal)),
                    None => run.note(key, change),
                }
            }
            match committed.into_stopped() {
                None => {}
                Some(Stopped::Raced) => return Ok(Slice::Raced),
                Some(Stopped::Failed(error)) => return Err(error),
            }
        }
        run.after = After::Place(place);
        Ok(if is_end { Slice::End } else { Slice::More })
    }

    /// The edits that rewind records, each with the change that is reported for it. A record that
    /// is already as it was needs no edit.
    async fn rewinding_edits(
        &self,
        run: &mut Run<'_>,
        transaction: &Transaction<'_>,
        opened: &[(Envelope, Record)],
    ) -> Result<Vec<(usize, Edit, RewindChange)>> {
        let entries = self.guessed_entries(run, opened).await?;
        let mut edits = Vec::new();
        for (at, (envelope, record)) in opened.iter().enumerate() {
            let then = self.then(run, transaction.notes(), record, &entries).await?;
            let is_live = record.content.is_some();
            let planned = match then {
                Then::Content(entry) if is_live && entry.content == envelope.content => None,
                Then::Content(entry) => {
                    let change =
                        if is_live { RewindChange::Changed } else { RewindChange::BroughtBack };
                    let last = last_key(record).and_then(|last| entries.get(&last));
                    let edit = self.rewinding_edit(record, &entry, last, transaction)?;
                    // The same, except for fields that its kind has gained since.
                    let is_same = record.content.as_ref().is_some_and(|content| {
                        edit.changes.iter().all(|change| content.unit(&change.name) == change.value)
                    });
                    (!is_same).then_some((edit, change))
                }
                Then::Nothing if is_live => {
                    let edit = Edit { delete: true, ..Edit::default() };
                    Some((edit, RewindChange::Deleted))
                }
                Then::Nothing => None,
                Then::Forgotten => {
                    run.note(record.key(), RewindChange::Forgotten);
                    None
                }
            };
            if let Some((edit, change)) = planned {
                edits.push((at, run.asked(edit, record), change));
            }
        }
        Ok(edits)
    }

    fn rewinding_edit(
        &self,
        record: &Record,
        entry: &HistoryEntry,
        last: Option<&HistoryEntry>,
        transaction: &Transaction<'_>,
    ) -> Result<Edit> {
        let read = |entry: &HistoryEntry| -> Result<BTreeMap<String, Value>> {
            Ok(units(&record.kind, fields(&record.kind, &entry.content, true)?))
        };
        let last = last.filter(|last| is_whole(last)).map(read).transpose()?;
        Ok(content_edit(record, read(entry)?, last.as_ref(), None, transaction.context()))
    }

    /// Reads the history entries that most likely hold what records were, all at once.
    async fn guessed_entries(
        &self,
        run: &Run<'_>,
        opened: &[(Envelope, Record)],
    ) -> Result<HashMap<HistoryKey, HistoryEntry>> {
        let mut keys: Vec<HistoryKey> = Vec::with_capacity(opened.len());
        for (_, record) in opened {
            keys.extend(guess(record, run.to).map(|version| version_key(record, version)));
            keys.extend(last_key(record));
        }
        keys.sort_unstable();
        keys.dedup();
        let found = self.store.history(run.user, &keys).await?;
        Ok(found.into_iter().flatten().map(|entry| (entry.key, entry)).collect())
    }

    /// What a record was at the time.
    async fn then(
        &self,
        run: &Run<'_>,
        notes: &Notes,
        record: &Record,
        entries: &HashMap<HistoryKey, HistoryEntry>,
    ) -> Result<Then> {
        let Some(version) = guess(record, run.to) else { return Ok(Then::Nothing) };
        if let Some(entry) = entries.get(&version_key(record, version))
            && made_at(entry).is_some_and(|at| at <= run.to && run.to < entry.at)
        {
            return Ok(Then::of(entry.clone()));
        }
        let mut before = None;
        loop {
            let found = self.whole_versions(run.user, &record.key(), before).await?;
            let Some(last) = found.last() else { break };
            before = Some(last.key.version);
            let is_then = |entry: &HistoryEntry| {
                entry.key.side == 0 && made_at(entry).is_some_and(|at| at <= run.to)
            };
            if let Some(entry) = found.into_iter().find(is_then) {
                return Ok(Then::of(entry));
            }
        }
        // What was superseded since is there, unless it was removed to make room for newer history.
        let is_lost = notes.shed.is_some_and(|shed| run.to < shed);
        Ok(if is_lost { Then::Forgotten } else { Then::Nothing })
    }

    /// Remembers that a rewind is done, because records that it did not change do not show it. If
    /// this fails, the rewind has failed, and the next call finishes it.
    async fn note_rewind(&self, run: &Run<'_>) -> Result<()> {
        let Some(name) = run.name.filter(|_| run.mode == RewindMode::Write) else { return Ok(()) };
        let mut attempts = self.attempts(run.user);
        loop {
            // An account without records gets a head for it. Otherwise the same request, sent again
            // after the first record was made, would delete that record.
            let head = attempts.head().await?;
            let notes = Notes::of(head.as_ref())?;
            let next = self.noted(head.as_ref(), &notes.with_rewind(name));
            let batch = Batch { head: next, records: Vec::new(), history: Vec::new() };
            match self.store.commit_settled(run.user, head.as_ref(), &batch).await {
                Ok(()) => return Ok(()),
                Err(error) => attempts.start_over(error.into())?,
            }
        }
    }
}

/// How a slice ended.
enum Slice {
    More,
    Raced,
    End,
}

/// What a record was at the time.
enum Then {
    /// It had this content.
    Content(HistoryEntry),
    /// It was deleted, or did not exist.
    Nothing,
    /// What it was is not known any more.
    Forgotten,
}

impl Then {
    fn of(entry: HistoryEntry) -> Self {
        let meta: Result<HistoryMeta> = parse(&entry.meta);
        match meta {
            Ok(meta) if meta.partial => Self::Forgotten,
            Ok(meta) if meta.deleted => Self::Nothing,
            _ => Self::Content(entry),
        }
    }
}

/// A rewind under way.
struct Run<'a> {
    user: &'a UserId,
    to: UnixMillis,
    mode: RewindMode,
    name: Option<u64>,
    /// How far the change feed is read.
    after: After,
    /// The end of the change feed when the rewind began.
    end: Option<Revision>,
    /// The head after the last slice.
    last: Option<Head>,
    /// Whether somebody else has committed since it began.
    is_broken: bool,
    done: HashSet<Key>,
    rewound: Rewound,
}

impl<'a> Run<'a> {
    fn new(user: &'a UserId, request: &RewindRequest, now: UnixMillis) -> Self {
        let name = request.request_id.as_ref();
        let name = name.map(|id| Digest::of([b"rewind\0id\0".as_slice(), id.as_bytes()]).short());
        // A later commit has a stamp that is later than its second by as much.
        let stamp = Stamp(request.to.secs().saturating_add(STAMP_AHEAD_SECS - 1));
        let rewound = Rewound {
            changed: 0,
            deleted: 0,
            brought_back: 0,
            kept: 0,
            records: Vec::new(),
            before: now.plus_ms(-1),
            is_repeated: false,
        };
        Self {
            user,
            to: request.to,
            mode: request.mode,
            name,
            after: After::Stamp(stamp),
            end: None,
            last: None,
            is_broken: false,
            done: HashSet::new(),
            rewound,
        }
    }

    /// Refuses times that the history does not cover.
    fn check(&self, transaction: &Transaction<'_>) -> Result<()> {
        let context = transaction.context();
        if context.now < self.to {
            return Err(Error::new(ErrorKind::Invalid, "to is in the future"));
        }
        let erased_at = transaction.head().and_then(|head| head.erased_at);
        if self.to < context.oldest || erased_at.is_some_and(|erased| self.to < erased) {
            return Err(past_retention("the time is past its retention"));
        }
        Ok(())
    }

    /// Notes the head on which a slice begins.
    fn see(&mut self, head: Option<&Head>) {
        let Some(head) = head else { return };
        if self.end.is_none() {
            self.end = Some(head.revision);
            self.last = Some(head.clone());
        }
        self.is_broken |= self.last.as_ref().is_none_or(|last| !last.is_same(head));
    }

    /// Whether the rest of the change feed is what this rewind itself has written.
    fn is_behind(&self, revision: Revision) -> bool {
        !self.is_broken && self.end.is_some_and(|end| end < revision)
    }

    /// Whether the record has changed since the time, and is not decided yet.
    fn is_due(&self, envelope: &Envelope) -> bool {
        let is_changed = self.to < envelope.modified_at || envelope.is_unreadable();
        is_changed && !envelope.key.kind.is_inbox() && !self.done.contains(&envelope.key)
    }

    /// Turns an edit into that of a person who knows the current record.
    fn asked(&self, edit: Edit, record: &Record) -> Edit {
        let (base, seen) = (Some(record.version), self.name.into_iter().collect());
        Edit { base, seen, knows_delete: true, is_asked: true, ..edit }
    }

    /// Stages edits. Returns the changes of the records that are to be written.
    fn stage(
        &mut self,
        transaction: &mut Transaction<'_>,
        opened: &[(Envelope, Record)],
        planned: Vec<(usize, Edit, RewindChange)>,
        bases: &Bases,
    ) -> Vec<(Key, RewindChange)> {
        let oldest = transaction.context().oldest;
        let mut staged = Vec::new();
        for (at, edit, change) in planned {
            // The place comes from `opened`.
            let (envelope, record) = &opened[at];
            if self.name.is_some_and(|name| record.meta.has_seen(name, oldest)) {
                self.done.insert(record.key());
                continue;
            }
            let old = Some((envelope, record));
            let applied = transaction.apply(&record.kind, record.key(), old, &edit, bases);
            match applied.and_then(|applied| transaction.stage(applied, Some(envelope))) {
                Ok(true) => staged.push((record.key(), change)),
                Ok(false) => {}
                Err(refusal) => self.note(record.key(), RewindChange::Refused(refusal)),
            }
        }
        staged
    }

    /// Counts what happened to a record.
    fn note(&mut self, key: Key, change: RewindChange) {
        if !self.done.insert(key) {
            return;
        }
        let rewound = &mut self.rewound;
        match change {
            RewindChange::Changed => rewound.changed += 1,
            RewindChange::Deleted => rewound.deleted += 1,
            RewindChange::BroughtBack => rewound.brought_back += 1,
            RewindChange::Forgotten | RewindChange::Refused(_) => rewound.kept += 1,
        }
        rewound.records.push((key, change));
        if 2 * limits::REWIND_LISTED <= rewound.records.len() {
            rewound.cut();
        }
    }

    fn finish(mut self) -> Rewound {
        self.rewound.cut();
        self.rewound
    }
}

impl Rewound {
    /// Drops list entries beyond the limit, first of records that were rewound as asked.
    fn cut(&mut self) {
        let is_done = |change: &RewindChange| {
            !matches!(change, RewindChange::Forgotten | RewindChange::Refused(_))
        };
        self.records.sort_by_key(|(_, change)| is_done(change));
        self.records.truncate(limits::REWIND_LISTED);
    }
}

fn version_key(record: &Record, version: Version) -> HistoryKey {
    HistoryKey { key: record.key(), version, side: 0 }
}

/// Where the last content of a tombstone is.
fn last_key(record: &Record) -> Option<HistoryKey> {
    let is_buried = record.content.is_none() && 0 < record.meta.last_version;
    is_buried.then(|| version_key(record, record.meta.last_version))
}

/// When the version of an entry was committed.
fn made_at(entry: &HistoryEntry) -> Option<UnixMillis> {
    parse::<HistoryMeta>(&entry.meta).ok().map(|meta| meta.at)
}

/// The version that a record, which has changed since `to`, most likely had then; `None` if there
/// was none. What is remembered of its fields shows which version was the first after the time.
fn guess(record: &Record, to: UnixMillis) -> Option<Version> {
    let meta = &record.meta;
    let mut first = record.version;
    for (name, trail) in &meta.past {
        if let Some(at) = trail.iter().position(|past| to < past.until) {
            let next = trail.get(at + 1).map(|next| next.version);
            first = first.min(next.unwrap_or_else(|| meta.touch(name).version));
        }
    }
    let version = meta.written(first.saturating_sub(1));
    (meta.created.version <= version && 0 < version).then_some(version)
}
