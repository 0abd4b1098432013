//! One request of a phone: what was pushed, what is known, and the outcomes.
//!
//! It is the state of one call over all its rounds. In each round, what is known of the account is
//! read again. Outcomes and refusals stay.

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

/// A pushed piece.
///
/// Most pieces of a request are only compared: they are read, hashed and dropped, and read again if
/// there is more to do. Otherwise a request of thousands of pieces would hold all of their content
/// twice.
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

    /// Returns the whole piece.
    ///
    /// Edited pieces are borrowed, the others are read again.
    pub(crate) fn open(&self, user: &UserId) -> Cow<'_, AppPiece> {
        match &self.piece {
            Some(piece) => Cow::Borrowed(piece),
            // It was read before, and the same text gives the same result.
            None => match AppPiece::read(self.json, user) {
                Ok(piece) => Cow::Owned(piece),
                Err(_) => unreachable!("a piece that could be read can be read again"),
            },
        }
    }
}

/// What is known of the user's records.
///
/// It grows from step to step of [`known`](crate::known), and contains only what was read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Entries without content: of the records that were read, and of all records if the index was
    /// read.
    pub entries: HashMap<RecordId, IndexEntry>,
    /// Whether `entries` holds every piece.
    pub is_complete: bool,
    /// Whether each piece that is not in `entries` is the same on the device, or differs in a known
    /// and permanent way.
    pub is_settled: bool,
    /// The difference of the device, if the reply tells it nothing, with the revision for which
    /// that is true.
    pub gap: Option<(Revision, Gap)>,
    /// What changed since the last sync and is not in the request, oldest change first; `None` if
    /// that was not read. It includes everything that was there when the head was read: a later
    /// commit makes a commit on that head fail.
    pub changed: Option<Vec<Envelope>>,
    /// The records of the request that were read, by id.
    pub envelopes: HashMap<RecordId, Envelope>,
    /// The ids of the request that were read, whether there is such a record or not.
    pub looked_up: HashSet<RecordId>,
}

impl Known {
    /// The part of the sum of live pieces that comes from the records that were read.
    pub(crate) fn sum(&self) -> Digest {
        let live = self.entries.values().filter(|entry| !entry.deleted);
        let terms = live.map(|entry| live_term(entry.hash, entry.version));
        terms.fold(Digest::default(), Digest::plus)
    }

    pub(crate) fn note(&mut self, envelope: Envelope) {
        self.entries.insert(envelope.key.id, IndexEntry::of(&envelope));
        self.envelopes.insert(envelope.key.id, envelope);
    }

    /// Whether it is known that there is no record with this id.
    pub(crate) fn is_absent(&self, id: &RecordId) -> bool {
        let is_listed = self.entries.contains_key(id);
        !is_listed && (self.is_complete || self.looked_up.contains(id))
    }
}

/// The outcome of one pushed piece.
///
/// The reply is written from it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The record after the push.
    pub envelope: Envelope,
    /// Whether the reply acknowledges the push.
    pub is_acknowledged: bool,
    /// How many values lost.
    pub n_lost: usize,
    /// The version to name to the device, if it is not the record's.
    pub copy_of: Option<Version>,
    /// The number to give to the device, if it was decided with the push.
    pub number: Option<WireVersion>,
}

/// One request on its way through the engine.
///
/// Each push has an outcome, or is refused, or is still open; never two of these.
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
    /// The known permanent differences of devices with this `last`.
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
        // This server cannot have given such a time. So it is no cursor, and the phone starts anew.
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

    /// Removes the numbers that the request shows from those that are waited for.
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

    /// A piece without an edit must be looked at if its hash or its version differs. If it is not
    /// known, it must be looked at unless everything is known to agree.
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
