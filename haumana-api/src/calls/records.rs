//! The history of a record of any kind.

use super::Route;
use super::conflicts::record_id;
use crate::api::Api;
use crate::doc::{Doc, examples, parameters};
use crate::error::Failure;
use crate::query::{self, HistoryQuery};
use crate::reply::Reply;
use crate::served::Call;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use haumana_sync::engine::HistoryPage;
use haumana_sync::id::Key;
use haumana_sync::wire::history::record_history_json;
use haumana_sync::wire::inbox::{restore_request, restored_json};
use std::sync::Arc;

pub(super) const CALLS: &[Route] = &[
    Route {
        call: Call::RecordHistory,
        method: "get",
        path: "/records/{kind}/{id}/history",
        serve: || get(history),
        doc: || {
            Doc::call("recordHistory", "The versions of a record of any kind, newest first")
                .parameters([
                    parameters::kind(),
                    parameters::record_id("The record."),
                    parameters::limit(),
                    parameters::before(),
                ])
                .ok("RecordHistoryReply", "One page.", examples::record_history_reply())
                .fails(&[400, 404])
        },
    },
    Route {
        call: Call::RestoreRecord,
        method: "post",
        path: "/records/{kind}/{id}/restore",
        serve: || post(restore),
        doc: || {
            let what = "Make the content of an earlier version of any record the content again";
            Doc::call("restoreRecord", what)
                .parameters([
                    parameters::kind(),
                    parameters::record_id("The record; it may be deleted."),
                ])
                .body("RestoreRequest", examples::restore())
                .ok("RestoreReply", "The version after.", examples::restore_reply())
                .fails(&[404, 410])
        },
    },
];

type Named = Result<Path<(String, String)>, PathRejection>;

async fn history(
    State(api): State<Arc<Api>>,
    named: Named,
    request: Request,
) -> Result<Reply, Failure> {
    let page = page_of(&api, request, || key(&api, named)).await?;
    let bytes = api.config.reply_limit_bytes;
    Ok(Reply::new(record_history_json(api.engine.schema(), &page, bytes)))
}

async fn restore(
    State(api): State<Arc<Api>>,
    named: Named,
    request: Request,
) -> Result<Reply, Failure> {
    restored(&api, request, || key(&api, named)).await
}

/// Reads the page of a history that a request asks for, of the record that `key` names.
pub(super) async fn page_of(
    api: &Api,
    request: Request,
    key: impl FnOnce() -> Result<Key, Failure>,
) -> Result<HistoryPage, Failure> {
    let (user, uri) = api.who(request).await?;
    let key = key()?;
    let query: HistoryQuery = query::read(&uri)?;
    let limit = query::list_limit(query.limit)?;
    let before = query.before.map(|k| if k == 0 { Err(Failure::BadQuery) } else { Ok(k) });
    let bytes = api.config.reply_limit_bytes;
    Ok(api.engine.history_of(&user, key, before.transpose()?, limit, bytes).await?)
}

/// Restores the version that a request asks for, of the record that `key` names.
pub(super) async fn restored(
    api: &Api,
    request: Request,
    key: impl FnOnce() -> Result<Key, Failure>,
) -> Result<Reply, Failure> {
    let (user, body) = api.enter(request).await?;
    let key = key()?;
    let (version, asked) = restore_request(&body)?;
    let restored = api.engine.restore_record(&user, key, version, &asked).await?;
    Ok(Reply::new(restored_json(restored)))
}

/// The record that an address names. What is no kind of the schema names nothing.
fn key(api: &Api, named: Named) -> Result<Key, Failure> {
    let Ok(Path((kind, id))) = named else { return Err(Failure::NoSuchThing) };
    let kind = api.engine.schema().named(&kind).ok_or(Failure::NoSuchThing)?;
    Ok(Key { kind: kind.number(), id: record_id(Ok(Path(id)))? })
}
