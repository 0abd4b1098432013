//! What an edit writes: the new version, history, sides, and what is remembered of it.

use super::Work;
use crate::engine::Refusal;
use crate::engine::edit::bases::apart;
use crate::engine::edit::meta::Seen;
use crate::engine::edit::numbering::mark_skipped;
use crate::engine::edit::record::{HistoryMeta, Record, superseded, to_json};
use crate::engine::edit::{Applied, Edit};
use crate::limits;
use crate::store::{Envelope, HistoryEntry, HistoryKey};

impl Work {
    pub(crate) fn finish(
        mut self,
        old: Option<(&Envelope, &Record)>,
        edit: &Edit,
    ) -> Result<Applied, Refusal> {
        let now = self.context.now;
        let mut history = Vec::new();
        if self.raised || !self.changed.is_empty() {
            if let Some((envelope, record)) = old {
                let (device, changed) = (record.meta.device.clone(), record.meta.changed.clone());
                history.push(superseded(envelope, device, changed, now));
            }
            self.raise(edit);
        }
        for lost in &mut self.lost {
            lost.version = self.record.version;
        }
        let side = self.keep_side(edit, &mut history);
        self.keep_losers(edit, &mut history);
        self.keep_seen(edit);
        let is_buried = self.record.content.is_none();
        if is_buried && limits::RECORD_BYTES < to_json(&apart(&self.side)).len() {
            return Err(Refusal::TooLarge);
        }
        let writes = self.noted || self.record.version != self.old_version;
        let mut envelope = self.record.close();
        if let Some((old, _)) = old.filter(|(old, _)| old.version == envelope.version) {
            // INVARIANT: a version has one content. Fields that its kind has gained since are read
            // as their defaults, and written with the next version.
            envelope.content.clone_from(&old.content);
            envelope.hash = old.hash;
        }
        if limits::RECORD_BYTES < envelope.content.len() {
            return Err(Refusal::TooLarge);
        }
        let (record, lost) = (self.record, self.lost);
        Ok(Applied { record, envelope, history, lost, parts: Vec::new(), writes, side })
    }

    fn raise(&mut self, edit: &Edit) {
        mark_skipped(&mut self.record.meta, self.old_version, self.new_version);
        self.record.version = self.new_version;
        self.record.modified_at = self.context.now;
        self.record.meta.generation = self.context.generation;
        self.record.meta.device = edit.device.clone();
        self.record.meta.changed = std::mem::take(&mut self.changed);
        self.note_touches();
    }

    /// Without a touch, a record whose version was raised would look like one of version 0.1.
    fn note_touches(&mut self) {
        let meta = &mut self.record.meta;
        if self.old_version == 0 || !self.record.kind.had_no_touches() || !meta.touched.is_empty() {
            return;
        }
        if let Some(first) = self.record.kind.unit_names().next() {
            meta.touched.insert(first.to_owned(), meta.created.clone());
        }
    }

    /// Keeps pushed content that is in no version unchanged: it may be the base of a later push, or
    /// it lost.
    fn keep_side(&mut self, edit: &Edit, history: &mut Vec<HistoryEntry>) -> Option<HistoryKey> {
        if self.side.is_empty() {
            return None;
        }
        self.record.meta.sides += 1;
        self.noted = true;
        let version = self.record.version;
        let key = HistoryKey { key: self.record.key(), version, side: self.record.meta.sides };
        let mut reasons = Vec::new();
        for lost in self.lost.iter_mut().filter(|lost| lost.at.is_none()) {
            let field = lost.field.as_ref();
            if let Some(field) = field.filter(|field| self.side.get(*field) == Some(&lost.lost)) {
                lost.at = Some(key);
                let fields = self.record.kind.fields_of(field).into_iter();
                reasons.extend(fields.map(|name| (name.to_owned(), lost.reason)));
            }
        }
        let side = apart(&self.side);
        let meta = HistoryMeta {
            at: self.context.now,
            device: edit.device.clone(),
            changed: side.keys().map(|name| (*name).to_owned()).collect(),
            lost: reasons,
            ..HistoryMeta::default()
        };
        history.push(HistoryEntry {
            key,
            at: self.context.now,
            content: to_json(&side),
            meta: to_json(&meta),
        });
        Some(key)
    }

    fn keep_seen(&mut self, edit: &Edit) {
        if edit.seen.is_empty() || (edit.is_sent_always && self.lost.is_empty()) {
            return;
        }
        let seen = &mut self.record.meta.seen;
        seen.retain(|old| self.context.oldest <= old.at);
        seen.extend(edit.seen.iter().map(|hash| Seen { hash: *hash, at: self.context.now }));
        let surplus = seen.len().saturating_sub(limits::RECEIPTS);
        seen.drain(..surplus);
        self.record.meta.claim(&edit.claims, self.context.oldest);
        self.noted = true;
    }
}
