//! The store: it turns calls into jobs for its threads.
//!
//! # The steps of a commit
//!
//! 1. [`Store::commit`] checks the batch against [`Store::batch_limits`] before anything is queued.
//! 2. A closure that owns copies of user, expected head and batch goes into the writer's queue. The
//!    caller then waits for a one-shot answer.
//! 3. The writer's thread makes the change in a transaction that other waiting changes may share,
//!    commits, and only then answers.
//!
//! # The steps of a read
//!
//! A read of at most [`GLANCE`] entries runs on the caller's own thread, if a connection is idle.
//! Everything else goes through the readers' queue to a thread with a connection of its own. Both
//! see one snapshot for the whole call.
//!
//! # Dropped calls
//!
//! A dropped call only stops waiting. Its job is done all the same: the change is complete in its
//! transaction, and only its answer has no receiver. So no call can leave a transaction open.

use crate::error::{OpenError, before_commit};
use crate::journal::Journal;
use crate::life::{Life, NewLife};
use crate::options::SqliteOptions;
use crate::readers::Readers;
use crate::start::{self, Started};
use crate::statements::Outcome;
use crate::statements::Slice;
use crate::writer::{Job, Look, Write, Writer};
use crate::{backup, connection, erased, queries, statements};
use haumana_sync::Store;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::backend::check_batch;
use haumana_sync::store::{
    After, Batch, BatchLimits, Envelope, Error, ErrorKind, Generation, Head, HistoryEntry,
    HistoryKey, IndexEntry, Page, Result, Version, Wiped,
};
use haumana_sync::time::UnixMillis;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// LIMIT: how many entries a caller reads itself. A thread of the store reads larger numbers.
///
/// A short read blocks the async runtime for less time than the way to a thread and back takes. A
/// long read would block it for its whole duration.
const GLANCE: usize = 16;

/// Keeps everything in one SQLite database.
///
/// It needs no particular async runtime: its own threads answer calls. Dropping it waits until
/// running work is done, then closes the file.
///
/// ```
/// use haumana_store_sqlite::SqliteStore;
/// use haumana_sync::Store;
/// use haumana_sync::id::UserId;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// // For tests: nothing is on a disk.
/// let store = SqliteStore::in_memory()?;
/// let kai = UserId::verified_by_caller("kai").ok_or("not a user id")?;
///
/// assert_eq!(None, store.head(&kai).await?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | a call that | is answered |
/// |---|---|
/// | waits too long for another process | `Throttled` |
/// | finds the disk full, or the file at its largest size | `Unavailable` |
/// | cannot say whether it was committed | `Unknown` |
/// | finds broken bytes | `Corrupt` |
#[derive(Debug)]
pub struct SqliteStore {
    // Declared first, so dropped first. So the last connection to close is the writer's, which then
    // moves the log into the database file and deletes it.
    readers: Option<Readers>,
    writer: Writer,
    /// The file that a backup copies; `None` in memory.
    file: Option<(PathBuf, Duration)>,
    life: Life,
    new_life: Option<NewLife>,
    /// Which lives of accounts were erased. It is a file of its own, so that no backup contains it.
    journal: Journal,
}

impl SqliteStore {
    /// Opens a database file, makes it if there is none, and brings its tables up to date.
    ///
    /// If the file is a backup, or an earlier copy of itself, a new [`Life`] begins. Give the
    /// engine the generation of [`life`](Self::life).
    ///
    /// Several stores may have one file open, in one process or in many. Opening also applies the
    /// log that a crash has left.
    ///
    /// # Errors
    ///
    /// See [`OpenErrorKind`](crate::OpenErrorKind). A file that is refused is left as it was.
    pub fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        Self::open_asking(options, Generation(0))
    }

    /// Opens a database file as [`open`](Self::open) does. If the operator asks for a higher
    /// generation than ever before for this file, a new life begins, above that generation.
    ///
    /// # Errors
    ///
    /// See [`OpenErrorKind`](crate::OpenErrorKind). A file that is refused is left as it was.
    pub fn open_asking(options: &SqliteOptions, asked: Generation) -> Result<Self, OpenError> {
        let started = start::start(options, asked)?;
        let journal = Journal::beside(&options.path);
        let mut store = Self::begin(started, journal, &options.path, options.busy_timeout)?;
        store.readers = Some(Readers::start(options)?);
        store.file = Some((options.path.clone(), options.busy_timeout));
        Ok(store)
    }

    /// Opens an empty database in memory, which lives as long as the store.
    ///
    /// It has one connection, so reads wait for writes. Each call makes another database.
    ///
    /// # Errors
    ///
    /// If there is not enough memory, or no thread can be started.
    pub fn in_memory() -> Result<Self, OpenError> {
        let started = start::start_in_memory()?;
        Self::begin(started, Journal::in_memory(), Path::new(":memory:"), Duration::ZERO)
    }

    /// Starts the writer's thread on an open file. Readers are added afterwards, because a database
    /// in memory has none.
    fn begin(
        started: Started,
        journal: Journal,
        path: &Path,
        busy_timeout: Duration,
    ) -> Result<Self, OpenError> {
        let Started { connection, mover, place, life, new_life } = started;
        let writer = Writer::start(connection, mover, place, busy_timeout);
        let writer = writer.map_err(|error| OpenError::from_io(path, error))?;
        Ok(Self { readers: None, writer, file: None, life, new_life, journal })
    }

    /// Returns the life that the data is in.
    ///
    /// It stays the same until the store is opened again.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Returns why a new life began when the store was opened; `None` if an earlier life goes on.
    ///
    /// Log it: a new life that nobody expected means that somebody has moved files.
    pub fn new_life(&self) -> Option<NewLife> {
        self.new_life
    }

    /// Writes a copy of everything to a new file, while the store goes on working.
    ///
    /// The copy is a snapshot: it has everything that was acknowledged before the call. It is an
    /// ordinary database that can be opened with [`SqliteStore::open`]. It is marked as a backup,
    /// so the first time that it is opened a new life begins.
    ///
    /// It needs as much room again as the data has. Commits go on meanwhile. If an account is
    /// erased while the copy is being written, the copy may still have it, and
    /// [`restore`](crate::restore()) erases it again.
    ///
    /// # Errors
    ///
    /// `Unavailable` if something exists at `to`, or it cannot be written. In the second case there
    /// is no file at `to`. A file with that name and `.partial` at the end is overwritten.
    pub async fn backup_to(&self, to: impl Into<PathBuf>) -> Result<()> {
        let to = to.into();
        let Some((path, busy_timeout)) = self.file.clone() else {
            return self.ask("backup", move |connection| backup::write(connection, &to)).await;
        };
        let (reply, answer) = oneshot::channel();
        // On a thread and a connection of its own, because a copy may take long and must not delay
        // others.
        let copy = move || {
            let opened = connection::open_for_backup(&path, busy_timeout)
                .map_err(|error| Error::with_source("backup", ErrorKind::Unavailable, error));
            // If the call was dropped, nobody needs the answer.
            let _ = reply.send(opened.and_then(|connection| backup::write(&connection, &to)));
        };
        let thread = std::thread::Builder::new().name("sqlite-backup".to_owned()).spawn(copy);
        thread.map_err(|error| Error::with_source("backup", ErrorKind::Unavailable, error))?;
        answer.await.map_err(|_| Error::new("backup", ErrorKind::Unavailable))?
    }

    /// Returns how many transactions this handle has committed. Commits that waited together share
    /// one.
    ///
    /// Compare it with the number of commits to see how many share a sync to disk.
    pub fn transactions(&self) -> u64 {
        self.writer.transactions()
    }

    /// Sends a query to a reader.
    ///
    /// In memory there are no readers, so the writer answers, in the order of its queue.
    ///
    /// The answer is lost only if the thread has panicked. A read changes nothing, so that is
    /// `Unavailable` and never `Unknown`.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        op: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let look: Look = Box::new(move |connection| {
            // If the call was dropped, nobody needs the answer.
            let _ = reply.send(query(connection).map_err(|error| before_commit(op, error)));
        });
        match &self.readers {
            Some(readers) => readers.send(op, look)?,
            None => self.writer.send(op, Job::Alone(look))?,
        }
        answer.await.map_err(|_| Error::new(op, ErrorKind::Unavailable))?
    }

    /// Reads at most this many entries. A few are read here if a connection is idle; otherwise a
    /// reader does it.
    ///
    /// `query` may run twice: on the caller's thread, and again on a reader if the file was locked.
    /// So it is `Fn`, and changes nothing.
    async fn glance<T: Send + 'static>(
        &self,
        entries: usize,
        op: &'static str,
        query: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let readers = self.readers.as_ref().filter(|_| entries <= GLANCE);
        match readers.and_then(|readers| readers.here(&query)) {
            Some(result) => result.map_err(|error| before_commit(op, error)),
            None => self.look(op, query).await,
        }
    }

    /// Sends the writer work that runs outside the transactions that commits share.
    ///
    /// No transaction is open while it runs. If its answer is lost, it may have been done:
    /// `Unknown`.
    pub(crate) async fn ask(
        &self,
        op: &'static str,
        work: impl FnOnce(&Connection) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let look: Look = Box::new(move |connection| {
            let _ = reply.send(work(connection));
        });
        self.writer.send(op, Job::Alone(look))?;
        answer.await.map_err(|_| Error::new(op, ErrorKind::Unknown))?
    }

    /// Sends the writer a change.
    ///
    /// `size_bytes` is roughly what the change adds to the log. It bounds the group that shares a
    /// transaction, and tells the writer when to move the log. The change may run more than once,
    /// if the transaction that it shared was undone, so it must not depend on the first attempt.
    pub(crate) async fn write(
        &self,
        op: &'static str,
        size_bytes: usize,
        change: impl Fn(&Connection) -> rusqlite::Result<Outcome> + Send + 'static,
    ) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let write = Write { op, size_bytes, change: Box::new(change), reply };
        self.writer.send(op, Job::Write(write))?;
        answer.await.map_err(|_| Error::new(op, ErrorKind::Unknown))?
    }

    /// Removes deleted data from the files.
    ///
    /// It happens at once if no reader prevents it. After two seconds the answer is
    /// [`Wiped::Within`], and the writer goes on trying.
    pub(crate) async fn wipe(&self, op: &'static str) -> Result<Wiped> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(op, Job::Wipe(reply))?;
        answer.await.map_err(|_| Error::new(op, ErrorKind::Unknown))?
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Sends the writer a deletion, slice by slice, so that others can write in between. Returns
    /// how many entries were deleted.
    ///
    /// Each slice is a change of its own, so it may share a transaction with commits of other
    /// users. If the call is dropped half way, some slices are deleted; the same call again deletes
    /// the rest.
    pub(crate) async fn delete_in_slices(
        &self,
        op: &'static str,
        delete: impl Fn(&Connection) -> rusqlite::Result<Slice> + Clone + Send + 'static,
    ) -> Result<usize> {
        let mut deleted = 0;
        loop {
            let slice = self.delete_slice(op, delete.clone()).await?;
            deleted += slice.deleted;
            if !slice.more {
                return Ok(deleted);
            }
        }
    }

    /// Sends the writer one slice of a deletion.
    pub(crate) async fn delete_slice(
        &self,
        op: &'static str,
        delete: impl Fn(&Connection) -> rusqlite::Result<Slice> + Send + 'static,
    ) -> Result<Slice> {
        let done = Arc::new(Mutex::new(Slice::default()));
        let told = done.clone();
        self.write(op, 0, move |connection| {
            let slice = delete(connection)?;
            // The change may run twice, if the first transaction was undone.
            *told.lock().unwrap_or_else(PoisonError::into_inner) = slice;
            Ok(Outcome::Done)
        })
        .await?;
        let slice = *done.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(slice)
    }
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    fn batch_limits(&self) -> BatchLimits {
        BatchLimits { items: 10_000, bytes: 64 << 20 }
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        let user = user.clone();
        self.glance(1, "head", move |connection| queries::head(connection, &user)).await
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        let (user, keys, entries) = (user.clone(), keys.to_vec(), keys.len());
        let query = move |connection: &_| queries::read(connection, &user, &keys);
        self.glance(entries, "read", query).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        let user = user.clone();
        self.look("index", move |connection| queries::index(connection, &user, kind)).await
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        let user = user.clone();
        let query = move |connection: &_| queries::changes(connection, &user, after, limit);
        self.glance(limit, "changes", query).await
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        let (user, keys, entries) = (user.clone(), keys.to_vec(), keys.len());
        let query = move |connection: &_| queries::history(connection, &user, &keys);
        self.glance(entries, "history", query).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let (user, key) = (user.clone(), *key);
        let query =
            move |connection: &_| queries::history_of(connection, &user, &key, before, limit);
        self.glance(limit, "history_of", query).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        check_batch(self.batch_limits(), user, expected, batch)?;
        let size_bytes = batch.size_bytes();
        let (user, expected, batch) = (user.clone(), expected.cloned(), batch.clone());
        self.write("commit", size_bytes, move |connection| {
            statements::commit(connection, &user, expected.as_ref(), &batch)
        })
        .await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        let user = user.clone();
        let purge = move |connection: &Connection| match queries::user_number(connection, &user)? {
            Some(user) => statements::purge_some(connection, user, Some(before), usize::MAX),
            None => Ok(Slice::default()),
        };
        self.delete_in_slices("purge", purge).await.map(|_| ())
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        let (owned, journal) = (user.clone(), self.journal.clone());
        let note = move |connection: &Connection| erased::note(connection, &journal, &owned);
        self.ask("erase", note).await?;
        let owned = user.clone();
        let erase = move |connection: &Connection| statements::erase_some(connection, &owned);
        self.delete_in_slices("erase", erase).await?;
        self.wipe("erase").await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        let failed = |error| Error::with_source("erased_floor", ErrorKind::Unavailable, error);
        let (user, journal) = (user.clone(), self.journal.clone());
        // A reader does it, although the journal is a file of its own, because reading it may
        // block.
        self.look("erased_floor", move |_| Ok(journal.floor(&user))).await?.map_err(failed)
    }
}
