//! The one thread that writes.
//!
//! SQLite lets one connection write at a time, so the store has one such connection, and one thread
//! that owns it. Calls put jobs into a bounded queue and wait for the answer.
//!
//! # How a group is committed
//!
//! 1. The first waiting change begins a transaction (`BEGIN IMMEDIATE`), which takes the lock of
//!    the file. Waiting for another process happens here, for up to the busy timeout.
//! 2. Under that lock the thread checks that the tables and the life of the data are those that
//!    this handle was opened with.
//! 3. All changes that wait by now join, up to [`GROUP`] and [`GROUP_BYTES`]. If there are several,
//!    each runs under a savepoint, so that a refused one undoes nothing else.
//! 4. If any row changed, the next link of the chain is written.
//! 5. `COMMIT` waits for the disk, once for the whole group.
//! 6. Each caller is answered. No change is acknowledged before step 5.
//!
//! If step 5 fails, or a full disk has undone the transaction in step 3, each change of the group
//! is tried again alone. Then only a change for which there is no room fails.
//!
//! # When the queue is empty
//!
//! After [`IDLE`] without a job it moves the rest of the log into the database file. If a reader
//! still needs the log, it tries again after twice the time, up to [`LONGEST_IDLE`].
//!
//! | when | what happens to the log |
//! |---|---|
//! | [`CHECKPOINT_BYTES`] were written | moved, without waiting for readers |
//! | it is longer than [`LOG_BYTES`] | moved; waits for readers, up to the busy timeout |
//! | no job came for [`IDLE`] | moved and emptied |
//! | an account was erased | moved, emptied, and followed by one small commit |
//! | the store is dropped | moved a last time |

use crate::chain::{self, Chain};
use crate::connection::LogState;
use crate::error::{at_commit, before_commit};
use crate::mover::Mover;
use crate::schema;
use crate::start::Place;
use crate::statements::Outcome;
use haumana_sync::store::{Error, ErrorKind, Result, Wiped};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// LIMIT: how many calls may wait for the writer. More are refused.
///
/// A call that finds the queue full is `Throttled`, and nothing was done.
const WAITING: usize = 1024;
/// LIMIT: how many changes share one transaction, so that the first does not wait too long.
const GROUP: usize = 64;
/// LIMIT: the bytes of the changes of one transaction together.
///
/// It is checked before a change joins, so the last change of a group may exceed it.
const GROUP_BYTES: usize = 64 << 20;
/// The bytes that are written before the log is moved into the database file.
const CHECKPOINT_BYTES: usize = 8 << 20;
/// LIMIT: the length of the log above which the writer waits for readers.
///
/// A long read, such as a backup, keeps SQLite from starting the log over. Above this limit the
/// writer waits for readers, so the log grows more slowly than commits come.
const LOG_BYTES: u64 = 256 << 20;
/// The time without a job after which the rest of the log is moved into the database file.
const IDLE: Duration = Duration::from_secs(1);
/// LIMIT: the longest pause between attempts to move a log that somebody uses.
const LONGEST_IDLE: Duration = Duration::from_secs(64);
/// The pause between such attempts while a caller waits for the result.
const WIPE_PAUSE: Duration = Duration::from_millis(5);
/// LIMIT: how long an erasure waits for readers. Then it reports that some bytes leave later.
const WIPE_WAIT: Duration = Duration::from_secs(2);
/// The time within which those bytes leave, as an erasure reports it. Reads of the store take
/// milliseconds; only a backup takes long.
const WIPE_WITHIN_MS: i64 = 60 * 60 * 1000;
/// How often the sidecar is written while changes go on.
///
/// Writing it costs a sync of its own. While it is a little behind, an older copy that is restored
/// may go unnoticed, if the difference is only what was written since.
const SIDECAR_PAUSE: Duration = Duration::from_secs(10);
/// What one change costs in the log besides its content: a few pages of tables and indexes.
const OVERHEAD_BYTES: usize = 32 << 10;

/// A change of the tables. It may run again if the transaction around it was undone.
type Change = Box<dyn Fn(&Connection) -> rusqlite::Result<Outcome> + Send>;

/// A call that wants the connection for itself.
pub(crate) type Look = Box<dyn FnOnce(&Connection) + Send>;

/// A change that waits for its transaction.
///
/// If the receiver of `reply` is gone, the change is made nevertheless, because it may already be
/// in the transaction when its caller hangs up.
pub(crate) struct Write {
    pub(crate) op: &'static str,
    pub(crate) size_bytes: usize,
    pub(crate) change: Change,
    pub(crate) reply: oneshot::Sender<Result<()>>,
}

/// A job for the writer.
///
/// Jobs are done in the order of the queue. A group of writes ends at the first job of another
/// kind.
pub(crate) enum Job {
    /// A change that may share a transaction with others.
    Write(Write),
    /// Anything outside such a transaction.
    Alone(Look),
    /// Removes earlier deleted data from the files.
    Wipe(oneshot::Sender<Result<Wiped>>),
}

/// The handle on the writer's thread. Dropping it waits until all queued jobs are done.
///
/// `jobs` and `thread` are `None` only while it is being dropped: closing the queue tells the
/// thread to end.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    transactions: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// The thread owns the connection from here on. No other thread uses it, so it can be opened
    /// without SQLite's own mutex.
    pub(crate) fn start(
        connection: Connection,
        mover: Option<Mover>,
        place: Place,
        busy_timeout: Duration,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(WAITING);
        let transactions = Arc::new(AtomicU64::new(0));
        let desk = Desk {
            connection,
            mover,
            place,
            busy_timeout,
            waiting,
            transactions: transactions.clone(),
            unmoved_bytes: 0,
            idle: IDLE,
            commits: 0,
            sidecar_at: Instant::now(),
            owes_sidecar: false,
            wipes: Vec::new(),
            owes_wipe: false,
            wiped_at: None,
        };
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
        let thread = thread.spawn(|| desk.run())?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), transactions })
    }

    /// Adds a job to the queue.
    pub(crate) fn send(&self, op: &'static str, job: Job) -> Result<()> {
        send(op, self.jobs.as_ref(), job)
    }

    /// Returns how many transactions were committed.
    pub(crate) fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Adds a job to a queue, or says why not.
///
/// It never waits: if the queue is full, it is `Throttled`; if no thread reads the queue,
/// `Unavailable`.
pub(crate) fn send<T>(op: &'static str, queue: Option<&SyncSender<T>>, job: T) -> Result<()> {
    match queue.map(|queue| queue.try_send(job)) {
        Some(Ok(())) => Ok(()),
        Some(Err(TrySendError::Full(_))) => Err(Error::new(op, ErrorKind::Throttled)),
        Some(Err(TrySendError::Disconnected(_))) | None => {
            Err(Error::new(op, ErrorKind::Unavailable))
        }
    }
}

/// The state of the thread.
///
/// Only this thread has it, so none of its fields needs a lock.
struct Desk {
    // Declared before the mover, so closed before its handle on the file.
    connection: Connection,
    /// `None` in memory.
    mover: Option<Mover>,
    place: Place,
    busy_timeout: Duration,
    waiting: Receiver<Job>,
    transactions: Arc<AtomicU64>,
    /// Roughly the bytes that were written since the log was moved.
    ///
    /// It is an estimate: content plus [`OVERHEAD_BYTES`] for each change. After the log was
    /// emptied it is 0, and then an idle writer has nothing to do.
    unmoved_bytes: usize,
    /// How long to wait for work before the log is moved.
    idle: Duration,
    /// How many transactions the file has; 0 before the first of this handle.
    commits: u64,
    /// When the sidecar was written.
    sidecar_at: Instant,
    /// Whether that failed, because somebody else held its lock.
    owes_sidecar: bool,
    /// The callers that wait for deleted data to leave the files, and until when.
    wipes: Vec<(Instant, oneshot::Sender<Result<Wiped>>)>,
    /// Whether erased data may be left in the files.
    ///
    /// It stays true after a caller got [`Wiped::Within`], until the bytes are gone.
    owes_wipe: bool,
    /// When that was last tried.
    wiped_at: Option<Instant>,
}

impl Desk {
    /// Does jobs until the queue is closed and empty. Then it moves the log for the last time, and
    /// writes to the sidecar how far the file has come.
    fn run(mut self) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| self.wait()) {
            match job {
                Job::Alone(look) => {
                    look(&self.connection);
                    self.unmoved_bytes += OVERHEAD_BYTES;
                }
                Job::Write(first) => next = self.write(first),
                Job::Wipe(reply) => {
                    self.wipes.push((Instant::now() + WIPE_WAIT, reply));
                    self.owes_wipe = true;
                }
            }
            self.wipe();
            if CHECKPOINT_BYTES <= self.unmoved_bytes {
                self.move_log();
            }
        }
        self.answer_wipes(Some(Wiped::Within { ms: WIPE_WITHIN_MS }));
        if let Some(mover) = &mut self.mover {
            mover.close(&self.connection);
        }
        self.write_sidecar();
    }

    /// Waits for a job; `None` at the end. If none comes for a while, it moves the log.
    fn wait(&mut self) -> Option<Job> {
        loop {
            let is_tidy = self.unmoved_bytes == 0 && self.wipes.is_empty() && !self.owes_sidecar;
            if self.mover.is_none() || is_tidy {
                return self.waiting.recv().ok();
            }
            let pause = if self.wipes.is_empty() { self.idle } else { WIPE_PAUSE };
            match self.waiting.recv_timeout(pause) {
                Ok(job) => {
                    self.idle = IDLE;
                    return Some(job);
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if self.wipes.is_empty() => self.rest(),
                Err(RecvTimeoutError::Timeout) => self.wipe(),
            }
        }
    }

    /// Moves all of the log into the database file. Then a copy of the file alone has everything,
    /// and no log is left that could be applied to another file.
    fn rest(&mut self) {
        let is_done = match &self.mover {
            Some(_) if self.owes_wipe => self.try_wipe(),
            Some(mover) => mover.empty_log(&self.connection) == LogState::Empty,
            None => true,
        };
        if is_done {
            // A wipe leaves one small transaction in the log.
            self.unmoved_bytes = usize::from(self.owes_wipe);
        }
        self.owes_wipe &= !is_done;
        // Freed pages are read again from the system's cache, which costs little. If this fails,
        // they stay in memory.
        let _ = self.connection.execute_batch("PRAGMA shrink_memory");
        self.write_sidecar();
        if !is_done || self.owes_sidecar {
            self.idle = (self.idle * 2).min(LONGEST_IDLE);
        }
    }

    /// Removes deleted data from the files, if a caller waits for it and no reader prevents it.
    /// Also if no caller waits any more, but bytes were promised to go: a busy writer never rests.
    fn wipe(&mut self) {
        let pause = if self.wipes.is_empty() { IDLE } else { WIPE_PAUSE };
        let is_due = !self.wipes.is_empty() || self.owes_wipe;
        if !is_due || self.wiped_at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        if self.try_wipe() {
            self.owes_wipe = false;
            self.wiped_at = None;
            self.answer_wipes(Some(Wiped::Now));
        } else {
            self.wiped_at = Some(Instant::now());
            self.answer_wipes(None);
        }
    }

    /// Answers all waiting callers, or only those that have waited long enough.
    fn answer_wipes(&mut self, all: Option<Wiped>) {
        let now = Instant::now();
        let is_due = |(until, _): &mut (Instant, _)| all.is_some() || *until <= now;
        for (_, reply) in self.wipes.extract_if(.., is_due) {
            let wiped = all.unwrap_or(Wiped::Within { ms: WIPE_WITHIN_MS });
            // If the call was dropped, nobody needs the answer.
            let _ = reply.send(Ok(wiped));
        }
    }

    /// Moves the log with everything that was deleted. Then commits a link, so that other
    /// connections drop their old pages.
    fn try_wipe(&mut self) -> bool {
        let Some(mover) = &self.mover else { return true };
        if mover.wipe(&self.connection) == LogState::InUse {
            return false;
        }
        let Ok(chain) = self.begin("erase") else { return false };
        let is_done = self.end("erase", Some(chain)).is_ok();
        self.roll_back();
        self.unmoved_bytes = OVERHEAD_BYTES;
        is_done
    }

    /// Commits all changes that wait together; returns the job that ended the group.
    fn write(&mut self, first: Write) -> Option<Job> {
        let begun = self.begin(first.op);
        // Collected only now, because more may have come while this process waited for another one.
        let (writes, next) = self.collect(first);
        match begun {
            Err(error) => refuse(writes, error),
            Ok(chain) => {
                for write in self.commit_together(writes, chain).into_iter().flatten() {
                    self.commit_alone(write);
                }
            }
        }
        next
    }

    /// Takes the waiting writes and does not wait for more. Returns the job that ended the group,
    /// if one did.
    fn collect(&mut self, first: Write) -> (Vec<Write>, Option<Job>) {
        let mut size_bytes = first.size_bytes;
        let mut writes = vec![first];
        while writes.len() < GROUP && size_bytes < GROUP_BYTES {
            match self.waiting.try_recv() {
                Ok(Job::Write(write)) => {
                    size_bytes += write.size_bytes;
                    writes.push(write);
                }
                Ok(other) => return (writes, Some(other)),
                Err(_) => break,
            }
        }
        (writes, None)
    }

    /// Makes the changes, each under a savepoint if there are several, commits and answers.
    ///
    /// Returns the changes if the transaction was undone and each must be tried alone. So a change
    /// for which there was no space does not make the others fail.
    fn commit_together(&mut self, writes: Vec<Write>, chain: Chain) -> Option<Vec<Write>> {
        let before = self.connection.total_changes();
        let mut results = Vec::with_capacity(writes.len());
        for write in &writes {
            let is_only = writes.len() == 1;
            results.push(if is_only { self.change_only(write) } else { self.change(write) });
            if self.connection.is_autocommit() {
                break;
            }
        }
        let is_undone = self.connection.is_autocommit();
        if is_undone && 1 < writes.len() {
            return Some(writes);
        }
        let is_changed = self.connection.total_changes() != before;
        let op = writes.first().map_or("commit", |write| write.op);
        if !is_undone && let Err(error) = self.end(op, is_changed.then_some(chain)) {
            self.roll_back();
            if 1 < writes.len() {
                return Some(writes);
            }
            results = vec![Err(error)];
        }
        for (write, result) in writes.into_iter().zip(results) {
            self.unmoved_bytes += write.size_bytes + OVERHEAD_BYTES;
            // If the call was dropped, nobody waits. The change may have been made all the same.
            let _ = write.reply.send(result);
        }
        None
    }

    /// Adds the link to the chain, if anything was written, and commits.
    fn end(&mut self, op: &'static str, link: Option<Chain>) -> Result<()> {
        if let Some(chain) = link {
            chain::write(&self.connection, chain).map_err(|error| before_commit(op, error))?;
        }
        self.connection.execute_batch("COMMIT").map_err(|error| at_commit(op, error))?;
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.commits = link.map_or(self.commits, |chain| chain.commits);
        Ok(())
    }

    /// Makes a change in a transaction of its own, after the one that it shared was undone.
    fn commit_alone(&mut self, write: Write) {
        match self.begin(write.op) {
            Err(error) => refuse(vec![write], error),
            Ok(chain) => {
                // INVARIANT: a group of one is answered, never given back.
                self.commit_together(vec![write], chain);
            }
        }
    }

    /// Begins a transaction that may write, and returns the link that it adds to the chain.
    ///
    /// `BEGIN IMMEDIATE` and not `BEGIN`: a transaction that reads first and then asks for the lock
    /// may be refused because somebody else wrote in between. Waiting would not help.
    fn begin(&self, op: &'static str) -> Result<Chain> {
        let sqlite = |error| before_commit(op, error);
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite)?;
        let link = self.check_file(op);
        if link.is_err() {
            self.roll_back();
        }
        link
    }

    /// Checks that the file is still as this handle has opened it.
    ///
    /// Another process may have migrated the file, or a restore may have begun a new life. In both
    /// cases this handle must not write: the other program could not read it, or it would go into
    /// the data of another life. The answer is `Corrupt`, with a source that says to restart.
    fn check_file(&self, op: &'static str) -> Result<Chain> {
        let sqlite = |error| before_commit(op, error);
        if !schema::is_current(&self.connection).map_err(sqlite)? {
            let why = "a newer program has changed the tables; restart with that program";
            return Err(Error::with_source(op, ErrorKind::Corrupt, why));
        }
        let link = chain::next(&self.connection, self.place.tag).map_err(sqlite)?;
        let why = "a new life of the data has begun; restart this program";
        link.ok_or_else(|| Error::with_source(op, ErrorKind::Corrupt, why))
    }

    /// Makes one change, or leaves no trace of it.
    fn change(&self, write: &Write) -> Result<()> {
        let sqlite = |error| before_commit(write.op, error);
        self.execute("SAVEPOINT change").map_err(sqlite)?;
        let result = self.try_change(write);
        if self.connection.is_autocommit() {
            return result;
        }
        if result.is_err() {
            self.execute("ROLLBACK TO change").map_err(sqlite)?;
        }
        self.execute("RELEASE change").map_err(sqlite)?;
        result
    }

    /// Makes the only change of a transaction. If it fails, the transaction is undone. It uses no
    /// savepoint, because that would keep a copy of each page that the change writes.
    fn change_only(&self, write: &Write) -> Result<()> {
        let result = self.try_change(write);
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    fn try_change(&self, write: &Write) -> Result<()> {
        let result = match (write.change)(&self.connection) {
            Ok(Outcome::Done) => Ok(()),
            Ok(Outcome::Conflict) => Err(Error::new(write.op, ErrorKind::Conflict)),
            Err(error) => Err(before_commit(write.op, error)),
        };
        // SQLITE: a full disk and I/O errors may undo the whole transaction, with its savepoints:
        // <https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction>.
        if result.is_ok() && self.connection.is_autocommit() {
            // INVARIANT: a change that was undone is never acknowledged, even if no error was
            // reported.
            return Err(Error::new(write.op, ErrorKind::Unknown));
        }
        result
    }

    /// Savepoints are made for each change of a group, so their statements are kept prepared.
    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(statement)?.execute([]).map(|_| ())
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // If the rollback failed, the next BEGIN fails.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Moves the log into the database file, after the answers were sent.
    fn move_log(&mut self) {
        // Not 0: what could not be moved is moved when the writer is idle.
        self.unmoved_bytes = 1;
        // A failed move is tried again after the next few changes. The data is in the log.
        let Some(mover) = &self.mover else { return };
        let begun = Instant::now();
        while mover.move_log(&self.connection) == LogState::InUse
            && LOG_BYTES < mover.log_bytes()
            && begun.elapsed() < self.busy_timeout
        {
            std::thread::sleep(WIPE_PAUSE);
        }
        if SIDECAR_PAUSE <= self.sidecar_at.elapsed() {
            self.write_sidecar();
        }
    }

    /// Remembers beside the file how far it has come.
    ///
    /// INVARIANT: everything that it tells of is durable in the file or its log.
    fn write_sidecar(&mut self) {
        if self.commits != 0
            && let Some(sidecar) = &self.place.sidecar
        {
            // If it cannot be written now, it is written later. Until then it is a little behind.
            let advanced = sidecar.advance(&self.place.file, self.place.tag, self.commits);
            self.owes_sidecar = advanced.is_err();
        }
        self.sidecar_at = Instant::now();
    }
}

/// Gives the same answer to all. Only the first gets the source as well.
fn refuse(writes: Vec<Write>, error: Error) {
    let kind = error.kind();
    let mut first = Some(error);
    for write in writes {
        let error = first.take().unwrap_or_else(|| Error::new(write.op, kind));
        // If the call was dropped, nobody needs the answer.
        let _ = write.reply.send(Err(error));
    }
}
