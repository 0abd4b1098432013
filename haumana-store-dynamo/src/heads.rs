//! Heads as items, and what they remember of the last commits.
//!
//! # What a head remembers, and why
//!
//! A query in DynamoDB is no snapshot. While a transaction is being applied, a query may meet some
//! of its items as they are and others as they were. A page that misses a record would be a lost
//! edit: its reader goes on behind the head and never asks again.
//!
//! So each head carries marks of the records that the last four commits wrote. A reader gets the
//! head by key, which is always whole, and then lists the index. If a record that is marked is not
//! listed with at least that revision, the reader has met half of a transaction, and reads again.
//!
//! # Bytes of a memory
//!
//! `_recent0` to `_recent3` are binaries: revision (8 bytes), stamp (8), number of pieces (4), then
//! 4 bytes for each record, pieces first. A commit writes `_recent0` and moves the others along
//! with `if_not_exists`, so it need not know what they hold.

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

/// Which commits a head remembers, the last first.
///
/// DYNAMODB: a Query is no snapshot: it may meet a part of a transaction. A reader knows from the
/// head which records it must have met, and reads again if one is missing.
///
/// Four are more than can be half visible at once: a commit starts from a head that was read, so
/// four of them take four round trips. Marks of full commits make the head 2 kB long.
pub(crate) const RECENT: [&str; 4] = ["_recent0", "_recent1", "_recent2", "_recent3"];

/// The revision of the last commit that wrote to the table of pieces, and to that of sessions.
///
/// A pull that goes on behind both need not query that table at all.
pub(crate) const LAST_IN: [&str; 2] = ["_lastPieces", "_lastSessions"];

/// A head as it is stored.
///
/// Everything beside `head` is this store's own, and the engine never sees it.
#[derive(Clone, Debug)]
pub(crate) struct StoredHead {
    pub head: Head,
    pub recent: Vec<Recent>,
    /// As [`LAST_IN`]; `None`: not known.
    pub last_in: [Option<Revision>; 2],
    /// When what the account has cost is paid off, in ms; see [`crate::allowance`].
    pub paid: i64,
}

/// What is remembered of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recent {
    pub revision: Revision,
    pub stamp: Stamp,
    /// The marks of the records that it wrote: pieces, then sessions and conflicts.
    pub marks: [Vec<u32>; 2],
}

/// Four bytes of a hash: enough to miss a record, too short to name one.
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

    /// `None` for bytes that are too short; an empty binary stands for no commit.
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
/// Text, not a number, for the state: operators read heads in the console.
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
/// The memory is optional: a head without it is served, and its readers cannot notice a torn
/// commit.
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
/// Names and values are collected while the expression is written, under aliases, because names
/// with an underscore in front and reserved words cannot stand in an expression.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub update: String,
    pub condition: String,
    pub names: Vec<(String, String)>,
    pub values: Vec<(String, AttributeValue)>,
}

impl Update {
    fn name(&mut self, name: &str) -> String {
        // DYNAMODB: names that begin with `_` may not stand in an expression as they are.
        let alias = format!("#{}", name.trim_start_matches('_'));
        if !self.names.iter().any(|(known, _)| *known == alias) {
            self.names.push((alias.clone(), name.to_owned()));
        }
        alias
    }

    /// Values have an alias each; the same value twice is two aliases.
    fn value(&mut self, name: &str, value: AttributeValue) -> String {
        let alias = format!(":{name}");
        self.values.push((alias.clone(), value));
        alias
    }

    fn set(&mut self, name: &str, value: AttributeValue) -> String {
        let value = self.value(&format!("new{name}"), value);
        format!("{} = {value}", self.name(name))
    }

    /// Adds an attribute to an update that sets some already.
    pub(crate) fn and_set(&mut self, name: &str, value: AttributeValue) {
        let set = self.set(name, value);
        self.update = format!("{}, {set}", self.update);
    }
}

/// Returns the update that puts the head of `batch` in the place of `expected`.
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
        // Windows of two have two elements. All right sides are those of before the update.
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

/// Returns the update that makes a head forget the last commits: their records are being erased.
///
/// Without it, each reader during an erasure would wait for records that are being deleted.
pub(crate) fn forget() -> Update {
    let mut update = Update::default();
    let names: Vec<String> = RECENT.iter().chain(&LAST_IN).map(|name| update.name(name)).collect();
    update.update = format!("REMOVE {}", names.join(", "));
    update.condition = format!("attribute_exists({})", update.name("_epoch"));
    update
}

/// Which of [`LAST_IN`] is of the table of a record.
pub(crate) fn table_number(key: Key) -> usize {
    usize::from(key.kind != haumana_sync::id::KindNumber::PIECE)
}
