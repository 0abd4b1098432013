//! One request of a phone on its way: what was pushed, what is known, and what became of it.
//!
//! It is the state of one call over all its rounds. What is known of the account is found anew in
//! each round, while outcomes and refusals stay.

use crate::given::{Gap, Given, Token};
use crate::wire::{AppPiece, Operation, PiecesRequest, WireVersion};
use haumana_sync::digest::Digest;
use haumana_sync::engine::Refusal;
use haumana_sync::id::{RecordId, UserId, Version};
use haumana_sync::store::{Envelope, IndexEntry, Revision, Stamp};
use haumana_sync::time::UnixMillis;
use haumana_sync::transaction::live_term;
use haumana_sync::wire::Rejected;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A pushed piece. Most pieces of a request are only compared; those are read, hashed and dropped,
/// and read again if there is more to do.
///
/// A request of thousands of pieces would hold all of their content twice otherwise.
#[derive(Debug)]
pub(crate) struct Pushed<'a> {
    json: &'a RawValue,
    pub id: RecordId,
    pub version: WireVersion,
    pub flagged: bool,
    /// Hash of its content.
    pub hash: Digest,
    pub piece: Option<Box<AppPiece>>,
}

impl<'a> Pushed<'a> {
    fn new(json: &'a RawValue, piece: AppPiece) -> Self {
        let AppPiece { id, version, flagged, digest: hash, .. } = piece;
        let is_needed = flagged || !version.is_issued();
        Self { json, id, version, flagged, hash, piece: is_needed.then(|| Box::new(piece)) }
    }

    /// Whether it must be looked at, whatever its content is.
    pub(crate) fn is_due_anyway(&self) -> bool {
        self.flagged || !self.version.is_issued()
    }

    /// Returns the piece whole.
    ///
    /// Borrowed for edited pieces, read anew for the others.
    pub(crate) fn open(&self, user: &UserId) -> Cow<'_, AppPiece> {
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

/// What is known of the user's records.
///
/// It grows from step to step of [`known`](crate::known), and never says more than was read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Records without content: those that were read, and all if the index was.
    pub entries: HashMap<RecordId, IndexEntry>,
    /// Whether `entries` holds every piece.
    pub is_complete: bool,
    /// Whether all that is not in `entries` is on the device as it is here, or is known to differ for
    /// good.
    pub is_settled: bool,
    /// By what the device differs, if the reply tells it nothing, and the head of which that is true.
    pub gap: Option<(Revision, Gap)>,
    /// What changed since the last sync and is not in the request, oldest change first; `None` if
    /// that was not read. Nothing is missing that was there when the head was read: what came
    /// later makes a commit on that head fail.
    pub changed: Option<Vec<Envelope>>,
    /// The records of the request that were read, by id.
    pub envelopes: HashMap<RecordId, Envelope>,
    /// The ids of the request that were read, whether there is such a record or not.
    pub looked_up: HashSet<RecordId>,
}

impl Known {
    /// What the sum of live pieces has of the records that were read.
    pub(crate) fn sum(&self) -> Digest {
        let live = self.entries.values().filter(|entry| !entry.deleted);
        let terms = live.map(|entry| live_term(entry.hash, entry.version));
        terms.fold(Digest::default(), Digest::plus)
    }

    pub(crate) fn note(&mut self, envelope: Envelope) {
        self.entries.insert(envelope.key.id, IndexEntry::of(&envelope));
        self.envelopes.insert(envelope.key.id, envelope);
    }

    /// Whether nothing is there under this id, as far as that is known.
    pub(crate) fn is_absent(&self, id: &RecordId) -> bool {
        let is_listed = self.entries.contains_key(id);
        !is_listed && (self.is_complete || self.looked_up.contains(id))
    }
}

/// What became of one pushed piece.
///
/// It is what the reply is written from.
#[derive(Debug)]
pub(crate) struct Outcome {
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
///
/// A push has an outcome, or is refused, or is still open; never two of these.
#[derive(Debug)]
pub(crate) struct AppSync<'a> {
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
    /// By what devices with this `last` are known to differ for good.
    pub gaps: Vec<Digest>,
    pub known: Known,
}

impl<'a> AppSync<'a> {
    /// A `lastSyncedAt` up to two seconds ahead is allowed: servers' clocks differ.
    pub(crate) fn begin(user: &'a UserId, request: &PiecesRequest<'a>, now: UnixMillis) -> Self {
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
            gaps: Vec::new(),
            known: Known::default(),
        }
    }

    /// Takes the numbers that the request shows out of those that are waited for.
    pub(crate) fn show(&self, given: &mut Given) -> bool {
        if given.is_empty() {
            return false;
        }
        let issued = self.pushed.iter().filter(|push| push.version.is_issued());
        given.show(issued.map(|push| Token::of(push.id, push.version)))
    }

    /// The pushes that must be looked at: each piece at most once, in the order of the request.
    ///
    /// A second push of the same piece waits for the next wave.
    pub(crate) fn due(&self) -> Vec<usize> {
        let mut ids = HashSet::new();
        let is_open = |at: &usize| !self.outcomes.contains_key(at) && !self.refused.contains(at);
        let open = (0..self.pushed.len()).filter(is_open);
        let must_look = open.filter(|at| self.must_look(&self.pushed[*at]));
        must_look.filter(|at| ids.insert(self.pushed[*at].id)).collect()
    }

    /// A piece without an edit is due if its hash or its version differs; without knowledge of it,
    /// unless everything is known to agree.
    pub(crate) fn must_look(&self, push: &Pushed<'_>) -> bool {
        if push.is_due_anyway() {
            return true;
        }
        match self.known.entries.get(&push.id) {
            Some(entry) => entry.hash != push.hash || entry.version != push.version.version(),
            None => !self.known.is_settled,
        }
    }

    /// The message names no content.
    pub(crate) fn refuse(&mut self, at: usize, refusal: Refusal) {
        let message = match refusal {
            Refusal::QuotaExceeded | Refusal::Unreadable => refusal.message(),
            Refusal::TooLarge => "the piece is too large",
            _ => "the piece cannot be taken",
        };
        let id = self.pushed[at].id.to_string();
        self.rejected.push(Rejected { id, refusal, message: message.to_owned() });
        self.refused.insert(at);
    }

    pub(crate) fn has_committed(&self) -> bool {
        !self.outcomes.is_empty()
    }
}
