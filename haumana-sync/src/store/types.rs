//! What a store keeps.
//!
//! All of these are plain values. The engine makes them. A store keeps them and returns them
//! unchanged.

use crate::digest::Digest;
use crate::id::{Key, RecordId, UserId, Version};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The number of a commit in one user's change feed: 0 before the first commit, one more with each.
///
/// LIMIT: every store accepts revisions up to 99,999,999,999, which is a commit per second for
/// 3,000 years. Beyond that it may answer `TooLarge`. No revision is 2^63 or more, so a store may
/// keep it as a signed number. [`After::Place`] may name any number.
///
/// There are no gaps: the difference of two revisions is the number of commits between them. A
/// commit may write no record, so some revisions have no record in the feed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Revision(pub u64);

/// The time of a commit, in whole seconds since 1970 UTC.
///
/// It is the cursor of clients that do not know revisions, such as the app on people's phones. It
/// never decreases within one user's change feed.
///
/// The engine sets it three seconds ahead of its clock, so that nothing is skipped if the clocks of
/// two servers differ a little. Clients that know revisions do not need it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp(pub i64);

/// A number of one account that changes when the account is erased or imported. A cursor counts
/// within one epoch.
///
/// It is random, not counted. If a backup brings back an erased account, and it is erased again,
/// its next epoch is one that no device has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// The id of one commit. It identifies a commit whose outcome was unknown.
///
/// It is random. After a lost answer, look at the head: if it has this id, the commit was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommitId(pub u128);

/// A number of all data that rises when a backup is restored. Devices notice, and send again what
/// the backup lacks.
///
/// It is one number for all users of a store. The docs of each store say how it counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation(pub u32);

impl Generation {
    /// Asks a store to begin a new life, whatever was asked for before. No data has this generation,
    /// and it does not count as one that was asked for.
    pub const ANEW: Self = Self(u32::MAX);
}

/// Whether the account accepts commits.
///
/// It is in the head so that a commit which races with an erasure fails by the compare-and-swap,
/// without another check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadState {
    /// The normal state.
    #[default]
    Active,
    /// An erasure is under way; nothing is accepted.
    Erasing,
    /// Everything was erased, and nothing was accepted since then.
    Erased,
    /// An import is under way or broke off. Only the rest of the import is accepted.
    Importing,
}

/// The one small item of a user that every commit replaces: revision, state, counts, digests.
///
/// The engine computes it and the store keeps it; see [`Batch::head`]. A store may keep its serde
/// form: every later version of this library can read it. Fields are only added, with a default.
///
/// A change of any record changes the head, so if two heads are equal, nothing has happened in
/// between. [`Head::is_same`] compares what identifies a head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The epoch of the account.
    pub epoch: Epoch,
    /// The revision of the last commit.
    pub revision: Revision,
    /// The stamp of the last commit.
    pub stamp: Stamp,
    /// The generation in which the last commit was made.
    pub generation: Generation,
    /// Digest of the versions of all records, tombstones included.
    ///
    /// Devices compute the same sum of [`Digest::of_version`] and compare. A commit updates it with
    /// one subtraction and one addition for each record.
    pub versions: Digest,
    /// Digest of the content of all live records whose kind compares content.
    ///
    /// Only kinds with [`ContentHash::Fields`](crate::schema::ContentHash::Fields) compare content.
    pub content: Digest,
    /// How many records there are, tombstones included.
    pub records: u64,
    /// How many bytes of content the live records hold.
    ///
    /// It counts [`Envelope::content`], without what the store adds. The limit is
    /// [`USER_BYTES`](crate::limits::USER_BYTES).
    pub bytes: u64,
    /// The largest version of any record.
    ///
    /// After an erasure new records get versions above it. So a version number that a device still
    /// holds never names new content.
    pub max_version: Version,
    /// The last commit.
    pub commit: CommitId,
    /// Whether commits are accepted.
    pub state: HeadState,
    /// When the user's data was last erased, if ever.
    pub erased_at: Option<UnixMillis>,
    /// When history past its retention was last purged.
    pub purged_at: UnixMillis,
    /// The engine's notes about the whole account. They are small, and a store does not interpret
    /// them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

impl Head {
    /// The head of an account before its first commit.
    pub(crate) fn before_all(epoch: Epoch, generation: Generation, now: UnixMillis) -> Self {
        Self {
            epoch,
            revision: Revision(0),
            stamp: Stamp(0),
            generation,
            versions: Digest::default(),
            content: Digest::default(),
            records: 0,
            bytes: 0,
            max_version: 0,
            commit: CommitId(0),
            state: HeadState::Active,
            erased_at: None,
            purged_at: now,
            notes: String::new(),
        }
    }

    /// Whether `other` has the same epoch, revision and commit.
    pub fn is_same(&self, other: &Head) -> bool {
        self.epoch == other.epoch && self.revision == other.revision && self.commit == other.commit
    }
}

/// One record as a store keeps it.
///
/// A store keeps each part and returns it unchanged. The store searches by `key`, `revision` and
/// `stamp`; it only returns the others. It decides which parts have columns of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The name of the record.
    pub key: Key,
    /// The number of its content.
    pub version: Version,
    /// The commit that wrote this envelope.
    pub revision: Revision,
    /// The stamp of that commit.
    pub stamp: Stamp,
    /// When version [`Envelope::version`] was committed, by the server's clock.
    pub modified_at: UnixMillis,
    /// Whether this is a tombstone.
    pub deleted: bool,
    /// Hash of the content under the kind's equality; zeros for a tombstone.
    pub hash: Digest,
    /// The format of `content` and `meta`. An engine never rewrites a record of a newer format.
    ///
    /// If a program does not know the format of a record, it answers the record as unavailable,
    /// until a newer program serves it.
    pub format: u16,
    /// A JSON object that the store does not interpret: the record's fields.
    pub content: String,
    /// A JSON object that the store does not interpret: what the engine keeps beside the fields.
    pub meta: String,
}

impl Envelope {
    /// The format of a record whose stored form the store or the engine cannot read.
    const UNREADABLE: u16 = u16::MAX;

    /// A record of which only the key can be read. The store adds the version and other parts that
    /// it knows.
    ///
    /// If somebody has changed the row by hand, a store answers this instead of failing the whole
    /// call.
    pub fn unreadable(key: Key, version: Version) -> Self {
        Self {
            key,
            version,
            revision: Revision(0),
            stamp: Stamp(0),
            modified_at: UnixMillis(0),
            deleted: false,
            hash: Digest::default(),
            format: Self::UNREADABLE,
            content: String::new(),
            meta: String::new(),
        }
    }

    /// Whether the stored form cannot be read. Such an envelope keeps the record's place. It does
    /// not say what the record holds, or whether it is deleted.
    pub fn is_unreadable(&self) -> bool {
        self.format == Self::UNREADABLE
    }

    /// Returns the same record, set aside: its content is not read.
    #[must_use]
    pub(crate) fn set_aside(self) -> Self {
        let format = Self::UNREADABLE;
        Self { format, content: String::new(), meta: String::new(), ..self }
    }

    /// Returns how many bytes this envelope counts towards limits.
    ///
    /// It is an estimate that is the same on every store: content and meta, and 128 bytes for the
    /// rest.
    pub fn size_bytes(&self) -> usize {
        self.content.len() + self.meta.len() + 128
    }
}

/// One record in [`crate::Store::index`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The record's id.
    pub id: RecordId,
    /// Its version.
    pub version: Version,
    /// The stamp of the commit that wrote it last.
    pub stamp: Stamp,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The length of its content in bytes.
    pub size_bytes: u32,
    /// Its content hash.
    pub hash: Digest,
}

impl IndexEntry {
    /// Returns the entry of a record.
    pub fn of(record: &Envelope) -> Self {
        Self {
            id: record.key.id,
            version: record.version,
            stamp: record.stamp,
            deleted: record.deleted,
            size_bytes: u32::try_from(record.content.len()).unwrap_or(u32::MAX),
            hash: record.hash,
        }
    }
}

/// A place in a user's change feed: everything up to and including this record of this revision.
///
/// Places are compared by (revision, kind, id). The engine puts a place into a device's cursor, so
/// it may come back after years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The commit.
    pub revision: Revision,
    /// The last record of that commit that was delivered; `None` if all of the commit was.
    pub within: Option<Key>,
}

/// Where [`crate::Store::changes`] starts.
///
/// `Place` is for clients that keep a cursor, `Stamp` for those that keep a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// At the beginning of the change feed.
    Start,
    /// Behind a place in the change feed.
    Place(Place),
    /// Behind every commit with this stamp or an earlier one.
    Stamp(Stamp),
}

/// A live record, as [`Store::live_records`](super::Store::live_records) returns it.
///
/// It leaves out what a client of stamps does not need: versions, and what is kept beside the
/// fields.
#[derive(Clone, PartialEq, Eq)]
pub struct LiveRecord {
    /// The record.
    pub id: RecordId,
    /// When it was committed last.
    pub stamp: Stamp,
    /// Its content.
    pub content: String,
}

impl std::fmt::Debug for LiveRecord {
    /// Prints no content, since it belongs to a person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One page of changes.
///
/// The engine continues behind the head of the last page. So the head must not be newer than the
/// records.
#[derive(Clone, Debug)]
pub struct Page {
    /// The head that was read before the records; `None`: the user has nothing.
    pub head: Option<Head>,
    /// The records.
    pub records: Vec<Envelope>,
    /// Whether more records follow, up to `head`.
    pub more: bool,
}

impl Page {
    /// Returns the place behind which the next page starts; `None` if nothing follows.
    ///
    /// It is for tools that read a whole account; the engine keeps a cursor.
    pub fn rest_after(&self) -> Option<Place> {
        let last = self.records.last().filter(|_| self.more)?;
        Some(Place { revision: last.revision, within: Some(last.key) })
    }
}

/// Names one entry of a record's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HistoryKey {
    /// The record.
    pub key: Key,
    /// The version.
    pub version: Version,
    /// 0 for the version itself, as it was superseded. Other numbers are pushes that did not become
    /// a version unchanged; they are kept because a part of them lost.
    pub side: u32,
}

/// A superseded version, or a push of which a part lost.
///
/// It is written by the same commit that supersedes the version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Which record, version and side.
    pub key: HistoryKey,
    /// When it was superseded or pushed; the retention time counts from here.
    pub at: UnixMillis,
    /// A JSON object that the store does not interpret: the fields.
    pub content: String,
    /// A JSON object that the store does not interpret.
    pub meta: String,
}

impl HistoryEntry {
    /// An entry of which only the key can be read. It contains no JSON, so the engine skips it.
    pub fn unreadable(key: HistoryKey) -> Self {
        Self { key, at: UnixMillis(0), content: String::new(), meta: String::new() }
    }

    /// Returns the bytes that this entry counts for in limits.
    pub fn size_bytes(&self) -> usize {
        self.content.len() + self.meta.len() + 128
    }
}

/// What one commit writes.
///
/// `records[..].revision` and `.stamp` equal `head.revision` and `head.stamp`. Each key of a record
/// occurs once, and each key of a history entry.
///
/// After a lost answer the identical batch is repeated, with the same commit id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The head after the commit; its revision is the expected one plus one.
    pub head: Head,
    /// The records that replace the current ones.
    pub records: Vec<Envelope>,
    /// The history entries to add.
    pub history: Vec<HistoryEntry>,
}

impl Batch {
    /// Returns how many items the batch writes besides the head.
    pub fn items(&self) -> usize {
        self.records.len() + self.history.len()
    }

    /// Returns how many bytes the batch writes.
    pub fn size_bytes(&self) -> usize {
        let records: usize = self.records.iter().map(Envelope::size_bytes).sum();
        let history: usize = self.history.iter().map(HistoryEntry::size_bytes).sum();
        records + history
    }

    /// Asserts what every store may rely on.
    ///
    /// [`backend::check_batch`](super::backend::check_batch) calls it.
    ///
    /// # Panics
    ///
    /// If the batch contradicts itself. That is a mistake in the engine, never in a request.
    pub fn assert_consistent(&self, user: &UserId, expected: Option<&Head>) {
        assert!(!user.as_str().is_empty(), "a commit has a user");
        let before = expected.map_or(0, |head| head.revision.0);
        assert_eq!(self.head.revision.0, before + 1, "a commit is one revision");
        assert!(self.head.revision.0 < 1 << 63, "a revision fits into a signed number");
        assert!(expected.is_none_or(|head| head.stamp <= self.head.stamp), "stamps never decrease");
        let mut keys: Vec<Key> = self.records.iter().map(|record| record.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), self.records.len(), "a commit writes a record once");
        let mut keys: Vec<HistoryKey> = self.history.iter().map(|entry| entry.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), self.history.len(), "a commit writes a history entry once");
        assert!(
            self.records
                .iter()
                .all(|record| record.revision == self.head.revision
                    && record.stamp == self.head.stamp),
            "records carry the revision and the stamp of their commit"
        );
    }
}

/// When the bytes of an account that was erased leave the store's files.
///
/// The engine passes it on as [`Erasure`](crate::engine::Erasure), so that a host can say when
/// deleted bytes are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiped {
    /// No bytes are left.
    Now,
    /// No answer contains them any more, but the files still do, for instance while a backup is
    /// being written. They leave without another call.
    Within {
        /// How long that takes at most.
        ms: i64,
    },
}

/// How much one [`Batch`] may hold.
///
/// These are the store's own limits for one transaction. The limits of one user are in
/// [`crate::limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Records plus history entries.
    pub items: usize,
    /// Sum of [`Batch::size_bytes`].
    pub bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::sample::next_batch;

    /// Stores keep this text. Every later version must read it, and write the same.
    const STORED: &str = concat!(
        r#"{"epoch":7,"revision":1,"stamp":1000,"generation":1,"#,
        r#""versions":"00000000000000000000000000000001","#,
        r#""content":"00000000000000010000000000000000","records":0,"bytes":17,"max_version":3,"#,
        r#""commit":4294967296,"state":"active","erased_at":null,"purged_at":0,"#,
        r#""notes":"notes of revision 1"}"#
    );

    #[test]
    fn a_head_that_was_stored_is_read_by_every_later_version() {
        let head = next_batch(None, Vec::new(), Vec::new()).head;

        assert_eq!(STORED, serde_json::to_string(&head).unwrap());
        assert_eq!(head, serde_json::from_str(STORED).unwrap());
        let without_notes = STORED.replace(r#","notes":"notes of revision 1""#, "");
        let older: Head = serde_json::from_str(&without_notes).unwrap();
        assert_eq!(Head { notes: String::new(), ..head }, older);
    }
}
