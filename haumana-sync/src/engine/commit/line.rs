//! Drafts that wait to be committed, and what became of those before them.

use crate::engine::Refusal;
use crate::engine::commit::draft::Draft;
use crate::id::Key;
use crate::store::{Batch, Envelope, ErrorKind, HistoryEntry, Version};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// LIMIT: after so many drafts for which a full store has no room, those that make their record
/// longer are refused without asking it.
const FULL_TRIES: usize = 50;

/// A record that the store does not take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The version that stays, if there is one.
    pub version: Option<Version>,
}

/// Why a record is not taken, where the store says of a batch that it never takes it.
pub(super) fn refusal_of(kind: ErrorKind) -> Option<Refusal> {
    match kind {
        ErrorKind::Full => Some(Refusal::QuotaExceeded),
        ErrorKind::TooLarge => Some(Refusal::TooLarge),
        _ => None,
    }
}

/// Drafts that wait to be committed, and what became of those before them.
pub(super) struct Line {
    pub left: VecDeque<Draft>,
    pub done: usize,
    pub refused: BTreeMap<usize, Refused>,
    /// Records of which nothing more is taken, since what follows builds on what was refused.
    cut: HashMap<Key, Refused>,
    n_full: usize,
    /// How many drafts the next batch has at most.
    pub most: usize,
}

impl Line {
    pub(super) fn new(drafts: Vec<Draft>) -> Self {
        let (refused, cut) = (BTreeMap::new(), HashMap::new());
        Self { left: drafts.into(), done: 0, refused, cut, n_full: 0, most: usize::MAX }
    }

    /// Refuses what need not be asked for. Returns whether a draft is left.
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

    /// The first `count`, of which a batch takes what it writes.
    pub(super) fn next(&mut self, count: usize) -> impl Iterator<Item = &mut Draft> {
        self.left.iter_mut().take(count)
    }

    /// The batch that was made of the first drafts is not committed: they have their contents again.
    pub(super) fn give_back(&mut self, batch: Batch) {
        let mut records: HashMap<Key, Envelope> = HashMap::new();
        records.extend(batch.records.into_iter().map(|record| (record.key, record)));
        let mut history: HashMap<Key, Vec<HistoryEntry>> = HashMap::new();
        for entry in batch.history {
            history.entry(entry.key.key).or_default().push(entry);
        }
        // A batch writes a record once, so what has a draft's key is that draft's.
        for draft in &mut self.left {
            let key = draft.new.key;
            let Some(record) = records.remove(&key) else { return };
            draft.new = record;
            draft.history = history.remove(&key).unwrap_or_default();
        }
    }

    /// The first `count` are committed.
    pub(super) fn take(&mut self, count: usize) {
        self.done += count;
        self.left.drain(..count);
        self.most = self.most.saturating_mul(2);
    }

    /// The store does not take the first.
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
