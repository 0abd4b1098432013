//! How a replica reaches its server.

mod direct;
#[cfg(feature = "http")]
mod http;

pub use direct::DirectTransport;
#[cfg(feature = "http")]
pub use http::{Encoding, HttpConfig, HttpTransport, TokenSource};

use crate::error::Result;
use haumana_sync::id::UserId;
use std::fmt::Debug;

/// Carries `POST /sync` to a server.
#[async_trait::async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Sends a request of `account` and returns the body of the reply.
    ///
    /// # Guarantees
    ///
    /// - The request reaches the server as `account`, or not at all.
    ///
    /// # Errors
    ///
    /// `Offline` and `Unavailable` if it may work later; it is unknown whether the server has
    /// taken the request in. `NeedsSignIn` if there is no valid token of `account`, `Erased` if
    /// the server answers 410, `TooLarge` if it answers 413, `Protocol` for anything else.
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>>;
}
