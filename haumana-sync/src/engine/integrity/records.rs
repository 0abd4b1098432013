//! Checks each record against itself, its schema, the head and the index.

use super::sums::Sums;
use super::{Fault, FaultPlace, Finding};
use crate::digest::Digest;
use crate::engine::edit::meta::{FORMAT, Meta, Touch};
use crate::engine::edit::record::{Record, parse};
use crate::engine::history::accept::is_as_written;
use crate::engine::{Engine, Result};
use crate::id::{Key, KindNumber, UserId};
use crate::store::{After, Envelope, Head, IndexEntry, Revision, Version};
use std::collections::{BTreeSet, HashMap};

/// How many records are read at once.
const PAGE: usize = 500;

/// The content of a tombstone.
const NO_CONTENT: &str = "{}";

/// What later checks need to know of the records.
#[derive(Debug)]
pub(super) struct Records {
    versions: HashMap<Key, Version>,
    /// Entries of the inbox, open and closed.
    pub conflicts: Vec<Key>,
    pub n_open: usize,
    pub sums: Sums,
    pub n_live: usize,
    pub n_tombstones: usize,
    pub n_unreadable: usize,
    /// The last revision that wrote a record.
    pub last_revision: u64,
}

impl Records {
    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// The version of a record; `None` if it does not exist.
    pub(super) fn version(&self, key: &Key) -> Option<Version> {
        self.versions.get(key).copied()
    }
}

impl Engine {
    /// Checks each record, in the order of the change feed, and then the index.
    pub(super) async fn look_at_records(
        &self,
        user: &UserId,
        head: Option<&Head>,
        found: &mut Vec<Finding>,
    ) -> Result<Records> {
        let mut records = Records {
            versions: HashMap::new(),
            conflicts: Vec::new(),
            n_open: 0,
            sums: Sums::new(),
            n_live: 0,
            n_tombstones: 0,
            n_unreadable: 0,
            last_revision: 0,
        };
        let mut indexed: HashMap<Key, IndexEntry> = HashMap::new();
        let mut kinds: BTreeSet<KindNumber> =
            self.schema().kinds().iter().map(|kind| kind.number()).collect();
        kinds.insert(KindNumber::CONFLICT);
        for kind in &kinds {
            indexed.extend(self.index_of(user, *kind).await?);
        }
        let mut after = After::Start;
        loop {
            let page = self.screen.store.changes(user, after, PAGE).await?;
            for record in &page.records {
                let kind = record.key.kind;
                if kinds.insert(kind) {
                    // A kind that the schema does not have.
                    indexed.extend(self.index_of(user, kind).await?);
                }
                let entry = indexed.remove(&record.key);
                self.look_at_record((record, entry), head, &mut records, found);
            }
            let Some(place) = page.rest_after() else { break };
            after = After::Place(place);
        }
        for key in indexed.into_keys().filter(|key| !records.versions.contains_key(key)) {
            found.push(Finding::new(Fault::NotInStream, FaultPlace::Record(key), ""));
        }
        Ok(records)
    }

    async fn index_of(&self, user: &UserId, kind: KindNumber) -> Result<Vec<(Key, IndexEntry)>> {
        let index = self.screen.store.index(user, kind).await?;
        Ok(index.into_iter().map(|entry| (Key { kind, id: entry.id }, entry)).collect())
    }

    fn look_at_record(
        &self,
        (record, entry): (&Envelope, Option<IndexEntry>),
        head: Option<&Head>,
        records: &mut Records,
        found: &mut Vec<Finding>,
    ) {
        let key = record.key;
        let mut tell = |fault, detail: String| {
            found.push(Finding::new(fault, FaultPlace::Record(key), detail));
        };
        if records.versions.insert(key, record.version).is_some() {
            tell(Fault::TwiceInStream, String::new());
            return;
        }
        if record.is_unreadable() {
            tell(Fault::Unreadable, "of what is stored not even its parts".to_owned());
            records.n_unreadable += 1;
            match entry {
                // The index says what it adds to the sums.
                Some(entry) => records.sums.add(self.schema(), &told_by(record, &entry)),
                None => records.sums.add_unknown(),
            }
            return;
        }
        match entry {
            None => tell(Fault::NotInIndex, String::new()),
            Some(entry) if entry != IndexEntry::of(record) => {
                tell(Fault::IndexDiffers, differences(&entry, &IndexEntry::of(record)));
            }
            Some(_) => {}
        }
        records.last_revision = records.last_revision.max(record.revision.0);
        let last = head.map_or(Revision(0), |head| head.revision);
        if record.revision == Revision(0) || last < record.revision {
            tell(
                Fault::RevisionRange,
                format!("{}, and the head is at {}", record.revision.0, last.0),
            );
        }
        if record.version == 0 {
            tell(Fault::VersionRange, "0".to_owned());
        }
        if key.kind.is_inbox() {
            records.conflicts.push(key);
            records.n_open += usize::from(!record.deleted);
            return;
        }
        records.sums.add(self.schema(), record);
        match record.deleted {
            true => records.n_tombstones += 1,
            false => records.n_live += 1,
        }
        if record.deleted && (record.content != NO_CONTENT || record.hash != Digest::default()) {
            tell(Fault::TombstoneContent, String::new());
        }
        if FORMAT < record.format {
            tell(Fault::Newer, format!("format {}", record.format));
        } else if self.schema().kind(key.kind).is_some() {
            self.look_into(record, &mut records.n_unreadable, &mut tell);
        }
    }

    /// Checks a record of a kind that the schema has.
    fn look_into(
        &self,
        envelope: &Envelope,
        n_unreadable: &mut usize,
        tell: &mut impl FnMut(Fault, String),
    ) {
        let record = match Record::open(envelope, self.schema()) {
            Ok(record) => record,
            Err(_) => {
                *n_unreadable += 1;
                let is_meta = parse::<Meta>(&envelope.meta).is_err();
                let part = if is_meta { "what is kept beside the content" } else { "the content" };
                tell(Fault::Unreadable, part.to_owned());
                return;
            }
        };
        if !is_as_written(envelope, &record) {
            tell(Fault::ChangedByHand, String::new());
        }
        for field in impossible_fields(&record) {
            tell(Fault::FieldVersions, field);
        }
    }
}

/// A record of which only its index entry can be read.
fn told_by(record: &Envelope, entry: &IndexEntry) -> Envelope {
    // Only the length of the content matters.
    let content = " ".repeat(usize::try_from(entry.size_bytes).unwrap_or(0));
    let IndexEntry { version, deleted, hash, .. } = *entry;
    Envelope { version, deleted, hash, content, ..record.clone() }
}

fn differences(index: &IndexEntry, record: &IndexEntry) -> String {
    let parts = [
        ("version", index.version != record.version),
        ("stamp", index.stamp != record.stamp),
        ("deleted", index.deleted != record.deleted),
        ("size", index.size_bytes != record.size_bytes),
        ("hash", index.hash != record.hash),
    ];
    let different = parts.iter().filter(|(_, differs)| *differs).map(|(part, _)| *part);
    different.collect::<Vec<_>>().join(", ")
}

/// What is remembered of fields and is impossible, each with its versions.
fn impossible_fields(record: &Record) -> Vec<String> {
    let (meta, version) = (&record.meta, record.version);
    let mut impossible = Vec::new();
    let is_later = |touch: &Touch| version < touch.version;
    if is_later(&meta.created) {
        impossible.push(format!("made by version {}", meta.created.version));
    }
    for (name, touch) in &meta.touched {
        if is_later(touch) || touch.version < meta.created.version {
            let made = meta.created.version;
            let touched = touch.version;
            impossible.push(format!("{name}: changed by version {touched}, made by {made}"));
        }
    }
    for (name, trail) in &meta.past {
        let versions = trail.iter().map(|past| past.version);
        let ends = trail.iter().skip(1).map(|next| next.version);
        let ends = ends.chain([meta.touch(name).version]);
        if let Some((from, to)) = versions.zip(ends).find(|(from, to)| to < from) {
            impossible.push(format!("{name}: changed by version {to} after {from}"));
        }
    }
    if record.content.is_none() && version <= meta.last_version && meta.last_version != 0 {
        impossible.push(format!("last content in version {}", meta.last_version));
    }
    impossible
}
