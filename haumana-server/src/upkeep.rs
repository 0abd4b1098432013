//! What the server does for all users in the background: erasures that broke off, entries of the
//! directory that are left over, and retention.
//!
//! The engine deletes old history of a user when that user commits. This module reaches users who
//! never come again. It does a little at a time, so that requests do not notice.
//!
//! One pass has three parts. First it finishes erasures: an erasure marks the account, deletes, and
//! marks it again; a process that was killed in between leaves the first mark. Then it removes the
//! directory's entries of erased accounts. Last it deletes the history that is past its retention.
//!
//! It works in small slices with pauses. Each part can stop anywhere: the next pass finds what is
//! left. Several servers on one PostgreSQL database may all do it; it is no error if
//! another one has deleted a row.

use crate::directory::SqliteDirectory;
use haumana_api::AUDIT;
use haumana_api::directory::UserDirectory as _;
use haumana_auth::{CallerKey, username};
use haumana_sync::engine::{Clock, Engine};
use haumana_sync::id::UserId;
use haumana_sync::store::{HeadState, Operate, Store, SweepPlace};
use std::sync::Arc;
use std::time::Duration;

/// The time from one pass to the next.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// LIMIT: how much history one call deletes.
const SLICE: usize = 256;
/// The pause between two calls, in which requests have the store to themselves.
const PAUSE: Duration = Duration::from_millis(20);
/// LIMIT: how many erasures one call looks for.
const ERASURES: usize = 100;

/// LIMIT: how many accounts are looked at between two pauses.
const USERS: usize = 100;
/// How far the clocks of two servers may be apart.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// The work for all users, and what it needs.
pub(crate) struct Upkeep {
    /// The only way to see all users. No request has it.
    pub(crate) operate: Arc<dyn Operate>,
    /// The same data, to look at one account.
    pub(crate) store: Arc<dyn Store>,
    /// Erases, by the same rules as `DELETE /users/{me}`.
    pub(crate) engine: Arc<Engine>,
    /// Where names and e-mail addresses are, which go with an account; `None`: not in this server's files.
    pub(crate) directory: Option<Arc<SqliteDirectory>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The key of the hashes that logs have in place of user ids. `None`: this program writes no
    /// audit log.
    pub(crate) caller_key: Option<CallerKey>,
    /// In milliseconds. It must be that of the engine, or history that can still be restored would
    /// be deleted.
    pub(crate) retention_ms: i64,
}

impl Upkeep {
    /// Does a pass now and then, until it is dropped.
    ///
    /// The first pass is at the start of the server. After that there is one an hour.
    pub(crate) async fn run(self) {
        loop {
            // What fails for one account holds up nobody else's. What is left is done the next time.
            let erased = self.finish_erasures().await;
            let forgotten = self.forget_erased().await;
            let swept = self.sweep().await.map(drop);
            for error in [erased, forgotten, swept].into_iter().filter_map(Result::err) {
                tracing::warn!("the upkeep failed: {error}");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Finishes erasures that broke off, and those that a restore has brought back.
    ///
    /// Accounts whose erasure fails are left out and counted, so that one of them cannot hold up
    /// the others for ever.
    ///
    /// # Errors
    ///
    /// If the list of accounts cannot be read, or some erasures have failed.
    pub(crate) async fn finish_erasures(
        &self,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (mut finished, mut failed) = (0, Vec::new());
        loop {
            let users = self.operate.erasing(ERASURES + failed.len()).await?;
            let others = users.into_iter().filter(|user| !failed.contains(user));
            let others: Vec<UserId> = others.collect();
            if others.is_empty() {
                break;
            }
            for user in others {
                match self.erase(&user).await {
                    Ok(()) => finished += 1,
                    Err(error) => {
                        tracing::warn!("an erasure could not be finished: {error}");
                        failed.push(user);
                    }
                }
            }
        }
        if finished != 0 {
            tracing::info!(finished, "interrupted erasures are finished");
        }
        match failed.len() {
            0 => Ok(()),
            n => Err(format!("{n} erasures could not be finished").into()),
        }
    }

    /// Records first, then the entry in the directory, as the API does it. Then a line in the audit
    /// log, because the request that began the erasure has no line that says how it ended.
    async fn erase(&self, user: &UserId) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.engine.erase(user).await?;
        if let Some(directory) = &self.directory {
            directory.remove(&username(user)).await?;
        }
        if let Some(key) = &self.caller_key {
            let caller = key.hash(user);
            tracing::info!(target: AUDIT, caller, call = "erase", status = "finished", "audit");
        }
        Ok(())
    }

    /// Removes the entries of erased accounts from this server's directory.
    ///
    /// Another server or `haumana-admin` may have erased an account. Neither can reach this
    /// directory. An entry stays if its user has signed in since the erasure.
    ///
    /// # Errors
    ///
    /// If the accounts cannot be listed, or the directory's file is held by others.
    pub(crate) async fn forget_erased(
        &self,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Some(directory) = &self.directory else { return Ok(()) };
        if directory.is_empty().await? {
            return Ok(());
        }
        let mut place = None;
        loop {
            let page = self.operate.users(place.as_ref(), USERS).await?;
            let mut erased = Vec::new();
            for user in &page.users {
                let head = self.store.head(user).await?;
                let head = head.filter(|head| head.state == HeadState::Erased);
                if let Some(at) = head.and_then(|head| head.erased_at) {
                    // An entry that goes although its user has just come back is made anew by the
                    // next sign-in.
                    erased.push((username(user), at.plus_ms(CLOCKS_DIFFER_MS)));
                }
            }
            directory.remove_not_seen_since(erased).await?;
            place = page.next;
            if place.is_none() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Deletes history that is past its retention, of all users.
    ///
    /// Returns how many entries of history were deleted. Reads ignore such entries already, so only
    /// the disk shows a difference.
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
