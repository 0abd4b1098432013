//! The history of a piece.

use super::Call;
use super::conflicts::record_id;
use crate::error::Failure;
use crate::openapi::{Doc, examples, parameters};
use crate::query::{self, HistoryQuery};
use crate::reply::Reply;
use crate::router::Api;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use haumana_sync::wire::history::history_json;
use haumana_sync::wire::inbox::{restore_request, restored_json};
use std::sync::Arc;

pub(super) const CALLS: &[Call] = &[
    Call {
        method: "get",
        path: "/pieces/{id}/history",
        serve: || get(history),
        doc: || {
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
    Call {
        method: "post",
        path: "/pieces/{id}/restore",
        serve: || post(restore),
        doc: || {
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
) -> Result<Reply, Failure> {
    let (user, uri) = api.who(request).await?;
    let id = record_id(id)?;
    let query: HistoryQuery = query::read(&uri)?;
    let limit = query::list_limit(query.limit)?;
    let before = query.before.map(|k| if k == 0 { Err(Failure::BadQuery) } else { Ok(k) });
    let bytes = api.config.reply_limit_bytes;
    let page = api.engine.history_page(&user, id, before.transpose()?, limit, bytes).await?;
    Ok(Reply::new(history_json(&page, bytes)))
}

async fn restore(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Reply, Failure> {
    let (user, body) = api.enter(request).await?;
    let id = record_id(id)?;
    let (version, asked) = restore_request(&body)?;
    let restored = api.engine.restore_as(&user, id, version, &asked).await?;
    Ok(Reply::new(restored_json(restored)))
}
