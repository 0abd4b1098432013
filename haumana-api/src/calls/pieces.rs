//! The history of a piece.
//!
//! A piece is a record of one kind, so both calls are those of `records` with the kind filled in.
//! Only the address differs, and the name of the id in the reply, which is `pieceId`.

use super::Route;
use super::conflicts::record_id;
use super::records::{paged, restored};
use crate::api::Api;
use crate::doc::{Doc, examples, parameters};
use crate::error::Failure;
use crate::served::Call;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use haumana_sync::id::Key;
use haumana_sync::wire::history::history_json;
use std::sync::Arc;

pub(super) const CALLS: &[Route] = &[
    Route {
        call: Call::PieceHistory,
        method: "get",
        path: "/pieces/{id}/history",
        serve: || get(history),
        doc: |_| {
            Doc::call("pieceHistory", "The versions of a piece, newest first")
                .parameters([
                    parameters::record_id("The piece."),
                    parameters::limit(),
                    parameters::before(),
                ])
                .ok("HistoryReply", "One page.", examples::history_reply())
                .fails(&[400, 404])
        },
    },
    Route {
        call: Call::RestorePiece,
        method: "post",
        path: "/pieces/{id}/restore",
        serve: || post(restore),
        doc: |_| {
            Doc::call("restorePiece", "Make the content of an earlier version the content again")
                .parameters([parameters::record_id("The piece; it may be deleted.")])
                .body("RestoreRequest", examples::restore())
                .ok("RestoreReply", "The version after.", examples::restore_reply())
                .fails(&[404, 410])
        },
    },
];

async fn history(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let key = record_id(id).map(Key::piece);
    paged(api, request, key, |api, page| history_json(page, api.config.reply_limit_bytes)).await
}

async fn restore(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    restored(api, request, record_id(id).map(Key::piece)).await
}
