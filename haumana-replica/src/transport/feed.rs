//! What a live feed says, and who reads it.
//!
//! A feed carries no records: it says that there is something to sync.

use crate::error::Result;
use crate::maybe_send::MaybeSend;
use async_trait::async_trait;
use std::fmt::Debug;

/// What a live feed says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// It is still there.
    Alive,
    /// The account has this revision now: some device has changed something.
    Revision(u64),
}

/// A connection to the live feed of one account.
///
/// A server of this project says something every 25 seconds, so silence means that the connection
/// is dead.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait LiveFeed: Debug + MaybeSend {
    /// Waits for what the feed says next.
    ///
    /// # Errors
    ///
    /// `Offline` if the connection has ended, `Protocol` if what comes is no feed. The connection is
    /// of no use then.
    ///
    /// # Cancellation
    ///
    /// It is safe to drop and to call again: nothing that was said is lost.
    async fn next(&mut self) -> Result<Heard>;
}
