//! Part 1 of the protocol: what the app on people's phones sends and reads.
//!
//! # Reading
//!
//! A body is checked as a whole for its shape and its limits, and then piece by piece. A wrong
//! piece is refused by itself, with its id as it was sent. All others are accepted. Replies are
//! written from stored JSON, so numbers and unknown keys come out unchanged.
//!
//! ```
//! use haumana_app::wire::{Operation, PiecesRequest};
//! use haumana_sync::id::UserId;
//!
//! let body = br#"{"pieces": [{"title": "Hula"}], "lastSyncedAt": "2026-11-28T18:30:00Z"}"#;
//! let request = PiecesRequest::from_json(body)?;
//! assert_eq!(Operation::Sync, request.operation);
//!
//! // A piece without an id is refused, and the request is not.
//! let kai = UserId::verified_by_caller("kai").ok_or("not a user id")?;
//! assert!(request.read_pieces(&kai).iter().all(Result::is_err));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entries;
mod record;
mod reply;
mod version;

pub use record::{AppPiece, AppSession};
pub use reply::{Counts, PieceOut, PiecesReply, SessionsReply};
pub use version::WireVersion;

use entries::Entries;
use haumana_sync::id::UserId;
use haumana_sync::limits;
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::{BadRequest, Outline, Rejected, read_object};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The operation of a request to `POST /pieces`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Push, and pull what is new.
    Sync,
    /// Push, and pull only if the pusher must learn the outcome of its push.
    Upload,
    /// Pull.
    Download,
}

/// The body of `POST /pieces`. The pieces are read one by one, so a bad one blocks no other.
///
/// It borrows the body: a piece is copied only if its content is kept.
#[derive(Debug)]
pub struct PiecesRequest<'a> {
    /// The operation.
    pub operation: Operation,
    /// Every local piece of the user. Of entries that can be no pieces, only the first
    /// [`limits::REFUSALS`] are here.
    pub pieces: Vec<&'a RawValue>,
    /// The last `syncedAt` that the phone received; `None` also if it is garbled.
    pub last_synced_at: Option<UnixMillis>,
}

/// The body of `POST /sessions`.
#[derive(Debug)]
pub struct SessionsRequest<'a> {
    /// The sessions that were not uploaded yet.
    pub sessions: Vec<&'a RawValue>,
    /// As in [`PiecesRequest`]; the app does not send it.
    pub last_synced_at: Option<UnixMillis>,
}

/// Unknown keys of the body are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PiecesBody<'a> {
    #[serde(borrow)]
    operation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pieces: Option<Entries<'a>>,
    #[serde(borrow)]
    last_synced_at: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionsBody<'a> {
    #[serde(borrow)]
    sessions: Option<Entries<'a>>,
    #[serde(borrow)]
    last_synced_at: Option<Cow<'a, str>>,
}

impl<'a> PiecesRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`BadRequest`] if the body as a whole cannot be accepted.
    pub fn from_json(body: &'a [u8]) -> Result<Self, BadRequest> {
        let body: PiecesBody<'a> = read_object(body, Outline::of_records(limits::REQUEST_RECORDS))?;
        let operation = match body.operation.as_deref() {
            None | Some("sync") => Operation::Sync,
            Some("upload") => Operation::Upload,
            Some("download") => Operation::Download,
            Some(_) => return Err(BadRequest::Operation),
        };
        Ok(Self {
            operation,
            pieces: body.pieces.unwrap_or_default().0,
            last_synced_at: body.last_synced_at.and_then(|text| UnixMillis::parse(&text)),
        })
    }

    /// Reads the pieces, each by itself.
    pub fn read_pieces(&self, user: &UserId) -> Vec<Result<AppPiece, Rejected>> {
        self.pieces.iter().map(|raw| AppPiece::read(raw, user)).collect()
    }
}

impl<'a> SessionsRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`BadRequest`] if the body as a whole cannot be accepted.
    pub fn from_json(body: &'a [u8]) -> Result<Self, BadRequest> {
        let body: SessionsBody<'a> =
            read_object(body, Outline::of_records(limits::REQUEST_RECORDS))?;
        Ok(Self {
            sessions: body.sessions.unwrap_or_default().0,
            last_synced_at: body.last_synced_at.and_then(|text| UnixMillis::parse(&text)),
        })
    }

    /// Reads the sessions, each by itself.
    pub fn read_sessions(&self, user: &UserId) -> Vec<Result<AppSession, Rejected>> {
        self.sessions.iter().map(|raw| AppSession::read(raw, user)).collect()
    }
}
