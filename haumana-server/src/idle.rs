//! Which connections are idle, and which one is closed to make room.
//!
//! Each connection has a seat. A seat is *busy* from the moment when the head of a request has been
//! read until its reply is handed over, and *idle* otherwise. If all seats are taken when a
//! connection comes, the one that has been idle longest is closed. So clients that hold connections
//! open without using them cannot keep others out.
//!
//! Each time a seat becomes idle it gets a number, and the numbers only grow. So the smallest
//! number belongs to the seat that has been idle longest. A sorted map finds it at once.

use metrics::{counter, gauge};
#[cfg(feature = "metrics")]
use metrics::{describe_counter, describe_gauge};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long the server waits for an idle connection to close before it turns a new one away.
const PATIENCE: Duration = Duration::from_millis(100);
/// The shortest time between two log lines about closed and refused connections.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// A gauge, by listener.
const OPEN: &str = "haumana_connections";
/// A counter, by listener and reason: `evicted`, `refused`, `timed_out`.
const CLOSED: &str = "haumana_connections_closed_total";

/// Describes what is counted here.
#[cfg(feature = "metrics")]
pub(crate) fn describe_metrics() {
    describe_gauge!(OPEN, "Connections that are open, by listener.");
    describe_counter!(
        CLOSED,
        "Connections that were closed to protect others, by listener and reason."
    );
}

/// Room for connections, and the idle ones, longest first.
pub(crate) struct Idle {
    /// The name of the listener in metrics.
    name: &'static str,
    room: Arc<Semaphore>,
    /// Idle seats by number, each with its signal to end.
    waiting: Mutex<BTreeMap<u64, Arc<Notify>>>,
    /// The number of the next seat that becomes idle.
    next: AtomicU64,
    counts: Counts,
}

/// Counts of what happened to connections since the start.
#[derive(Default)]
struct Counts {
    /// Connections that were ended to make room.
    n_evicted: AtomicU64,
    /// Connections that found no room.
    n_refused: AtomicU64,
    /// Connections whose clients kept the server waiting.
    n_timed_out: AtomicU64,
    /// When they were last logged, so that an attack does not fill the log.
    last_log: Mutex<Option<Instant>>,
}

/// The place of one connection, given back when dropped.
pub(crate) struct Seat {
    idle: Arc<Idle>,
    /// Notified when this connection has to make room.
    evict: Arc<Notify>,
    /// Its number, while it is idle.
    number: Mutex<Option<u64>>,
    _room: OwnedSemaphorePermit,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Idle {
    pub(crate) fn new(name: &'static str, room: usize) -> Self {
        let room = Arc::new(Semaphore::new(room));
        Self {
            name,
            room,
            waiting: Mutex::default(),
            next: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    /// A place for a new connection. If there is none, the connection that has been idle longest is
    /// closed.
    ///
    /// `None` if all are busy. The caller then drops the connection without an answer, after a
    /// tenth of a second.
    pub(crate) async fn seat(self: &Arc<Self>) -> Option<Seat> {
        let room = match Arc::clone(&self.room).try_acquire_owned() {
            Ok(room) => room,
            Err(_) => {
                self.make_room();
                let room = Arc::clone(&self.room).acquire_owned();
                let Ok(Ok(room)) = tokio::time::timeout(PATIENCE, room).await else {
                    self.count(&self.counts.n_refused, "refused");
                    return None;
                };
                room
            }
        };
        let (evict, number) = (Arc::new(Notify::new()), Mutex::default());
        let seat = Seat { idle: Arc::clone(self), evict, number, _room: room };
        seat.is_idle();
        gauge!(OPEN, "listener" => self.name).increment(1.0);
        Some(seat)
    }

    /// Ends the connection that has been idle longest.
    ///
    /// Nothing happens if no connection is idle. The room is free once the connection's task has
    /// ended.
    pub(crate) fn make_room(&self) {
        let longest = locked(&self.waiting).pop_first();
        if let Some((_, evict)) = longest {
            evict.notify_one();
            self.count(&self.counts.n_evicted, "evicted");
        }
    }

    fn count(&self, count: &AtomicU64, reason: &'static str) {
        counter!(CLOSED, "listener" => self.name, "reason" => reason).increment(1);
        self.counts.add(count);
    }
}

impl Counts {
    /// Counts one, and logs the counts once in a while.
    fn add(&self, count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
        let mut last = locked(&self.last_log);
        if last.is_some_and(|last| last.elapsed() < LOG_PAUSE) {
            return;
        }
        *last = Some(Instant::now());
        tracing::warn!(
            evicted = self.n_evicted.load(Ordering::Relaxed),
            refused = self.n_refused.load(Ordering::Relaxed),
            timed_out = self.n_timed_out.load(Ordering::Relaxed),
            "connections were closed"
        );
    }
}

impl Seat {
    /// From now on it may be closed to make room.
    pub(crate) fn is_idle(&self) {
        let number = self.idle.next.fetch_add(1, Ordering::Relaxed);
        *locked(&self.number) = Some(number);
        locked(&self.idle.waiting).insert(number, Arc::clone(&self.evict));
    }

    /// From now on a request is being answered.
    pub(crate) fn is_busy(&self) {
        if let Some(number) = locked(&self.number).take() {
            locked(&self.idle.waiting).remove(&number);
        }
    }

    /// Completes when the connection must close to make room.
    pub(crate) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Counts a connection that ended because its client kept the server waiting.
    ///
    /// Other errors, such as a client that hangs up, are not counted.
    pub(crate) fn failed(&self, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        let mut is_late = false;
        while let Some(cause) = next {
            let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            is_late |= kind == Some(std::io::ErrorKind::TimedOut);
            is_late |= cause.downcast_ref().is_some_and(hyper::Error::is_timeout);
            next = cause.source();
        }
        if is_late {
            self.idle.count(&self.idle.counts.n_timed_out, "timed_out");
        }
    }
}

/// While it exists, its connection is not idle.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Seat>);

impl Busy {
    pub(crate) fn new(seat: Arc<Seat>) -> Self {
        seat.is_busy();
        Self(seat)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_idle();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.is_busy();
        gauge!(OPEN, "listener" => self.idle.name).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_idle_connection_makes_room_and_busy_ones_stay() {
        let idle = Arc::new(Idle::new("api", 3));
        let busy = idle.seat().await.unwrap();
        busy.is_busy();
        let (first, second) = (idle.seat().await.unwrap(), idle.seat().await.unwrap());

        let ended = async {
            first.evicted().await;
            drop(first);
        };
        let (new, ()) = tokio::join!(idle.seat(), ended);

        assert!(new.is_some());
        let is_ended = tokio::time::timeout(Duration::from_millis(1), second.evicted()).await;
        assert!(is_ended.is_err(), "one was enough");
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_busy_a_new_connection_is_turned_away() {
        let idle = Arc::new(Idle::new("api", 1));
        let busy = idle.seat().await.unwrap();
        busy.is_busy();

        assert!(idle.seat().await.is_none());
        drop(busy);
        assert!(idle.seat().await.is_some());
    }
}
