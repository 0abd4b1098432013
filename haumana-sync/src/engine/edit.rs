//! An edit of a piece with everything that is known of its base, and what becomes of it.

use super::meta::{Meta, Receipt, Seen, Touch};
use super::record::{HistoryMeta, PieceRecord, superseded, to_json};
use crate::id::RecordId;
use crate::limits;
use crate::merge::{Base, Reason, Side, Winner, merge_field};
use crate::record::{Piece, Value, field_spec};
use crate::store::{Envelope, Generation, HistoryEntry, HistoryKey, Version};
use crate::time::UnixMillis;
use crate::wire::Refusal;
use std::collections::{BTreeMap, HashMap};

/// One field that a pusher changed.
#[derive(Clone, Debug)]
pub struct Change {
    pub name: String,
    pub value: Value,
    pub edited_at: UnixMillis,
    pub claimed_at: UnixMillis,
    pub against: Against,
}

impl Change {
    /// Whether its device has not made a newer push since.
    fn is_current(&self) -> bool {
        self.against != Against::Outdated
    }
}

/// What is known of the server's side of a changed field since the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// The server has not changed it.
    Unmoved,
    /// It has; the base's value is in the first of these entries that has the field.
    Moved(Vec<HistoryKey>),
    /// It has, and the base is past its retention.
    Gone,
    /// The same device has pushed something newer in the meantime.
    Outdated,
}

/// A value that a form saved although it was older than what the device held.
#[derive(Clone, Debug)]
pub struct Stale {
    pub name: String,
    pub value: Value,
    pub version: Version,
}

/// What to remember of a push from a phone.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptDraft {
    pub delivery: u64,
    pub order: (u64, i64),
    pub hash: u64,
}

/// An edit of one piece.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    pub device: Option<String>,
    /// The version that it was made on, where known.
    pub base: Option<Version>,
    pub changes: Vec<Change>,
    /// The whole piece as it was pushed; what a new piece is made of.
    pub whole: Option<Piece>,
    /// When a new piece was edited, and when its device says so.
    pub created: Option<(UnixMillis, UnixMillis)>,
    /// The reason to give where a value loses only by time.
    pub reason: Option<Reason>,
    pub stale: Vec<Stale>,
    pub receipt: Option<ReceiptDraft>,
    /// Raise the version above this one, whether or not the content changes.
    pub above: Option<Version>,
    /// Hashes of the changes, to know them when they come again.
    pub seen: Vec<u64>,
    /// Delete the piece.
    pub delete: bool,
    /// The pusher knows that the piece is deleted and brings it back on purpose.
    pub knows_delete: bool,
}

/// A value that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The field; `None` where a delete was involved.
    pub field: Option<String>,
    pub kept: Value,
    pub lost: Value,
    pub base: Option<Version>,
    pub reason: Reason,
    /// The device whose push it came up with.
    pub device: Option<String>,
    /// The version in which the other value stands.
    pub version: Version,
    /// Where the lost value is kept.
    pub at: Option<HistoryKey>,
}

/// What becomes of an edit.
#[derive(Clone, Debug)]
pub struct Applied {
    pub record: PieceRecord,
    /// The record, closed.
    pub envelope: Envelope,
    pub history: Vec<HistoryEntry>,
    pub lost: Vec<Lost>,
    /// Whether anything is to be written.
    pub writes: bool,
}

/// What an edit is applied in.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub now: UnixMillis,
    /// What was superseded before this is past its retention.
    pub oldest: UnixMillis,
    pub generation: Generation,
}

/// The texts of bases, by where they are kept.
pub type Bases = HashMap<HistoryKey, BTreeMap<String, Value>>;

/// Applies `edit` to the piece as it stands.
pub fn apply(
    id: RecordId,
    old: Option<(&Envelope, &PieceRecord)>,
    edit: &Edit,
    bases: &Bases,
    setting: Setting,
) -> Result<Applied, Refusal> {
    let mut work = Work::begin(id, old, edit, bases, setting)?;
    if edit.delete {
        work.delete(edit);
    } else {
        for change in &edit.changes {
            work.change(edit, change, bases);
        }
        work.stale(edit);
    }
    work.finish(old, edit)
}

struct Work {
    record: PieceRecord,
    setting: Setting,
    /// The version before, 0 if there was none.
    old_version: Version,
    /// The version after, if the content changes.
    new_version: Version,
    changed: Vec<String>,
    /// Whether the version is raised even if no field changed.
    raised: bool,
    /// Whether something beside the content changed.
    noted: bool,
    /// What was pushed and is in no version as it came.
    side: BTreeMap<String, Value>,
    lost: Vec<Lost>,
    was_deleted: bool,
}

impl Work {
    fn begin(
        id: RecordId,
        old: Option<(&Envelope, &PieceRecord)>,
        edit: &Edit,
        bases: &Bases,
        setting: Setting,
    ) -> Result<Self, Refusal> {
        let record = match old {
            Some((_, record)) => record.clone(),
            None => PieceRecord {
                id,
                version: 0,
                modified_at: setting.now,
                piece: None,
                meta: Meta { generation: setting.generation, ..Meta::default() },
            },
        };
        let old_version = record.version;
        let is_foreign = edit.above.is_some_and(|above| old_version < above)
            || (old.is_some() && record.meta.generation < setting.generation);
        let floor = old_version.max(edit.above.unwrap_or(0));
        let leap = if is_foreign { limits::VERSION_LEAP } else { 0 };
        // Versions above that are another life's already: see `mark_imported`.
        let floor = record.meta.foreign_end(floor + 1).unwrap_or(floor);
        let new_version = floor + 1 + leap;
        if limits::VERSION < new_version {
            return Err(Refusal::QuotaExceeded);
        }
        let mut work = Self {
            was_deleted: old.is_some() && record.piece.is_none(),
            record,
            setting,
            old_version,
            new_version,
            changed: Vec::new(),
            raised: edit.above.is_some(),
            noted: false,
            side: BTreeMap::new(),
            lost: Vec::new(),
        };
        if old.is_none() && !edit.delete {
            work.create(edit);
        } else if work.was_deleted && edit.changes.iter().any(Change::is_current) {
            work.bring_back(edit, bases);
        }
        Ok(work)
    }

    /// A new piece is the push, whole.
    fn create(&mut self, edit: &Edit) {
        let piece = edit.whole.clone().unwrap_or_else(|| Piece::new(self.setting.now));
        let (edited_at, claimed_at) = edit.created.unwrap_or((self.setting.now, self.setting.now));
        let (version, device) = (self.new_version, edit.device.clone());
        self.record.meta.created = Touch { version, edited_at, claimed_at, device };
        self.record.piece = Some(piece);
        self.raised = true;
    }

    /// An edit made without knowing of the delete brings the piece back, with its last content
    /// where that is still retained.
    fn bring_back(&mut self, edit: &Edit, bases: &Bases) {
        cov_mark::hit!(edit_brings_a_deleted_piece_back);
        let last =
            HistoryKey { key: self.record.key(), version: self.record.meta.last_version, side: 0 };
        let mut piece = edit.whole.clone().unwrap_or_else(|| Piece::new(self.setting.now));
        match bases.get(&last) {
            Some(fields) => {
                for (name, value) in fields {
                    piece.set(name, value.clone());
                }
            }
            None => self.replace_forgotten(&piece, edit),
        }
        if let Some(created_at) = self.record.meta.last_created_at.take() {
            piece.created_at = created_at;
        }
        self.record.piece = Some(piece);
        self.record.meta.last = BTreeMap::new();
        self.record.meta.last_version = 0;
        self.raised = true;
        if !edit.knows_delete {
            self.lose_delete(edit);
        }
    }

    /// A delete that lost against an edit.
    fn lose_delete(&mut self, edit: &Edit) {
        self.noted = true;
        self.lost.push(Lost {
            field: None,
            kept: Value::Null,
            lost: Value::Null,
            base: edit.base,
            reason: Reason::EditBeatsDelete,
            device: edit.device.clone(),
            version: 0,
            at: None,
        });
    }

    /// The last content is past its retention: the push stands for it, and what differs from the
    /// hashes that are left counts as changed.
    fn replace_forgotten(&mut self, piece: &Piece, edit: &Edit) {
        for name in piece.names() {
            let (old, new) =
                (self.record.app_hash(name), field_spec(name).app_hash(&piece.get(name)));
            if old == new {
                continue;
            }
            let touch = match edit.changes.iter().find(|change| change.name == name) {
                Some(change) => Touch {
                    version: self.new_version,
                    edited_at: change.edited_at,
                    claimed_at: change.claimed_at,
                    device: edit.device.clone(),
                },
                // An old value that nobody edited: any edit is later.
                None => {
                    let old = self.record.meta.touch(name).clone();
                    Touch { version: self.new_version, device: None, ..old }
                }
            };
            self.record.meta.supersede(name, old, touch, self.setting.now);
            self.changed.push(name.to_owned());
        }
    }

    fn delete(&mut self, edit: &Edit) {
        let Some(piece) = &self.record.piece else {
            return;
        };
        let is_unchanged = edit.base.is_some_and(|base| self.old_version <= base);
        if !is_unchanged {
            cov_mark::hit!(delete_loses_against_an_edit);
            self.lose_delete(edit);
            return;
        }
        cov_mark::hit!(unchanged_piece_is_deleted);
        self.record.meta.last = Meta::hashes_of(piece);
        self.record.meta.last_version = self.old_version;
        self.record.meta.last_created_at = Some(piece.created_at);
        self.record.piece = None;
        self.raised = true;
    }

    fn change(&mut self, edit: &Edit, change: &Change, bases: &Bases) {
        let Some(piece) = &mut self.record.piece else {
            // Too late to bring the piece back, but kept.
            self.side.insert(change.name.clone(), change.value.clone());
            return;
        };
        let server = piece.get(&change.name);
        let spec = field_spec(&change.name);
        let base_value = match &change.against {
            Against::Moved(keys) => keys.iter().find_map(|key| bases.get(key)?.get(&change.name)),
            _ => None,
        };
        let empty = Value::Text(String::new());
        let base = match &change.against {
            Against::Unmoved => Base::Unmoved,
            Against::Gone => Base::Gone,
            Against::Outdated => Base::Outdated,
            // A base text that was absent is an empty one; one that is not found is unknown.
            Against::Moved(_) => {
                let value = base_value.map(|value| if value.is_null() { &empty } else { value });
                Base::Moved(value.and_then(Value::as_text))
            }
        };
        let touch = self.record.meta.touch(&change.name).clone();
        let merged = merge_field(
            spec.class,
            base,
            Side { value: &server, edited_at: touch.edited_at },
            Side { value: &change.value, edited_at: change.edited_at },
        );

        if merged.value != server {
            let pure = merged.winner == Winner::Pushed;
            let touched = Touch {
                version: self.new_version,
                edited_at: merged.edited_at,
                claimed_at: change.claimed_at,
                device: edit.device.clone().filter(|_| pure),
            };
            let old_hash = spec.app_hash(&server);
            piece.set(&change.name, merged.value.clone());
            self.record.meta.supersede(&change.name, old_hash, touched, self.setting.now);
            self.changed.push(change.name.clone());
        } else if touch.edited_at < merged.edited_at {
            let touched = Touch { edited_at: merged.edited_at, ..touch };
            self.record.meta.touched.insert(change.name.clone(), touched);
            self.noted = true;
        }
        if merged.value != change.value {
            self.side.insert(change.name.clone(), change.value.clone());
        }
        if let Some((loser, reason)) = merged.lost {
            self.lose(edit, change, &server, merged.value, loser, reason);
        }
    }

    fn lose(
        &mut self,
        edit: &Edit,
        change: &Change,
        server: &Value,
        kept: Value,
        loser: Winner,
        reason: Reason,
    ) {
        let is_by_time = reason == Reason::LaterEdit || reason == Reason::TextClash;
        let lost = if loser == Winner::Server { server } else { &change.value };
        let reason = edit.reason.filter(|_| is_by_time).unwrap_or(reason);
        self.noted = true;
        self.lost.push(Lost {
            field: Some(change.name.clone()),
            kept,
            lost: lost.clone(),
            base: edit.base,
            reason,
            device: edit.device.clone(),
            version: 0,
            at: (loser == Winner::Server).then(|| self.superseded_key()),
        });
    }

    /// What a form saved although it was old is in the version that it was opened on.
    fn stale(&mut self, edit: &Edit) {
        let Some(piece) = &self.record.piece else {
            return;
        };
        for stale in &edit.stale {
            cov_mark::hit!(stale_form_is_reported);
            self.noted = true;
            self.lost.push(Lost {
                field: Some(stale.name.clone()),
                kept: piece.get(&stale.name),
                lost: stale.value.clone(),
                base: Some(stale.version),
                reason: Reason::StaleForm,
                device: edit.device.clone(),
                version: 0,
                at: Some(HistoryKey { version: stale.version, ..self.superseded_key() }),
            });
        }
    }

    fn superseded_key(&self) -> HistoryKey {
        HistoryKey { key: self.record.key(), version: self.old_version, side: 0 }
    }

    fn finish(
        mut self,
        old: Option<(&Envelope, &PieceRecord)>,
        edit: &Edit,
    ) -> Result<Applied, Refusal> {
        let now = self.setting.now;
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
        self.keep_receipt(edit, side);
        self.keep_seen(edit);
        let writes = self.noted || self.record.version != self.old_version;
        let envelope = self.record.close();
        if limits::RECORD_BYTES < envelope.content.len() {
            return Err(Refusal::TooLarge);
        }
        Ok(Applied { record: self.record, envelope, history, lost: self.lost, writes })
    }

    fn raise(&mut self, edit: &Edit) {
        let skipped = (self.old_version + 1, self.new_version - 1);
        if skipped.0 <= skipped.1 && !self.record.meta.foreign.contains(&skipped) {
            self.record.meta.foreign.push(skipped);
        }
        self.record.version = self.new_version;
        self.record.modified_at = self.setting.now;
        self.record.meta.generation = self.setting.generation;
        self.record.meta.device = edit.device.clone();
        self.record.meta.changed = std::mem::take(&mut self.changed);
    }

    /// Keeps what was pushed and is in no version as it came: bases of later pushes, and losers.
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
            if let Some(field) = &lost.field {
                lost.at = Some(key);
                reasons.push((field.clone(), lost.reason));
            }
        }
        let meta = HistoryMeta {
            at: self.setting.now,
            device: edit.device.clone(),
            changed: self.side.keys().cloned().collect(),
            lost: reasons,
            deleted: false,
        };
        history.push(HistoryEntry {
            key,
            at: self.setting.now,
            content: to_json(&self.side),
            meta: to_json(&meta),
        });
        Some(key)
    }

    fn keep_receipt(&mut self, edit: &Edit, side: Option<HistoryKey>) {
        let (Some(draft), Some(pushed)) = (edit.receipt, &edit.whole) else {
            return;
        };
        let result = self.record.piece.as_ref();
        let is_same = |name: &str| result.is_some_and(|result| result.is_same(pushed, name));
        let differs = |name: &&str| {
            !is_same(name)
                && !field_spec(name).app_unchanged(&pushed.get(name), self.record.app_hash(name))
        };
        let known = crate::record::PIECE_FIELDS.iter().map(|spec| spec.name);
        let names: Vec<&str> = known.chain(pushed.unknown.keys().map(String::as_str)).collect();
        let diverged = names.into_iter().filter(differs);
        let diverged =
            diverged.map(|name| (name.to_owned(), field_spec(name).app_hash(&pushed.get(name))));
        let receipt = Receipt {
            delivery: draft.delivery,
            order: draft.order,
            hash: draft.hash,
            version: self.record.version,
            base: edit.base.unwrap_or(0),
            diverged: diverged.collect(),
            side: side.map(|key| (key.version, key.side)),
            at: self.setting.now,
        };
        self.record.meta.remember(receipt, self.setting.oldest);
        self.noted = true;
    }

    fn keep_seen(&mut self, edit: &Edit) {
        if edit.seen.is_empty() {
            return;
        }
        let seen = &mut self.record.meta.seen;
        seen.retain(|old| self.setting.oldest <= old.at);
        seen.extend(edit.seen.iter().map(|hash| Seen { hash: *hash, at: self.setting.now }));
        let surplus = seen.len().saturating_sub(limits::RECEIPTS);
        seen.drain(..surplus);
        self.noted = true;
    }
}
