//! How the requests of devices reach a server process: directly into its engine, or through a host.
//!
//! A model that calls the engine finds the engine's mistakes. A wire through a router and over HTTP
//! finds those of the host as well, with the same phones and the same judge.

use haumana_app::Phones as _;
use haumana_app::wire::{PiecesRequest, SessionsRequest};
use haumana_sync::engine::{Engine, ErrorKind};
use haumana_sync::id::UserId;
use haumana_sync::wire::sync::SyncRequest;
use std::fmt::Debug;
use std::sync::Arc;

/// The calls that devices make.
///
/// Calls of people and of operators always go to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A phone's pieces: `POST /pieces`.
    Pieces,
    /// A phone's sessions: `POST /sessions`.
    Sessions,
    /// A new client: `POST /sync`.
    Sync,
}

/// A way to a server process.
///
/// A failed call returns only a kind, because a status code carries no more.
#[async_trait::async_trait]
pub trait Wire: Debug + Send + Sync {
    /// Sends `body` as `user` and returns the body of the reply, which has at most about `limit`
    /// bytes.
    ///
    /// # Errors
    ///
    /// The error of the engine, or the kind that the status of the reply stands for.
    async fn call(
        &self,
        user: &UserId,
        endpoint: Endpoint,
        body: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, ErrorKind>;
}

/// Calls the engine itself.
#[derive(Clone, Debug)]
pub struct Straight(pub Arc<Engine>);

#[async_trait::async_trait]
impl Wire for Straight {
    async fn call(
        &self,
        user: &UserId,
        endpoint: Endpoint,
        body: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, ErrorKind> {
        let (engine, shape) = (&self.0, "what a client sends has the right shape");
        let reply = match endpoint {
            Endpoint::Pieces => {
                let request = PiecesRequest::from_json(body).expect(shape);
                engine.sync_pieces(user, &request, limit).await.map(|reply| reply.into_json())
            }
            Endpoint::Sessions => {
                let request = SessionsRequest::from_json(body).expect(shape);
                engine.sync_sessions(user, &request, limit).await.map(|reply| reply.into_json())
            }
            Endpoint::Sync => {
                let request = SyncRequest::from_json(body).expect(shape);
                engine.sync(user, &request, limit).await.map(|reply| reply.into_json())
            }
        };
        reply.map_err(|error| error.kind())
    }
}
