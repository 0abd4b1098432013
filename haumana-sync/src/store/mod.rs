//! The contract between the engine and whatever keeps the data.
//!
//! A store keeps **envelopes**: records whose content it does not interpret, the versions they
//! superseded, and one [`Head`] per user. It offers one way to write, [`Store::commit`], a
//! compare-and-swap on the head. Everything else that haumana-sync promises is built on that one
//! promise.
//!
//! Every bullet below is a law of the conformance suite (feature `conformance`), except those that
//! say *by the backend*: they cannot be seen through the trait, and say how a backend shows them in
//! a test of its own. How to write a store, and have it tested: `docs/write-a-store.md`.
//!
//! # What is stored, for one user
//!
//! ```text
//!  head      1 item    revision, state, counts, digests; every commit replaces it
//!  records   n items   by (kind, id): the current envelope, tombstones included
//!  feed      n items   the same records by (revision, kind, id), for `changes`
//!  history   m items   by (kind, id, version, side), until it is purged or erased
//! ```
//! The feed is an order and not a log: a record that changes moves to its new place.
//!
//! # Reading order
//!
//! 1. [`Store`]: the calls that an engine makes. [`StoreExt`]: what callers need besides.
//! 2. [`Head`], [`Envelope`], [`HistoryEntry`], [`Batch`]: what is kept and written.
//! 3. [`Error`] and [`ErrorKind`]: what a store answers, and what the engine then does.
//! 4. [`Operate`]: the operator's calls, of all users.
//! 5. [`backend`]: what every backend has in common. [`MemoryStore`] is the model.
//! 6. [`MeteredStore`] and [`FaultyStore`]: for tests of what stands on a store.

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
/// All methods are scoped to one [`UserId`]; no call can read or change another user's records,
/// and there is no call that lists users. Calls may run concurrently from several tasks and, for
/// stores on shared storage, from several processes.
///
/// A store never looks into [`Envelope::content`], [`Envelope::meta`] or [`Head::notes`], so a
/// change of the schema needs no migration. An engine calls it from many tasks at once; a store
/// that needs a single writer queues commits itself.
///
/// Use [`MemoryStore`] in tests and examples, the stores of this project in production, and write
/// one where your data has to live elsewhere: the suite `conformance` says when it is right.
///
/// # Guarantees
///
/// - Apart: the same keys of two users name different records, whatever the users' ids look like.
/// - Several handles may open empty storage at the same time; they work together from then on.
///
/// - *By the backend*: a record or an entry of the history that somebody has changed by hand, so that
///   it cannot be read, fails no call. It is answered as [`Envelope::unreadable`] or
///   [`HistoryEntry::unreadable`] at its place, or, where not even its key can be read, it is not
///   there; everything else is answered as it is. Change one in the storage, and make every call.
///
/// # Errors
///
/// Every method may also answer [`ErrorKind::Throttled`], [`ErrorKind::Unavailable`] and
/// [`ErrorKind::Corrupt`]. Nobody repeats a throttled call without an end: a store may repeat its
/// own requests within a time that its options bound, the engine hands the error to its caller, and
/// the device sends the same request again later.
///
/// # Cancellation
///
/// Any future may be dropped at any point: a web server does so whenever a client hangs up.
///
/// - A dropped call leaves nothing behind that blocks others: no lock, no open transaction, no
///   connection that the next caller cannot use.
/// - A dropped call that only reads changes nothing.
#[async_trait::async_trait]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Returns how much one [`Batch`] may hold.
    ///
    /// The engine splits what is larger into several commits. An edit that alone is more than one
    /// commit holds, because very many values lose by it, is taken in parts.
    fn batch_limits(&self) -> BatchLimits;

    /// Reads the user's head; `None` if nothing was ever committed for the user.
    ///
    /// Each sync begins with this call, and one that has nothing to say also ends with it. Make it
    /// the cheapest of all.
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
    /// It is called with all records of a request at once. A key may occur twice; then it is
    /// answered twice.
    ///
    /// # Guarantees
    ///
    /// - Fresh, as [`Store::head`].
    /// - Exact: content and meta come back byte for byte as they were committed.
    /// - Each record is whole, as one commit wrote it. Several are not one snapshot: of a commit that
    ///   runs at the same time some records may be in the answer and others not. The engine needs no
    ///   more, since its commit fails if the head has moved.
    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>>;

    /// Lists every record of one kind without content, tombstones included, ordered by id.
    ///
    /// It is for clients that send all that they have and for the inbox: comparing hashes is less
    /// than reading content.
    ///
    /// # Guarantees
    ///
    /// - Fresh, as [`Store::head`].
    /// - Complete: every record of the kind is listed exactly once, however many there are.
    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>>;

    /// Reads every live record of one kind, in no order, if the store can do that for less than
    /// [`Store::index`] and [`Store::read`] together; `None`: it cannot, and they are asked.
    ///
    /// # Guarantees
    ///
    /// - Fresh and complete, as [`Store::index`]; exact, and each record whole, as [`Store::read`].
    async fn live_records(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Option<Vec<LiveRecord>>> {
        // A store without a copy of its own has nothing to look at.
        let _ = (user, kind);
        Ok(None)
    }

    /// Reads what changed after `after`, oldest change first, at most `limit` records.
    ///
    /// `limit` is at least 1. A page may hold fewer records than `limit` although more follow;
    /// then [`Page::more`] says so.
    ///
    /// A device that starts over reads everything with this call, page by page, so it should read
    /// an index and not sort.
    ///
    /// # Guarantees
    ///
    /// - Complete: a commit that was acknowledged before this call started is in this page or in
    ///   one that continues it, and nothing beyond [`Page::head`] is delivered. Whoever has read up
    ///   to a page without `more` goes on behind the whole revision of its head, as the engine does:
    ///   no record of that revision or an earlier one is missing, unless a later commit wrote it
    ///   again.
    /// - Ordered by (revision, kind, id); a record that changed several times appears once, at its
    ///   latest change.
    /// - Progress: a page is empty only if `more` is false.
    /// - [`After::Stamp`] delivers exactly the records stamped later than the given stamp; what does
    ///   not fit the page follows behind the place of its last record.
    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page>;

    /// Reads superseded versions and lost pushes by their keys, in the order of `keys`.
    ///
    /// The engine asks for the base of an edit by its key. Of a text that is merged by line this is
    /// one entry for each edit that met another one.
    ///
    /// # Guarantees
    ///
    /// - Exact, as [`Store::read`]; `None` for what was never written or has been purged.
    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>>;

    /// Lists the history of one record, newest version first, sides of a version after it, at
    /// most `limit` entries with a version below `before` (all if `None`).
    ///
    /// # Guarantees
    ///
    /// - Fresh, as [`Store::head`].
    /// - Ordered by version descending, then side ascending; a version is never split between two
    ///   calls unless it alone exceeds `limit`; then the rest of its sides is read by their keys.
    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>>;

    /// Writes records, history and the next head together, if the head is still `expected`.
    ///
    /// `expected` is what [`Store::head`] returned (`None`: no head yet). A head is the same if its
    /// epoch, revision and commit id are.
    ///
    /// This is the only call that writes content. A backend compares the head where the storage
    /// itself compares, in one transaction with the rest: a head that is read first and written
    /// later lets two commits win. [`backend::check_batch`] and [`backend::decide`] are the first
    /// lines of every implementation.
    ///
    /// # Guarantees
    ///
    /// - Atomic: readers see all of the batch or nothing of it, however large it is.
    /// - Durable: once this returns `Ok`, a crash does not undo it. *By the backend*: kill the
    ///   process, or the server, under load, and look for what was acknowledged.
    /// - Serial: of two commits that expect the same head at most one succeeds.
    /// - Repeatable: the identical call again, after it succeeded and before another commit,
    ///   returns `Ok` and changes nothing.
    /// - Replacing: a record that exists is replaced whole, and so is a history entry whose key
    ///   exists.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Conflict`] if the head is another one; nothing was written.
    /// - [`ErrorKind::Unknown`] if the write may have happened; repeat the identical call, or read
    ///   the head and compare [`Head::commit`].
    /// - [`ErrorKind::TooLarge`] if the batch exceeds [`Store::batch_limits`]; nothing was written.
    /// - [`ErrorKind::Full`] if there is no room for what the batch adds to the user's records, in a
    ///   store that bounds them; nothing was written. A smaller batch may fit: the caller finds out
    ///   which of its records do not. *By the backend*, if it bounds users.
    ///
    /// # Cancellation
    ///
    /// A dropped future may or may not have written, as with `Unknown`, and may still be writing.
    ///
    /// - All of the batch is written or nothing of it. The identical call settles which, and so does
    ///   another commit on the same head: it succeeds, or it conflicts because the dropped one is in.
    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()>;

    /// Deletes history entries of the user that were superseded before `before`.
    ///
    /// What is purged is gone from every answer and every backup that is taken later. Its bytes leave
    /// the store's files later, by themselves, or are used for something else.
    ///
    /// # Guarantees
    ///
    /// - Touches nothing but history, and only the one user's.
    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()>;

    /// Deletes every record and all history of the user; the head stays as it is.
    ///
    /// The engine marks the head before and rewrites it after; see `Engine::erase`. Calling it
    /// again, also after it failed half-way, finishes the work. A store that is also [`Operate`]
    /// notes the life of the account in its journal before it deletes anything.
    ///
    /// # Guarantees
    ///
    /// - Complete: afterwards no answer holds a record, history or any of their content.
    /// - Only the one user's.
    /// - Bounded: the cost follows what the user had, not what others have. *By the backend*: erase
    ///   beside others who have much, and count, or look at the query plans.
    /// - *By the backend*: with [`Wiped::Now`] nothing of the content is in the store's files either,
    ///   as far as the storage lets a program decide that; with [`Wiped::Within`] nothing is in that
    ///   time, without another call. A database with a log, or whose provider keeps copies, cannot
    ///   promise it. The backend's docs say where deleted bytes may remain and until when, and
    ///   a test looks for them in the files that are the store's own.
    async fn erase(&self, user: &UserId) -> Result<Wiped>;

    /// Returns the largest version of what was ever erased of the user, as the journal of erasures
    /// says; `None` if nothing was, or if the store keeps no journal.
    ///
    /// After a restore an engine asks this about a user without a head: the account may have been
    /// made after the backup, and erased before the restore. Devices still hold what was erased.
    ///
    /// A store that is also [`Operate`] answers from its journal, and a store around another one
    /// hands the call on.
    ///
    /// # Guarantees
    ///
    /// - Complete: what [`Store::erase`] erased of a user with a head is in the answer, whatever
    ///   became of the head since.
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
