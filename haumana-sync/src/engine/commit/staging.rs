//! Prepares a commit: edits of one record in one request are folded into one write.

use crate::engine::commit::draft::{Draft, is_raised};
use crate::engine::edit::meta::Meta;
use crate::engine::edit::record::{parse, to_json};
use crate::id::Key;
use crate::store::{BatchLimits, Envelope, HistoryEntry, HistoryKey, Version};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Drafts in the order in which they are committed, and which edit is in which draft.
///
/// If one record has several edits, the history keeps the state before the first, and the record
/// has the state after the last. The states in between were on no other device. Each value that
/// lost is kept where its inbox entry looks for it.
#[derive(Debug)]
pub(crate) struct Staging {
    limits: BatchLimits,
    drafts: Vec<Draft>,
    /// The drafts of each record, in order.
    of: HashMap<Key, Vec<usize>>,
    /// For each edit, the draft that completes it.
    edits: Vec<usize>,
}

impl Staging {
    /// Makes an empty staging, for a store with these limits.
    pub(crate) fn new(limits: BatchLimits) -> Self {
        Self { limits, drafts: Vec::new(), of: HashMap::new(), edits: Vec::new() }
    }

    /// Adds an edit: the drafts of its parts, in order; at least one.
    pub(crate) fn add(&mut self, parts: Vec<Draft>) {
        let mut place = 0;
        for part in parts {
            place = self.put(part);
        }
        self.edits.push(place);
    }

    fn put(&mut self, draft: Draft) -> usize {
        let places = self.of.entry(draft.new.key).or_default();
        let mut draft = draft;
        if let Some(place) = places.last().copied()
            && let Some(last) = self.drafts.get_mut(place)
        {
            match last.fold(draft, self.limits) {
                None => return place,
                Some(unfolded) => draft = unfolded,
            }
        }
        places.push(self.drafts.len());
        self.drafts.push(draft);
        self.drafts.len() - 1
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Returns the record as it will be written, if it is staged.
    pub(crate) fn record(&self, key: &Key) -> Option<&Envelope> {
        let place = self.of.get(key)?.last()?;
        self.drafts.get(*place).map(|draft| &draft.new)
    }

    /// Returns an entry of the history that will be written.
    pub(crate) fn history(&self, key: &HistoryKey) -> Option<&HistoryEntry> {
        let places = self.of.get(&key.key)?.iter();
        let drafts = places.filter_map(|place| self.drafts.get(*place));
        drafts.flat_map(|draft| &draft.history).find(|entry| entry.key == *key)
    }

    /// Returns the drafts, to check their inbox entries.
    pub(crate) fn drafts_mut(&mut self) -> Vec<&mut Draft> {
        self.drafts.iter_mut().collect()
    }

    /// Returns the drafts in the order of the commit, and for each edit the draft that completes
    /// it.
    ///
    /// The first drafts of all records come before the second ones, each in the order of their
    /// keys. So if the commit is split into slices, each page of an ordered store is written in one
    /// slice.
    pub(crate) fn into_drafts(self) -> (Vec<Draft>, Vec<usize>) {
        let mut rank = vec![0; self.drafts.len()];
        for places in self.of.values() {
            places.iter().enumerate().for_each(|(nth, place)| rank[*place] = nth);
        }
        let mut order: Vec<usize> = (0..self.drafts.len()).collect();
        order.sort_by_key(|place| (rank[*place], self.drafts[*place].new.key));
        let mut place_of = vec![0; order.len()];
        order.iter().enumerate().for_each(|(now, place)| place_of[*place] = now);
        let mut drafts: Vec<Option<Draft>> = self.drafts.into_iter().map(Some).collect();
        let drafts = order.into_iter().filter_map(|place| drafts[place].take());
        let edits = self.edits.into_iter().map(|place| place_of[place]);
        (drafts.map(Draft::finished).collect(), edits.collect())
    }
}

/// Puts the places of edits into waves. Each wave has at most one edit of a record. The edits of
/// one record keep their order.
pub fn waves<K: Eq + Hash>(edits: impl IntoIterator<Item = (usize, K)>) -> Vec<Vec<usize>> {
    let mut n_before: HashMap<K, usize> = HashMap::new();
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (at, key) in edits {
        let wave = n_before.entry(key).or_default();
        match waves.get_mut(*wave) {
            Some(wave) => wave.push(at),
            // The wave before exists, so this is the next one.
            None => waves.push(vec![at]),
        }
        *wave += 1;
    }
    waves
}

impl Draft {
    /// Folds a later edit of the same record into this draft. Returns it if one commit could not
    /// hold both.
    fn fold(&mut self, next: Draft, limits: BatchLimits) -> Option<Draft> {
        let found = self.old.map_or(0, |old| old.version);
        let (before, behind) = (&self.kept, &next.kept);
        let stays = |entry: &HistoryEntry| {
            let HistoryKey { version, side, .. } = entry.key;
            0 < side
                || version <= found
                || next.last == Some(entry.key)
                || before.contains(&entry.key)
                || behind.contains(&entry.key)
        };
        let history = || self.history.iter().chain(&next.history).filter(|entry| stays(entry));
        let inbox = || self.inbox.iter().chain(&next.inbox);
        let items = 2 + history().count() + inbox().count();
        let bytes = next.new.size_bytes()
            + history().map(HistoryEntry::size_bytes).sum::<usize>()
            + inbox().map(Envelope::size_bytes).sum::<usize>();
        if limits.items < items || limits.bytes < bytes {
            return Some(next);
        }
        crate::mark::hit!(edits_of_one_record_are_folded);
        let all = std::mem::take(&mut self.history).into_iter().chain(next.history);
        let history = all.filter(stays).collect();
        if next.new.deleted {
            // The edit before the delete is in the history, as a separate version.
            self.changed.clear();
        }
        self.changed.extend(next.changed);
        self.history = history;
        self.kept.extend(next.kept);
        self.last = next.last;
        self.inbox.extend(next.inbox);
        self.new = next.new;
        self.is_folded = true;
        None
    }

    /// A version of several edits has changed all fields that any of them changed.
    fn finished(mut self) -> Self {
        if !self.is_folded || !is_raised(self.old, &self.new) {
            return self;
        }
        let meta: Result<Meta, _> = parse(&self.new.meta);
        if let Ok(mut meta) = meta {
            let found = self.old.map_or(0, |old| old.version);
            let whole = self.history.iter().filter(|entry| entry.key.side == 0);
            let kept: BTreeSet<Version> = whole.map(|entry| entry.key.version).collect();
            meta.fold(found, &kept);
            meta.changed = std::mem::take(&mut self.changed).into_iter().collect();
            self.new.meta = to_json(&meta);
        }
        self
    }
}
