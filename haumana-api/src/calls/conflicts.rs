//! The inbox: values that lost and wait for a person.
//!
//! A value that loses a merge is not thrown away. It waits here until somebody decides about it,
//! and is available for the retention time. Restoring it, or setting another value, is a new edit,
//! which other devices receive like any edit.

use super::Route;
use crate::api::Api;
use crate::doc::{Doc, examples, parameters};
use crate::error::Failure;
use crate::load::Purpose;
use crate::query::{self, ConflictsQuery, Parameters as _};
use crate::reply::Reply;
use crate::served::Call;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use haumana_sync::engine::Resolution;
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::limits::RECORD_RAW_BYTES;
use haumana_sync::wire::BadRequest;
use haumana_sync::wire::inbox::{ResolveRequest, ResolveWith, conflicts_json, read_place};
use serde_json::json;
use std::sync::Arc;

pub(super) const CALLS: &[Route] = &[
    Route {
        call: Call::Conflicts,
        method: "get",
        path: "/conflicts",
        serve: || get(list),
        doc: |schema| {
            Doc::call("listConflicts", "What lost and is still open, newest first")
                .parameters([parameters::limit(), parameters::after()])
                .ok("ConflictsReply", "One page.", examples::conflicts_reply(schema))
                .fails(&[400])
        },
    },
    Route {
        call: Call::ResolveConflict,
        method: "post",
        path: "/conflicts/{id}",
        serve: || post(resolve),
        doc: |_| {
            Doc::call("resolveConflict", "Close a conflict; the same again changes nothing")
                .parameters([parameters::conflict_id()])
                .body("ResolveRequest", examples::resolve())
                .ok("ResolveReply", "It is closed.", examples::resolve_reply())
                .fails(&[404, 409, 410])
        },
    },
];

/// A page ends at `limit` entries, or where the reply is full.
async fn list(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Failure> {
    let work = |api: Arc<Api>, user: UserId, uri: Uri| async move {
        let query: ConflictsQuery = query::read(&uri)?;
        let limit = query::list_limit::<ConflictsQuery>(query.limit)?;
        let after = query.after.map(|token| read_place(&token).ok_or_else(ConflictsQuery::refused));
        let limit_bytes = api.config.reply_limit_bytes;
        let page = api.engine.conflict_page(&user, after.transpose()?, limit, limit_bytes).await?;
        Ok::<_, Failure>(Reply::new(conflicts_json(api.engine.schema(), &page.0, page.1)))
    };
    api.read(request, Purpose::Read, work).await
}

/// # Errors
///
/// 404 if there is no such conflict of this user, 409 `conflict_closed` if it was closed with
/// another resolution, 410 if the lost value is past its retention. The same resolution again is
/// 200 and changes nothing.
async fn resolve(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let id = record_id(id)?;
        let request = ResolveRequest::from_json(&body)?;
        let resolution = match request.resolution {
            ResolveWith::Keep => Resolution::Keep,
            ResolveWith::Restore => Resolution::Restore,
            ResolveWith::Set(raw) => {
                // The form of a value depends on the field of the conflict.
                let value = api.engine.conflict_value(&user, id, raw).await?;
                Resolution::Set(
                    value.ok_or(BadRequest::Expected("value is one that its field takes"))?,
                )
            }
        };
        api.engine.resolve_as(&user, id, &resolution, request.base).await?;
        let resolution = request.resolution.as_str();
        let reply = json!({ "conflictId": id.to_string(), "resolution": resolution });
        Ok::<_, Failure>(Reply::new(reply.to_string().into_bytes()))
    };
    api.write(request, RECORD_RAW_BYTES, |_| Ok(()), work).await
}

/// The record that an address names. A text that is not an id names nothing.
pub(super) fn record_id(id: Result<Path<String>, PathRejection>) -> Result<RecordId, Failure> {
    let id = id.ok().and_then(|Path(text)| RecordId::parse(&text));
    id.ok_or(Failure::NoSuchThing)
}
