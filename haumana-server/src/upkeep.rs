//! What the server does for all users in the background: retention, and erasures that broke off.
//!
//! The engine deletes old history of a user who commits. This reaches those who never come again, a
//! little at a time, so that requests do not notice.

use haumana_sync::engine::{Clock, Engine};
use haumana_sync::store::{Operate, SweepPlace};
use std::sync::Arc;
use std::time::Duration;

/// How often it is done.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// LIMIT: how much history one call deletes.
const SLICE: usize = 256;
/// What is left to the requests between two calls.
const PAUSE: Duration = Duration::from_millis(20);
/// LIMIT: how many erasures one call looks for.
const ERASURES: usize = 100;

/// Who does it.
pub(crate) struct Upkeep {
    pub(crate) operate: Arc<dyn Operate>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retention_ms: i64,
}

impl Upkeep {
    /// Does it now and then, until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            let done = match self.finish_erasures().await {
                Ok(()) => self.sweep().await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                // What is left is done the next time.
                tracing::warn!("the upkeep failed: {error}");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Finishes erasures that broke off, and those that a restore has brought back.
    pub(crate) async fn finish_erasures(
        &self,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut finished = 0;
        loop {
            let users = self.operate.erasing(ERASURES).await?;
            if users.is_empty() {
                break;
            }
            for user in &users {
                self.engine.erase(user).await?;
            }
            finished += users.len();
        }
        if finished != 0 {
            tracing::info!(finished, "interrupted erasures are finished");
        }
        Ok(())
    }

    /// Deletes history that is past its retention, of whichever users.
    pub(crate) async fn sweep(&self) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let before = self.clock.now().plus_ms(-self.retention_ms);
        let (mut place, mut deleted): (Option<SweepPlace>, usize) = (None, 0);
        loop {
            let swept = self.operate.sweep(before, place.as_ref(), SLICE).await?;
            deleted += swept.deleted;
            place = swept.next;
            if place.is_none() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        if deleted != 0 {
            tracing::info!(deleted, "history past its retention was deleted");
        }
        Ok(deleted)
    }
}
