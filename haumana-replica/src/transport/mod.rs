//! How a replica reaches its server.
//!
//! - [`HttpTransport`] is for apps. What it sends to prove who somebody is comes from
//!   [`Credentials`].
//! - [`DirectTransport`] calls an engine in the same process: tests, examples, and programs that
//!   hold the data themselves.
//! - Implement [`Transport`] to carry requests in another way. [`Request`] says what each call is
//!   over HTTP, and [`refusal`] what a status means.

#[cfg(feature = "http")]
mod answer;
#[cfg(feature = "http")]
mod bounds;
#[cfg(feature = "http")]
mod credentials;
mod direct;
#[cfg(feature = "http")]
mod events;
mod feed;
#[cfg(feature = "http")]
mod http;
mod meaning;
mod pages;
mod request;
#[cfg(feature = "http")]
mod retry_after;
mod split;

#[cfg(feature = "http")]
pub use credentials::{BearerJwt, Credentials, Headers, TokenSource, subject};
pub use direct::DirectTransport;
pub use feed::{Heard, LiveFeed};
#[cfg(feature = "http")]
pub use http::{Encoding, HttpConfig, HttpTransport, is_loopback};
pub use meaning::refusal;
pub use pages::Joined;
pub use request::Request;
pub use split::{ExportOutline, ExportPage};

use crate::error::Result;
use crate::maybe_send::{MaybeSend, MaybeSync};
use async_trait::async_trait;
use haumana_sync::engine::{Resolution, RewindMode};
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use std::fmt::Debug;
use std::io::Write;

/// A call beside `POST /sync`. It needs a server: nothing of it is kept on the device.
///
/// An app calls the methods of [`Replica`](crate::Replica), which make these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET /conflicts`: one page of what lost and is open, newest first.
    Conflicts {
        /// Where the page starts; `None` at the newest.
        after: Option<String>,
        /// The most conflicts of the page, 1 to 200.
        limit: usize,
    },
    /// `POST /conflicts/{id}`.
    Resolve {
        /// The conflict.
        id: RecordId,
        /// How it is closed.
        resolution: Resolution,
        /// The version of its record that the person saw; `None` if it is not known here.
        base: Option<Version>,
        /// A random name of the request; one that comes again changes nothing.
        request_id: String,
    },
    /// `GET /records/{kind}/{id}/history`: one page of its versions, newest first.
    History {
        /// The name of its kind.
        kind: String,
        /// The record.
        id: RecordId,
        /// Only versions below this one; `None` from the current one on.
        before: Option<Version>,
        /// The most versions of the page, 1 to 200.
        limit: usize,
    },
    /// `POST /records/{kind}/{id}/restore`.
    Restore {
        /// The name of its kind.
        kind: String,
        /// The record; it may be deleted.
        id: RecordId,
        /// Which version's content is to be the content again.
        version: Version,
        /// The version that the person saw; `None` if the record is not known here.
        base: Option<Version>,
        /// A random name of the request; one that comes again changes nothing.
        request_id: String,
    },
    /// `DELETE /users/me`: erases everything of the account.
    Erase {
        /// A random name of the request; one that comes again erases nothing that came since.
        request_id: String,
    },
    /// `POST /users/me/import`.
    Import {
        /// An export, or one page of it.
        export: Vec<u8>,
    },
    /// `POST /users/me/rewind`: makes all records what they were.
    Rewind {
        /// When.
        to: UnixMillis,
        /// Whether it is done, or only tried.
        mode: RewindMode,
        /// A random name of the request; one that comes again changes nothing.
        request_id: String,
    },
}

/// What an erasure does, for errors.
pub(crate) const ERASE: &str = "erase";

impl Call {
    /// What it does, for errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conflicts { .. } => "conflicts",
            Self::Resolve { .. } => "resolve",
            Self::History { .. } => "history",
            Self::Restore { .. } => "restore",
            Self::Erase { .. } => ERASE,
            Self::Import { .. } => "import",
            Self::Rewind { .. } => "rewind",
        }
    }
}

/// Carries the calls of a replica to a server.
///
/// A transport keeps nothing. A call that fails is simply made again, by the app or by a follower,
/// with another body if its user has edited meanwhile. It may be shared between replicas, and
/// between accounts: each call names the account that it is for.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Transport: Debug + MaybeSend + MaybeSync {
    /// Sends `POST /sync` of `account` and returns the body of the reply.
    ///
    /// Do not repeat the request inside: whether and when is decided outside, with a
    /// [`Backoff`](crate::Backoff).
    ///
    /// # Guarantees
    ///
    /// - The request reaches the server as `account`, or not at all.
    ///
    /// # Errors
    ///
    /// `Offline` and `Unavailable` if it may work later; it is unknown whether the server has
    /// taken the request in. `NeedsSignIn` if there is no valid token of `account`, `Erased` if
    /// the server answers 410, `TooLarge` if it answers 413, `Protocol` for anything else, also if
    /// something else has answered in the server's place.
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>>;

    /// Makes another call of `account` and returns the body of the reply.
    ///
    /// # Guarantees
    ///
    /// - The request reaches the server as `account`, or not at all.
    ///
    /// # Errors
    ///
    /// As [`Transport::sync`], but 410 is `PastRetention`; also `NotFound`, `ConflictClosed`,
    /// `NotEmpty`, and `Invalid` for what the server finds wrong with the request.
    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>>;

    /// Writes everything of `account` into `file`: `GET /users/me/export`. Where the host cannot
    /// send it in one reply, it comes in pages and is the same document.
    ///
    /// # Guarantees
    ///
    /// - `Ok` means that the export came to its end.
    ///
    /// # Errors
    ///
    /// As [`Transport::call`]; `Offline` also if the export broke off, `Storage` if it cannot be
    /// written. What was written is then a part.
    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()>;

    /// Connects to the live feed of `account`: `GET /live`. `known` is the latest revision that the
    /// device has heard of and synced since; the feed says it no more. `None`: there is no live feed,
    /// over this transport or on this server, and the device asks now and then.
    ///
    /// # Errors
    ///
    /// As [`Transport::sync`].
    async fn live(
        &self,
        account: &UserId,
        known: Option<u64>,
    ) -> Result<Option<Box<dyn LiveFeed>>> {
        let _ = (account, known);
        Ok(None)
    }
}
