//! The messages of a live feed, and the trait that reads them.
//!
//! A feed contains no records. It only says that there is something to sync.

use crate::error::Result;
use crate::maybe_send::MaybeSend;
use async_trait::async_trait;
use std::fmt::Debug;

/// A message of a live feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// The connection is alive.
    Alive,
    /// The account has this revision now, because a device has changed something.
    Revision(u64),
}

/// A connection to the live feed of one account.
///
/// A server of this project sends something every 25 seconds. So silence means that the connection
/// is dead.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait LiveFeed: Debug + MaybeSend {
    /// Waits for the next message of the feed.
    ///
    /// # Errors
    ///
    /// `Offline` if the connection has ended, `Protocol` if the data is no feed. After an error, do
    /// not use the connection again.
    ///
    /// # Cancellation
    ///
    /// It is safe to drop the future and to call again: no message is lost.
    async fn next(&mut self) -> Result<Heard>;
}
