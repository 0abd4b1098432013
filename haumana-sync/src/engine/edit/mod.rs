//! An edit of a record with everything that is known of its base, and what becomes of it.

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

/// What a pusher changed of a field, or of a group of fields.
#[derive(Clone, Debug)]
pub struct Change {
    /// The name under which the record remembers it.
    pub name: String,
    /// The value that it sets.
    pub value: Value,
    /// Of a group: the fields that were set. The others are those of the value that they were set on,
    /// so `value` is not known yet.
    pub parts: Option<BTreeMap<String, Value>>,
    /// When it was edited: the claim, clamped to the server's time.
    pub edited_at: UnixMillis,
    /// When its device says that it was edited.
    pub claimed_at: UnixMillis,
    /// What the server did to it since the edit's base.
    pub against: Against,
    /// What its user saw there, if that is not what the base has: what the same device had set before,
    /// on the same base. Of fields, not of groups; of counters also where the base's value still stands.
    pub on: Option<Value>,
    /// Whose value may be meant to stand although it does not; that one goes to the inbox, too.
    pub doubt: Doubt,
}

/// What nobody can know of a change that may come from a copy of its device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing.
    #[default]
    None,
    /// Whether its user knew the value that it replaces.
    Replaced,
    /// Whether its user meant to put back what it has from its base.
    Returned,
    /// Nothing: another installation of the same name has made the record's change.
    Apart,
    /// Nothing: of a counter, its device has itself counted all that the record has under its name.
    Own,
}

impl Change {
    /// Whether its device has not made a newer push since.
    pub fn is_current(&self) -> bool {
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
    /// The field.
    pub name: String,
    /// What the form saved.
    pub value: Value,
    /// The version that it was opened on, or that the push became which it shows.
    pub version: Version,
}

/// An edit of one record.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The device, where it has a name.
    pub device: Option<String>,
    /// The version that it was made on, where known.
    pub base: Option<Version>,
    /// What it changes.
    pub changes: Vec<Change>,
    /// The whole record as it was pushed; what a new record is made of.
    pub whole: Option<Content>,
    /// When a new piece was edited, and when its device says so.
    pub created: Option<(UnixMillis, UnixMillis)>,
    /// The reason to give where a value loses only by time.
    pub reason: Option<Reason>,
    /// What is reported although it changes nothing.
    pub stale: Vec<Stale>,
    /// Raise the version above this one, whether or not the content changes.
    pub above: Option<Version>,
    /// Hashes of the changes, to know them when they come again.
    pub seen: Vec<u64>,
    /// What its device says by it of each field.
    pub claims: Vec<Claim>,
    /// Delete the piece.
    pub delete: bool,
    /// Fields that are deleted with it although it is not certain that its device knew them.
    pub own: Vec<String>,
    /// The pusher knows that the piece is deleted and brings it back on purpose.
    pub knows_delete: bool,
    /// A person asked for it by a call of its own, not by editing: it brings back what was deleted
    /// for good, too.
    pub is_asked: bool,
    /// It is remembered only if something of it lost: its device sends all that it has each time.
    pub is_sent_always: bool,
}

/// A value that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The field; `None` where a delete was involved.
    pub field: Option<String>,
    /// The value that stays.
    pub kept: Value,
    /// The value that lost.
    pub lost: Value,
    /// The base of the edit.
    pub base: Option<Version>,
    /// Why it lost.
    pub reason: Reason,
    /// The device whose push it came up with.
    pub device: Option<String>,
    /// The version in which the other value stands.
    pub version: Version,
    /// Where the lost value is kept.
    pub at: Option<HistoryKey>,
    /// Whether it waits for a person in the inbox; otherwise only the history has it.
    pub asks: bool,
}

/// What becomes of an edit.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The record as it is then.
    pub record: Record,
    /// The record, closed.
    pub envelope: Envelope,
    /// New entries of the history.
    pub history: Vec<HistoryEntry>,
    /// What lost, in this part of the edit and in those before it.
    pub lost: Vec<Lost>,
    /// Parts of the edit that are written before this one, where one commit cannot hold all of it;
    /// they have no parts, and each has its own losers.
    pub parts: Vec<Applied>,
    /// Whether anything is to be written.
    pub writes: bool,
    /// Where what was pushed is kept, if a part of it is in no version.
    pub side: Option<HistoryKey>,
}

impl Applied {
    /// Nothing becomes of the record.
    pub fn unchanged(record: Record, envelope: Envelope) -> Self {
        let (history, lost) = (Vec::new(), Vec::new());
        let parts = Vec::new();
        Self { record, envelope, history, lost, parts, writes: false, side: None }
    }

    /// Puts what a dialect keeps beside the record; that is to be written.
    pub fn set_slot(&mut self, slot: Slot) {
        self.record.meta.slot = slot;
        // The content is closed already.
        self.envelope.meta = to_json(&self.record.meta);
        self.writes = true;
    }
}

/// What an edit is applied in.
#[derive(Clone, Copy, Debug)]
pub struct MergeContext {
    /// The time now.
    pub now: UnixMillis,
    /// What was superseded before this is past its retention.
    pub oldest: UnixMillis,
    /// Which life of the data this is.
    pub generation: Generation,
    /// What becomes of content of another life.
    pub other_life: OtherLife,
    /// The largest version of the account's life before; records of this one are above it.
    pub floor: Version,
    /// Whether the account was imported. Lives before that may have made any record, and not all of
    /// those are in the export.
    pub is_imported: bool,
    /// How many versions are skipped where content of another life may have numbers.
    pub leap: Version,
}

impl MergeContext {
    /// Whether `version` was given in another life than the record that stands at `current`.
    pub fn is_of_life_before(&self, version: Version) -> bool {
        version <= self.floor
    }
}

/// The texts of bases, by where they are kept.
pub type Bases = HashMap<HistoryKey, BTreeMap<String, Value>>;
