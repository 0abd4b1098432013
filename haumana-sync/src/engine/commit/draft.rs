//! One record to write, with what must be written together with it.

use crate::digest::Digest;
use crate::engine::Refusal;
use crate::engine::commit::inbox_entry;
use crate::engine::edit::Applied;
use crate::engine::edit::record::to_json;
use crate::limits;
use crate::store::{Envelope, HistoryEntry, HistoryKey};
use crate::time::UnixMillis;
use std::collections::{BTreeSet, HashSet};

/// One record to write, with what must be written together with it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub old: Option<OldFacts>,
    pub new: Envelope,
    pub history: Vec<HistoryEntry>,
    /// New entries of the inbox.
    pub inbox: Vec<Envelope>,
    /// What stays in the history if later edits are folded in: values that lost, and versions that
    /// nobody has seen.
    pub kept: HashSet<HistoryKey>,
    /// For a tombstone: where its last content is.
    pub last: Option<HistoryKey>,
    /// The fields that the version changed, if it is a new one.
    pub changed: BTreeSet<String>,
    /// Whether it combines several edits.
    pub is_folded: bool,
}

/// What the head's sums need to know of a record's previous state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OldFacts {
    pub version: u32,
    pub deleted: bool,
    pub hash: Digest,
    pub content_bytes: usize,
}

/// How many inbox entries these drafts have.
pub(crate) fn inbox_entries(drafts: &[Draft]) -> usize {
    drafts.iter().map(|draft| draft.inbox.len()).sum()
}

impl Draft {
    /// A draft without history and inbox entries.
    pub(crate) fn plain(old: Option<OldFacts>, new: Envelope) -> Self {
        Self {
            old,
            new,
            history: Vec::new(),
            inbox: Vec::new(),
            kept: HashSet::new(),
            last: None,
            changed: BTreeSet::new(),
            is_folded: false,
        }
    }

    /// Returns what an applied edit writes, part by part. It may be nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLarge`] if the record would become longer than a store can hold.
    pub(crate) fn all_of(
        applied: Applied,
        old: Option<&Envelope>,
        now: UnixMillis,
    ) -> Result<Vec<Self>, Refusal> {
        let mut facts = old.map(OldFacts::of);
        let mut longest = old.map_or(0, stored_bytes).max(limits::STORED_BYTES);
        let mut drafts = Vec::new();
        for part in applied.into_parts().into_iter().filter(|part| part.writes) {
            let draft = Self::of_part(part, facts, longest, now)?;
            facts = Some(OldFacts::of(&draft.new));
            longest = longest.max(stored_bytes(&draft.new));
            drafts.push(draft);
        }
        Ok(drafts)
    }

    fn of_part(
        part: Applied,
        old: Option<OldFacts>,
        longest: usize,
        now: UnixMillis,
    ) -> Result<Self, Refusal> {
        let Applied { record, mut envelope, history, lost, .. } = part;
        let key = envelope.key;
        if limits::STORED_BYTES < stored_bytes(&envelope) {
            let mut meta = record.meta.clone();
            let room = limits::STORED_BYTES.saturating_sub(envelope.content.len());
            let fits = meta.fit(room);
            envelope.meta = to_json(&meta);
            // A record of an earlier program may be longer. It must not grow any more.
            if !fits && longest < stored_bytes(&envelope) {
                return Err(Refusal::TooLarge);
            }
        }
        let asking = lost.iter().filter(|lost| lost.asks);
        let inbox = asking.map(|lost| inbox_entry(key, lost, now)).collect();
        let kept = lost.iter().filter_map(|lost| lost.at).collect();
        let last = HistoryKey { key, version: record.meta.last_version, side: 0 };
        let last = envelope.deleted.then_some(last);
        let is_new = is_raised(old, &envelope);
        let changed = if is_new { record.meta.changed } else { Vec::new() };
        let changed = changed.into_iter().collect();
        Ok(Self { history, inbox, kept, last, changed, ..Self::plain(old, envelope) })
    }

    /// Keeps its version in the history, also if a later edit of the request replaces it.
    pub(crate) fn keep(&mut self) {
        let Envelope { key, version, .. } = self.new;
        self.kept.insert(HistoryKey { key, version, side: 0 });
    }

    /// Takes the record out of the draft, and leaves one without content.
    pub(crate) fn take_new(&mut self) -> Envelope {
        let content = std::mem::take(&mut self.new.content);
        let meta = std::mem::take(&mut self.new.meta);
        Envelope { content, meta, ..self.new.clone() }
    }

    pub(crate) fn items(&self) -> usize {
        1 + self.history.len() + self.inbox.len()
    }

    pub(crate) fn grows(&self) -> bool {
        self.old.is_none_or(|old| old.content_bytes < self.new.content.len())
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let history: usize = self.history.iter().map(HistoryEntry::size_bytes).sum();
        let inbox: usize = self.inbox.iter().map(Envelope::size_bytes).sum();
        self.new.size_bytes() + history + inbox
    }
}

fn stored_bytes(envelope: &Envelope) -> usize {
    envelope.content.len() + envelope.meta.len()
}

/// Whether a record gets a new version.
pub(crate) fn is_raised(old: Option<OldFacts>, new: &Envelope) -> bool {
    old.is_none_or(|old| old.version != new.version)
}

impl OldFacts {
    pub(crate) fn of(envelope: &Envelope) -> Self {
        Self {
            version: envelope.version,
            deleted: envelope.deleted,
            hash: envelope.hash,
            content_bytes: envelope.content.len(),
        }
    }
}
