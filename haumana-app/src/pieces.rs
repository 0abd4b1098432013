//! `POST /pieces`: pushes from the phones' app. For the reply see [`pull`](crate::pull).
//!
//! # The rounds
//!
//! A request may have thousands of pieces, and others may commit meanwhile.
//!
//! 1. A round reads the head, finds the pieces that must be looked at ([`known`](crate::known)),
//!    and decides each on the stored record.
//! 2. If a piece is in the request twice, it is decided in waves, each on the result of the wave
//!    before.
//! 3. All staged edits are committed. If another request was faster, the next round starts on the
//!    new head, with the pushes that have no outcome yet.
//!
//! Outcomes are kept by place in the request. What is committed is never decided again. So a
//! request that loses several races still makes each edit once.
//!
//! # When the store fails
//!
//! If something was committed before, the reply acknowledges that, and the rest comes again with
//! the next sync. Otherwise the call fails.

use crate::App;
use crate::base::{Deliveries, LEGACY, carries_ended};
use crate::ghost::{Copy, copy_of, ghost, is_of_erased_life, remember_held};
use crate::given::{Gap, Given, Token};
use crate::plan::plan;
use crate::receipts::{AppRecord, Planned, Receipt, keep_receipt};
use crate::request::{AppSync, Outcome, Pushed};
use crate::wire::{AppPiece, PiecesReply, PiecesRequest, WireVersion};
use haumana_sync::engine::Result;
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::limits;
use haumana_sync::repertoire::piece_kind;
use haumana_sync::store::{Envelope, HistoryKey, Revision};
use haumana_sync::transaction::{
    Applied, Bases, Edit, MergeContext, Slot, Stopped, Transaction, needed,
};
use haumana_sync::wire::Refusal;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

impl App<'_> {
    /// See [`crate::Phones::sync_pieces`].
    ///
    /// The reply is filled after all pushes are decided.
    pub(super) async fn sync_pieces(
        &self,
        user: &UserId,
        request: &PiecesRequest<'_>,
        reply_limit_bytes: usize,
    ) -> Result<PiecesReply> {
        let mut sync = AppSync::begin(user, request, self.0.now());
        let mut attempts = self.0.attempts(user);
        loop {
            let transaction = attempts.next().await?;
            match self.push_round(&mut sync, transaction).await? {
                Round::Finished => break,
                Round::Again => {}
                Round::Raced => attempts.raced(),
            }
        }
        let gap = sync.known.gap.take();
        // A push without an outcome, as after a commit that failed, is no difference for good.
        let is_decided = || sync.refused.is_empty() && sync.due().is_empty();
        let gap = gap.filter(|_| is_decided());
        let reply = self.pull_for_app(sync, reply_limit_bytes).await?;
        if let Some((revision, gap)) = gap.filter(|_| reply.tells_nothing()) {
            self.remember_gap(user, revision, gap).await;
        }
        Ok(reply)
    }

    /// Remembers a difference of a phone that needs no report, so that the phone's next sync reads
    /// no more than others. If that fails, the next sync tries again.
    ///
    /// It is one commit of the head alone, and only if the head is still the one that was compared.
    async fn remember_gap(&self, user: &UserId, revision: Revision, gap: Gap) {
        let Ok(mut transaction) = self.0.attempts(user).next().await else { return };
        if transaction.head().map(|head| head.revision) != Some(revision) {
            return;
        }
        crate::mark::hit!(phone_that_differs_for_good_is_remembered);
        let mut given: Given = transaction.slot().read().unwrap_or_default();
        given.remember(gap);
        transaction.set_slot(slot_of(&given));
        let _ = transaction.commit().await;
    }

    /// Decides every push that has no outcome yet, and commits the edits. Pushes of one piece are
    /// decided one after the other.
    ///
    /// The order is: numbers that the request shows are removed from the list; differences are
    /// found; pushes are decided in waves; numbers of this reply are noted; everything is committed
    /// together.
    async fn push_round(
        &self,
        sync: &mut AppSync<'_>,
        mut transaction: Transaction<'_>,
    ) -> Result<Round> {
        let mut given: Given = transaction.slot().read().unwrap_or_default();
        if let Some(at) = transaction.imported_at() {
            given.forget_until(at);
        }
        let mut is_news = sync.show(&mut given);
        sync.gaps = given.gaps(sync.last, transaction.restamped());
        sync.known = self.known(sync, transaction.head()).await?;
        let mut due = sync.due();
        let mut later = sync.later(&due);
        let mut staged = Vec::new();
        let mut is_first = true;
        while !due.is_empty() {
            let here = self.stage_due(sync, &mut transaction, &due, &given, is_first).await?;
            let tokens: Vec<Token> = here.iter().filter_map(|staged| staged.token).collect();
            if !tokens.is_empty() {
                // Receipts have this time: a number that is forgotten must not look arrived.
                let context = transaction.context();
                given.add(context.now, &tokens, context.oldest);
                is_news = true;
            }
            due = later.next(sync, &due, &here);
            staged.extend(here);
            is_first = false;
        }
        if is_news {
            transaction.set_slot(slot_of(&given));
        }
        self.commit_round(sync, transaction, staged).await
    }

    /// Decides pushes, each of a different piece, on what was staged before.
    ///
    /// Before the first push is decided, all pushes are checked for signs that the phone is a copy.
    /// One ended number shows it for the whole request.
    async fn stage_due(
        &self,
        sync: &mut AppSync<'_>,
        transaction: &mut Transaction<'_>,
        due: &[usize],
        given: &Given,
        is_first: bool,
    ) -> Result<Vec<Staged>> {
        let (opened, aside, context) = self.open_due(sync, due, transaction, is_first).await?;
        let is_aside = |at: &&usize| aside.contains(&sync.pushed[**at].id);
        let (unread, due): (Vec<usize>, Vec<usize>) = due.iter().partition(is_aside);
        unread.into_iter().for_each(|at| sync.set_aside(at));
        let record_of = |push: &Pushed<'_>| opened.get(&push.id).map(|(_, record)| record);
        let is_copy = due.iter().any(|at| {
            let push = &sync.pushed[*at];
            record_of(push)
                .is_some_and(|record| carries_ended(record, &push.open(sync.user), given, context))
        });
        let deliveries = Deliveries { given, is_copy };
        let mut edits = Vec::new();
        let mut keys: BTreeSet<HistoryKey> = BTreeSet::new();
        for at in due {
            if sync.settle_unknown(at, record_of(&sync.pushed[at]), context) {
                continue;
            }
            let push = sync.pushed[at].open(sync.user);
            let record = record_of(&sync.pushed[at]);
            let mut edit = plan(record, &push, deliveries, context);
            if let (Some(_), Some(edit)) = (record, &mut edit) {
                self.follow(edit, push.version);
            }
            keys.extend(edit.iter().flat_map(|edit| needed(record.map(|it| &it.record), edit)));
            edits.push((at, edit));
        }
        let bases = transaction.read_bases(keys).await?;
        let mut staged = Vec::new();
        for (at, edit) in edits {
            let old = opened.get(&sync.pushed[at].id);
            staged.extend(self.decide(sync, transaction, (at, old), edit, &bases));
        }
        Ok(staged)
    }

    /// Returns the records, the ids of those that cannot be read, and the context. The first wave
    /// uses records that were read already. Later waves use what was staged.
    async fn open_due(
        &self,
        sync: &mut AppSync<'_>,
        due: &[usize],
        transaction: &Transaction<'_>,
        is_first: bool,
    ) -> Result<(Opened, HashSet<RecordId>, MergeContext)> {
        let envelopes = match is_first {
            true => self.read_due(sync, due).await?,
            false => {
                let keys: Vec<Key> = due.iter().map(|at| Key::piece(sync.pushed[*at].id)).collect();
                transaction.read(&keys).await?.into_iter().flatten().collect()
            }
        };
        let context = transaction.context();
        let (mut opened, mut aside) = (Opened::new(), HashSet::new());
        for envelope in envelopes {
            let is_sound = self.is_sound(sync.user, &envelope);
            let record = if is_sound { transaction.open_readable(&envelope)? } else { None };
            match record {
                Some(record) => {
                    let record = AppRecord::of(record, context);
                    opened.insert(envelope.key.id, (envelope, record));
                }
                None => drop(aside.insert(envelope.key.id)),
            }
        }
        Ok((opened, aside, context))
    }

    /// Notes that the arrival of the reply is followed, so that a copy of the phone can be
    /// distinguished from the phone itself.
    fn follow(&self, planned: &mut Planned, sent: WireVersion) {
        if let Some(receipt) = &mut planned.receipt
            && receipt.delivery != LEGACY
        {
            receipt.answer = Some((sent, self.0.random() % WireVersion::N_COUNT));
        }
    }

    /// Applies one edit. If nothing is to be written, its outcome is final; otherwise it is staged.
    ///
    /// If a phone already has the largest number of a version, it cannot get a greater one. Then
    /// the edit is decided again, above that version.
    fn decide(
        &self,
        sync: &mut AppSync<'_>,
        transaction: &mut Transaction<'_>,
        (at, old): (usize, Option<&(Envelope, AppRecord)>),
        planned: Option<Planned>,
        bases: &Bases,
    ) -> Option<Staged> {
        let id = sync.pushed[at].id;
        let context = transaction.context();
        let is_edit = planned.is_some();
        let applied = match &planned {
            Some(planned) => decided(transaction, id, old, planned, bases, context),
            None => unchanged(old).map(|applied| (applied, None)),
        };
        let applied = applied.and_then(|(applied_once, given)| {
            if !needs_higher_version(&applied_once.envelope, &sync.pushed[at]) {
                return Ok((applied_once, given));
            }
            let above = Some(applied_once.envelope.version);
            let Planned { edit, receipt } = planned.unwrap_or_default();
            let planned = Planned { edit: Edit { above, ..edit }, receipt };
            decided(transaction, id, old, &planned, bases, context)
        });
        let (mut applied, given) = match applied {
            Ok(applied) => applied,
            Err(refusal) => {
                sync.refuse(at, refusal);
                return None;
            }
        };
        let push = &sync.pushed[at];
        // The content is right and the number is old: the phone must store the new number.
        let is_renumbered = push.hash == applied.envelope.hash
            && push.version.version() != applied.envelope.version;
        let is_acknowledged = push.flagged || is_edit || !push.version.is_issued() || is_renumbered;
        let mut number = given.filter(|_| !applied.envelope.deleted);
        let token = number.map(|number| Token::of(id, number));
        let mut version = None;
        if applied.envelope.deleted {
            let record = AppRecord::of(applied.record.clone(), context);
            match copy_of(&record, &push.open(sync.user), context) {
                Copy::Of(known) => version = Some(known),
                Copy::Held(copy) if is_acknowledged => {
                    let push = push.open(sync.user);
                    number = Some(self.hold(&mut applied, record, &push, &copy, context));
                }
                Copy::Held(_) => {}
            }
        }
        let outcome = Outcome {
            envelope: applied.envelope.clone(),
            is_acknowledged,
            n_lost: applied.lost.len(),
            copy_of: version,
            number,
        };
        match transaction.stage(applied, old.map(|(envelope, _)| envelope)) {
            Ok(true) => Some(Staged { at, outcome, token }),
            Ok(false) => {
                sync.outcomes.insert(at, outcome);
                None
            }
            Err(refusal) => {
                sync.refuse(at, refusal);
                None
            }
        }
    }

    /// Remembers what the phone holds of a deleted piece. Returns the number for it.
    fn hold(
        &self,
        applied: &mut Applied,
        mut record: AppRecord,
        push: &AppPiece,
        copy: &Receipt,
        context: MergeContext,
    ) -> WireVersion {
        let (number, is_new) = remember_held(&mut record, push, copy, self.0.random(), context);
        if is_new {
            applied.set_slot(Slot::of_list(&record.receipts));
        }
        number
    }

    /// If the commit was too large for one batch, only a part of it may be done. Pushes whose part
    /// was not tried have no outcome, and another round decides them.
    async fn commit_round(
        &self,
        sync: &mut AppSync<'_>,
        transaction: Transaction<'_>,
        staged: Vec<Staged>,
    ) -> Result<Round> {
        let committed = transaction.commit().await?;
        for (place, Staged { at, outcome, .. }) in staged.into_iter().enumerate() {
            match committed.refusal(place) {
                _ if !committed.is_decided(place) => {}
                Some(refusal) => sync.refuse(at, refusal),
                None => drop(sync.outcomes.insert(at, outcome)),
            }
        }
        match committed.into_stopped() {
            Some(Stopped::Raced) => Ok(Round::Raced),
            Some(Stopped::Failed(_)) if sync.has_committed() => {
                // What is committed is acknowledged. The rest comes again with the next sync.
                Ok(Round::Finished)
            }
            Some(Stopped::Failed(error)) => Err(error),
            None if sync.due().is_empty() => Ok(Round::Finished),
            None => Ok(Round::Again),
        }
    }
}

/// An empty slot costs nothing in the head.
fn slot_of(given: &Given) -> Slot {
    if given.is_default() { Slot::default() } else { Slot::of(given) }
}

/// The records of the pushes that are due.
type Opened = HashMap<RecordId, (Envelope, AppRecord)>;

/// Applies an edit and its receipt. Also returns the number that the reply must give.
///
/// The receipt is kept with the record, so both are written or neither.
fn decided(
    transaction: &Transaction<'_>,
    id: RecordId,
    old: Option<&(Envelope, AppRecord)>,
    planned: &Planned,
    bases: &Bases,
    context: MergeContext,
) -> Result<(Applied, Option<WireVersion>), Refusal> {
    let there = old.map(|(envelope, record)| (envelope, &record.record));
    let mut applied =
        transaction.apply(piece_kind(), Key::piece(id), there, &planned.edit, bases)?;
    let given = keep_receipt(&mut applied, old.map(|(_, record)| record), planned, context);
    Ok((applied, given))
}

/// How one round of pushing ended.
enum Round {
    Finished,
    /// A piece is in the request twice, and its other push is still to be decided.
    Again,
    Raced,
}

/// A push whose outcome waits for the commit.
pub(crate) struct Staged {
    pub at: usize,
    outcome: Outcome,
    /// The token of the number in the outcome, if its arrival is followed.
    token: Option<Token>,
}

/// A push without an edit leaves the record as it is.
fn unchanged(old: Option<&(Envelope, AppRecord)>) -> Result<Applied, Refusal> {
    // Without a record every push is a creation, so there is a record. If there is none, the push
    // is refused rather than lost.
    let (envelope, record) = old.ok_or(Refusal::InvalidField)?;
    Ok(Applied::unchanged(record.record.clone(), envelope.clone()))
}

/// Whether the device must store content under the version that it already has, and already has the
/// largest n.
fn needs_higher_version(envelope: &Envelope, push: &Pushed<'_>) -> bool {
    let version = push.version;
    let is_last = version.is_issued() && version.n() == WireVersion::N_COUNT - 1;
    let is_same = version.is_issued() && version.version() == envelope.version;
    is_last && is_same && !envelope.deleted && envelope.hash != push.hash
}

/// Further pushes of pieces that stand in a request more than once.
///
/// Empty in nearly every request: the app sends each piece once.
pub(crate) struct Later(HashMap<RecordId, VecDeque<usize>>);

impl Later {
    /// Returns, for each piece of a wave, its next push that must be looked at, given what the wave
    /// has staged.
    fn next(&mut self, sync: &AppSync<'_>, wave: &[usize], staged: &[Staged]) -> Vec<usize> {
        let mut due = Vec::new();
        if self.0.is_empty() {
            return due;
        }
        let staged = staged.iter().map(|one| (one.outcome.envelope.key.id, &one.outcome.envelope));
        let staged: HashMap<RecordId, &Envelope> = staged.collect();
        for id in wave.iter().map(|at| sync.pushed[*at].id) {
            let Some(left) = self.0.get_mut(&id) else { continue };
            let is_due = |push: &Pushed<'_>| match staged.get(&id) {
                Some(now) => {
                    let is_same = push.hash == now.hash && push.version.version() == now.version;
                    push.is_due_anyway() || !is_same
                }
                None => sync.must_look(push),
            };
            while let Some(at) = left.pop_front() {
                if is_due(&sync.pushed[at]) {
                    due.push(at);
                    break;
                }
            }
        }
        due
    }
}

impl AppSync<'_> {
    /// Finds further pushes of the pieces that are due.
    ///
    /// If all pushes are due, each piece is in the request once.
    pub(crate) fn later(&self, due: &[usize]) -> Later {
        let mut later: HashMap<RecordId, VecDeque<usize>> = HashMap::new();
        if due.len() == self.pushed.len() {
            return Later(later);
        }
        let first: HashMap<RecordId, usize> =
            due.iter().map(|at| (self.pushed[*at].id, *at)).collect();
        let is_open = |at: &usize| !self.outcomes.contains_key(at) && !self.refused.contains(at);
        for at in (0..self.pushed.len()).filter(is_open) {
            let id = self.pushed[at].id;
            if first.get(&id).is_some_and(|first| *first != at) {
                later.entry(id).or_default().push_back(at);
            }
        }
        Later(later)
    }

    /// Sets aside a push whose record cannot be read. Its phone keeps what it has. An edit is
    /// refused, so that it comes again.
    fn set_aside(&mut self, at: usize) {
        crate::mark::hit!(push_to_an_unreadable_piece_is_refused_alone);
        match self.pushed[at].is_due_anyway() {
            true => self.refuse(at, Refusal::Unreadable),
            false => drop(self.refused.insert(at)),
        }
    }

    /// Settles a push whose content need not be looked at: its number was never given, or its piece
    /// is of an erased life of the account. Returns whether it is such a push.
    ///
    /// No life of this account has given a number far above the record's. It is refused, so that a
    /// broken phone cannot push versions towards their limit.
    fn settle_unknown(
        &mut self,
        at: usize,
        record: Option<&AppRecord>,
        context: MergeContext,
    ) -> bool {
        let push = &self.pushed[at];
        let highest = record.map_or(context.floor, |record| record.version);
        if push.version.is_issued() && highest + limits::VERSION_AHEAD < push.version.version() {
            self.refuse(at, Refusal::InvalidField);
            return true;
        }
        let was_synced = push.piece.as_ref().is_some_and(|piece| piece.was_synced);
        if record.is_some() || !is_of_erased_life(push, was_synced, context.floor) {
            return false;
        }
        crate::mark::hit!(piece_of_an_erased_life_is_answered_as_deleted);
        let outcome = Outcome {
            envelope: ghost(push, context),
            is_acknowledged: push.flagged || !push.version.is_issued(),
            n_lost: 0,
            copy_of: None,
            number: None,
        };
        self.outcomes.insert(at, outcome);
        true
    }
}
