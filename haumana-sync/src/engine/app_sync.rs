//! `POST /pieces`: pushes from the phones' app. What comes back is in `app_pull`.

use super::app_base::{Deliveries, LEGACY, carries_ended};
use super::app_ghost::{Copy, copy_of, ghost, is_of_erased_life, remember_held};
use super::app_known::Known;
use super::app_plan::plan;
use super::apply::apply;
use super::bases::needed;
use super::commit::{Draft, OldFacts, Stopped, gave_up, inbox_entry};
use super::edit::{Applied, Bases, Edit, Setting};
use super::given::Token;
use super::meta::Receipt;
use super::notes::Notes;
use super::record::Record;
use super::{Engine, Result, Room, check_state};
use crate::digest::Digest;
use crate::id::{RecordId, UserId};
use crate::limits;
use crate::repertoire::piece_kind;
use crate::store::{Envelope, Head, HistoryKey, Stamp, Version};
use crate::time::UnixMillis;
use crate::wire::app::{AppPiece, Operation, PiecesReply, PiecesRequest};
use crate::wire::{Refusal, Rejected, WireVersion};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A pushed piece. Most pieces of a request are only compared; those are read, hashed and dropped,
/// and read again if there is more to do.
#[derive(Debug)]
pub(super) struct Pushed<'a> {
    json: &'a RawValue,
    pub id: RecordId,
    pub version: WireVersion,
    pub flagged: bool,
    /// Hash of its content.
    pub hash: Digest,
    piece: Option<Box<AppPiece>>,
}

impl<'a> Pushed<'a> {
    fn new(json: &'a RawValue, piece: AppPiece) -> Self {
        let AppPiece { id, version, flagged, digest: hash, .. } = piece;
        let is_needed = flagged || !version.is_issued();
        Self { json, id, version, flagged, hash, piece: is_needed.then(|| Box::new(piece)) }
    }

    /// Whether it must be looked at, whatever its content is.
    pub fn is_due_anyway(&self) -> bool {
        self.flagged || !self.version.is_issued()
    }

    /// Returns the piece whole.
    pub fn open(&self, user: &UserId) -> Cow<'_, AppPiece> {
        match &self.piece {
            Some(piece) => Cow::Borrowed(piece),
            // It was read before; the same text reads the same.
            None => match AppPiece::read(self.json, user) {
                Ok(piece) => Cow::Owned(piece),
                Err(_) => unreachable!("a piece that could be read can be read again"),
            },
        }
    }
}

/// What became of one pushed piece.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The record as it stands after the push.
    pub envelope: Envelope,
    /// Whether the device is told that its push arrived.
    pub is_acknowledged: bool,
    /// How many values lost.
    pub n_lost: usize,
    /// The version to name to the device, where that is not the record's.
    pub copy_of: Option<Version>,
    /// The number to give to the device, where it was decided with the push.
    pub number: Option<WireVersion>,
}

/// One request on its way through the engine.
#[derive(Debug)]
pub(super) struct AppSync<'a> {
    pub user: &'a UserId,
    pub operation: Operation,
    pub last: Option<Stamp>,
    pub now: UnixMillis,
    pub pushed: Vec<Pushed<'a>>,
    pub rejected: Vec<Rejected>,
    /// By place in `pushed`.
    pub outcomes: BTreeMap<usize, Outcome>,
    /// Places in `pushed` that were refused after a look at the record.
    pub refused: BTreeSet<usize>,
    pub known: Known,
}

impl Engine {
    /// Takes in what a phone sent to `POST /pieces` and says what it must learn.
    ///
    /// The reply holds at most about `reply_limit_bytes`; where that cuts it, further syncs bring
    /// the rest.
    ///
    /// # Errors
    ///
    /// [`super::ErrorKind::Unavailable`] if the store cannot answer and nothing of the push is known to
    /// be committed; sending the request again is harmless.
    pub async fn sync_pieces(
        &self,
        user: &UserId,
        request: &PiecesRequest<'_>,
        reply_limit_bytes: usize,
    ) -> Result<PiecesReply> {
        let now = self.clock.now();
        let mut sync = AppSync::begin(user, request, now);
        let mut tries = 0;
        loop {
            let head = self.store.head(user).await?;
            check_state(head.as_ref())?;
            match self.push_round(&mut sync, head).await? {
                Round::Finished => break,
                Round::Again => {}
                Round::Raced => tries += 1,
            }
            if let Some(error) = gave_up(tries) {
                return Err(error);
            }
        }
        self.pull_for_app(sync, reply_limit_bytes).await
    }

    /// Looks at every push that has no outcome yet, and commits what becomes of them.
    async fn push_round(&self, sync: &mut AppSync<'_>, head: Option<Head>) -> Result<Round> {
        let mut notes = Notes::of(head.as_ref())?;
        let is_news = sync.show(&mut notes);
        sync.known = self.known(sync, head.as_ref()).await?;
        let due = sync.due();
        if due.is_empty() {
            return match head.filter(|_| is_news) {
                Some(head) => self.note(sync.user, &head, &notes).await,
                None => Ok(Round::Finished),
            };
        }
        let envelopes = self.read_due(sync, &due).await?;
        let mut opened = HashMap::new();
        for envelope in envelopes {
            let record = self.open(&envelope)?;
            opened.insert(envelope.key.id, (envelope, record));
        }
        let setting = self.setting_of(sync.now, &notes);
        let record_of = |push: &Pushed<'_>| opened.get(&push.id).map(|(_, record)| record);
        let is_copy = due.iter().any(|at| {
            let push = &sync.pushed[*at];
            record_of(push).is_some_and(|record| {
                carries_ended(record, &push.open(sync.user), &notes.given, setting)
            })
        });
        let deliveries = Deliveries { given: &notes.given, is_copy };
        let mut edits = Vec::new();
        let mut keys: BTreeSet<HistoryKey> = BTreeSet::new();
        for &at in &due {
            if sync.settle_unknown(at, record_of(&sync.pushed[at]), setting) {
                continue;
            }
            let push = sync.pushed[at].open(sync.user);
            let record = record_of(&sync.pushed[at]);
            let mut edit = plan(record, &push, deliveries, setting);
            if let (Some(_), Some(edit)) = (record, &mut edit) {
                self.follow(edit, push.version);
            }
            keys.extend(edit.iter().flat_map(|edit| needed(record, edit)));
            edits.push((at, edit));
        }
        let bases = self.read_bases(sync.user, keys, setting.oldest).await?;
        let mut room = Room::of(head.as_ref());
        let mut drafts = Vec::new();
        for (at, edit) in edits {
            let old = opened.get(&sync.pushed[at].id);
            let old = old.map(|(envelope, record)| (envelope, record));
            if let Some(draft) = self.decide(sync, at, old, edit, &bases, setting, &mut room) {
                drafts.push(draft);
            }
        }
        let open = drafts.iter_mut().map(|drafted| &mut drafted.draft).collect();
        self.drop_known_conflicts(sync.user, open).await?;
        let tokens: Vec<Token> = drafts.iter().filter_map(|drafted| drafted.token).collect();
        if !tokens.is_empty() {
            notes.given.add(sync.now, &tokens, setting.oldest);
        }
        let notes = (is_news || !tokens.is_empty()).then_some(notes);
        match (drafts.is_empty(), &head, &notes) {
            (true, Some(head), Some(notes)) => self.note(sync.user, head, notes).await,
            _ => self.commit_round(sync, head, drafts, notes).await,
        }
    }

    /// Writes down which numbers have come back. If that fails, the next sync shows them again.
    async fn note(&self, user: &UserId, head: &Head, notes: &Notes) -> Result<Round> {
        self.commit_notes(user, head, notes).await;
        Ok(Round::Finished)
    }

    /// Whether the reply to an edit arrives is followed, so that a copy of the phone can be told
    /// from the phone itself.
    fn follow(&self, edit: &mut Edit, sent: WireVersion) {
        if let Some(receipt) = &mut edit.receipt
            && receipt.delivery != LEGACY
        {
            receipt.answer = Some((sent, self.random.next_u64() % WireVersion::N_COUNT));
        }
    }

    /// Applies one edit; the outcome stands if nothing is to be written, else it comes as a draft.
    #[allow(clippy::too_many_arguments)] // One call site; a struct would only rename them.
    fn decide(
        &self,
        sync: &mut AppSync<'_>,
        at: usize,
        old: Option<(&Envelope, &Record)>,
        edit: Option<Edit>,
        bases: &Bases,
        setting: Setting,
        room: &mut Room,
    ) -> Option<Drafted> {
        let id = sync.pushed[at].id;
        let is_edit = edit.is_some();
        let applied = match &edit {
            Some(edit) => apply((piece_kind(), id), old, edit, bases, setting),
            None => unchanged(old),
        };
        let applied = applied.and_then(|applied| {
            if !needs_higher_version(&applied.envelope, &sync.pushed[at]) {
                return Ok(applied);
            }
            let above = Some(applied.envelope.version);
            let edit = edit.unwrap_or_default();
            apply((piece_kind(), id), old, &Edit { above, ..edit }, bases, setting)
        });
        let applied = match applied {
            Ok(applied) => applied,
            Err(refusal) => {
                sync.refuse(at, refusal);
                return None;
            }
        };
        let push = &sync.pushed[at];
        // The right content under an old number: the phone takes over the new one.
        let is_renumbered = push.hash == applied.envelope.hash
            && push.version.version() != applied.envelope.version;
        let is_acknowledged = push.flagged || is_edit || !push.version.is_issued() || is_renumbered;
        let mut applied = applied;
        let mut number = applied.given.filter(|_| !applied.envelope.deleted);
        let token = number.map(|number| Token::of(id, number));
        let mut version = None;
        if applied.envelope.deleted {
            match copy_of(&applied.record, &push.open(sync.user), setting) {
                Copy::Of(known) => version = Some(known),
                Copy::Held(copy) if is_acknowledged => {
                    number = Some(self.hold(&mut applied, &push.open(sync.user), &copy, setting));
                }
                Copy::Held(_) => {}
            }
        }
        let n_lost = applied.lost.len();
        let outcome =
            |envelope| Outcome { envelope, is_acknowledged, n_lost, copy_of: version, number };
        if !applied.writes {
            sync.outcomes.insert(at, outcome(applied.envelope));
            return None;
        }
        let new = applied.envelope;
        let old_bytes = old.map(|(envelope, _)| envelope.content.len());
        if !room.take(old_bytes, new.content.len()) {
            sync.refuse(at, Refusal::QuotaExceeded);
            return None;
        }
        let inbox = applied.lost.iter().map(|lost| inbox_entry(new.key, lost, setting.now));
        let draft = Draft {
            old: old.map(|(envelope, _)| OldFacts::of(envelope)),
            history: applied.history,
            inbox: inbox.collect(),
            new: new.clone(),
        };
        Some(Drafted { at, draft, outcome: outcome(new), token })
    }

    /// Remembers what the phone holds of a deleted piece; returns the number for it.
    fn hold(
        &self,
        applied: &mut Applied,
        push: &AppPiece,
        copy: &Receipt,
        setting: Setting,
    ) -> WireVersion {
        let n = self.random.next_u64();
        let (number, is_new) = remember_held(&mut applied.record, push, copy, n, setting);
        if is_new {
            applied.envelope = applied.record.close();
            applied.writes = true;
        }
        number
    }

    async fn commit_round(
        &self,
        sync: &mut AppSync<'_>,
        head: Option<Head>,
        drafted: Vec<Drafted>,
        notes: Option<Notes>,
    ) -> Result<Round> {
        let (mut drafts, mut outcomes) = (Vec::new(), Vec::new());
        for Drafted { at, draft, outcome, .. } in drafted {
            drafts.push(draft);
            outcomes.push((at, outcome));
        }
        let committed = self.commit_with(sync.user, head, drafts, notes).await;
        for (place, (at, outcome)) in outcomes.into_iter().take(committed.done).enumerate() {
            match committed.full.contains_key(&place) {
                true => sync.refuse(at, Refusal::QuotaExceeded),
                false => drop(sync.outcomes.insert(at, outcome)),
            }
        }
        match committed.stopped {
            Some(Stopped::Raced) => Ok(Round::Raced),
            Some(Stopped::Failed(_)) if sync.has_committed() => {
                // What is committed is acknowledged; the rest comes again with the next sync.
                Ok(Round::Finished)
            }
            Some(Stopped::Failed(error)) => Err(error),
            None if sync.due().is_empty() => Ok(Round::Finished),
            None => Ok(Round::Again),
        }
    }
}

/// How one round of pushing ended.
enum Round {
    Finished,
    /// A piece stood in the request twice; its second push is still to come.
    Again,
    Raced,
}

struct Drafted {
    at: usize,
    draft: Draft,
    outcome: Outcome,
    /// Of the number in the outcome, if whether it arrives is followed.
    token: Option<Token>,
}

/// A push without an edit leaves the record as it is.
fn unchanged(old: Option<(&Envelope, &Record)>) -> std::result::Result<Applied, Refusal> {
    // Without a record every push is a creation, so there is one; if not, the push is refused
    // rather than lost.
    let (envelope, record) = old.ok_or(Refusal::InvalidField)?;
    Ok(Applied {
        record: record.clone(),
        envelope: envelope.clone(),
        history: Vec::new(),
        lost: Vec::new(),
        writes: false,
        given: None,
    })
}

/// Whether the device must take over content under the version that it already has, and holds the
/// largest n there is.
fn needs_higher_version(envelope: &Envelope, push: &Pushed<'_>) -> bool {
    let version = push.version;
    let is_last = version.is_issued() && version.n() == WireVersion::N_COUNT - 1;
    let is_same = version.is_issued() && version.version() == envelope.version;
    is_last && is_same && !envelope.deleted && envelope.hash != push.hash
}

impl<'a> AppSync<'a> {
    fn begin(user: &'a UserId, request: &PiecesRequest<'a>, now: UnixMillis) -> Self {
        let (mut pushed, mut rejected) = (Vec::new(), Vec::new());
        if request.operation != Operation::Download {
            for json in &request.pieces {
                match AppPiece::read(json, user) {
                    Ok(piece) => pushed.push(Pushed::new(json, piece)),
                    Err(refused) => rejected.push(refused),
                }
            }
        }
        // A time that this server cannot have given is no cursor: start afresh.
        let last = request.last_synced_at.map(|at| Stamp(at.secs()));
        let last = last.filter(|last| last.0 <= now.secs() + 2);
        Self {
            user,
            operation: request.operation,
            last,
            now,
            pushed,
            rejected,
            outcomes: BTreeMap::new(),
            refused: BTreeSet::new(),
            known: Known::default(),
        }
    }

    /// Takes the numbers that the request shows out of those that are waited for.
    fn show(&self, notes: &mut Notes) -> bool {
        if notes.given.is_empty() {
            return false;
        }
        let issued = self.pushed.iter().filter(|push| push.version.is_issued());
        notes.given.show(issued.map(|push| Token::of(push.id, push.version)))
    }

    /// Settles a push that needs no look at its content: a number that was never given, or a piece
    /// of a life that was erased. Returns whether it is one.
    fn settle_unknown(&mut self, at: usize, record: Option<&Record>, setting: Setting) -> bool {
        let push = &self.pushed[at];
        let highest = record.map_or(setting.floor, |record| record.version);
        if push.version.is_issued() && highest + limits::VERSION_AHEAD < push.version.version() {
            self.refuse(at, Refusal::InvalidField);
            return true;
        }
        let was_synced = push.piece.as_ref().is_some_and(|piece| piece.was_synced);
        if record.is_some() || !is_of_erased_life(push, was_synced, setting.floor) {
            return false;
        }
        cov_mark::hit!(piece_of_an_erased_life_is_answered_as_deleted);
        let outcome = Outcome {
            envelope: ghost(push, setting),
            is_acknowledged: push.flagged || !push.version.is_issued(),
            n_lost: 0,
            copy_of: None,
            number: None,
        };
        self.outcomes.insert(at, outcome);
        true
    }

    /// The pushes that must be looked at: each piece at most once, in the order of the request.
    fn due(&self) -> Vec<usize> {
        let mut ids = HashSet::new();
        let is_open = |at: &usize| !self.outcomes.contains_key(at) && !self.refused.contains(at);
        let open = (0..self.pushed.len()).filter(is_open);
        let must_look = open.filter(|at| self.must_look(&self.pushed[*at]));
        must_look.filter(|at| ids.insert(self.pushed[*at].id)).collect()
    }

    fn must_look(&self, push: &Pushed<'_>) -> bool {
        if push.is_due_anyway() {
            return true;
        }
        match self.known.entries.get(&push.id) {
            Some(entry) => entry.hash != push.hash || entry.version != push.version.version(),
            None => !self.known.is_settled,
        }
    }

    fn refuse(&mut self, at: usize, refusal: Refusal) {
        let message = match refusal {
            Refusal::QuotaExceeded => refusal.message(),
            Refusal::TooLarge => "the piece is too large",
            _ => "the piece cannot be taken",
        };
        let id = self.pushed[at].id.to_string();
        self.rejected.push(Rejected { id, refusal, message: message.to_owned() });
        self.refused.insert(at);
    }

    fn has_committed(&self) -> bool {
        !self.outcomes.is_empty()
    }
}
