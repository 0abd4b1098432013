//! The calls of this dialect.

use crate::App;
use crate::takeover::{Earlier, TakenOver};
use crate::wire::{PiecesReply, PiecesRequest, SessionsReply, SessionsRequest};
use haumana_sync::Engine;
use haumana_sync::engine::Result;
use haumana_sync::id::UserId;
use std::future::Future;

/// What an engine does for the app on people's phones, and for the tables before it.
///
/// The engine must keep the kinds of [`haumana_sync::repertoire`].
pub trait Phones {
    /// Takes in what a phone sent to `POST /pieces` and says what it must learn.
    ///
    /// The reply holds at most about `reply_limit_bytes`; where that cuts it, further syncs bring
    /// the rest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](haumana_sync::engine::ErrorKind::Unavailable) if the store cannot
    /// answer and nothing of the push is known to be committed; sending the request again is harmless.
    fn sync_pieces(
        &self,
        user: &UserId,
        request: &PiecesRequest<'_>,
        reply_limit_bytes: usize,
    ) -> impl Future<Output = Result<PiecesReply>> + Send;

    /// Takes in what a phone sent to `POST /sessions` and answers with the user's sessions: all,
    /// or those stamped later than `lastSyncedAt` if one was given.
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

    /// Takes over records of an earlier server, and says what became of each.
    ///
    /// May be repeated: an item that is as it was, or older, changes nothing, whatever has become
    /// of its record since, and for ever. An item that has changed is merged as an edit of what was
    /// taken over before. Nothing is deleted because an item is missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`](haumana_sync::engine::ErrorKind::Gone) if the user has erased the account
    /// here: nothing is brought back. `Unavailable` if the store cannot answer; repeating is harmless.
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
