//! What a store keeps.
//!
//! All of these are plain values. The engine makes them, a store keeps them and gives them back as
//! they were.

use crate::digest::Digest;
use crate::id::{Key, RecordId, UserId, Version};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The number of a commit in one user's change feed: 0 before the first commit, one more with each.
///
/// LIMIT: every store takes revisions up to 99,999,999,999, a commit a second for 3,000 years; beyond
/// that it may answer `TooLarge`. None is 2^63 or more, so that a store may keep it as a signed
/// number. [`After::Place`] may name any number.
///
/// A gap does not occur: whoever knows two revisions knows how many commits lie between. A commit
/// may write no record, so a revision need not be in the feed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Revision(pub u64);

/// When a commit happened, in whole seconds since 1970 UTC. It is the cursor of clients that know no
/// other, such as the app on people's phones.
///
/// It never decreases within one user's change feed.
///
/// The engine stamps three seconds ahead of its clock, so that servers whose clocks differ a little
/// skip nothing. Clients that know revisions have no use for it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp(pub i64);

/// A number of one account that changes when the account is erased or imported. A cursor counts within
/// one epoch.
///
/// It is random, not counted: an account that a backup brought back and that was then erased once
/// more gets one that no device has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// The id of one commit. It recognises a commit whose outcome was unknown.
///
/// It is random. After a lost answer the head has this id, and the commit is in, or another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommitId(pub u128);

/// A number of the whole data that rises when a backup is restored. Devices notice, and send again what
/// the backup lacks.
///
/// It is one number for all users of a store. How each store counts it is in that store's docs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation(pub u32);

/// Whether the account accepts commits.
///
/// It is in the head so that a commit which races with an erasure fails by the compare-and-swap,
/// without a look at anything else.
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
/// The engine computes it and the store keeps it; see [`Batch::head`]. A store may keep it as its
/// serde form: what was written once is read by every later version of this library. Fields are
/// only added, with a default.
///
/// A change of any record changes the head, so two equal heads mean that nothing has happened in
/// between. [`Head::is_same`] compares what identifies it.
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
    /// Devices compute the same sum of [`Digest::of_version`] and compare. It costs one subtraction
    /// and one addition for each record of a commit.
    pub versions: Digest,
    /// Digest of the content of all live records whose kind compares content.
    ///
    /// Only kinds with [`ContentHash::Fields`](crate::schema::ContentHash::Fields) compare content.
    pub content: Digest,
    /// How many records there are, tombstones included.
    pub records: u64,
    /// How many bytes of content the live records hold.
    ///
    /// It counts [`Envelope::content`], not what the store adds, and is held against
    /// [`USER_BYTES`](crate::limits::USER_BYTES).
    pub bytes: u64,
    /// The largest version of any record.
    ///
    /// After an erasure new records get versions above it, so that a number which a device still
    /// holds never names something new.
    pub max_version: Version,
    /// The last commit.
    pub commit: CommitId,
    /// Whether commits are taken.
    pub state: HeadState,
    /// When the user's data was last erased, if ever.
    pub erased_at: Option<UnixMillis>,
    /// When history past its retention was last purged.
    pub purged_at: UnixMillis,
    /// What the engine notes about the whole account. It is small, and a store does not interpret it.
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
/// A store keeps each part and gives it back as it was. What has a column of its own is up to the
/// store: `key`, `revision` and `stamp` are searched for, all others are only returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Which record.
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
    /// A record of a format that this program does not know is answered as unavailable, until a
    /// newer program serves it.
    pub format: u16,
    /// A JSON object that the store does not interpret: the record's fields.
    pub content: String,
    /// A JSON object that the store does not interpret: what the engine keeps beside the fields.
    pub meta: String,
}

impl Envelope {
    /// The format of a record of which the store, or the engine, cannot read what is stored.
    const UNREADABLE: u16 = u16::MAX;

    /// A record of which only the key can be read. The store adds the version and whatever else it
    /// knows.
    ///
    /// A store answers so instead of failing the whole call, if somebody has changed the row by
    /// hand.
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

    /// Whether what is stored cannot be read. Such an envelope keeps the record's place, and does not
    /// say what the record holds or whether it is deleted.
    pub fn is_unreadable(&self) -> bool {
        self.format == Self::UNREADABLE
    }

    /// Returns the same record, set aside: nobody looks at its content.
    #[must_use]
    pub(crate) fn set_aside(self) -> Self {
        let format = Self::UNREADABLE;
        Self { format, content: String::new(), meta: String::new(), ..self }
    }

    /// Returns how many bytes this envelope counts towards limits.
    ///
    /// It is an estimate, the same on every store, of content and meta with 128 bytes for the rest.
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
/// Places are compared by (revision, kind, id). The engine puts one into the cursor that a device
/// keeps, so it may come back after years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The commit.
    pub revision: Revision,
    /// The last record of that commit that was delivered; `None`: all of the commit was.
    pub within: Option<Key>,
}

/// Where [`crate::Store::changes`] starts.
///
/// `Place` is for clients that keep a cursor, `Stamp` for those that keep a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// At the beginning of the stream.
    Start,
    /// Behind a place in the stream.
    Place(Place),
    /// Behind every commit stamped at or before.
    Stamp(Stamp),
}

/// A live record, as [`Store::live_records`](super::Store::live_records) tells it.
///
/// It leaves out what a client of stamps does not need: versions, and what stands beside the
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
    /// Shows no content, which is a person's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One page of changes.
///
/// The engine goes on behind the head of the last page, so the head must not be newer than the
/// records.
#[derive(Clone, Debug)]
pub struct Page {
    /// The head that was read before the records; `None`: the user has nothing.
    pub head: Option<Head>,
    /// The records.
    pub records: Vec<Envelope>,
    /// Whether records follow up to `head`.
    pub more: bool,
}

impl Page {
    /// Returns the place behind which the rest follows; `None` if nothing follows.
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
    /// 0: the version itself, as it was superseded. Others: a push that did not become a version
    /// as it came, kept because a part of it lost.
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
    /// An entry of which only its name can be read. No JSON stands in it, so the engine passes over
    /// it.
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
/// `records[..].revision` and `.stamp` equal `head.revision` and `head.stamp`. No key of a record
/// occurs twice, and no key of a history entry.
///
/// It is also what is repeated after a lost answer: the identical batch, with the same commit id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The head after the commit; its revision is the expected one plus one.
    pub head: Head,
    /// The records to put in place of the current ones.
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
    /// # Panics
    ///
    /// If the batch contradicts itself; that is a mistake in the engine, never in a request.
    ///
    /// A backend calls it by [`backend::check_batch`](super::backend::check_batch).
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
/// The engine hands it on as [`Erasure`](crate::engine::Erasure), so that a host can say when
/// deleted bytes are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiped {
    /// None of them is left.
    Now,
    /// No answer has them any more, but somebody holds on to the files, such as a backup that is
    /// being written. They leave by themselves.
    Within {
        /// How long that takes at most.
        ms: i64,
    },
}

/// How much one [`Batch`] may hold.
///
/// They are the store's own, of one transaction. What one user may hold in total is in
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

    /// Stores keep this text; it must be read, and written again, by every later version.
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
