//! Pushes of new clients: they name their base and what they changed.
//!
//! A push is one edit of one record. One request has many pushes of one device, in the order in
//! which they were made. Each push has its own result. They are decided on one state of the account
//! and committed together, in as few commits as the store allows.

pub(crate) mod chain;
pub(crate) mod delete;
pub(crate) mod devices;
pub(crate) mod exact;
pub(crate) mod plan;
pub(crate) mod pusher;

use crate::engine::Refusal;
use crate::engine::commit::draft::inbox_entries;
use crate::engine::commit::notes::Notes;
use crate::engine::commit::staging::{Staging, waves};
use crate::engine::commit::trail::Trail;
use crate::engine::commit::{Committed, Draft, Refused};
use crate::engine::edit::apply::parts::apply_within;
use crate::engine::edit::bases::needed;
use crate::engine::edit::record::Record;
use crate::engine::edit::{Bases, Change, Edit, Lost, MergeContext};
use crate::engine::push::chain::Chains;
use crate::engine::push::devices::Shown;
use crate::engine::push::exact::is_exact;
use crate::engine::push::plan::plan;
use crate::engine::push::pusher::{Life, Pusher};
use crate::engine::{Conflict, Engine, Error, Quota, Result, check_state};
use crate::id::{Key, UserId};
use crate::merge::Reason;
use crate::record::{Content, Value};
use crate::schema::{Deletes, Kind};
use crate::store::{BatchLimits, Envelope, Head, HistoryKey, Revision, Version};
use crate::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// When a push's fields were edited, by the device's clock.
///
/// The time decides only between concurrent edits of one field. A time in the future counts as the
/// time at which the server first saw it. The time also helps to identify a change. So keep the
/// time of an edit with the edit, and send the same time with every retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditTimes {
    /// All fields at one time.
    One(UnixMillis),
    /// Each field at its own time. A field that is not named counts as edited at the server's time.
    /// A delete uses the latest of the times.
    PerField(BTreeMap<String, UnixMillis>),
    /// The device does not say. The server's time is used.
    ///
    /// A repeat is then recognised by device, record, base, field and value alone.
    Unknown,
}

/// What a push does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOp {
    /// Sets fields. An absent field is untouched, and [`Value::Null`] clears one.
    ///
    /// Only named fields change. A key that the kind does not declare is kept as it comes. A
    /// reserved key is refused.
    Set(BTreeMap<String, Value>),
    /// Deletes the record.
    ///
    /// The kind decides whether a concurrent edit or the delete wins: see
    /// [`Deletes`](crate::schema::Deletes). A tombstone stays, so that devices that were offline
    /// learn of the delete.
    Delete,
    /// Offers a record that the device held before a reset. It is not an edit of its user. Its
    /// times are those of the versions that the device holds.
    ///
    /// It adds what a restored backup lacks, and has no base. If the server has another value, edit
    /// times decide, and the losing value is in the inbox.
    Offer(BTreeMap<String, Value>),
    /// Offers a delete from before a reset. If the record was brought back, it stays, and the
    /// delete goes to the inbox.
    OfferDelete,
}

/// One edit of one record, as a device pushes it.
///
/// The base shows the engine what the device's user had seen; the merge needs it. Name the version
/// that the user edited, not the newest version that the device knows.
///
/// ```
/// use haumana_sync::engine::{EditTimes, Push, PushOp};
/// use haumana_sync::id::{Key, KindNumber, RecordId};
///
/// let key = Key { kind: KindNumber::new(3), id: RecordId::from_bits(1) };
/// let delete = Push { key, base: Some(4), edited_at: EditTimes::Unknown, op: PushOp::Delete };
/// # let _ = delete;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The record.
    pub key: Key,
    /// The version that the device edited; `None` if it never had the record.
    ///
    /// With `None`, a value that the record has already counts as a copy, not as an edit. A number
    /// that the server cannot have given is refused as [`Refusal::InvalidField`].
    pub base: Option<Version>,
    /// When it was edited.
    pub edited_at: EditTimes,
    /// What it does.
    pub op: PushOp,
}

/// The outcome of a push.
///
/// | outcome | what the device does |
/// |---|---|
/// | `Applied` | the edit is done; [`PushResult::version`] is the base of the next one |
/// | `Merged` | the edit is done; the record is in the changes that follow |
/// | `Unchanged` | the edit is done, perhaps long ago |
/// | `Rejected` | it keeps the edit, and does what [`Refusal::advice`] says |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The record has every value that was pushed.
    Applied,
    /// A part of it met another edit. If a value lost, it is in the conflicts.
    Merged,
    /// There was nothing to do: the push was seen before, or the record has these values already.
    Unchanged,
    /// It was refused, and the device keeps the edit.
    Rejected(Refusal),
}

/// The answer to one push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushResult {
    /// The record.
    pub key: Key,
    /// The outcome.
    pub outcome: PushOutcome,
    /// The record's version now; `None` if there is no such record.
    pub version: Option<Version>,
    /// The values that lost. Each is an entry of the inbox.
    ///
    /// They need not be values of this push. If a later edit wins, the value that it replaces
    /// loses.
    pub conflicts: Vec<Conflict>,
}

impl Engine {
    /// Applies the pushes of a device, in order, and returns the outcome of each.
    ///
    /// Repeating a push is harmless: a change is identified by (device, record, base, edit time,
    /// field, value).
    ///
    /// A later change of the same device replaces its earlier one. The earlier value goes to the
    /// inbox, because another installation may use the same device id. It does not if the same
    /// request contains the earlier change, too.
    ///
    /// This call takes the number of a base as it is. [`Engine::sync`] checks by the cursor that
    /// bases are of this generation and epoch; this call does not.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, clock, kai, .. } = example();
    /// use haumana_sync::engine::PushOutcome;
    /// use haumana_sync::merge::Reason;
    ///
    /// engine.push(&kai, "phone", &[push(None, "Hiilawe")]).await?;
    /// engine.push(&kai, "ipad", &[push(Some(1), "Hi'ilawe")]).await?;
    /// clock.pass_ms(60_000);
    ///
    /// // The phone was offline and edits version 1, too. Its edit is the later one.
    /// let result = &engine.push(&kai, "phone", &[push(Some(1), "Hiʻilawe")]).await?[0];
    ///
    /// assert_eq!((PushOutcome::Merged, Some(3)), (result.outcome, result.version));
    /// let conflict = &result.conflicts[0];
    /// assert_eq!(Some(Value::Text("Hi'ilawe".to_owned())), conflict.lost);
    /// assert_eq!(Reason::LaterEdit, conflict.reason);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if the store cannot answer. Pushes may have been
    /// committed; sending all of them again is harmless.
    pub async fn push(
        &self,
        user: &UserId,
        device: &str,
        pushes: &[Push],
    ) -> Result<Vec<PushResult>> {
        let head = self.head(user).await?;
        let shown = Shown::of(device, None, self.clock.now());
        let notes = Notes::of(head.as_ref())?;
        let mut pusher = Pusher::new(device, Life::Unsaid, &shown, &notes, head.as_ref());
        Ok(self.push_on(user, &mut pusher, shown, pushes, head).await?.results)
    }

    /// As [`Engine::push`], on a head that was read. It also returns what was committed.
    pub(crate) async fn push_on(
        &self,
        user: &UserId,
        pusher: &mut Pusher<'_>,
        shown: Shown,
        pushes: &[Push],
        head: Option<Head>,
    ) -> Result<Pushed> {
        let mut answers: Vec<Option<Answer>> = pushes.iter().map(|_| None).collect();
        let epoch = head.as_ref().map(|head| head.epoch);
        let mut trail = Trail::starting_at(head);
        let mut attempts = self.attempts(user);
        let chains = Chains::of(pushes);
        while answers.iter().any(Option::is_none) {
            check_state(trail.head.as_ref())?;
            let head = trail.head.clone();
            let round = Round { user, shown, pushes, chains: &chains };
            let committed = self.push_open(round, pusher, head, &mut answers).await?;
            trail.extend(committed.trail);
            if let Some(stopped) = committed.stopped {
                attempts.start_over(stopped)?;
                trail = Trail::starting_at(attempts.head().await?);
                let now = trail.head.as_ref().map(|head| head.epoch);
                if epoch.is_some() && epoch != now {
                    // The life of the bases was determined for another head.
                    return Err(Error::contended());
                }
            }
        }
        let (mut results, mut exact) = (Vec::new(), Vec::new());
        for answer in answers.into_iter().flatten() {
            results.push(answer.result);
            exact.push(answer.exact_since);
        }
        Ok(Pushed { results, exact, trail })
    }

    /// Decides all pushes that have no answer yet, and commits them together. Pushes of one record
    /// are decided one after the other.
    async fn push_open(
        &self,
        round: Round<'_>,
        pusher: &mut Pusher<'_>,
        head: Option<Head>,
        answers: &mut [Option<Answer>],
    ) -> Result<Committed> {
        let Round { user, shown, pushes, .. } = round;
        let notes = Notes::of(head.as_ref())?;
        let context = self.context_of(self.clock.now(), &notes);
        let open: Vec<usize> = (0..pushes.len()).filter(|at| answers[*at].is_none()).collect();
        let (there, aside) = self.read_pushed(user, pushes, &open).await?;
        let mut desk = Desk {
            context,
            limits: self.store.batch_limits(),
            room: Quota::of(head.as_ref(), &notes),
            there,
            aside,
            bases: Bases::new(),
            staging: self.staging(),
            waiting: Vec::new(),
            answers,
        };
        for wave in waves(open.iter().map(|at| (*at, pushes[*at].key))) {
            self.push_wave(round, pusher, &wave, &mut desk).await?;
        }
        let Desk { mut staging, waiting, answers, .. } = desk;
        self.drop_known_conflicts(user, staging.drafts_mut()).await?;
        let noting = |notes: &mut Notes, (head, revision): (Option<&Head>, _)| {
            shown.write(notes, head, Some(revision));
        };
        let committed = self.commit_noting(user, head, staging, &noting).await;
        for (place, (at, answer)) in waiting.into_iter().enumerate() {
            if committed.is_decided(place) {
                let refused = committed.refused(place);
                let answer =
                    refused.map_or(answer, |one| refused_by_store(&pushes[at], one).into());
                answers[at] = Some(answer);
            }
        }
        Ok(committed)
    }

    /// Reads the records of pushes. Records that cannot be read are returned separately.
    async fn read_pushed(
        &self,
        user: &UserId,
        pushes: &[Push],
        open: &[usize],
    ) -> Result<(HashMap<Key, (Envelope, Record)>, HashMap<Key, Version>)> {
        let mut known = HashSet::new();
        let keys = open.iter().map(|at| pushes[*at].key);
        let keys: Vec<Key> = keys.filter(|key| known.insert(*key)).collect();
        let (mut there, mut aside) = (HashMap::with_capacity(keys.len()), HashMap::new());
        for envelope in self.store.read(user, &keys).await?.into_iter().flatten() {
            match self.open_readable(user, &envelope)? {
                Some(record) => drop(there.insert(envelope.key, (envelope, record))),
                None => drop(aside.insert(envelope.key, envelope.version)),
            }
        }
        Ok((there, aside))
    }

    /// Decides at most one push for each record, on the result of the earlier ones.
    async fn push_wave(
        &self,
        round: Round<'_>,
        pusher: &mut Pusher<'_>,
        wave: &[usize],
        desk: &mut Desk<'_>,
    ) -> Result<()> {
        let Round { user, pushes, chains, .. } = round;
        let context = desk.context;
        let mut planned = Vec::new();
        let mut history_keys: BTreeSet<HistoryKey> = BTreeSet::new();
        for &at in wave {
            let push = &pushes[at];
            if let Some(version) = desk.aside.get(&push.key).copied() {
                crate::mark::hit!(push_to_an_unreadable_record_is_refused_alone);
                let refused = Refused { refusal: Refusal::Unreadable, version: Some(version) };
                desk.answer(at, refused_by_store(push, refused));
                continue;
            }
            let record = desk.there.get(&push.key).map(|(_, record)| record);
            let Some(kind) = self.schema().kind(push.key.kind) else {
                let result = rejected(push, record, Refusal::InvalidField);
                desk.answer(at, result);
                continue;
            };
            let before = chains.before(at).filter(|before| desk.has_taken(*before));
            let before: Vec<&Push> = before.map(|before| &pushes[before]).collect();
            let result = match plan((push, &before), kind, pusher, record, context) {
                Ok(None) => unchanged(push, record),
                Ok(Some(edit)) => {
                    history_keys.extend(needed(record, &edit));
                    planned.push((at, kind, edit));
                    continue;
                }
                Err(refusal) => rejected(push, record, refusal),
            };
            desk.answer(at, result);
        }
        history_keys.retain(|key| !desk.bases.contains_key(key));
        let staging = Some(&desk.staging);
        let bases = self.read_staged_bases(user, history_keys, context.oldest, staging).await?;
        desk.bases.extend(bases);
        for (at, kind, edit) in planned {
            desk.take(at, &pushes[at], kind, &edit);
        }
        Ok(())
    }
}

/// The outcome of the pushes of a request.
pub(crate) struct Pushed {
    /// One result for each push, in order.
    pub results: Vec<PushResult>,
    /// For each push after which the device has the record to the byte, if it has the base: the
    /// revision in which the base was written, or 0 if the push made the record.
    pub exact: Vec<Option<Revision>>,
    /// What was committed.
    pub trail: Trail,
}

/// The pushes of a request that are decided together.
#[derive(Clone, Copy)]
struct Round<'a> {
    user: &'a UserId,
    shown: Shown,
    pushes: &'a [Push],
    chains: &'a Chains,
}

/// The answer to a push.
struct Answer {
    result: PushResult,
    exact_since: Option<Revision>,
}

impl From<PushResult> for Answer {
    fn from(result: PushResult) -> Self {
        Self { result, exact_since: None }
    }
}

/// The decision on a push: drafts to commit with its answer, or an answer without a commit.
struct Decision {
    /// The drafts to write, in order.
    drafts: Vec<Draft>,
    /// The record after that.
    there: (Envelope, Record),
    result: PushResult,
}

/// What is decided of a round: edits to commit, answers that wait for that commit, and final
/// answers.
struct Desk<'a> {
    context: MergeContext,
    limits: BatchLimits,
    room: Quota,
    /// The records after the pushes so far.
    there: HashMap<Key, (Envelope, Record)>,
    /// Records that are set aside, with their versions.
    aside: HashMap<Key, Version>,
    bases: Bases,
    staging: Staging,
    /// Answers, each with the place of its edit among those that are staged.
    waiting: Vec<(usize, Answer)>,
    answers: &'a mut [Option<Answer>],
}

impl Desk<'_> {
    fn answer(&mut self, at: usize, result: PushResult) {
        self.answers[at] = Some(result.into());
    }

    /// Whether an earlier push was not refused.
    fn has_taken(&self, at: usize) -> bool {
        let outcome = self.answers[at].as_ref().map(|answer| answer.result.outcome);
        !matches!(outcome, Some(PushOutcome::Rejected(_)))
    }

    /// Decides one push.
    fn take(&mut self, at: usize, push: &Push, kind: &Arc<Kind>, edit: &Edit) {
        let old = self.there.get(&push.key).map(|(envelope, record)| (envelope, record));
        let version = old.map(|(envelope, _)| envelope.version);
        let context = (self.context, self.limits);
        let decision = match decide((push, kind), old, edit, &self.bases, context) {
            Ok(decision) => decision,
            Err(refusal) => {
                let outcome = PushOutcome::Rejected(refusal);
                let result = PushResult { key: push.key, outcome, version, conflicts: Vec::new() };
                return self.answer(at, result);
            }
        };
        let Some(last) = decision.drafts.last() else { return self.answer(at, decision.result) };
        let old = old.map(|(envelope, _)| envelope);
        let conflicts = inbox_entries(&decision.drafts);
        if !self.room.take(old.map(|old| old.content.len()), last.new.content.len(), conflicts) {
            let refused = Refused { refusal: Refusal::QuotaExceeded, version };
            return self.answer(at, refused_by_store(push, refused));
        }
        let is_applied = decision.result.outcome == PushOutcome::Applied;
        let is_exact = is_applied && is_exact(push, old, &last.new);
        let written = old.map_or(Revision(0), |old| old.revision);
        let exact_since = is_exact.then_some(written);
        self.staging.add(decision.drafts);
        self.waiting.push((at, Answer { result: decision.result, exact_since }));
        self.there.insert(push.key, decision.there);
    }
}

/// A delete of a record that does not exist needs no room, because nothing is deleted.
fn refused_by_store(push: &Push, refused: Refused) -> PushResult {
    let is_delete = matches!(push.op, PushOp::Delete | PushOp::OfferDelete);
    let outcome = match refused.version {
        None if is_delete => PushOutcome::Unchanged,
        _ => PushOutcome::Rejected(refused.refusal),
    };
    PushResult { key: push.key, outcome, version: refused.version, conflicts: Vec::new() }
}

fn unchanged(push: &Push, record: Option<&Record>) -> PushResult {
    PushResult {
        key: push.key,
        outcome: PushOutcome::Unchanged,
        version: record.map(|record| record.version),
        conflicts: Vec::new(),
    }
}

fn rejected(push: &Push, record: Option<&Record>, refusal: Refusal) -> PushResult {
    PushResult { outcome: PushOutcome::Rejected(refusal), ..unchanged(push, record) }
}

/// Applies a planned edit.
fn decide(
    (push, kind): (&Push, &Arc<Kind>),
    old: Option<(&Envelope, &Record)>,
    edit: &Edit,
    bases: &Bases,
    (context, limits): (MergeContext, BatchLimits),
) -> std::result::Result<Decision, Refusal> {
    let is_tombstone = old.is_some_and(|(_, record)| record.content.is_none());
    let comes_back = is_tombstone && !edit.delete && kind.delete_policy() != Deletes::Stick;
    if let (true, Some((_, record))) = (comes_back, old) {
        let last = HistoryKey { key: push.key, version: record.meta.last_version, side: 0 };
        // A part of a record is no record. The client then sends the whole, with `base: null`.
        if !bases.contains_key(&last) && (push.base.is_some() || push.is_part(kind)) {
            return Err(Refusal::BaseGone);
        }
    }
    let applied = apply_within((kind, push.key.id), old, edit, bases, (context, limits))?;
    let has_all = edit
        .changes
        .iter()
        .all(|change| applied.record.content.as_ref().is_some_and(|content| has(content, change)));
    let is_deleted = edit.delete && applied.record.content.is_none();
    // Another device did the same. The version is that device's, and may have other changes, too.
    let old_version = old.map(|(_, record)| record.version);
    let is_theirs = old_version == Some(applied.record.version) && push.base != old_version;
    // If a policy ranks a pushed value lower, that value is an earlier version. Nobody is asked.
    let none_asks = applied.lost.iter().all(|lost| !lost.asks);
    // What such a device had before is unknown. So the existing record has a part in the result.
    let is_joined = edit.is_sent_always && old.is_some();
    let is_clean =
        none_asks && !is_theirs && !is_joined && (is_deleted || (has_all && !edit.delete));
    // An import that brings only what is there already. Only its receipt is new.
    let is_noted = is_theirs && edit.changes.is_empty() && !edit.delete;
    let was_deleted = is_tombstone && edit.delete;
    let outcome = match is_clean {
        _ if is_noted || was_deleted => PushOutcome::Unchanged,
        true => PushOutcome::Applied,
        false => PushOutcome::Merged,
    };
    let (key, version) = (push.key, Some(applied.record.version));
    let asking: Vec<Lost> = applied.lost.iter().filter(|lost| lost.asks).cloned().collect();
    let there = (applied.envelope.clone(), applied.record.clone());
    let mut drafts = Draft::all_of(applied, old.map(|(envelope, _)| envelope), context.now)?;
    if edit.reason == Some(Reason::OtherLife) {
        // An edit of its device that follows in the request was made without this version, and must
        // not replace it without a trace.
        drafts.iter_mut().for_each(Draft::keep);
    }
    if drafts.is_empty() {
        let (outcome, conflicts) = (PushOutcome::Unchanged, Vec::new());
        return Ok(Decision {
            drafts,
            there,
            result: PushResult { key, outcome, version, conflicts },
        });
    }
    let inbox = drafts.iter().flat_map(|draft| &draft.inbox);
    let conflicts = inbox.zip(asking);
    let conflicts = conflicts.map(|(entry, lost)| conflict_of(entry, key, lost, context.now));
    let conflicts = conflicts.collect();
    Ok(Decision { drafts, there, result: PushResult { key, outcome, version, conflicts } })
}

/// Whether the record has the values of the change.
fn has(content: &Content, change: &Change) -> bool {
    match &change.parts {
        None => content.unit(&change.name) == change.value,
        Some(parts) => parts.iter().all(|(name, value)| content.get(name) == *value),
    }
}

/// The conflict for an entry of the inbox.
pub(crate) fn conflict_of(entry: &Envelope, key: Key, lost: Lost, now: UnixMillis) -> Conflict {
    Conflict {
        id: entry.key.id,
        key,
        field: lost.field,
        kept: lost.kept,
        lost: Some(lost.lost),
        base: lost.base,
        reason: lost.reason,
        at: now,
        device: lost.device,
    }
}
