//! Everything of one user at once: export, import, rewind, erase.
//!
//! All four calls have `/users/{me}` in their address. `{me}` must be the caller's own id or the
//! word `me`; anything else is 403. All four are noted for the audit log before anything is
//! decided. So refused attempts are in it too, except those without a valid token. A second line,
//! `begun`, is written before the work. It remains if the process is killed.
//!
//! What happens if the client hangs up differs:
//!
//! - *An export* stops. It changes nothing.
//! - *An import* and *a rewind* stop between two commits. The same request again finishes them.
//! - *An erasure* goes on: it is a task of its own.

use super::Route;
use crate::api::{Api, Exports};
use crate::body::Received;
use crate::doc::{Doc, examples, parameters};
use crate::error::Failure;
use crate::load::Purpose;
use crate::observe::audit_begun;
use crate::query::{self, EraseQuery, ExportQuery, Parameters as _};
use crate::reply::{Notes, Reply, done, json as json_reply};
use crate::served::Call;
use crate::stream::{Streamed, export_body};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{delete, get, post};
use haumana_auth::username;
use haumana_sync::engine::{Erasure, Imported, PartState};
use haumana_sync::id::UserId;
use haumana_sync::limits::RECORD_RAW_BYTES;
use haumana_sync::wire::import::ImportRequest;
use haumana_sync::wire::inbox::is_request_id;
use haumana_sync::wire::rewind::{rewind_request, rewound_json};
use serde_json::json;
use std::sync::Arc;

/// The `page` that an export in pages begins with.
///
/// Tokens of later pages are opaque and never this word.
const FIRST_PAGE: &str = "first";

pub(super) const CALLS: &[Route] = &[
    Route {
        call: Call::Export,
        method: "get",
        path: "/users/{me}/export",
        serve: || get(export),
        doc: |schema| {
            Doc::call("export", "Everything of the user, sent while it is read, or in pages")
                .parameters([parameters::me(), parameters::page()])
                .ok("Export", "A file.", examples::export_reply(schema))
                .fails(&[400, 403, 410, 413])
        },
    },
    Route {
        call: Call::Import,
        method: "post",
        path: "/users/{me}/import",
        serve: || post(import),
        doc: |_| {
            Doc::call("import", "Put an export into an empty account; again changes nothing")
                .parameters([parameters::me()])
                .body("ImportRequest", examples::import())
                .ok("ImportReply", "How much is in the account now.", examples::import_reply())
                .fails(&[403, 409])
        },
    },
    Route {
        call: Call::Rewind,
        method: "post",
        path: "/users/{me}/rewind",
        serve: || post(rewind),
        doc: |schema| {
            Doc::call("rewind", "Make all records what they were at a time, as ordinary edits")
                .parameters([parameters::me()])
                .body("RewindRequest", examples::rewind())
                .ok("RewindReply", "What became of the records.", examples::rewound(schema))
                .fails(&[403, 410])
        },
    },
    Route {
        call: Call::Erase,
        method: "delete",
        path: "/users/{me}",
        serve: || delete(erase),
        doc: |_| {
            Doc::call("erase", "Erase everything of the user; again changes nothing")
                .parameters([parameters::me(), parameters::request_id()])
                .nothing("Nothing is left but a marker, by which stale devices are told.")
                .ok(
                    "EraseReply",
                    "The same; the last bytes leave the disk by then.",
                    examples::erased(),
                )
                .fails(&[400, 403])
        },
    },
];

/// Three forms: one document that is streamed, one document that must fit into a reply, or one
/// page. The host decides between the first two, see [`Exports`]. All have a `Content-Disposition`,
/// so that a browser saves a file.
async fn export(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let audited = audit(&request, "export");
    let work = |api: Arc<Api>, user: UserId, uri: Uri| async move {
        check_me(&user, me)?;
        let page = query::read::<ExportQuery>(&uri)?.page;
        audit_begun(&audited);
        let mut response = match (page.as_deref(), api.config.exports) {
            (None, Exports::Streamed) => streamed(&api, &user).await?,
            (page, _) => Response::new(exported(&api, &user, page).await?.into()),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let file = HeaderValue::from_static(r#"attachment; filename="haumana-export.json""#);
        headers.insert(CONTENT_DISPOSITION, file);
        response.extensions_mut().insert(Notes::default());
        Ok(response)
    };
    api.read(request, Purpose::Read, work).await
}

/// One page, or the whole export, which must fit into one reply.
///
/// The engine makes pages in any case. The whole export is a first page without a next one. A page
/// has at least one entry, which may exceed the limit, so the size is checked here as well.
///
/// # Errors
///
/// 413 if no page was asked for and the export does not fit.
async fn exported(api: &Api, user: &UserId, page: Option<&str>) -> Result<String, Failure> {
    let limit_bytes = api.config.reply_limit_bytes;
    let place = page.filter(|page| *page != FIRST_PAGE);
    let answer = api.engine.export_page(user, place, limit_bytes).await?;
    let is_whole = answer.next.is_none() && answer.json.len() <= limit_bytes;
    if page.is_none() && !is_whole { Err(Failure::ExportTooLarge) } else { Ok(answer.json) }
}

/// # Errors
///
/// A failure of the first part has a status of its own. A later failure breaks the connection.
async fn streamed(api: &Api, user: &UserId) -> Result<Response, Failure> {
    // The export has a ticket of its own, which lives until the last byte is sent.
    let ticket = api.ticket(user, Purpose::Read)?;
    let mut export = api.engine.export(user).await?;
    // The first part is read before the status is sent. So most failures still get a status.
    let first = api.engine.export_more(&mut export).await?.unwrap_or_default();
    let body = export_body(Arc::clone(&api.engine), first, export, ticket);
    let mut response = Response::new(body);
    response.extensions_mut().insert(Streamed);
    Ok(response)
}

/// Every entry of the body is checked before the first is written. The body may be as large as any
/// request of this host.
async fn import(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let audited = audit(&request, "import");
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let import = api.engine.check_import(&user, ImportRequest::from_json(&body)?)?;
        audit_begun(&audited);
        let imported = api.engine.import(&import).await?;
        Ok::<_, Failure>(Reply::new(import_reply(imported)))
    };
    api.write(request, usize::MAX, |user| check_me(user, me), work).await
}

/// Counts what is in the account now, from all pages so far.
fn import_reply(imported: Imported) -> Vec<u8> {
    let Imported { pieces, sessions, history, conflicts, tombstones, records, state } = imported;
    let mut reply = json!({
        "pieces": pieces, "practiceSessions": sessions, "history": history,
        "conflicts": conflicts, "tombstones": tombstones, "done": state == PartState::Done,
    });
    // Only apps with kinds of their own have such records.
    if 0 < records {
        reply["records"] = records.into();
    }
    reply.to_string().into_bytes()
}

/// A rewind is many ordinary edits. Its body is small, so it has the limit of a body about one
/// record.
async fn rewind(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let audited = audit(&request, "rewind");
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let request = rewind_request(&body)?;
        audit_begun(&audited);
        let rewound = api.engine.rewind(&user, &request).await?;
        Ok::<_, Failure>(Reply::new(rewound_json(api.engine.schema(), &rewound)))
    };
    api.write(request, RECORD_RAW_BYTES, |user| check_me(user, me), work).await
}

/// 204 if nothing is left, 200 with a time if some bytes leave the disk later.
///
/// The erasing task is not bound to the request. If the time of the request is over, the client
/// gets 503 and the erasure goes on. If the client sends the same request again, the erasure is
/// done.
async fn erase(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let audited = audit(&request, "erase");
    let work = |api: Arc<Api>, user: UserId, uri: Uri| async move {
        check_me(&user, me)?;
        let request_id = query::read::<EraseQuery>(&uri)?.request_id;
        if request_id.as_deref().is_some_and(|id| !is_request_id(id)) {
            return Err(EraseQuery::refused());
        }
        audit_begun(&audited);
        // The entry goes last. So a user who signs in while the rest is erased leaves no entry
        // behind. If this breaks off, the same request again finishes it, and only then is it
        // acknowledged.
        let all = async move {
            let erasure = api.engine.erase_as(&user, request_id.as_deref()).await?;
            if let Some(accounts) = api.accounts.as_ref().filter(|_| erasure != Erasure::Repeated) {
                accounts.directory.remove(&username(&user)).await?;
            }
            Ok::<_, Failure>(erasure)
        };
        // The erasure goes on if the client hangs up, so no account is left half erased.
        let erasure = tokio::spawn(all).await.map_err(|_| Failure::Panicked)??;
        Ok(match erasure {
            Erasure::DoneBy(by) => {
                let body = json!({ "erasedBy": by.to_string() }).to_string();
                json_reply(StatusCode::OK, body.into_bytes())
            }
            Erasure::Done | Erasure::Repeated => done(),
        })
    };
    api.read(request, Purpose::Write, work).await
}

/// Notes the request for the audit log, however it ends.
fn audit(request: &Request, call: &'static str) -> Received {
    let received = request.extensions().get::<Received>().cloned().unwrap_or_default();
    received.audit(call);
    received
}

/// Users may ask only about themselves.
///
/// A path that is not UTF-8 names no user, and is refused in the same way.
fn check_me(user: &UserId, me: Result<Path<String>, PathRejection>) -> Result<(), Failure> {
    match me {
        Ok(Path(me)) if me == "me" || me == user.as_str() => Ok(()),
        _ => Err(Failure::AnotherUser),
    }
}
