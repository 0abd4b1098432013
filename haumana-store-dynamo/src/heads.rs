//! Heads as items, and the last commits that they remember.
//!
//! # What a head remembers, and why
//!
//! A query in DynamoDB is not a snapshot. While a transaction is being applied, a query may find
//! some of its items in the new state and others in the old one. A page that misses a record would
//! be a lost edit: its reader continues behind the head and never asks again.
//!
//! So each head has marks of the records that the last four commits wrote. A reader gets the head
//! by key, which is always complete, and then lists the index. If a marked record is not listed
//! with at least that revision, the reader has found half of a transaction, and reads again.
//!
//! # The bytes
//!
//! `_recent0` to `_recent3` are binaries: revision (8 bytes), stamp (8), number of pieces (4), then
//! 4 bytes for each record, pieces first. A commit writes `_recent0` and moves the others along
//! with `if_not_exists`, so it need not know their content.

use crate::error::Bad;
use crate::items::{Item, bits, bytes, digest, n, number, text, u128_of};
use crate::schema::{PIECES, TableSchema};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_sync::digest::Digest;
use haumana_sync::id::Key;
use haumana_sync::store::{
    Batch, CommitId, Envelope, Epoch, Generation, Head, HeadState, Revision, Stamp,
};
use haumana_sync::time::UnixMillis;

/// The attributes for the commits that a head remembers, the last first.
///
/// DYNAMODB: a Query is not a snapshot: it may find a part of a transaction. A reader knows from
/// the head which records it must find, and reads again if one is missing.
///
/// Four are more than can be half visible at once: a commit starts from a head that was read, so
/// four of them take four round trips. With full commits the marks take 2 kB of the head.
pub(crate) const RECENT: [&str; 4] = ["_recent0", "_recent1", "_recent2", "_recent3"];

/// The revision of the last commit that wrote to the table of pieces, and to that of sessions.
///
/// If a pull continues behind one of them, it need not query that table at all.
pub(crate) const LAST_IN: [&str; 2] = ["_lastPieces", "_lastSessions"];

/// A head as it is stored.
///
/// Everything besides `head` is this store's own. The engine never sees it.
#[derive(Clone, Debug)]
pub(crate) struct StoredHead {
    pub head: Head,
    pub recent: Vec<Recent>,
    /// See [`LAST_IN`]; `None`: not known.
    pub last_in: [Option<Revision>; 2],
    /// The time at which the account's costs are paid off, in ms; see [`crate::allowance`].
    pub paid: i64,
}

/// What a head remembers of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recent {
    pub revision: Revision,
    pub stamp: Stamp,
    /// The marks of the records that it wrote: pieces, then sessions and conflicts.
    pub marks: [Vec<u32>; 2],
}

/// Four bytes of a hash. They are enough to notice a missing record.
///
/// Two records of one user may share a mark. Then one of them may hide that the other is missing.
/// With at most 4 × 98 marks of 32 bits at a time, that is very unlikely.
pub(crate) fn mark(key: Key) -> u32 {
    // The first 32 of 128 bits.
    (Digest::of_version(&key.kind.code(), key.id, 0, false).bits() >> 96) as u32
}

impl Recent {
    fn of(batch: &Batch) -> Self {
        let marks = [0, 1].map(|table| {
            let keys = batch.records.iter().map(|record| record.key);
            keys.filter(|key| table_number(*key) == table).map(mark).collect()
        });
        Self { revision: batch.head.revision, stamp: batch.head.stamp, marks }
    }

    /// Returns the marks of the records in `table`.
    pub(crate) fn marks_in(&self, table: TableSchema) -> &[u32] {
        let [pieces, others] = &self.marks;
        if table == PIECES { pieces } else { others }
    }

    /// At most 20 + 4 × 98 bytes.
    fn encode(&self) -> AttributeValue {
        let [pieces, others] = &self.marks;
        let mut bytes = Vec::with_capacity(20 + 4 * (pieces.len() + others.len()));
        bytes.extend(self.revision.0.to_be_bytes());
        bytes.extend(self.stamp.0.to_be_bytes());
        // At most 98 records.
        bytes.extend((pieces.len() as u32).to_be_bytes());
        bytes.extend(pieces.iter().chain(others).flat_map(|mark| mark.to_be_bytes()));
        AttributeValue::B(Blob::new(bytes))
    }

    /// `None` for bytes that are too short. An empty binary means that there was no commit.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (revision, rest) = bytes.split_first_chunk()?;
        let (stamp, rest) = rest.split_first_chunk()?;
        let (n_pieces, marks) = rest.split_first_chunk()?;
        let marks = marks.chunks_exact(4).filter_map(|mark| mark.try_into().ok());
        let mut pieces: Vec<u32> = marks.map(u32::from_be_bytes).collect();
        let n_pieces = usize::try_from(u32::from_be_bytes(*n_pieces)).ok()?;
        let others = pieces.split_off(n_pieces.min(pieces.len()));
        Some(Self {
            revision: Revision(u64::from_be_bytes(*revision)),
            stamp: Stamp(i64::from_be_bytes(*stamp)),
            marks: [pieces, others],
        })
    }
}

/// Returns the attributes of a head, without key and memory.
///
/// The state is a text, not a number, because operators read heads in the console.
fn encode(head: &Head) -> Vec<(&'static str, AttributeValue)> {
    let state = match head.state {
        HeadState::Active => "active",
        HeadState::Erasing => "erasing",
        HeadState::Erased => "erased",
        HeadState::Importing => "importing",
    };
    vec![
        ("_epoch", n(head.epoch.0)),
        ("_revision", n(head.revision.0)),
        ("_stamp", n(head.stamp.0)),
        ("_generation", n(head.generation.0)),
        ("_versions", bits(head.versions.bits())),
        ("_content", bits(head.content.bits())),
        ("_records", n(head.records)),
        ("_bytes", n(head.bytes)),
        ("_maxVersion", n(head.max_version)),
        ("_commit", bits(head.commit.0)),
        ("_state", AttributeValue::S(state.to_owned())),
        ("_erasedAt", head.erased_at.map_or(AttributeValue::Null(true), |at| n(at.0))),
        ("_purgedAt", n(head.purged_at.0)),
        ("_notes", AttributeValue::S(head.notes.clone())),
    ]
}

/// Reads a head.
///
/// The memory is optional. A head without it is served, but its readers cannot notice a commit that
/// is half visible.
pub(crate) fn decode(item: &Item) -> Result<StoredHead, Bad> {
    let head = Head {
        epoch: Epoch(number(item, "_epoch")?),
        revision: Revision(number(item, "_revision")?),
        stamp: Stamp(number(item, "_stamp")?),
        generation: Generation(number(item, "_generation")?),
        versions: digest(item, "_versions")?,
        content: digest(item, "_content")?,
        records: number(item, "_records")?,
        bytes: number(item, "_bytes")?,
        max_version: number(item, "_maxVersion")?,
        commit: CommitId(u128_of(item, "_commit")?),
        state: state(text(item, "_state")?)?,
        erased_at: match item.get("_erasedAt") {
            Some(AttributeValue::Null(_)) => None,
            _ => Some(UnixMillis(number(item, "_erasedAt")?)),
        },
        purged_at: UnixMillis(number(item, "_purgedAt")?),
        // Heads of version 0.1 have none.
        notes: text(item, "_notes").unwrap_or_default().to_owned(),
    };
    let recent = RECENT.iter().filter_map(|name| Recent::decode(bytes(item, name).ok()?));
    let last_in = LAST_IN.map(|name| number(item, name).ok().map(Revision));
    let paid = crate::allowance::read(item);
    Ok(StoredHead { head, recent: recent.collect(), last_in, paid })
}

fn state(name: &str) -> Result<HeadState, Bad> {
    match name {
        "active" => Ok(HeadState::Active),
        "erasing" => Ok(HeadState::Erasing),
        "erased" => Ok(HeadState::Erased),
        "importing" => Ok(HeadState::Importing),
        _ => Err(Bad("_state")),
    }
}

/// An update of one item: its expressions, with the names and values in them.
///
/// Names and values are collected under aliases while the expression is written, because DynamoDB
/// allows neither reserved words nor names with an underscore in front.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub update: String,
    pub condition: String,
    pub names: Vec<(String, String)>,
    pub values: Vec<(String, AttributeValue)>,
}

impl Update {
    fn name(&mut self, name: &str) -> String {
        // DYNAMODB: names that begin with `_` must have an alias in an expression.
        let alias = format!("#{}", name.trim_start_matches('_'));
        if !self.names.iter().any(|(known, _)| *known == alias) {
            self.names.push((alias.clone(), name.to_owned()));
        }
        alias
    }

    /// Each value gets an alias of its own, even if it equals another.
    fn value(&mut self, name: &str, value: AttributeValue) -> String {
        let alias = format!(":{name}");
        self.values.push((alias.clone(), value));
        alias
    }

    fn set(&mut self, name: &str, value: AttributeValue) -> String {
        let value = self.value(&format!("new{name}"), value);
        format!("{} = {value}", self.name(name))
    }

    /// Adds an attribute to an update that already sets some.
    pub(crate) fn and_set(&mut self, name: &str, value: AttributeValue) {
        let set = self.set(name, value);
        self.update = format!("{}, {set}", self.update);
    }
}

/// Returns the update that replaces the head `expected` by that of `batch`.
///
/// The first commit needs a head that does not exist. All others compare epoch, revision and commit
/// id, as [`Head::is_same`] does.
pub(crate) fn advance(expected: Option<&Head>, batch: &Batch) -> Update {
    let mut update = Update::default();
    let mut sets: Vec<String> =
        encode(&batch.head).into_iter().map(|(name, value)| update.set(name, value)).collect();
    sets.push(update.set(RECENT[0], Recent::of(batch).encode()));
    let none = update.value("none", AttributeValue::B(Blob::new([])));
    for pair in RECENT.windows(2) {
        // Windows of two have two elements. All right sides have the values from before the update.
        let (newer, older) = (update.name(pair[0]), update.name(pair[1]));
        sets.push(format!("{older} = if_not_exists({newer}, {none})"));
    }
    for (at, name) in LAST_IN.iter().enumerate() {
        let is_in_table = |record: &Envelope| table_number(record.key) == at;
        if batch.records.iter().any(is_in_table) {
            sets.push(update.set(name, n(batch.head.revision.0)));
        }
    }
    update.update = format!("SET {}", sets.join(", "));
    update.condition = match expected {
        None => format!("attribute_not_exists({})", update.name("_epoch")),
        Some(head) => {
            let same = [
                ("_epoch", n(head.epoch.0)),
                ("_revision", n(head.revision.0)),
                ("_commit", bits(head.commit.0)),
            ];
            let same = same.map(|(name, value)| {
                let value = update.value(&format!("old{name}"), value);
                format!("{} = {value}", update.name(name))
            });
            same.join(" AND ")
        }
    };
    update
}

/// Returns the update that makes a head forget the last commits, because their records are being
/// erased.
///
/// Without it, each reader during an erasure would wait for records that are being deleted.
pub(crate) fn forget() -> Update {
    let mut update = Update::default();
    let names: Vec<String> = RECENT.iter().chain(&LAST_IN).map(|name| update.name(name)).collect();
    update.update = format!("REMOVE {}", names.join(", "));
    update.condition = format!("attribute_exists({})", update.name("_epoch"));
    update
}

/// Which of [`LAST_IN`] belongs to the table of a record.
pub(crate) fn table_number(key: Key) -> usize {
    usize::from(key.kind != haumana_sync::id::KindNumber::PIECE)
}
