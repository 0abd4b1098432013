//! Pushes of new clients: they name their base and what they changed.

use super::apply::apply;
use super::bases::needed;
use super::commit::{Committed, Draft, OldFacts, Stopped, gave_up, inbox_entry};
use super::edit::{Against, Bases, Change, Doubt, Edit, Setting};
use super::meta::{AtVersion, Claim};
use super::notes::Notes;
use super::push_delete::{is_of_deleted, plan_delete};
use super::push_session::join_push;
use super::record::PieceRecord;
use super::takeover::Earlier;
use super::trail::Trail;
use super::{Conflict, Engine, Result, Room, check_state};
use crate::digest::Digest;
use crate::id::{Key, Kind, UserId};
use crate::merge::Reason;
use crate::record::{BESIDE_KEY, FieldError, Piece, Value, field_spec};
use crate::store::{Envelope, Head, HistoryKey, Version};
use crate::time::UnixMillis;
use crate::wire::Refusal;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Keys that name or number a record; they cannot be set.
const RESERVED: [&str; 8] = [
    "pieceId",
    "sessionId",
    "userId",
    "version",
    "modifiedAt",
    "lastSyncedAt",
    "locallyModified",
    BESIDE_KEY,
];

/// When a push's fields were edited, by the device's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditTimes {
    /// All at one time.
    One(UnixMillis),
    /// Each at its own.
    PerField(BTreeMap<String, UnixMillis>),
    /// The device does not say; the server's time stands in.
    Unknown,
}

/// What a push does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOp {
    /// Sets fields; an absent one is untouched, [`Value::Null`] clears.
    Set(BTreeMap<String, Value>),
    /// Deletes the record.
    Delete,
    /// Takes the record over from an earlier server; see [`Engine::take_over`]. No client can push it.
    TakeOver(Earlier),
}

/// One push of a new client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The record; a piece or a session.
    pub key: Key,
    /// The version that the device edited; `None` if it never had the record.
    pub base: Option<Version>,
    /// When it was edited.
    pub edited_at: EditTimes,
    /// What it does.
    pub op: PushOp,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The record has every value that was pushed.
    Applied,
    /// Something of it met another edit; see the conflicts, if any value lost.
    Merged,
    /// There was nothing to do: it was seen before, or the record is so already.
    Unchanged,
    /// It cannot be taken.
    Rejected(Refusal),
}

/// The answer to one push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushResult {
    /// The record.
    pub key: Key,
    /// What became of it.
    pub outcome: PushOutcome,
    /// The record's version now; `None` if there is no such record.
    pub version: Option<Version>,
    /// What lost; each is an entry of the inbox.
    pub conflicts: Vec<Conflict>,
}

impl Engine {
    /// Takes in the pushes of a new client, in order, and says what became of each.
    ///
    /// Repeating a push is harmless: a change is known by (device, record, base, edit time, field,
    /// value). A later change by the same device replaces its earlier one without a conflict.
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if the store cannot answer; pushes may have been
    /// committed, and sending all of them again is harmless.
    pub async fn push(
        &self,
        user: &UserId,
        device: &str,
        pushes: &[Push],
    ) -> Result<Vec<PushResult>> {
        let head = self.store.head(user).await?;
        Ok(self.push_on(user, device, pushes, head).await?.0)
    }

    /// As [`Engine::push`], on a head that was read; returns also what came of it in the stream.
    pub(super) async fn push_on(
        &self,
        user: &UserId,
        device: &str,
        pushes: &[Push],
        head: Option<Head>,
    ) -> Result<(Vec<PushResult>, Trail)> {
        let mut results: Vec<Option<PushResult>> = vec![None; pushes.len()];
        let mut trail = Trail::starting_at(head);
        let mut tries = 0;
        while results.iter().any(Option::is_none) {
            check_state(trail.head.as_ref())?;
            let mut keys = HashSet::new();
            let open = (0..pushes.len()).filter(|at| results[*at].is_none());
            let due: Vec<usize> = open.filter(|at| keys.insert(pushes[*at].key)).collect();
            let head = trail.head.clone();
            let committed = self.push_due(user, device, pushes, &due, head, &mut results).await?;
            trail.extend(committed.trail);
            match committed.stopped {
                None => {}
                Some(Stopped::Raced) => {
                    tries += 1;
                    trail = Trail::starting_at(self.store.head(user).await?);
                }
                Some(Stopped::Failed(error)) => return Err(error),
            }
            if let Some(error) = gave_up(tries) {
                return Err(error);
            }
        }
        Ok((results.into_iter().flatten().collect(), trail))
    }

    /// Pushes at most one push for each record, and commits them.
    async fn push_due(
        &self,
        user: &UserId,
        device: &str,
        pushes: &[Push],
        due: &[usize],
        head: Option<Head>,
        results: &mut [Option<PushResult>],
    ) -> Result<Committed> {
        let setting = self.setting_of(self.clock.now(), &Notes::of(head.as_ref())?);
        let keys: Vec<Key> = due.iter().map(|at| pushes[*at].key).collect();
        let found = self.store.read(user, &keys).await?;
        let mut opened: HashMap<Key, (Envelope, PieceRecord)> = HashMap::new();
        let mut envelopes: HashMap<Key, Envelope> = HashMap::new();
        for envelope in found.into_iter().flatten() {
            if envelope.key.kind == Kind::Piece {
                let record = PieceRecord::open(&envelope)?;
                opened.insert(envelope.key, (envelope, record));
            } else {
                envelopes.insert(envelope.key, envelope);
            }
        }
        let mut room = Room::of(head.as_ref());
        let mut planned = Vec::new();
        let (mut drafts, mut answers) = (Vec::new(), Vec::new());
        let mut history_keys: BTreeSet<HistoryKey> = BTreeSet::new();
        for &at in due {
            let push = &pushes[at];
            if push.key.kind != Kind::Piece {
                let old = envelopes.get(&push.key);
                let joined = match &push.op {
                    PushOp::TakeOver(earlier) => self.join_earlier(earlier, old, setting.now)?,
                    _ => join_push(push, device, old, setting)?,
                };
                take_draft(at, push, old, joined, &mut room, results, &mut drafts, &mut answers);
                continue;
            }
            let record = opened.get(&push.key).map(|(_, record)| record);
            match plan(push, device, record, setting) {
                Ok(None) => results[at] = Some(unchanged(push, record)),
                Ok(Some(edit)) => {
                    history_keys.extend(needed(record, &edit));
                    planned.push((at, edit));
                }
                Err(refusal) => results[at] = Some(rejected(push, record, refusal)),
            }
        }
        let bases = self.read_bases(user, history_keys, setting.oldest).await?;
        for (at, edit) in planned {
            let push = &pushes[at];
            let old = opened.get(&push.key).map(|(envelope, record)| (envelope, record));
            let decided = decide(push, old, &edit, &bases, setting);
            let old = old.map(|(envelope, _)| envelope);
            take_draft(at, push, old, decided, &mut room, results, &mut drafts, &mut answers);
        }
        self.drop_known_conflicts(user, drafts.iter_mut().collect()).await?;
        let committed = self.commit(user, head, drafts).await;
        for (place, (at, result)) in answers.into_iter().take(committed.done).enumerate() {
            let no_room = committed.full.get(&place);
            results[at] = Some(no_room.map_or(result, |old| no_room_for(&pushes[at], *old)));
        }
        Ok(committed)
    }
}

/// What a push comes to: a draft to commit with its answer, or an answer at once.
pub(super) type Decided = std::result::Result<(Option<Draft>, PushResult), Refusal>;

/// Files one decision: under `drafts` if it must be committed first, else under `results`.
#[allow(clippy::too_many_arguments)] // One place for both kinds of record.
fn take_draft(
    at: usize,
    push: &Push,
    old: Option<&Envelope>,
    decided: Decided,
    room: &mut Room,
    results: &mut [Option<PushResult>],
    drafts: &mut Vec<Draft>,
    answers: &mut Vec<(usize, PushResult)>,
) {
    let refuse = |refusal| PushResult {
        key: push.key,
        outcome: PushOutcome::Rejected(refusal),
        version: old.map(|old| old.version),
        conflicts: Vec::new(),
    };
    match decided {
        Err(refusal) => results[at] = Some(refuse(refusal)),
        Ok((None, result)) => results[at] = Some(result),
        Ok((Some(draft), result)) => {
            if room.take(old.map(|old| old.content.len()), draft.new.content.len()) {
                drafts.push(draft);
                answers.push((at, result));
            } else {
                results[at] = Some(refuse(Refusal::QuotaExceeded));
            }
        }
    }
}

fn no_room_for(push: &Push, version: Option<Version>) -> PushResult {
    let outcome = PushOutcome::Rejected(Refusal::QuotaExceeded);
    PushResult { key: push.key, outcome, version, conflicts: Vec::new() }
}

fn unchanged(push: &Push, record: Option<&PieceRecord>) -> PushResult {
    PushResult {
        key: push.key,
        outcome: PushOutcome::Unchanged,
        version: record.map(|record| record.version),
        conflicts: Vec::new(),
    }
}

fn rejected(push: &Push, record: Option<&PieceRecord>, refusal: Refusal) -> PushResult {
    PushResult { outcome: PushOutcome::Rejected(refusal), ..unchanged(push, record) }
}

/// Applies a planned edit.
fn decide(
    push: &Push,
    old: Option<(&Envelope, &PieceRecord)>,
    edit: &Edit,
    bases: &Bases,
    setting: Setting,
) -> Decided {
    let is_tombstone = old.is_some_and(|(_, record)| record.piece.is_none());
    if let (true, Some((_, record))) = (is_tombstone && !edit.delete, old) {
        let last = HistoryKey { key: push.key, version: record.meta.last_version, side: 0 };
        // Part of a piece is no piece; the client sends the whole, with `base: null`.
        if push.base.is_some() && !bases.contains_key(&last) {
            return Err(Refusal::BaseGone);
        }
    }
    let applied = apply(push.key.id, old, edit, bases, setting)?;
    let new = applied.envelope;
    let has_all = edit.changes.iter().all(|change| {
        applied.record.piece.as_ref().is_some_and(|piece| piece.get(&change.name) == change.value)
    });
    let is_deleted = edit.delete && applied.record.piece.is_none();
    // Another device did the same: the version is its, with whatever else it changed.
    let old_version = old.map(|(_, record)| record.version);
    let is_theirs = old_version == Some(applied.record.version) && push.base != old_version;
    let is_clean =
        applied.lost.is_empty() && !is_theirs && (is_deleted || (has_all && !edit.delete));
    // An import that finds what it brings; only its receipt is new.
    let is_noted = is_theirs && edit.changes.is_empty() && !edit.delete;
    let was_deleted = is_tombstone && edit.delete;
    let outcome = match is_clean {
        _ if is_noted || was_deleted => PushOutcome::Unchanged,
        true => PushOutcome::Applied,
        false => PushOutcome::Merged,
    };
    let inbox: Vec<Envelope> =
        applied.lost.iter().map(|lost| inbox_entry(push.key, lost, setting.now)).collect();
    let conflicts = inbox.iter().zip(applied.lost).map(|(entry, lost)| Conflict {
        id: entry.key.id,
        key: push.key,
        field: lost.field,
        kept: lost.kept,
        lost: Some(lost.lost),
        base: lost.base,
        reason: lost.reason,
        at: setting.now,
        device: lost.device,
    });
    let result = PushResult {
        key: push.key,
        outcome,
        version: Some(applied.record.version),
        conflicts: conflicts.collect(),
    };
    if !applied.writes {
        return Ok((None, PushResult { outcome: PushOutcome::Unchanged, ..result }));
    }
    let old = old.map(|(envelope, _)| OldFacts::of(envelope));
    Ok((Some(Draft { old, new, history: applied.history, inbox }), result))
}

/// Returns the edit that a push of a piece is; `None` if there is nothing to do.
fn plan(
    push: &Push,
    device: &str,
    record: Option<&PieceRecord>,
    setting: Setting,
) -> std::result::Result<Option<Edit>, Refusal> {
    let device = Some(device.to_owned());
    let set = match &push.op {
        PushOp::Delete => return Ok(plan_delete(push, device, record, setting)),
        PushOp::TakeOver(earlier) => return Ok(earlier.plan(device, record, setting)),
        PushOp::Set(set) => set,
    };
    check(set)?;
    let is_foreign = |base: Version| {
        record.is_some_and(|record| record.version < base || record.meta.is_foreign(base))
    };
    let other_life = push.base.is_some_and(is_foreign);
    if record.is_none() && push.base.is_some() {
        return Err(Refusal::BaseGone);
    }
    let mut changes = Vec::new();
    let (mut seen, mut claims) = (Vec::new(), Vec::new());
    for (name, value) in set.iter().filter(|(name, _)| name.as_str() != "createdAt") {
        let claimed_at = push.time_of(name, setting.now);
        let hash = push.identity(device.as_deref(), claimed_at, name, value);
        let is_seen = record.is_some_and(|record| {
            record.meta.seen.iter().any(|old| old.hash == hash && setting.oldest <= old.at)
        });
        if is_seen {
            continue;
        }
        seen.push(hash);
        let edited_at = claimed_at.min(setting.now);
        let of = Claim::of(device.as_deref(), name);
        let claim = Claim { of, base: push.base, claimed_at, at: setting.now };
        claims.extend((push.edited_at != EditTimes::Unknown && !other_life).then_some(claim));
        let against = match (record, push.base) {
            (None, _) => Against::Unmoved,
            (Some(_), Some(_)) if other_life => Against::Moved(Vec::new()),
            (Some(record), _) if record.meta.is_overtaken(&claim, setting.oldest) => {
                cov_mark::hit!(late_change_loses_to_a_newer_one_that_changed_nothing);
                Against::Outdated
            }
            (Some(record), _) if is_of_deleted(record, device.as_deref(), claim, setting) => {
                cov_mark::hit!(late_change_does_not_undo_its_devices_newer_delete);
                Against::Outdated
            }
            (Some(record), base) => {
                against(record, name, base, claimed_at, device.as_deref(), setting)
            }
        };
        let (name, value) = (name.clone(), value.clone());
        let doubt = Doubt::None;
        changes.push(Change { name, value, edited_at, claimed_at, against, doubt });
    }
    if changes.is_empty() && record.is_some() {
        return Ok(None);
    }
    let knows_delete = record.is_some_and(|record| {
        record.piece.is_none() && push.base.is_some_and(|base| record.version <= base)
    });
    Ok(Some(Edit {
        device,
        base: push.base,
        changes,
        whole: Some(push.whole(set, setting.now)),
        created: Some(push.created(set, setting.now)),
        reason: other_life.then_some(Reason::OtherLife),
        above: push.base.filter(|base| record.is_some_and(|record| record.version < *base)),
        seen,
        claims,
        knows_delete,
        ..Edit::default()
    }))
}

/// What the server did to a field since the named base.
fn against(
    record: &PieceRecord,
    name: &str,
    base: Option<Version>,
    claimed_at: UnixMillis,
    device: Option<&str>,
    setting: Setting,
) -> Against {
    let touch = record.meta.touch(name);
    let past = base.map(|base| record.meta.at_version(name, base));
    if matches!(past, Some(AtVersion::Current)) {
        return Against::Unmoved;
    }
    // The value is this device's own, as it pushed it. Its own times, as it claims them, tell which
    // came first: clamped, a late request from a clock that is ahead would look like the newest.
    if touch.device.as_deref() == device {
        if claimed_at < touch.claimed_at {
            cov_mark::hit!(late_change_of_one_device_loses_to_its_newer);
            return Against::Outdated;
        }
        cov_mark::hit!(later_change_of_one_device_replaces_its_earlier);
        return Against::Unmoved;
    }
    match past {
        None => Against::Moved(Vec::new()),
        Some(AtVersion::Past { until, .. }) if until < setting.oldest => Against::Gone,
        Some(AtVersion::Past { last_version, .. }) => {
            let key = HistoryKey { key: record.key(), version: last_version, side: 0 };
            Against::Moved(vec![key])
        }
        Some(AtVersion::Current | AtVersion::Unknown) => Against::Gone,
    }
}

fn check(set: &BTreeMap<String, Value>) -> std::result::Result<(), Refusal> {
    for (name, value) in set {
        if RESERVED.contains(&name.as_str()) {
            return Err(Refusal::InvalidField);
        }
        if name == "createdAt" {
            let text = value.as_text().and_then(UnixMillis::parse);
            text.ok_or(Refusal::InvalidField)?;
            continue;
        }
        if crate::limits::UNKNOWN_KEY_BYTES < name.len() {
            return Err(Refusal::TooLarge);
        }
        field_spec(name).check(value).map_err(|error| match error {
            FieldError::Invalid => Refusal::InvalidField,
            FieldError::TooLarge => Refusal::TooLarge,
        })?;
    }
    Ok(())
}

impl Push {
    pub(super) fn time_of(&self, name: &str, now: UnixMillis) -> UnixMillis {
        match &self.edited_at {
            EditTimes::One(at) => *at,
            EditTimes::PerField(times) => times.get(name).copied().unwrap_or(now),
            EditTimes::Unknown => now,
        }
    }

    /// Hash of what makes a change the same change.
    pub(super) fn identity(
        &self,
        device: Option<&str>,
        claimed_at: UnixMillis,
        name: &str,
        value: &Value,
    ) -> u64 {
        // A time that the server made up is another one when the push comes again.
        let time = match &self.edited_at {
            EditTimes::Unknown => String::new(),
            _ => claimed_at.0.to_string(),
        };
        let text = format!("{}\0{:?}\0{time}\0{name}\0", device.unwrap_or_default(), self.base);
        let (tag, bytes) = value.canonical();
        Digest::of([text.as_bytes(), &[tag], bytes]).short()
    }

    /// When the piece that this push makes was edited, and when the device says so.
    fn created(&self, set: &BTreeMap<String, Value>, now: UnixMillis) -> (UnixMillis, UnixMillis) {
        let claimed_at = set.keys().map(|name| self.time_of(name, now)).max().unwrap_or(now);
        (claimed_at.min(now), claimed_at)
    }

    /// The piece that this push makes where there is none.
    fn whole(&self, set: &BTreeMap<String, Value>, now: UnixMillis) -> Piece {
        let created_at = set.get("createdAt").and_then(Value::as_text).and_then(UnixMillis::parse);
        let edited_at = set.keys().map(|name| self.time_of(name, now).min(now)).max();
        let mut piece = Piece::new(created_at.or(edited_at).unwrap_or(now));
        for (name, value) in set.iter().filter(|(name, _)| name.as_str() != "createdAt") {
            piece.set(name, value.clone());
        }
        piece
    }
}
