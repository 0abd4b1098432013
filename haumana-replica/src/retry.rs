//! When to try again: a pure policy, and a driver that gets its timer and its random bits.
//!
//! [`Replica::follow_with`] includes all of this. Use [`Replica::sync_with_retry`] for a job that
//! syncs once and ends, such as one that the system starts in the background.

use crate::error::{LONGEST_ASKED, Result};
use crate::maybe_send::{MaybeSend, MaybeSync};
use crate::replica::Replica;
use crate::sync::Summary;
use crate::transport::Transport;
use async_trait::async_trait;
use haumana_sync::engine::Random;
use std::fmt::Debug;
use std::time::Duration;

/// How long to wait between tries. [`Backoff::usual`] makes one; then set the fields that differ.
///
/// ```
/// use haumana_replica::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::usual();
///
/// // The greatest random bits give the longest wait.
/// assert!(backoff.wait(1, None, u64::MAX) <= Duration::from_secs(1));
/// assert!(backoff.wait(20, None, u64::MAX) <= Duration::from_secs(300));
/// let asked = Some(Duration::from_secs(60));
/// assert!(Duration::from_secs(60) <= backoff.wait(1, asked, 0), "the server asked for a minute");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The longest wait after the first failure. Usually a second.
    pub first: Duration,
    /// The longest wait after any failure, without the time that the server asks for. Usually five
    /// minutes.
    pub most: Duration,
    /// The total number of tries, at least 1. Usually 8.
    pub tries: u32,
}

impl Backoff {
    /// A second at first, five minutes at most, eight tries.
    pub fn usual() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(300), tries: 8 }
    }

    /// How long to wait after failure number `failures` (from 1), given random bits.
    ///
    /// The upper limit doubles with each failure. The wait is a random time below it, so that
    /// devices which failed together do not return together. If the server asks for a wait, that
    /// wait is added before, but at most [`LONGEST_ASKED`](crate::LONGEST_ASKED).
    pub fn wait(&self, failures: u32, retry_after: Option<Duration>, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let bound = doubled.min(self.most);
        let share = (random >> 11) as f64 / (1u64 << 53) as f64;
        let asked = retry_after.unwrap_or_default().min(LONGEST_ASKED);
        asked.saturating_add(bound.mul_f64(share))
    }
}

/// Waits. The library has no runtime of its own.
///
/// With tokio it is one line around `tokio::time::sleep`, in a browser one around `setTimeout`.
/// Tests return at once, or use a clock of their own.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Sleep: Debug + MaybeSend + MaybeSync {
    /// Returns after `wait`.
    async fn sleep(&self, wait: Duration);
}

impl Replica {
    /// Syncs, and tries again after a failure that passes.
    ///
    /// It gives up after [`Backoff::tries`]. Nothing is lost then: the next sync sends the same
    /// edits.
    ///
    /// # Errors
    ///
    /// The error of the last try, or at once an error that does not pass by itself.
    pub async fn sync_with_retry(
        &self,
        transport: &dyn Transport,
        backoff: Backoff,
        sleep: &dyn Sleep,
        random: &dyn Random,
    ) -> Result<Summary> {
        let mut failures = 0;
        loop {
            let error = match self.sync(transport).await {
                Err(error) if error.is_passing() => error,
                done => return done,
            };
            failures += 1;
            if backoff.tries <= failures {
                return Err(error);
            }
            let asked = error.retry_after_secs().map(Duration::from_secs);
            sleep.sleep(backoff.wait(failures, asked, random.next_u64())).await;
        }
    }
}
