//! How a replica reaches its server.
//!
//! - [`HttpTransport`] is for apps. [`Credentials`] provide its proof of who somebody is.
//! - [`DirectTransport`] calls an engine in the same process: for tests, examples, and programs
//!   that have the data themselves.
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

/// A call beside `POST /sync`. It needs a server, because the device does not keep the data.
///
/// An app calls the methods of [`Replica`](crate::Replica), which make these calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET /conflicts`: one page of open conflicts, newest first.
    Conflicts {
        /// Where the page starts; `None` for the newest.
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
        /// The version of its record that the person saw; `None` if it is not known.
        base: Option<Version>,
        /// A random name of the request. A repeat with the same name changes nothing.
        request_id: String,
    },
    /// `GET /records/{kind}/{id}/history`: one page of its versions, newest first.
    History {
        /// The name of its kind.
        kind: String,
        /// The record.
        id: RecordId,
        /// Only versions below this one; `None` begins with the current one.
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
        /// The version whose content becomes the content again.
        version: Version,
        /// The version that the person saw; `None` if the record is not known.
        base: Option<Version>,
        /// A random name of the request. A repeat with the same name changes nothing.
        request_id: String,
    },
    /// `DELETE /users/me`: erases everything of the account.
    Erase {
        /// A random name of the request. A repeat with the same name does not erase later data.
        request_id: String,
    },
    /// `POST /users/me/import`.
    Import {
        /// An export, or one page of it.
        export: Vec<u8>,
    },
    /// `POST /users/me/rewind`: rewinds all records to a time.
    Rewind {
        /// The time.
        to: UnixMillis,
        /// Whether it is done, or only simulated.
        mode: RewindMode,
        /// A random name of the request. A repeat with the same name changes nothing.
        request_id: String,
    },
}

/// The name of an erasure, for errors.
pub(crate) const ERASE: &str = "erase";

impl Call {
    /// Returns the name of the operation, for errors.
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
/// A transport keeps nothing. The app or a follower repeats a failed call. The repeat may have
/// another body, if its user has edited meanwhile. Replicas and accounts may share a transport,
/// since each call names its account.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Transport: Debug + MaybeSend + MaybeSync {
    /// Sends `POST /sync` for `account` and returns the body of the reply.
    ///
    /// Do not repeat the request inside. The caller decides whether and when to repeat it, with a
    /// [`Backoff`](crate::Backoff).
    ///
    /// # Guarantees
    ///
    /// - The request reaches the server as `account`, or not at all.
    ///
    /// # Errors
    ///
    /// `Offline` and `Unavailable` if it may work later; then it is unknown whether the server has
    /// received the request. `NeedsSignIn` if there is no valid token of `account`, `Erased` if the
    /// server answers 410, `TooLarge` if it answers 413. `Protocol` for any other answer, also if
    /// something else has answered in the server's place.
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>>;

    /// Makes another call for `account` and returns the body of the reply.
    ///
    /// # Guarantees
    ///
    /// - The request reaches the server as `account`, or not at all.
    ///
    /// # Errors
    ///
    /// As [`Transport::sync`], but 410 is `PastRetention`; also `NotFound`, `ConflictClosed`,
    /// `NotEmpty`, and `Invalid` if the server rejects the request.
    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>>;

    /// Writes all data of `account` into `file`: `GET /users/me/export`. If the host cannot send it
    /// in one reply, it comes in pages. The document is the same.
    ///
    /// # Guarantees
    ///
    /// - `Ok` means that the export is complete.
    ///
    /// # Errors
    ///
    /// As [`Transport::call`]; `Offline` also if the export was interrupted, `Storage` if it cannot
    /// be written. Then only a part was written.
    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()>;

    /// Connects to the live feed of `account`: `GET /live`. `known` is the latest revision that the
    /// device has learned of and has synced since; the feed does not send it again. It returns
    /// `None` if this transport or this server has no live feed. Then the device polls.
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
