//! How much is done at once, and for whom. No client can keep all others waiting.
//!
//! ```text
//! request ─▶ admit ─▶ body ─▶ turn of its account ─▶ light lane: at once, on the thread that asks
//!             429     budget    one at a time, fair └▶ heavy lane: on a thread beside, few at once
//! ```
//! A request is heavy if its body is large, or once a piece of its work has taken long.
//!
//! Five things are bounded, each against another attack:
//!
//! | what | for whom | beyond it |
//! |---|---|---|
//! | requests in progress | account | 429 `account` |
//! | bytes of bodies | account, all | 429 `account_bytes`, 503 `body_bytes` |
//! | bytes of unsent replies | account, all | 429 `account_unsent`, 503 `unsent_bytes` |
//! | writes at work | account: one | waits, then 503 `turn` |
//! | requests at work | all: light, heavy | waits, then 503 `light`, `heavy` |
//!
//! The first keeps one client from filling the line. The next two keep uploads and slow readers
//! from filling the memory. The last two make eight uploads of one account cost others no more than
//! one, and leave threads for short work.
//!
//! The word in code type is the `reason` in the log and in metrics. Clients see the status and the
//! code alone.
//!
//! Everything that is taken is given back by a destructor: the ticket, the permits, the count of an
//! unsent reply. So a client that hangs up, a handler that panics and a time-out all leave the gate
//! as it was.
//!
//! **Invariant:** the gate knows an account only as long as the account has a request or an unsent
//! reply. What strangers send leaves nothing behind.

use crate::error::Failure;
use haumana_sync::id::UserId;
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// How much a host does at the same time, for everybody and for one account.
///
/// A request is *heavy* if its body is 64 kB or more, or once a piece of its work has taken 2 ms.
/// Heavy work is done on threads of its own, so it never delays short requests. Requests of one
/// account that may write take turns, since they would only race for the same head.
///
/// A request that is too much is refused early: with 429 if its own account is too busy, with 503
/// if the whole server is. Both say when to try again. Nothing was done then. There are two
/// exceptions, both 503: the time at work is over, or a request turns out to be heavy and finds no
/// place. What such a request has committed by then stays.
///
/// ```
/// use haumana_api::{ApiConfig, Load};
///
/// let mut config = ApiConfig::of_a_server();
/// config.load = Some(Load::of_cores(8));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Load {
    /// The most light requests at work. They mostly wait for the store.
    pub light: usize,
    /// The most heavy requests at work. Keep it below the number of cores, so that one is always
    /// free.
    pub heavy: usize,
    /// The most requests of one account in progress. Further ones get 429.
    pub of_account: usize,
    /// The most reading requests and exports of one account in progress. Further ones get 429. A
    /// streamed export counts twice until its first part is read, so with a limit of 1 none can
    /// start.
    pub reads_of_account: usize,
    /// The most bytes of request bodies in memory. A request that needs more waits, and then gets
    /// 503.
    pub body_bytes: usize,
    /// The most bytes of request bodies of one account in memory. A request that needs more gets
    /// 429.
    pub body_bytes_of_account: usize,
    /// Limit of the bytes of replies that are made and not sent. At or above it, an account that
    /// has such a reply gets 503; all others are served.
    pub unsent_bytes: usize,
    /// Limit of the bytes of replies of one account that are made and not sent. At or above it,
    /// requests of the account get 429. The last reply may exceed it, because the size of a reply
    /// is known only once it is made.
    pub unsent_bytes_of_account: usize,
    /// The longest time of each single wait of a request: for room for its body, for its turn, and
    /// for a place at work. After that it gets 503.
    pub queue_timeout: Duration,
    /// The longest time for which a request is at work. After that it gets 503. What was committed
    /// by then stays.
    pub work_timeout: Duration,
}

impl Load {
    /// Requests with a body of this size or more are heavy.
    pub const HEAVY_BODY_BYTES: usize = 64 * 1024;
    /// A request becomes heavy once a piece of its work has taken this long.
    pub const HEAVY_PIECE: Duration = Duration::from_millis(2);

    /// Returns limits for a machine with this many cores.
    ///
    /// Bytes and times do not depend on the cores: 512 MB of bodies, of which one account has 128
    /// MB, 512 MB of unsent replies, of which one account has 64 MB, 30 s in line, 60 s at work.
    pub fn of_cores(cores: usize) -> Self {
        Self {
            light: 32 * cores.max(1),
            heavy: cores.saturating_sub(1).max(1),
            of_account: 32,
            reads_of_account: 8,
            body_bytes: 512_000_000,
            body_bytes_of_account: 128_000_000,
            unsent_bytes: 512_000_000,
            unsent_bytes_of_account: 64_000_000,
            queue_timeout: Duration::from_secs(30),
            work_timeout: Duration::from_secs(60),
        }
    }

    /// Returns limits for the machine on which this runs.
    pub fn of_this_machine() -> Self {
        Self::of_cores(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// Budgets of bytes are counted in pieces of this size.
///
/// Counting rounds down: a body or a reply of less than 16 kB takes no piece. The number of
/// requests bounds such small ones. Counting in pieces also keeps the budget below the most permits
/// that a semaphore can have.
const PIECE_BYTES: usize = 16 * 1024;

/// The requests at work, and those that wait.
pub(crate) struct Gate {
    /// What is allowed. It never changes while the server runs.
    load: Load,
    /// One permit for each light request at work.
    light: Arc<Semaphore>,
    /// One permit for each thread that does heavy work. Compressing a large reply and reading a
    /// part of an export take one, too.
    heavy: Arc<Semaphore>,
    /// The budget of all bodies, in pieces. Uploads wait for it, first come, first served.
    body_pieces: Arc<Semaphore>,
    /// Pieces of all unsent replies. It is a number and no semaphore, because nobody waits for it:
    /// a request is refused instead.
    n_unsent_pieces: AtomicUsize,
    /// Accounts with something in progress. The lock is held for a look-up and never across an
    /// await.
    accounts: Mutex<HashMap<UserId, Arc<Account>>>,
}

/// One account with requests that are not answered, or with replies that are not sent.
struct Account {
    /// How many [`Guest`]s there are; changed only while the map of accounts is locked.
    n_guests: AtomicUsize,
    /// One permit: the request that writes. Its queue is fair, so requests of an account are done
    /// in the order in which their bodies were complete.
    turn: Arc<Semaphore>,
    /// Requests in progress that may write, those that wait for their turn included.
    n_writes: AtomicUsize,
    /// Requests in progress that read. An export counts until its last byte is sent.
    n_reads: AtomicUsize,
    /// Pieces of bodies in memory.
    n_body_pieces: AtomicUsize,
    /// Pieces of replies that are made and not sent.
    n_unsent_pieces: AtomicUsize,
}

/// Keeps an account known to the gate while it exists.
///
/// Each ticket and each unsent reply has one. The last one that is dropped removes the account from
/// the map. It does so under the lock, so a request that comes at the same moment either finds the
/// old entry or makes a new one.
struct Guest {
    gate: Arc<Gate>,
    user: UserId,
    account: Arc<Account>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("load", &self.load).finish_non_exhaustive()
    }
}

/// What kind of request it is, for the gate.
///
/// Reads and writes are counted apart: a device whose pushes are stuck can still read its inbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It may write, and takes a turn of its account.
    ///
    /// Two writes of one account at once would race for the same head, and one of them would have
    /// to repeat its work. Taking turns is quicker for both.
    Write,
    /// It only reads.
    ///
    /// Reads of one account run side by side.
    Read,
}

/// A place among the requests of an account, given back when dropped.
pub(crate) struct Ticket {
    guest: Guest,
    purpose: Purpose,
    /// How many pieces of the account's budget this request has taken.
    n_own_pieces: usize,
    /// The same pieces of the budget of all; `None` while the body is small.
    body_pieces: Option<OwnedSemaphorePermit>,
}

/// What a reply that is not sent yet takes of its account's memory, given back when dropped.
pub(crate) struct Unsent {
    guest: Guest,
    /// Its size in pieces. It changes once more when the reply is compressed.
    n_pieces: AtomicUsize,
}

impl Gate {
    /// Each gate counts on its own. A host makes one, so that all its requests share the budgets.
    pub(crate) fn new(load: Load) -> Arc<Self> {
        Arc::new(Self {
            light: Arc::new(Semaphore::new(load.light)),
            heavy: Arc::new(Semaphore::new(load.heavy)),
            body_pieces: Arc::new(Semaphore::new(load.body_bytes.div_ceil(PIECE_BYTES))),
            n_unsent_pieces: AtomicUsize::new(0),
            accounts: Mutex::default(),
            load,
        })
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<UserId, Arc<Account>>> {
        // Nothing that can panic happens under the lock.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests are at work.
    ///
    /// It counts permits in use. The work of compressing replies is among them; requests that wait
    /// are not. The number is for logs and metrics: it may be old when it is returned.
    pub(crate) fn n_at_work(&self) -> usize {
        let free = self.light.available_permits() + self.heavy.available_permits();
        (self.load.light + self.load.heavy).saturating_sub(free)
    }

    /// Lets a request of `user` in, if not too many of that account are in already.
    ///
    /// The count goes up before it is compared. So if two requests come at once and one place is
    /// free, one of them is admitted. A refused request counts until its ticket is dropped, which
    /// is at once.
    ///
    /// # Errors
    ///
    /// 429 with the reason `account`.
    pub(crate) fn admit(
        self: &Arc<Self>,
        user: &UserId,
        purpose: Purpose,
    ) -> Result<Ticket, Failure> {
        let guest = self.guest(user);
        let (count, most) = guest.account.count(purpose, &self.load);
        let before = count.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket { guest, purpose, n_own_pieces: 0, body_pieces: None };
        if before < most { Ok(ticket) } else { Err(Failure::Busy("account")) }
    }

    /// The guest is counted under the lock of the map. Otherwise the last guest could remove the
    /// account between the look-up and the count. Two requests of one user would then have two
    /// turns.
    fn guest(self: &Arc<Self>, user: &UserId) -> Guest {
        let mut accounts = self.accounts();
        let account = Arc::clone(accounts.entry(user.clone()).or_insert_with(Account::new));
        account.n_guests.fetch_add(1, Ordering::Relaxed);
        Guest { gate: Arc::clone(self), user: user.clone(), account }
    }

    /// Waits for a place in the heavy lane.
    pub(crate) async fn heavy(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.wait(&self.heavy, 1, "heavy").await
    }

    /// Computes something in the heavy lane; `None` if there was no place.
    ///
    /// It is used to compress a large reply. `None` is no failure of the request: the reply goes
    /// out as it is. It is also `None` if `compute` panics.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let heavy = self.heavy().await.ok()?;
        let computed = tokio::task::spawn_blocking(move || {
            let _heavy = heavy;
            compute()
        });
        computed.await.ok()
    }

    /// # Errors
    ///
    /// 503 with `reason` if there is no permit within [`Load::queue_timeout`]. Each wait has that
    /// whole time: a write may wait for its turn and then again for its lane.
    async fn wait(
        &self,
        semaphore: &Arc<Semaphore>,
        n_permits: usize,
        reason: &'static str,
    ) -> Result<OwnedSemaphorePermit, Failure> {
        let n_permits = u32::try_from(n_permits).unwrap_or(u32::MAX);
        let permit = Arc::clone(semaphore).acquire_many_owned(n_permits);
        // The semaphore is never closed.
        match timeout(self.load.queue_timeout, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Failure::Overloaded(reason)),
        }
    }
}

impl Account {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            n_guests: AtomicUsize::new(0),
            turn: Arc::new(Semaphore::new(1)),
            n_writes: AtomicUsize::new(0),
            n_reads: AtomicUsize::new(0),
            n_body_pieces: AtomicUsize::new(0),
            n_unsent_pieces: AtomicUsize::new(0),
        })
    }

    /// The counter of requests with this purpose, and the most that it may reach.
    fn count(&self, purpose: Purpose, load: &Load) -> (&AtomicUsize, usize) {
        match purpose {
            Purpose::Write => (&self.n_writes, load.of_account),
            Purpose::Read => (&self.n_reads, load.reads_of_account),
        }
    }
}

impl Guest {
    /// Checks that one more reply may be made. The size of the reply is not known yet.
    ///
    /// # Errors
    ///
    /// - 429 `account_unsent`: the account has too many bytes unsent. Its client should read its
    ///   replies.
    /// - 503 `unsent_bytes`: all accounts together have too many bytes unsent, and some are of this
    ///   account.
    fn check_unsent(&self) -> Result<(), Failure> {
        let load = &self.gate.load;
        let of_account = self.account.n_unsent_pieces.load(Ordering::Relaxed);
        if load.unsent_bytes_of_account <= of_account.saturating_mul(PIECE_BYTES) {
            return Err(Failure::Busy("account_unsent"));
        }
        // An account without an unsent reply is not refused because others read slowly.
        let of_all = self.gate.n_unsent_pieces.load(Ordering::Relaxed);
        if 0 < of_account && load.unsent_bytes <= of_all.saturating_mul(PIECE_BYTES) {
            return Err(Failure::Overloaded("unsent_bytes"));
        }
        Ok(())
    }
}

/// The last one removes the account from the map. The count is changed under the lock, see
/// `Gate::guest`.
impl Drop for Guest {
    fn drop(&mut self) {
        let mut accounts = self.gate.accounts();
        if self.account.n_guests.fetch_sub(1, Ordering::Relaxed) == 1 {
            accounts.remove(&self.user);
        }
    }
}

/// Gives back the place and the bytes of the account. The permits of the budget of all go with the
/// field that holds them.
impl Drop for Ticket {
    fn drop(&mut self) {
        let Guest { gate, account, .. } = &self.guest;
        let (count, _) = account.count(self.purpose, &gate.load);
        count.fetch_sub(1, Ordering::Relaxed);
        account.n_body_pieces.fetch_sub(self.n_own_pieces, Ordering::Relaxed);
    }
}

impl Unsent {
    /// Sets the size of the reply from now on. Small replies are not counted.
    ///
    /// The difference to the earlier size is added to both counts. So it may be called as often as
    /// the size changes.
    pub(crate) fn set(&self, n_bytes: usize) {
        let n_pieces = n_bytes / PIECE_BYTES;
        let n_before = self.n_pieces.swap(n_pieces, Ordering::Relaxed);
        let Guest { gate, account, .. } = &self.guest;
        for count in [&account.n_unsent_pieces, &gate.n_unsent_pieces] {
            count.fetch_add(n_pieces, Ordering::Relaxed);
            count.fetch_sub(n_before, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("n_pieces", &self.n_pieces).finish_non_exhaustive()
    }
}

/// The last byte is sent, or the client is gone.
impl Drop for Unsent {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Ticket {
    /// Waits for a place in the heavy lane.
    pub(crate) async fn heavy(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.guest.gate.heavy().await
    }

    /// The counter of the reply to this request, which is nothing yet.
    ///
    /// It keeps the account known to the gate as long as the reply is on its way. That is longer
    /// than the ticket lives: the ticket is dropped when the reply is made.
    pub(crate) fn unsent(&self) -> Unsent {
        let guest = self.guest.gate.guest(&self.guest.user);
        Unsent { guest, n_pieces: AtomicUsize::new(0) }
    }

    /// Makes room for a body that has grown to this many bytes.
    ///
    /// Nothing is given back until the ticket is dropped, so calling it with a smaller number
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// 429 `account_bytes` if the account would hold too much; 503 `body_bytes` if all accounts
    /// together hold too much for too long. The account is checked first: an account with huge
    /// uploads is refused before it makes others wait.
    pub(crate) async fn hold_body(&mut self, n_bytes: usize) -> Result<(), Failure> {
        let needed = (n_bytes / PIECE_BYTES).saturating_sub(self.n_own_pieces);
        if needed == 0 {
            return Ok(());
        }
        let Guest { gate, account, .. } = &self.guest;
        let of_account = account.n_body_pieces.fetch_add(needed, Ordering::Relaxed) + needed;
        self.n_own_pieces += needed;
        if gate.load.body_bytes_of_account < of_account.saturating_mul(PIECE_BYTES) {
            return Err(Failure::Busy("account_bytes"));
        }
        let more = gate.wait(&gate.body_pieces, needed, "body_bytes").await?;
        match &mut self.body_pieces {
            Some(held) => held.merge(more),
            None => self.body_pieces = Some(more),
        }
        Ok(())
    }

    /// Does the work when it is this request's turn, until the caller drops the future.
    ///
    /// The steps:
    ///
    /// 1. A write waits for the turn of its account. A read does not.
    /// 2. The unsent replies are checked. This is after the turn has come, so that the reply to the
    ///    request before counts.
    /// 3. A small request waits for a light permit, a large one for a heavy permit.
    /// 4. `queued` is called with the time that the waits took, also if the request is refused.
    /// 5. A light request is polled here. If one poll takes 2 ms or more, it goes on in the heavy
    ///    lane.
    /// 6. From here on, all work has [`Load::work_timeout`].
    ///
    /// # Errors
    ///
    /// 503, with the reasons `turn`, `light` and `heavy` for waits that took too long, and
    /// `out_of_time` for work that took too long. If a light request has begun and finds no place
    /// in the heavy lane, it is 503 `heavy` too; what it has committed by then stays.
    ///
    /// # Panics
    ///
    /// A panic of the work is passed on to the caller, from any thread.
    pub(crate) async fn work<T: Send + 'static>(
        self,
        body_bytes: usize,
        queued: impl FnOnce(Duration),
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (gate, start) = (Arc::clone(&self.guest.gate), Instant::now());
        let waits = async {
            let turn = match self.purpose {
                Purpose::Write => Some(gate.wait(&self.guest.account.turn, 1, "turn").await?),
                Purpose::Read => None,
            };
            self.guest.check_unsent()?;
            Ok::<_, Failure>(match Load::HEAVY_BODY_BYTES <= body_bytes {
                true => (turn, None, Some(gate.heavy().await?)),
                false => (turn, Some(gate.wait(&gate.light, 1, "light").await?), None),
            })
        };
        let waited = waits.await;
        // A request that waited for nothing is noted too.
        queued(start.elapsed());
        let (_turn, light, heavy) = waited?;
        let done = async {
            let mut work: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(work);
            let heavy = match heavy {
                Some(heavy) => heavy,
                None => match light_part(&mut work).await {
                    Some(done) => return Ok(done),
                    // INVARIANT: work that has begun goes on while it waits for a place. It may
                    // hold something that work in the heavy lane waits for, such as a connection to
                    // the database.
                    None => tokio::select! {
                        biased;
                        heavy = gate.heavy() => heavy?,
                        done = &mut work => return Ok(done),
                    },
                },
            };
            drop(light);
            Ok(beside(heavy, work).await)
        };
        timeout(gate.load.work_timeout, done).await.map_err(|_| Failure::OutOfTime)?
    }
}

/// Works here until it is done, or until one poll has taken long.
///
/// `None`: the work has turned out to be heavy and must go on elsewhere. Each poll is timed alone,
/// so waiting for a store does not make a request heavy; computing does.
///
/// A single poll cannot be interrupted. It takes as long as the work computes without awaiting.
async fn light_part<T>(work: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> Option<T> {
    std::future::poll_fn(|cx| {
        let start = Instant::now();
        match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if Load::HEAVY_PIECE <= start.elapsed() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Works on a thread of its own. When nobody waits any more, the work ends at its next await. The
/// store finishes a commit that was begun.
///
/// If the caller is dropped, `waits` is dropped with it. The thread notices at the next await of
/// the work, and drops the work there. A thread that computes cannot be stopped before.
async fn beside<T: Send + 'static>(
    heavy: OwnedSemaphorePermit,
    work: Pin<Box<dyn Future<Output = T> + Send>>,
) -> T {
    let (waits, mut nobody_waits) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        let _heavy = heavy;
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = &mut nobody_waits => None,
                done = work => Some(done),
            }
        })
    });
    let done = done.await;
    drop(waits);
    match done {
        Ok(Some(done)) => done,
        // A panic is this request's failure, as if it had worked here.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime shuts down: nobody will ever look.
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(gate: &Arc<Gate>, user: &str) -> Ticket {
        let user = UserId::verified_by_caller(user).unwrap();
        gate.admit(&user, Purpose::Write).unwrap()
    }

    /// Tells when it is dropped.
    struct Dropped(Option<oneshot::Sender<()>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            if let Some(tell) = self.0.take() {
                tell.send(()).ok();
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_ends_where_it_waits_when_nobody_waits_for_it() {
        let gate = Gate::new(Load::of_cores(2));
        let (begun, has_begun) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let work = async move {
            let _dropped = Dropped(Some(tell));
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        };

        let size = Load::HEAVY_BODY_BYTES;
        let waits = tokio::spawn(ticket(&gate, "kai").work(size, |_| (), work));
        has_begun.await.unwrap();
        waits.abort();

        told.await.unwrap();
        assert!(gate.heavy().await.is_ok(), "its place is free again");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_turns_out_long_goes_on_beside() {
        let gate = Gate::new(Load::of_cores(2));
        let long = async {
            let before = std::thread::current().id();
            std::thread::sleep(2 * Load::HEAVY_PIECE);
            tokio::task::yield_now().await;
            (before, std::thread::current().id())
        };

        let done = ticket(&gate, "kai").work(0, |_| (), long).await;

        let (before, after) = done.unwrap();

        assert_ne!(before, after, "the rest was done by another thread");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn long_work_that_holds_what_the_heavy_lane_waits_for_goes_on() {
        let gate = Gate::new(Load::of_cores(2));
        let connection = Arc::new(tokio::sync::Mutex::new(()));
        let (hold, has_hold) = oneshot::channel();
        let (queue, is_queued) = std::sync::mpsc::channel::<()>();
        let (answer, answered) = oneshot::channel::<()>();
        let of_holder = connection.clone();
        let holder = async move {
            let _connection = of_holder.lock_owned().await;
            hold.send(()).unwrap();
            is_queued.recv().unwrap();
            std::thread::sleep(2 * Load::HEAVY_PIECE);
            answered.await.unwrap();
        };
        let waiter = async move { drop(connection.lock().await) };

        let lane = gate.heavy().await.unwrap();
        let kai = tokio::spawn(ticket(&gate, "kai").work(0, |_| (), holder));
        has_hold.await.unwrap();
        let size = Load::HEAVY_BODY_BYTES;
        let uka = tokio::spawn(ticket(&gate, "uka").work(size, |_| (), waiter));
        tokio::time::sleep(Duration::from_millis(50)).await;
        queue.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(lane);
        answer.send(()).unwrap();

        let both = async { (kai.await.unwrap(), uka.await.unwrap()) };
        let (kai, uka) = timeout(Duration::from_secs(10), both).await.unwrap();
        kai.unwrap();
        uka.unwrap();
    }

    #[tokio::test]
    async fn requests_of_one_account_take_turns_and_others_do_not_wait() {
        let gate = Gate::new(Load::of_cores(2));
        let (finish, finished) = oneshot::channel::<()>();
        let mut first =
            Box::pin(ticket(&gate, "kai").work(0, |_| (), async { finished.await.is_ok() }));
        let mut second = Box::pin(ticket(&gate, "kai").work(0, |_| (), async {}));

        let pending = std::future::poll_fn(|cx| {
            let first = first.as_mut().poll(cx).is_pending();
            Poll::Ready((first, second.as_mut().poll(cx).is_pending()))
        });
        assert_eq!((true, true), pending.await);
        ticket(&gate, "uka").work(0, |_| (), async {}).await.unwrap();
        finish.send(()).unwrap();

        assert!(first.await.unwrap());
        second.await.unwrap();
        assert!(gate.accounts().is_empty(), "nothing is remembered of who is gone");
    }
}
