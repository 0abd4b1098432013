//! The history of a record of any kind.
//!
//! History and restore work for each kind of the schema. The kind is a part of the address, by its
//! name; a name that the schema does not have is 404, like an id that no record has.

use super::Route;
use super::conflicts::record_id;
use crate::api::Api;
use crate::doc::{Doc, examples, parameters};
use crate::error::Failure;
use crate::load::Purpose;
use crate::query::{self, HistoryQuery, Parameters as _};
use crate::reply::Reply;
use crate::served::Call;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use haumana_sync::engine::HistoryPage;
use haumana_sync::id::{Key, UserId};
use haumana_sync::limits::RECORD_RAW_BYTES;
use haumana_sync::wire::history::record_history_json;
use haumana_sync::wire::inbox::{restore_request, restored_json};
use std::sync::Arc;

pub(super) const CALLS: &[Route] = &[
    Route {
        call: Call::RecordHistory,
        method: "get",
        path: "/records/{kind}/{id}/history",
        serve: || get(history),
        doc: |schema| {
            Doc::call("recordHistory", "The versions of a record of any kind, newest first")
                .parameters([
                    parameters::kind(schema),
                    parameters::record_id("The record."),
                    parameters::limit(),
                    parameters::before(),
                ])
                .ok("RecordHistoryReply", "One page.", examples::record_history_reply(schema))
                .fails(&[400, 404])
        },
    },
    Route {
        call: Call::RestoreRecord,
        method: "post",
        path: "/records/{kind}/{id}/restore",
        serve: || post(restore),
        doc: |schema| {
            let what = "Make the content of an earlier version of any record the content again";
            Doc::call("restoreRecord", what)
                .parameters([
                    parameters::kind(schema),
                    parameters::record_id("The record; it may be deleted."),
                ])
                .body("RestoreRequest", examples::restore())
                .ok("RestoreReply", "The version after.", examples::restore_reply())
                .fails(&[404, 410])
        },
    },
];

/// Kind and id, as the address has them.
type Named = Result<Path<(String, String)>, PathRejection>;

async fn history(
    State(api): State<Arc<Api>>,
    named: Named,
    request: Request,
) -> Result<Response, Failure> {
    let key = key(&api, named);
    paged(api, request, key, |api, page| {
        record_history_json(api.engine.schema(), page, api.config.reply_limit_bytes)
    })
    .await
}

async fn restore(
    State(api): State<Arc<Api>>,
    named: Named,
    request: Request,
) -> Result<Response, Failure> {
    let key = key(&api, named);
    restored(api, request, key).await
}

/// Answers with the page of history that a request asks for, if there can be such a record.
///
/// The key is a `Result`, because 401 for a caller without a token comes before 404 for an address
/// that names nothing.
pub(super) async fn paged(
    api: Arc<Api>,
    request: Request,
    key: Result<Key, Failure>,
    json: fn(&Api, &HistoryPage) -> Vec<u8>,
) -> Result<Response, Failure> {
    let work = |api: Arc<Api>, user: UserId, uri: Uri| async move {
        let key = key?;
        let query: HistoryQuery = query::read(&uri)?;
        let limit = query::list_limit::<HistoryQuery>(query.limit)?;
        let before =
            query.before.map(|k| if k == 0 { Err(HistoryQuery::refused()) } else { Ok(k) });
        let bytes = api.config.reply_limit_bytes;
        let page = api.engine.history_of(&user, key, before.transpose()?, limit, bytes).await?;
        Ok::<_, Failure>(Reply::new(json(&api, &page)))
    };
    api.read(request, Purpose::Read, work).await
}

/// Restores the version that a request asks for, if there can be such a record.
///
/// A restore is an edit, with the content of an earlier version. A repeated restore is recognised.
pub(super) async fn restored(
    api: Arc<Api>,
    request: Request,
    key: Result<Key, Failure>,
) -> Result<Response, Failure> {
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let key = key?;
        let (version, asked) = restore_request(&body)?;
        let restored = api.engine.restore_record(&user, key, version, &asked).await?;
        Ok::<_, Failure>(Reply::new(restored_json(restored)))
    };
    api.write(request, RECORD_RAW_BYTES, |_| Ok(()), work).await
}

/// The record that an address names. A kind that the schema does not have names nothing.
fn key(api: &Api, named: Named) -> Result<Key, Failure> {
    let Ok(Path((kind, id))) = named else { return Err(Failure::NoSuchThing) };
    let kind = api.engine.schema().named(&kind).ok_or(Failure::NoSuchThing)?;
    Ok(Key { kind: kind.number(), id: record_id(Ok(Path(id)))? })
}
