//! What an edit of a session leaves behind: the new version, history, and what it is known by.

use super::{Decision, Work};
use crate::engine::Conflict;
use crate::engine::commit::{Draft, OldFacts, inbox_entry};
use crate::engine::edit::Lost;
use crate::engine::meta::{Seen, Touch};
use crate::engine::numbering::{mark_skipped, next_version};
use crate::engine::push::{PushOutcome, conflict_of};
use crate::engine::record::{HistoryMeta, superseded, to_json};
use crate::limits;
use crate::merge::Reason;
use crate::record::{Session, SessionGroup, Value};
use crate::store::{Envelope, HistoryEntry, HistoryKey, Version};
use crate::time::UnixMillis;
use crate::wire::Refusal;

impl Work<'_> {
    pub(super) fn finish(mut self, old: Option<&Envelope>) -> Result<Decision, Refusal> {
        let mut history = Vec::new();
        if self.raised || !self.changes.is_empty() {
            if let Some(old) = old {
                let meta = &self.record.meta;
                let (device, changed) = (meta.device.clone(), meta.changed.clone());
                history.push(superseded(old, device, changed, self.setting.now));
            }
            self.raise()?;
        }
        let is_noted = self.lost_delete || !self.lost.is_empty();
        self.identities.extend(self.edit.name);
        let is_noted = is_noted || self.edit.name.is_some();
        if is_noted {
            self.keep_identities();
        }
        if !self.lost.is_empty() {
            history.push(self.keep_side());
        }
        let version = (0 < self.record.version).then_some(self.record.version);
        if self.record.version == self.old_version && !is_noted {
            let (outcome, conflicts) = (PushOutcome::Unchanged, Vec::new());
            return Ok(Decision { draft: None, outcome, version, conflicts });
        }
        let outcome = if self.differs { PushOutcome::Merged } else { PushOutcome::Applied };
        let (inbox, conflicts) = self.lost_deletes().into_iter().unzip();
        let draft = Draft { old: old.map(OldFacts::of), new: self.close()?, history, inbox };
        Ok(Decision { draft: Some(draft), outcome, version, conflicts })
    }

    /// Makes the session a tombstone that knows what it was.
    pub(super) fn bury(&mut self, current: &Session) {
        let meta = &mut self.record.meta;
        let groups = current.groups().into_iter().take(limits::RECEIPTS);
        let hashes = groups.map(|group| (group.name().to_owned(), group.hash(current)));
        meta.last = hashes.collect();
        meta.last_version = self.old_version;
        meta.last_created_at = Some(current.created_at);
        self.record.session = None;
        self.raised = true;
    }

    pub(super) fn touch(&self, claimed_at: UnixMillis) -> Touch {
        let edited_at = claimed_at.min(self.setting.now);
        let (version, device) = (self.record.version, self.edit.device.clone());
        Touch { version, edited_at, claimed_at, device }
    }

    fn raise(&mut self) -> Result<(), Refusal> {
        let (old, setting) = (self.old_version, self.setting);
        let version = next_version(old, &self.record.meta, self.edit.base, setting)?;
        mark_skipped(&mut self.record.meta, old, version);
        self.record.version = version;
        self.record.modified_at = setting.now;
        let mut changed = Vec::new();
        for change in std::mem::take(&mut self.changes) {
            let touch = self.touch(change.claimed_at);
            let name = change.group.name();
            self.record.meta.supersede(name, change.before, touch, setting.now);
            changed.extend(change.group.fields().into_iter().map(str::to_owned));
        }
        self.note_touches(version);
        let meta = &mut self.record.meta;
        meta.generation = setting.generation;
        meta.device = self.edit.device.clone();
        meta.changed = changed;
        Ok(())
    }

    /// Without a touch a raised record would look like one of version 0.1.
    fn note_touches(&mut self, version: Version) {
        let meta = &mut self.record.meta;
        if self.old_version == 0 {
            meta.created.version = version;
        } else if meta.touched.is_empty() {
            meta.touched.insert(SessionGroup::Frame.name().to_owned(), meta.created.clone());
        }
    }

    /// Remembers what lost, to know it when it comes again.
    fn keep_identities(&mut self) {
        let now = self.setting.now;
        let seen = &mut self.record.meta.seen;
        seen.extend(self.identities.iter().map(|hash| Seen { hash: *hash, at: now }));
        let surplus = seen.len().saturating_sub(limits::RECEIPTS);
        seen.drain(..surplus);
    }

    /// Keeps what was pushed and is in no version.
    fn keep_side(&mut self) -> HistoryEntry {
        let now = self.setting.now;
        self.record.meta.sides += 1;
        let beside = HistoryMeta {
            at: now,
            device: self.edit.device.clone(),
            lost: self.lost.clone(),
            ..HistoryMeta::default()
        };
        let content = self.pushed.as_ref().map_or_else(|| "{}".to_owned(), Session::to_json);
        let (version, side) = (self.record.version, self.record.meta.sides);
        let key = HistoryKey { key: self.record.key(), version, side };
        HistoryEntry { key, at: now, content, meta: to_json(&beside) }
    }

    /// The delete that lost, as an entry of the inbox and as it is told: what came back stays, and a
    /// person decides.
    fn lost_deletes(&self) -> Option<(Envelope, Conflict)> {
        let lost = Lost {
            field: None,
            kept: Value::Null,
            lost: Value::Null,
            base: self.edit.base,
            reason: Reason::OtherLife,
            device: self.edit.device.clone(),
            version: self.record.version,
            at: None,
        };
        let entry = inbox_entry(self.record.key(), &lost, self.setting.now);
        let conflict = conflict_of(&entry, self.record.key(), lost, self.setting.now);
        self.lost_delete.then_some((entry, conflict))
    }

    /// Closes the record, unless what it has become could not be imported.
    fn close(&self) -> Result<Envelope, Refusal> {
        let envelope = self.record.close();
        let is_raised = self.record.version != self.old_version && !envelope.deleted;
        let bytes = envelope.content.len().max(envelope.meta.len());
        if is_raised && limits::RECORD_BYTES < bytes {
            return Err(Refusal::TooLarge);
        }
        Ok(envelope)
    }
}
