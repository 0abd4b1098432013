//! Drafts that wait to be committed, and the outcome of those before them.

use crate::engine::Refusal;
use crate::engine::commit::draft::Draft;
use crate::id::Key;
use crate::store::{Batch, Envelope, ErrorKind, HistoryEntry, Version};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// LIMIT: after this many drafts for which a full store has no room, drafts that make their record
/// longer are refused without trying.
const FULL_TRIES: usize = 50;

/// A record that the store does not accept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The version that the record keeps, if there is one.
    pub version: Option<Version>,
}

/// Returns the refusal for an error by which the store says that it never accepts a batch.
pub(super) fn refusal_of(kind: ErrorKind) -> Option<Refusal> {
    match kind {
        ErrorKind::Full => Some(Refusal::QuotaExceeded),
        ErrorKind::TooLarge => Some(Refusal::TooLarge),
        _ => None,
    }
}

/// Drafts that wait to be committed, and the outcome of those before them.
pub(super) struct Line {
    pub left: VecDeque<Draft>,
    pub done: usize,
    pub refused: BTreeMap<usize, Refused>,
    /// Records that accept nothing more, since later drafts build on one that was refused.
    cut: HashMap<Key, Refused>,
    n_full: usize,
    /// The most drafts of the next batch.
    pub most: usize,
}

impl Line {
    pub(super) fn new(drafts: Vec<Draft>) -> Self {
        let (refused, cut) = (BTreeMap::new(), HashMap::new());
        Self { left: drafts.into(), done: 0, refused, cut, n_full: 0, most: usize::MAX }
    }

    /// Refuses drafts that cannot be accepted, without trying. Returns whether a draft is left.
    pub(super) fn next_is_asked(&mut self) -> bool {
        while let Some(first) = self.left.front() {
            match self.cut.get(&first.new.key).copied() {
                Some(refused) => self.pass(refused),
                None if FULL_TRIES <= self.n_full && first.grows() => {
                    self.refuse(Refusal::QuotaExceeded);
                }
                None => return true,
            }
        }
        false
    }

    /// Returns the first `count` drafts. A batch takes their contents.
    pub(super) fn next(&mut self, count: usize) -> impl Iterator<Item = &mut Draft> {
        self.left.iter_mut().take(count)
    }

    /// The batch of the first drafts was not committed: they get their contents back.
    pub(super) fn give_back(&mut self, batch: Batch) {
        let mut records: HashMap<Key, Envelope> = HashMap::new();
        records.extend(batch.records.into_iter().map(|record| (record.key, record)));
        let mut history: HashMap<Key, Vec<HistoryEntry>> = HashMap::new();
        for entry in batch.history {
            history.entry(entry.key.key).or_default().push(entry);
        }
        // A batch writes each record once, so the key identifies the draft.
        for draft in &mut self.left {
            let key = draft.new.key;
            let Some(record) = records.remove(&key) else { return };
            draft.new = record;
            draft.history = history.remove(&key).unwrap_or_default();
        }
    }

    /// The first `count` drafts are committed.
    pub(super) fn take(&mut self, count: usize) {
        self.done += count;
        self.left.drain(..count);
        self.most = self.most.saturating_mul(2);
    }

    /// The store does not accept the first draft.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let Some(first) = self.left.front() else { return };
        let refused = Refused { refusal, version: first.old.map(|old| old.version) };
        self.n_full += usize::from(refusal == Refusal::QuotaExceeded);
        self.cut.insert(first.new.key, refused);
        self.pass(refused);
    }

    fn pass(&mut self, refused: Refused) {
        self.refused.insert(self.done, refused);
        self.done += 1;
        self.left.pop_front();
    }
}
