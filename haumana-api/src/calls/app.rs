//! Part 1: what the app on people's phones calls to sync.
//!
//! These two calls speak the dialect of an app that existed before this server. The crate
//! `haumana-app` has all of that dialect; this module only leads from a body to a reply. The calls
//! are served where the schema has pieces.
//!
//! The app sends its whole repertoire each time, so these bodies are large. The host's limit of a
//! body is also the limit of a repertoire.

use super::Route;
use crate::api::Api;
use crate::doc::{Doc, examples};
use crate::error::Failure;
use crate::reply::Reply;
use crate::served::Call;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use haumana_app::Phones as _;
use haumana_app::wire::{PiecesRequest, SessionsRequest};
use haumana_sync::id::UserId;
use std::sync::Arc;

pub(super) const CALLS: &[Route] = &[
    Route {
        call: Call::SyncPieces,
        method: "post",
        path: "/pieces",
        serve: || post(sync_pieces),
        doc: |_| {
            Doc::call("syncPieces", "Sync the repertoire of the app on people's phones")
                .body("PiecesRequest", examples::pieces())
                .ok("PiecesReply", "What the phone must learn.", examples::pieces_reply())
        },
    },
    Route {
        call: Call::SyncSessions,
        method: "post",
        path: "/sessions",
        serve: || post(sync_sessions),
        doc: |_| {
            Doc::call("syncSessions", "Sync the practice sessions of the app on people's phones")
                .body("SessionsRequest", examples::sessions())
                .ok("SessionsReply", "What the phone must learn.", examples::sessions_reply())
        },
    },
];

async fn sync_pieces(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Failure> {
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let request = PiecesRequest::from_json(&body)?;
        let limit_bytes = api.config.reply_limit_bytes;
        let reply = api.engine.sync_pieces(&user, &request, limit_bytes).await?;
        let counts = reply.counts;
        Ok::<_, Failure>(Reply::counted(reply.into_json(), counts))
    };
    api.write(request, usize::MAX, |_| Ok(()), work).await
}

async fn sync_sessions(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Failure> {
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let request = SessionsRequest::from_json(&body)?;
        let limit_bytes = api.config.reply_limit_bytes;
        let reply = api.engine.sync_sessions(&user, &request, limit_bytes).await?;
        let counts = reply.counts;
        Ok::<_, Failure>(Reply::counted(reply.into_json(), counts))
    };
    api.write(request, usize::MAX, |_| Ok(()), work).await
}
