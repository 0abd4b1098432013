//! The calls of this crate.
//!
//! They are a trait on the library's engine, so a host calls them like the engine's own calls. A
//! host that does not serve the app does not depend on this crate.

use crate::App;
use crate::takeover::{Earlier, TakenOver};
use crate::wire::{PiecesReply, PiecesRequest, SessionsReply, SessionsRequest};
use haumana_sync::Engine;
use haumana_sync::engine::Result;
use haumana_sync::id::UserId;
use std::future::Future;

/// The calls of the app on people's phones, and the import of earlier tables, as methods of an
/// engine.
///
/// The engine must keep the kinds of [`haumana_sync::repertoire`].
pub trait Phones {
    /// Applies what a phone sent to `POST /pieces`, and returns its reply.
    ///
    /// The reply has about `reply_limit_bytes` at most. If it is cut, the phone's next syncs bring
    /// the rest.
    ///
    /// # Guarantees
    ///
    /// - A piece that cannot be accepted is refused by itself, with its id and a code.
    /// - Repeating the same request, early or late, changes nothing.
    /// - After the reply, the phone has the server's state of each piece in the reply, apart from
    ///   edits that were made while the reply was in flight.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](haumana_sync::engine::ErrorKind::Unavailable) if the store cannot
    /// answer, and no commit of the push is known. Sending the request again is harmless.
    ///
    /// # Cancellation
    ///
    /// A dropped call may have committed some of the pushes. Send the same request again to
    /// complete it.
    fn sync_pieces(
        &self,
        user: &UserId,
        request: &PiecesRequest<'_>,
        reply_limit_bytes: usize,
    ) -> impl Future<Output = Result<PiecesReply>> + Send;

    /// Applies what a phone sent to `POST /sessions`, and returns the user's sessions: all of them, or
    /// those that were stamped later than `lastSyncedAt` if the phone sent that.
    ///
    /// A session is accepted even if it was deleted here. It stays deleted, and the phone does not
    /// send it again.
    ///
    /// # Errors
    ///
    /// As [`Phones::sync_pieces`].
    fn sync_sessions(
        &self,
        user: &UserId,
        request: &SessionsRequest<'_>,
        reply_limit_bytes: usize,
    ) -> impl Future<Output = Result<SessionsReply>> + Send;

    /// Imports records of an earlier server, and returns the outcome of each.
    ///
    /// The call may be repeated at any time. An item that has not changed since the last call, or
    /// is older, changes nothing, whatever has happened to its record. A changed item is merged as
    /// an edit of what was imported before. A missing item deletes nothing.
    ///
    /// Outcomes are in the order of `records`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`](haumana_sync::engine::ErrorKind::Gone) if the user has erased the
    /// account here; then nothing is brought back. `Unavailable` if the store cannot answer;
    /// repeating is harmless.
    fn take_over(
        &self,
        user: &UserId,
        records: &[Earlier],
    ) -> impl Future<Output = Result<Vec<TakenOver>>> + Send;
}

impl Phones for Engine {
    async fn sync_pieces(
        &self,
        user: &UserId,
        request: &PiecesRequest<'_>,
        reply_limit_bytes: usize,
    ) -> Result<PiecesReply> {
        App(self).sync_pieces(user, request, reply_limit_bytes).await
    }

    async fn sync_sessions(
        &self,
        user: &UserId,
        request: &SessionsRequest<'_>,
        reply_limit_bytes: usize,
    ) -> Result<SessionsReply> {
        App(self).sync_sessions(user, request, reply_limit_bytes).await
    }

    async fn take_over(&self, user: &UserId, records: &[Earlier]) -> Result<Vec<TakenOver>> {
        App(self).take_over(user, records).await
    }
}
