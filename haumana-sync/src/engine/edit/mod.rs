//! An edit of a record, with all that is known of its base, and the result of applying it.

pub(crate) mod apply;
pub(crate) mod bases;
pub(crate) mod meta;
pub(crate) mod numbering;
pub(crate) mod packed;
pub(crate) mod record;
pub(crate) mod slot;

use crate::engine::OtherLife;
use crate::engine::edit::meta::Claim;
use crate::engine::edit::record::{Record, to_json};
use crate::engine::edit::slot::Slot;
use crate::merge::Reason;
use crate::record::{Content, Value};
use crate::store::{Envelope, Generation, HistoryEntry, HistoryKey, Version};
use crate::time::UnixMillis;
use std::collections::{BTreeMap, HashMap};

/// A change of a field, or of a group of fields, by a pusher.
#[derive(Clone, Debug)]
pub struct Change {
    /// The name of the unit.
    pub name: String,
    /// The value that it sets.
    pub value: Value,
    /// For a group: the fields that were set. The other fields come from the value on which they
    /// were set, so `value` is not known yet.
    pub parts: Option<BTreeMap<String, Value>>,
    /// The edit time: the claim, clamped to the server's time.
    pub edited_at: UnixMillis,
    /// The edit time that its device claims.
    pub claimed_at: UnixMillis,
    /// What the server did to the unit since the edit's base.
    pub against: Against,
    /// The value that its user saw, if it is not the base's: the same device had set it before, on
    /// the same base. It is for fields, not for groups. For counters it is also set if the base's
    /// value is unchanged.
    pub on: Option<Value>,
    /// Whether another value may be the intended one. That value then goes to the inbox, too.
    pub doubt: Doubt,
}

/// What cannot be known of a change that may come from a copy of its device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing: the change is certain.
    #[default]
    None,
    /// Whether its user knew the value that it replaces.
    Replaced,
    /// Whether its user wanted to restore the value of its base.
    Returned,
    /// Nothing: another installation with the same name made the record's change.
    Apart,
    /// Nothing: the device itself has counted all that the record's counter has under its name.
    Own,
}

impl Change {
    /// Whether its device has not pushed anything newer.
    pub fn is_current(&self) -> bool {
        self.against != Against::Outdated
    }
}

/// What is known of the server's side of a changed unit since the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// The server has not changed it.
    Unmoved,
    /// It has. The base's value is in the first of these entries that has the field.
    Moved(Vec<HistoryKey>),
    /// It has, and the base is past its retention.
    Gone,
    /// The same device has pushed something newer meanwhile.
    Outdated,
}

/// A value that a form saved although it was older than the value on the device.
#[derive(Clone, Debug)]
pub struct Stale {
    /// The field.
    pub name: String,
    /// The value that the form saved.
    pub value: Value,
    /// The version on which the form was opened, or the version of the push that the form shows.
    pub version: Version,
}

/// An edit of one record.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The device, if it has a name.
    pub device: Option<String>,
    /// The version on which the edit was made, if known.
    pub base: Option<Version>,
    /// What it changes.
    pub changes: Vec<Change>,
    /// The whole record as it was pushed. A new record is made from it.
    pub whole: Option<Content>,
    /// The edit time of a new record: the clamped time, and the time that its device claims.
    pub created: Option<(UnixMillis, UnixMillis)>,
    /// The reason to give if a value loses only by time.
    pub reason: Option<Reason>,
    /// Values that are reported although they change nothing.
    pub stale: Vec<Stale>,
    /// Raise the version above this one, whether or not the content changes.
    pub above: Option<Version>,
    /// Hashes of the changes, to recognise them when they come again.
    pub seen: Vec<u64>,
    /// The claims of its device, one for each field.
    pub claims: Vec<Claim>,
    /// Delete the record.
    pub delete: bool,
    /// Fields that are deleted with it, although it is not certain that its device knew them.
    pub own: Vec<String>,
    /// The pusher knows that the record is deleted, and brings it back on purpose.
    pub knows_delete: bool,
    /// A person asked for it by a separate call, not by an edit on a device. It may also bring back
    /// a record whose deletes stick.
    pub is_asked: bool,
    /// It is remembered only if some of it lost, because its device sends all records each time.
    pub is_sent_always: bool,
}

/// A value that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The field; `None` if a delete was involved.
    pub field: Option<String>,
    /// The value that stays.
    pub kept: Value,
    /// The value that lost.
    pub lost: Value,
    /// The base of the edit.
    pub base: Option<Version>,
    /// Why it lost.
    pub reason: Reason,
    /// The device whose push made it lose.
    pub device: Option<String>,
    /// The version that has the other value.
    pub version: Version,
    /// Where the lost value is kept.
    pub at: Option<HistoryKey>,
    /// Whether it waits for a person in the inbox. Otherwise only the history has it.
    pub asks: bool,
}

/// The result of applying an edit.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The record after the edit.
    pub record: Record,
    /// The same record in its stored form.
    pub envelope: Envelope,
    /// New entries of the history.
    pub history: Vec<HistoryEntry>,
    /// The values that lost, in this part of the edit and in earlier parts.
    pub lost: Vec<Lost>,
    /// Parts of the edit that are written before this one, if one commit cannot hold all of it.
    /// They have no parts themselves, and each has its own losing values.
    pub parts: Vec<Applied>,
    /// Whether there is anything to write.
    pub writes: bool,
    /// Where the pushed content is kept, if a part of it is in no version.
    pub side: Option<HistoryKey>,
}

impl Applied {
    /// The edit changes nothing.
    pub fn unchanged(record: Record, envelope: Envelope) -> Self {
        let (history, lost) = (Vec::new(), Vec::new());
        let parts = Vec::new();
        Self { record, envelope, history, lost, parts, writes: false, side: None }
    }

    /// Sets what a dialect keeps beside the record. It is then written.
    pub fn set_slot(&mut self, slot: Slot) {
        self.record.meta.slot = slot;
        // The content is in its stored form already.
        self.envelope.meta = to_json(&self.record.meta);
        self.writes = true;
    }
}

/// The context in which an edit is applied.
#[derive(Clone, Copy, Debug)]
pub struct MergeContext {
    /// The time now.
    pub now: UnixMillis,
    /// History that was superseded before this time is past its retention.
    pub oldest: UnixMillis,
    /// The generation of the data.
    pub generation: Generation,
    /// What happens to content of another life.
    pub other_life: OtherLife,
    /// The largest version of the account's earlier lives. Records of this life are above it.
    pub floor: Version,
    /// Whether the account was imported. Its earlier lives may have made any record, and the export
    /// may not have all of them.
    pub is_imported: bool,
    /// How many versions are skipped where content of another life may have numbers.
    pub leap: Version,
}

impl MergeContext {
    /// Whether `version` belongs to a life before that of the record, which is at version
    /// `current`.
    pub fn is_of_life_before(&self, version: Version) -> bool {
        version <= self.floor
    }
}

/// The content of bases, by the history key under which it is kept.
pub type Bases = HashMap<HistoryKey, BTreeMap<String, Value>>;
