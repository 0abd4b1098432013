//! The contract between the engine and the storage.
//!
//! A store keeps **envelopes**: records whose content it does not interpret, the versions they
//! superseded, and one [`Head`] per user. There is one way to write, [`Store::commit`], a
//! compare-and-swap on the head. All other promises of haumana-sync rest on that one.
//!
//! Every bullet below is a law of the conformance suite (feature `conformance`), except those
//! marked *by the backend*. The trait cannot show those; they say how a backend tests them itself.
//! `docs/write-a-store.md` says how to write and test a store.
//!
//! # What is stored, for one user
//!
//! ```text
//!  head      1 item    revision, state, counts, digests; every commit replaces it
//!  records   n items   by (kind, id): the current envelope, tombstones included
//!  feed      n items   the same records by (revision, kind, id), for `changes`
//!  history   m items   by (kind, id, version, side), until it is purged or erased
//! ```
//! The feed is an order, not a log: a record that changes moves to its new place.
//!
//! # Reading order
//!
//! 1. [`Store`]: the calls that an engine makes. [`StoreExt`]: what callers need besides.
//! 2. [`Head`], [`Envelope`], [`HistoryEntry`], [`Batch`]: what is kept and written.
//! 3. [`Error`] and [`ErrorKind`]: what a store answers, and what the engine then does.
//! 4. [`Operate`]: the operator's calls, for all users.
//! 5. [`backend`]: what every backend has in common. [`MemoryStore`] is the model.
//! 6. [`MeteredStore`] and [`FaultyStore`]: for tests of what uses a store.

pub mod backend;
mod error;
mod ext;
mod faulty;
mod memory;
mod metered;
mod operate;
mod types;

pub use crate::id::Version;
pub use error::{Error, ErrorKind, Result};
pub use ext::StoreExt;
pub use faulty::{Fault, Faults, FaultyStore};
pub use memory::MemoryStore;
pub use metered::{Calls, MeteredStore};
pub(crate) use operate::UNKNOWN_FLOOR;
pub use operate::{
    ErasedLives, HistoryPart, Operate, SCHEMA_BYTES, ScanPlace, SweepPlace, Swept, UserPage,
    erased_life, erased_user, head_to_erase,
};
pub use types::{
    After, Batch, BatchLimits, CommitId, Envelope, Epoch, Generation, Head, HeadState,
    HistoryEntry, HistoryKey, IndexEntry, LiveRecord, Page, Place, Revision, Stamp, Wiped,
};

use crate::id::{Key, KindNumber, UserId};
use crate::time::UnixMillis;

/// Keeps each user's records, what they superseded, and the order in which they last changed.
///
/// All methods are scoped to one [`UserId`]: no call can read or change another user's records, and
/// no call lists users. An engine calls a store from many tasks at once, and, if the storage is
/// shared, from several processes. A store that needs a single writer queues commits itself.
///
/// A store never looks into [`Envelope::content`], [`Envelope::meta`] or [`Head::notes`], so a
/// change of the schema needs no migration.
///
/// Use [`MemoryStore`] in tests and examples, and the stores of this project in production. Write
/// one if your data has to live elsewhere; the suite `conformance` shows whether it is right.
///
/// # Guarantees
///
/// - Apart: the same keys of two users name different records, whatever the users' ids look like.
/// - Several handles may open empty storage at the same time; they work together from then on.
///
/// - *By the backend*: a record or a history entry that somebody damaged by hand fails no call. It
///   is returned at its place as [`Envelope::unreadable`] or [`HistoryEntry::unreadable`]. If not
///   even its key can be read, it is left out. Everything else is returned as usual. To test it,
///   change one in the storage and make every call.
///
/// # Errors
///
/// Every method may also answer [`ErrorKind::Throttled`], [`ErrorKind::Unavailable`] and
/// [`ErrorKind::Corrupt`]. A throttled call is never repeated forever: a store may repeat its own
/// requests within a time that its options limit; the engine returns the error to its caller; the
/// device sends the same request again later.
///
/// # Cancellation
///
/// Any future may be dropped at any point. A web server does so whenever a client disconnects.
///
/// - A dropped call leaves nothing behind that blocks others: no lock, no open transaction, no
///   connection that the next caller cannot use.
/// - A dropped call that only reads changes nothing.
#[async_trait::async_trait]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Returns how much one [`Batch`] may hold.
    ///
    /// The engine splits a larger batch into several commits. If one edit alone exceeds a commit,
    /// because very many values lose by it, the engine applies the edit in parts.
    fn batch_limits(&self) -> BatchLimits;

    /// Reads the user's head; `None` if nothing was ever committed for the user.
    ///
    /// Each sync begins with this call. A sync in which nothing changed usually makes no other
    /// call. So make it the cheapest call.
    ///
    /// # Guarantees
    ///
    /// - Fresh: a commit that was acknowledged before this call started is in the answer.
    /// - Exact: every part of the head comes back as the last commit wrote it.
    /// - Small: the cost does not depend on how many records the user has. *By the backend*: count
    ///   what it reads, or look at the query plan.
    async fn head(&self, user: &UserId) -> Result<Option<Head>>;

    /// Reads the current envelopes of `keys`, in the order of `keys`; `None` where there is none.
    ///
    /// The engine passes all records of a request at once. A key may occur twice; then it is
    /// answered twice.
    ///
    /// # Guarantees
    ///
    /// - Fresh, as [`Store::head`].
    /// - Exact: content and meta come back byte for byte as they were committed.
    /// - Each record is whole, as one commit wrote it. Several records are not one snapshot: the
    ///   answer may have some records of a concurrent commit and lack others. That is enough for
    ///   the engine, since its own commit fails if the head has moved.
    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>>;

    /// Lists every record of one kind without content, tombstones included, ordered by id.
    ///
    /// It is for clients that send all their records, and for the inbox: comparing hashes costs
    /// less than reading content.
    ///
    /// # Guarantees
    ///
    /// - Fresh, as [`Store::head`].
    /// - Complete: every record of the kind is listed exactly once, however many there are.
    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>>;

    /// Reads every live record of one kind, in no order. `None` means that the store has no way
    /// cheaper than [`Store::index`] and [`Store::read`] together; the engine then calls those.
    ///
    /// # Guarantees
    ///
    /// - Fresh and complete, as [`Store::index`]; exact, and each record whole, as [`Store::read`].
    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        // This store has no cheaper way.
        let _ = (user, kind);
        Ok(None)
    }

    /// Reads what changed after `after`, oldest change first, at most `limit` records.
    ///
    /// `limit` is at least 1. A page may hold fewer records than `limit` although more follow; then
    /// [`Page::more`] is `true`.
    ///
    /// A device that starts over reads everything with this call, page by page. So this call should
    /// read an index, and not sort.
    ///
    /// # Guarantees
    ///
    /// - Complete: a commit that was acknowledged before this call started is in this page or in
    ///   one that continues it. Nothing beyond [`Page::head`] is delivered. After a page without
    ///   `more`, the engine continues behind the whole revision of its head. Then no record of that
    ///   revision or an earlier one is missing, unless a later commit wrote it again.
    /// - Ordered by (revision, kind, id); a record that changed several times appears once, at its
    ///   latest change.
    /// - Progress: a page is empty only if `more` is false.
    /// - [`After::Stamp`] delivers exactly the records stamped later than the given stamp. Records
    ///   that do not fit the page follow behind the place of its last record.
    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page>;

    /// Reads superseded versions and lost pushes by their keys, in the order of `keys`.
    ///
    /// The engine reads the base of an edit by its key. For a text that is merged by line, this is
    /// one entry for each concurrent edit.
    ///
    /// # Guarantees
    ///
    /// - Exact, as [`Store::read`]; `None` for an entry that was never written or has been purged.
    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>>;

    /// Lists the history of one record: at most `limit` entries with a version below `before` (all
    /// versions if `None`). The newest version comes first, and its sides follow it.
    ///
    /// # Guarantees
    ///
    /// - Fresh, as [`Store::head`].
    /// - Ordered by version descending, then side ascending. A version is never split between two
    ///   calls, unless it alone exceeds `limit`; then read the rest of its sides by their keys.
    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>>;

    /// Writes records, history and the next head together, if the head is still `expected`.
    ///
    /// `expected` is what [`Store::head`] returned (`None`: no head yet). Two heads are the same if
    /// their epoch, revision and commit id are.
    ///
    /// This is the only call that writes content. A backend compares the head inside the storage,
    /// in one transaction with the writes. If it reads the head first and writes later, two commits
    /// can both win. Every implementation begins with [`backend::check_batch`] and
    /// [`backend::decide`].
    ///
    /// # Guarantees
    ///
    /// - Atomic: readers see all of the batch or none of it, however large it is.
    /// - Durable: once this returns `Ok`, a crash does not undo it. *By the backend*: kill the
    ///   process, or the server, under load, and look for all acknowledged commits.
    /// - Serial: of two commits that expect the same head at most one succeeds.
    /// - Repeatable: the identical call, repeated after it succeeded and before another commit,
    ///   returns `Ok` and changes nothing.
    /// - Replacing: a record that exists is replaced whole, and so is a history entry whose key
    ///   exists.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Conflict`] if the head is not the expected one; nothing was written.
    /// - [`ErrorKind::Unknown`] if the write may have happened; repeat the identical call, or read
    ///   the head and compare [`Head::commit`].
    /// - [`ErrorKind::TooLarge`] if the batch exceeds [`Store::batch_limits`]; nothing was written.
    /// - [`ErrorKind::Full`], in a store that limits each user, if there is no room for what the
    ///   batch adds to the user's records; nothing was written. A smaller batch may fit: the caller
    ///   finds the records that do not. *By the backend*, if it limits users.
    ///
    /// # Cancellation
    ///
    /// A dropped future may or may not have written, as with `Unknown`, and may still be writing.
    ///
    /// - All of the batch is written or none of it. The identical call finds out which. So does
    ///   another commit on the same head: it succeeds, or it conflicts because the dropped one was
    ///   written.
    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()>;

    /// Deletes history entries of the user that were superseded before `before`.
    ///
    /// Purged entries are in no answer, and in no backup that is taken later. Their bytes leave the
    /// store's files later, without another call, or are overwritten.
    ///
    /// # Guarantees
    ///
    /// - Deletes only history, and only of this user.
    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()>;

    /// Deletes every record and all history of the user; the head stays as it is.
    ///
    /// The engine marks the head before and rewrites it after; see `Engine::erase`. If it failed
    /// half-way, calling it again finishes the work. A store that is also [`Operate`] notes the
    /// life of the account in its journal before it deletes anything.
    ///
    /// # Guarantees
    ///
    /// - Complete: afterwards no answer contains a record, history or any of their content.
    /// - Only this user's data is deleted.
    /// - Bounded: the cost depends on what the user had, not on what others have. *By the backend*:
    ///   erase one of many users who have much data, and count, or look at the query plans.
    /// - *By the backend*: with [`Wiped::Now`] no content is in the store's files either, as far as
    ///   the storage lets a program decide that. With [`Wiped::Within`] no content is there after
    ///   that time, without another call. A database with a log, or with a provider that keeps
    ///   copies, cannot promise this. The backend's docs say where deleted bytes may remain and
    ///   until when. A test looks for them in the files that are the store's own.
    async fn erase(&self, user: &UserId) -> Result<Wiped>;

    /// Returns the largest version of all that was ever erased of the user, from the journal of
    /// erasures; `None` if nothing was erased, or if the store keeps no journal.
    ///
    /// After a restore, an engine calls this for a user without a head. The account may have been
    /// made after the backup and erased before the restore, and devices may still hold the erased
    /// records.
    ///
    /// A store that is also [`Operate`] answers from its journal. A decorator passes the call on.
    ///
    /// # Guarantees
    ///
    /// - Complete: it covers everything that [`Store::erase`] erased of a user with a head,
    ///   whatever happened to the head since.
    async fn erased_floor(&self, _user: &UserId) -> Result<Option<Version>> {
        Ok(None)
    }
}

/// A shared store is a store.
#[async_trait::async_trait]
impl<S: Store + ?Sized> Store for std::sync::Arc<S> {
    fn batch_limits(&self) -> BatchLimits {
        (**self).batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        (**self).head(user).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        (**self).read(user, keys).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        (**self).index(user, kind).await
    }

    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        (**self).live_records(user, kind).await
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        (**self).changes(user, after, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        (**self).history(user, keys).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        (**self).history_of(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        (**self).commit(user, expected, batch).await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        (**self).purge(user, before).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        (**self).erase(user).await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        (**self).erased_floor(user).await
    }
}
