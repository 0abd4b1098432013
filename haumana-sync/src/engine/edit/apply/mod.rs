//! Applies an edit, field by field.

mod counts;
mod keep;
mod losers;
pub(crate) mod parts;

use self::counts::{Counts, Other};
use crate::engine::Refusal;
use crate::engine::edit::bases::base_key;
use crate::engine::edit::meta::{Claim, Meta, Touch};
use crate::engine::edit::numbering::next_version;
use crate::engine::edit::record::Record;
use crate::engine::edit::{Against, Applied, Bases, Change, Doubt, Edit, Lost, MergeContext};
use crate::id::RecordId;
use crate::limits;
use crate::merge::{Base, Reason, Side, Winner, element_hash, merge_field};
use crate::record::{Content, Value};
use crate::schema::{Deletes, FieldType, Kind, Merge, elements, entries};
use crate::store::{Envelope, HistoryKey, Version};
use crate::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Applies `edit` to the current record.
pub(crate) fn apply(
    (kind, id): (&Arc<Kind>, RecordId),
    old: Option<(&Envelope, &Record)>,
    edit: &Edit,
    bases: &Bases,
    context: MergeContext,
) -> Result<Applied, Refusal> {
    let mut work = Work::begin((kind, id), old, edit, bases, context)?;
    if edit.delete {
        work.delete(edit);
    } else {
        for change in &edit.changes {
            work.change(edit, change, bases)?;
        }
        work.stale(edit);
    }
    work.finish(old, edit)
}

/// Whether `text` has every line of `other`, at least as often.
fn has_every_line(text: &str, other: &str) -> bool {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    text.lines().for_each(|line| *counts.entry(line.trim_end()).or_default() += 1);
    other.lines().all(|line| {
        let left = counts.get_mut(line.trim_end());
        left.is_some_and(|left| {
            let is_there = 0 < *left;
            *left -= usize::from(is_there);
            is_there
        })
    })
}

/// The elements, by hash, that a device itself has added to its set.
///
/// LIMIT: if somebody removed such an element and added it again since, it is removed too when the
/// device removes it.
fn added_between(old: Option<&Value>, new: &Value) -> BTreeSet<u64> {
    let old: BTreeSet<String> = old.map(elements).unwrap_or_default().into_iter().collect();
    let added = elements(new).into_iter().filter(|element| !old.contains(element));
    added.map(|element| element_hash(&element)).collect()
}

struct Work {
    record: Record,
    context: MergeContext,
    /// The version before, 0 if there was none.
    old_version: Version,
    /// The version after, if the content changes.
    new_version: Version,
    changed: Vec<String>,
    /// Whether the version is raised even if no field changed.
    raised: bool,
    /// Whether something beside the content changed.
    noted: bool,
    /// What was pushed and is in no version unchanged.
    side: BTreeMap<String, Value>,
    lost: Vec<Lost>,
    was_deleted: bool,
}

impl Work {
    fn begin(
        (kind, id): (&Arc<Kind>, RecordId),
        old: Option<(&Envelope, &Record)>,
        edit: &Edit,
        bases: &Bases,
        context: MergeContext,
    ) -> Result<Self, Refusal> {
        let record = match old {
            Some((_, record)) => record.clone(),
            None => Record {
                kind: kind.clone(),
                id,
                version: 0,
                modified_at: context.now,
                content: None,
                meta: Meta { generation: context.generation, ..Meta::default() },
            },
        };
        let old_version = record.version;
        let new_version = next_version(old_version, &record.meta, edit.above, context)?;
        let was_deleted = old.is_some() && record.content.is_none();
        let mut work = Self {
            was_deleted,
            record,
            context,
            old_version,
            new_version,
            changed: Vec::new(),
            raised: false,
            noted: false,
            side: BTreeMap::new(),
            lost: Vec::new(),
        };
        if old.is_none() && !edit.delete {
            work.create(edit);
        } else if work.brings_back(edit) {
            work.bring_back(edit, bases);
        }
        // Content that was deleted for good is no version that the device could hold.
        let is_buried = work.record.content.is_none() && work.sticks();
        work.raised |= edit.above.is_some() && !is_buried;
        Ok(work)
    }

    /// Whether the record is deleted, and the edit brings it back.
    fn brings_back(&self, edit: &Edit) -> bool {
        self.was_deleted
            && edit.changes.iter().any(Change::is_current)
            && (!self.sticks() || edit.is_asked)
    }

    fn sticks(&self) -> bool {
        self.record.kind.delete_policy() == Deletes::Stick
    }

    /// The push becomes the new record, as a whole.
    fn create(&mut self, edit: &Edit) {
        let content = self.whole(edit);
        let (edited_at, claimed_at) = edit.created.unwrap_or((self.context.now, self.context.now));
        let (version, device) = (self.new_version, edit.device.clone());
        for change in &edit.changes {
            // Its device has edited the fields one after the other.
            if (change.edited_at, change.claimed_at) != (edited_at, claimed_at) {
                let (edited_at, claimed_at) = (change.edited_at, change.claimed_at);
                let touch = Touch { version, edited_at, claimed_at, device: device.clone() };
                self.record.meta.touched.insert(change.name.clone(), touch);
            }
        }
        self.record.meta.created = Touch { version, edited_at, claimed_at, device };
        self.record.content = Some(content);
        self.raised = true;
    }

    /// The record that an edit makes if there is none.
    fn whole(&self, edit: &Edit) -> Content {
        let nothing = || Content::new(&self.record.kind, self.context.now);
        edit.whole.clone().unwrap_or_else(nothing)
    }

    /// An edit that did not know of the delete brings the record back, with its last content if
    /// that is still retained.
    fn bring_back(&mut self, edit: &Edit, bases: &Bases) {
        crate::mark::hit!(edit_brings_a_deleted_piece_back);
        let last =
            HistoryKey { key: self.record.key(), version: self.record.meta.last_version, side: 0 };
        let mut content = self.whole(edit);
        match bases.get(&last) {
            Some(fields) => {
                // That content lacks a field that its kind has gained since.
                let made_at = Value::Text(self.record.meta.created.edited_at.to_string());
                for field in self.record.kind.fields().iter().filter(|field| field.is_edit_time()) {
                    content.set(field.name(), made_at.clone());
                }
                for (name, value) in fields {
                    content.set_unit(name, value.clone());
                }
                content.fill();
            }
            None => self.replace_forgotten(&content, edit),
        }
        let created_at = self.record.meta.last_created_at.take();
        let fixed = self.record.kind.creation_field().filter(|field| field.is_fixed_edit_time());
        if let Some((created_at, field)) = created_at.zip(fixed) {
            content.set(field.name(), Value::Text(created_at.to_string()));
        }
        self.record.content = Some(content);
        self.record.meta.last = BTreeMap::new();
        self.record.meta.last_version = 0;
        let claims = edit.changes.iter().map(|change| (change.edited_at, change.claimed_at));
        let (edited_at, claimed_at) = claims.max().unwrap_or((self.context.now, self.context.now));
        let (version, device) = (self.new_version, edit.device.clone());
        self.record.meta.revived = Some(Touch { version, edited_at, claimed_at, device });
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
            reason: edit.reason.filter(|_| edit.delete).unwrap_or(Reason::EditBeatsDelete),
            device: edit.device.clone(),
            version: 0,
            at: None,
            asks: true,
        });
    }

    /// The last content is past its retention, so the push replaces it. Values that differ from the
    /// remembered hashes count as changed.
    fn replace_forgotten(&mut self, content: &Content, edit: &Edit) {
        for name in content.names() {
            let (old, new) =
                (self.record.hash(name), self.record.unit(name).hash(&content.unit(name)));
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
                // An old value that nobody edited. Any edit is later.
                None => {
                    let old = self.record.meta.touch(name).clone();
                    Touch { version: self.new_version, device: None, ..old }
                }
            };
            self.record.meta.supersede(name, old, touch, self.context.now);
            self.changed.push(name.to_owned());
        }
    }

    fn delete(&mut self, edit: &Edit) {
        let Some(content) = self.record.content.clone() else {
            if self.old_version == 0 {
                self.leave_tombstone(edit);
            }
            return;
        };
        let is_unchanged = edit.base.is_some_and(|base| self.old_version <= base);
        if !is_unchanged {
            crate::mark::hit!(delete_loses_against_an_edit);
            self.lose_delete(edit);
            return;
        }
        crate::mark::hit!(unchanged_piece_is_deleted);
        for name in &edit.own {
            self.lost.push(Lost {
                field: Some(name.clone()),
                kept: Value::Null,
                lost: content.unit(name),
                base: edit.base,
                reason: Reason::LaterEdit,
                device: edit.device.clone(),
                version: 0,
                at: Some(self.superseded_key()),
                asks: true,
            });
        }
        self.record.meta.last = Meta::hashes_of(&content);
        self.record.meta.revived = None;
        self.record.meta.last_version = self.old_version;
        let created_at = self.record.kind.creation_field();
        let created_at = created_at.and_then(|field| content.text(field.name()));
        self.record.meta.last_created_at = created_at.and_then(UnixMillis::parse);
        self.record.content = None;
        self.raised = true;
    }

    /// Leaves a tombstone for a record that is deleted before it was made.
    fn leave_tombstone(&mut self, edit: &Edit) {
        let (version, now) = (self.new_version, self.context.now);
        let claimed_at = edit.claims.first().map_or(now, |claim| claim.claimed_at);
        let (edited_at, device) = (claimed_at.min(now), edit.device.clone());
        self.record.meta.created = Touch { version, edited_at, claimed_at, device };
        self.raised = true;
    }

    fn change(&mut self, edit: &Edit, change: &Change, bases: &Bases) -> Result<(), Refusal> {
        let whole;
        let change = match &change.parts {
            None => change,
            Some(parts) => {
                let value = self.completed(edit, (change, parts), bases)?;
                whole = Change { value, ..change.clone() };
                &whole
            }
        };
        if !self.is_news(edit, change) {
            crate::mark::hit!(what_the_record_has_had_is_no_news);
            return Ok(());
        }
        let named = base_key(&self.record, edit);
        let Some(content) = &mut self.record.content else {
            // It is too late to bring the record back, but the edit is kept.
            crate::mark::hit!(edit_of_a_deleted_record_is_kept);
            self.side.insert(change.name.clone(), change.value.clone());
            let (loser, reason) = (Winner::Pushed, Reason::LaterEdit);
            self.lose(edit, change, &Value::Null, Value::Null, loser, reason);
            return Ok(());
        };
        let server = content.unit(&change.name);
        let kind = self.record.kind.clone();
        let field = kind.unit(&change.name);
        let at_base = match &change.against {
            Against::Moved(keys) => keys.iter().find_map(|key| bases.get(key)?.get(&change.name)),
            _ => None,
        };
        let on = change.on.as_ref().filter(|_| field.needs_base());
        let base_value = on.or(at_base);
        let mut added_since = self.record.meta.added_since(&change.name, edit.base.unwrap_or(0));
        if let Some(on) = on {
            crate::mark::hit!(change_is_on_its_devices_change_before);
            let known = added_between(at_base, on);
            added_since.retain(|element, _| !known.contains(element));
        }
        let base = match &change.against {
            Against::Unmoved => Base::Unmoved,
            Against::Gone => Base::Gone,
            Against::Outdated => Base::Outdated,
            Against::Moved(_) => Base::Moved { value: base_value, added_since: &added_since },
        };
        let is_counter = field.field_type() == Some(&FieldType::Counter);
        let other = match edit.device.as_deref().filter(|_| is_counter) {
            None => Other::None,
            Some(device) => {
                // If the device knew the record's value, that is the value on which it has counted.
                let is_known = change.against == Against::Unmoved && change.doubt == Doubt::None;
                let base = match base_value {
                    Some(base) => Some(base),
                    None if is_known => Some(&server),
                    None => named.and_then(|key| bases.get(&key)?.get(&change.name)),
                };
                let is_on = change.on.is_some();
                let counts = Counts { device, base, is_on, server: &server, pushed: &change.value };
                counts.other(change.doubt)
            }
        };
        let pushed = if let Other::AddedUp(sum) = &other { sum } else { &change.value };
        let touch = self.record.meta.touch(&change.name).clone();
        let mut merged = merge_field(
            field,
            base,
            Side { value: &server, edited_at: touch.edited_at },
            Side { value: pushed, edited_at: change.edited_at },
        );
        match other {
            Other::None => {}
            Other::AddedUp(_) => {
                crate::mark::hit!(counts_of_two_installations_are_added_up);
                // The result has counts of both.
                merged.winner = Winner::Blend;
            }
            Other::Aside(loser) => {
                crate::mark::hit!(count_of_another_installation_is_kept_aside);
                merged.lost = Some((loser, Reason::LaterEdit));
            }
        }

        // Each device is one entry of a counter, no matter which device pushes it.
        let n_devices = |value: &Value| if is_counter { entries(value).len() } else { 0 };
        if limits::COUNTER_DEVICES.max(n_devices(&server)) < n_devices(&merged.value) {
            return Err(Refusal::TooLarge);
        }

        // A stored value that the field cannot hold reads as the default. Setting the default
        // replaces it.
        let replaces_misfit = merged.value == change.value && content.has_misfit(&change.name);
        if merged.value != server || replaces_misfit {
            // A device pushes what it has counted itself. If it knew the rest, the whole value is
            // its own.
            let is_known = is_counter && change.against == Against::Unmoved;
            let pure = merged.winner == Winner::Pushed || is_known;
            let touched = Touch {
                version: self.new_version,
                edited_at: merged.edited_at,
                claimed_at: change.claimed_at,
                device: edit.device.clone().filter(|_| pure),
            };
            let old_hash = field.hash(&server);
            if matches!(field.field_type(), Some(FieldType::Set { .. })) {
                self.record.meta.note_adds(&change.name, &server, &merged.value, self.new_version);
            }
            content.set_unit(&change.name, merged.value.clone());
            self.record.meta.supersede(&change.name, old_hash, touched, self.context.now);
            let fields = kind.fields_of(&change.name).into_iter().map(str::to_owned);
            self.changed.extend(fields);
        } else if touch.edited_at != merged.edited_at && field.policy().is_by_time() {
            let touched = Touch { edited_at: merged.edited_at, ..touch };
            self.record.meta.touched.insert(change.name.clone(), touched);
            self.noted = true;
        }
        if merged.value != change.value {
            self.side.insert(change.name.clone(), change.value.clone());
        }
        if let Some((loser, reason)) = merged.lost {
            self.lose(edit, change, &server, merged.value, loser, reason);
        } else {
            self.doubt(edit, change, &server, merged.value);
        }
        Ok(())
    }

    /// The value of a group of which `parts` were set. The other fields are those that the device
    /// had.
    fn completed(
        &self,
        edit: &Edit,
        (change, parts): (&Change, &BTreeMap<String, Value>),
        bases: &Bases,
    ) -> Result<Value, Refusal> {
        let Some(group) = self.record.kind.group_named(&change.name) else {
            return Ok(change.value.clone());
        };
        let is_whole = group.fields().all(|name| parts.contains_key(name));
        let current = self.record.content.as_ref().map(|content| content.unit(&change.name));
        let at_base = || {
            let key = base_key(&self.record, edit)?;
            Some(bases.get(&key)?.get(&change.name).cloned().unwrap_or(Value::Null))
        };
        let rest = match change.against {
            Against::Unmoved => current.or_else(at_base),
            _ => at_base(),
        };
        let rest = rest.or_else(|| is_whole.then_some(Value::Null)).ok_or(Refusal::BaseGone)?;
        Ok(group.completed(parts, &rest))
    }

    /// Whether a concurrent value is new. Under a policy that ranks values, a value that the record
    /// has had since the base was ranked then already. It does not undo a later edit that knew it.
    fn is_news(&self, edit: &Edit, change: &Change) -> bool {
        let unit = self.record.unit(&change.name);
        if change.against == Against::Unmoved || self.old_version == 0 || unit.policy().asks() {
            return true;
        }
        let is_of_other_life = edit.reason == Some(Reason::OtherLife);
        let since = edit.base.filter(|_| !is_of_other_life).unwrap_or(0);
        let hash = unit.hash(&change.value);
        let is_known = self.record.has_had(&change.name, hash, since)
            && !self.is_first_of_it(edit, change, hash);
        // A device that knew no value cannot clear one.
        let knew_one = || {
            let is_on_one = change.on.as_ref().is_some_and(|on| !on.is_null());
            0 < since || is_on_one || self.has_set(edit, change)
        };
        !is_known && (!change.value.is_null() || knew_one())
    }

    /// Whether the device has set the field before this change, as far as that is remembered.
    fn has_set(&self, edit: &Edit, change: &Change) -> bool {
        let Some(device) = edit.device.as_deref() else { return false };
        let of = Claim::of(Some(device), &change.name);
        let mut claims = self.record.meta.claims.iter();
        claims.any(|old| old.of == of && old.claimed_at < change.claimed_at)
    }

    /// Whether this edit sets a value that the record has had, is no later than the record's own
    /// edit, and nobody who saw the value has replaced it. Under [`Merge::First`] the value then
    /// counts as edited that early.
    fn is_first_of_it(&self, edit: &Edit, change: &Change, hash: u64) -> bool {
        let touch = self.record.meta.touch(&change.name);
        if self.record.unit(&change.name).policy() != Merge::First
            || touch.edited_at < change.edited_at
        {
            return false;
        }
        let of = Claim::of(touch.device.as_deref(), &change.name);
        let is_its = |claim: &&Claim| claim.of == of && claim.claimed_at == touch.claimed_at;
        let theirs = self.record.meta.claims.iter().find(is_its);
        self.record.hash(&change.name) == hash || theirs.is_some_and(|it| it.base <= edit.base)
    }

    /// Keeps the value that the user of a doubtful change may have wanted to leave, or to restore.
    fn doubt(&mut self, edit: &Edit, change: &Change, server: &Value, merged: Value) {
        let unit = self.record.unit(&change.name);
        if !unit.policy().asks() || unit.field_type() == Some(&FieldType::Counter) {
            // Nobody is asked, and the history has the value. Counters are decided elsewhere.
            return;
        }
        let is_long = matches!(unit.field_type(), Some(FieldType::Lines { .. }));
        let is_in = |value: &Value| match (value.as_text(), merged.as_text()) {
            (Some(value), Some(merged)) if is_long => has_every_line(merged, value),
            _ => *value == merged,
        };
        let loser = match change.doubt {
            Doubt::Replaced if !is_in(server) => Winner::Server,
            Doubt::Returned if !is_in(&change.value) => Winner::Pushed,
            _ => return,
        };
        crate::mark::hit!(doubtful_change_keeps_what_it_replaces);
        self.lose(edit, change, server, merged, loser, Reason::LaterEdit);
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
        let is_by_time = matches!(reason, Reason::LaterEdit | Reason::TextClash | Reason::Policy);
        let asks = self.record.unit(&change.name).policy().asks();
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
            // A tombstone does not have the record's content: see `keep_losers`.
            at: (loser == Winner::Server && !self.was_deleted).then(|| self.superseded_key()),
            asks,
        });
    }

    /// Reports values that a form saved although they were old. The version on which the form was
    /// opened may have been skipped, or may be near the end of its retention.
    fn stale(&mut self, edit: &Edit) {
        let Some(content) = &self.record.content else {
            return;
        };
        for stale in &edit.stale {
            crate::mark::hit!(stale_form_is_reported);
            self.noted = true;
            self.lost.push(Lost {
                field: Some(stale.name.clone()),
                kept: content.unit(&stale.name),
                lost: stale.value.clone(),
                base: Some(stale.version),
                reason: Reason::StaleForm,
                device: edit.device.clone(),
                version: 0,
                at: None,
                asks: true,
            });
        }
    }

    fn superseded_key(&self) -> HistoryKey {
        HistoryKey { key: self.record.key(), version: self.old_version, side: 0 }
    }
}
