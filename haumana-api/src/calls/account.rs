//! Everything of one user at once: taking it along, and erasing it.

use super::Route;
use crate::api::{Api, Exports};
use crate::body::Received;
use crate::doc::{Doc, examples, parameters};
use crate::error::Failure;
use crate::load::Purpose;
use crate::query::{self, EraseQuery, ExportQuery};
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

async fn export(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    audit(&request, "export");
    let work = |api: Arc<Api>, user: UserId, uri: Uri| async move {
        check_me(&user, me)?;
        let page = query::read::<ExportQuery>(&uri)?.page;
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

/// One page, or without one the whole export, which then must fit.
async fn exported(api: &Api, user: &UserId, page: Option<&str>) -> Result<String, Failure> {
    let limit_bytes = api.config.reply_limit_bytes;
    let place = page.filter(|page| *page != FIRST_PAGE);
    let answer = api.engine.export_page(user, place, limit_bytes).await?;
    let is_whole = answer.next.is_none() && answer.json.len() <= limit_bytes;
    if page.is_none() && !is_whole { Err(Failure::ExportTooLarge) } else { Ok(answer.json) }
}

async fn streamed(api: &Api, user: &UserId) -> Result<Response, Failure> {
    // A place of its own, which is kept until the last byte is sent.
    let ticket = api.ticket(user, Purpose::Read)?;
    let mut export = api.engine.export(user).await?;
    // The first part is read before the status is sent, so that most failures have one.
    let first = api.engine.export_more(&mut export).await?.unwrap_or_default();
    let body = export_body(Arc::clone(&api.engine), first, export, ticket);
    let mut response = Response::new(body);
    response.extensions_mut().insert(Streamed);
    Ok(response)
}

async fn import(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    audit(&request, "import");
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let import = api.engine.check_import(&user, ImportRequest::from_json(&body)?)?;
        let imported = api.engine.import(&import).await?;
        Ok::<_, Failure>(Reply::new(import_reply(imported)))
    };
    api.write(request, usize::MAX, |user| check_me(user, me), work).await
}

fn import_reply(imported: Imported) -> Vec<u8> {
    let Imported { pieces, sessions, history, conflicts, tombstones, records, state } = imported;
    let mut reply = json!({
        "pieces": pieces, "practiceSessions": sessions, "history": history,
        "conflicts": conflicts, "tombstones": tombstones, "done": state == PartState::Done,
    });
    // Only apps with kinds of their own have such.
    if 0 < records {
        reply["records"] = records.into();
    }
    reply.to_string().into_bytes()
}

async fn rewind(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    audit(&request, "rewind");
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let request = rewind_request(&body)?;
        let rewound = api.engine.rewind(&user, &request).await?;
        Ok::<_, Failure>(Reply::new(rewound_json(api.engine.schema(), &rewound)))
    };
    api.write(request, RECORD_RAW_BYTES, |user| check_me(user, me), work).await
}

async fn erase(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    audit(&request, "erase");
    let work = |api: Arc<Api>, user: UserId, uri: Uri| async move {
        check_me(&user, me)?;
        let request_id = query::read::<EraseQuery>(&uri)?.request_id;
        if request_id.as_deref().is_some_and(|id| !is_request_id(id)) {
            return Err(Failure::BadQuery);
        }
        // The entry goes last: whoever signs in while the rest is erased leaves none behind. The
        // same request again finishes what broke off in between, and only then it is acknowledged.
        let all = async move {
            let erasure = api.engine.erase_as(&user, request_id.as_deref()).await?;
            if let Some(accounts) = api.accounts.as_ref().filter(|_| erasure != Erasure::Repeated) {
                accounts.directory.remove(&username(&user)).await?;
            }
            Ok::<_, Failure>(erasure)
        };
        // Whoever hangs up has begun it: the account is not left half erased.
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

/// Lets the request stand in the audit log, whatever becomes of it.
fn audit(request: &Request, call: &'static str) {
    if let Some(received) = request.extensions().get::<Received>() {
        received.audit(call);
    }
}

/// Nobody asks for anybody else.
fn check_me(user: &UserId, me: Result<Path<String>, PathRejection>) -> Result<(), Failure> {
    match me {
        Ok(Path(me)) if me == "me" || me == user.as_str() => Ok(()),
        _ => Err(Failure::AnotherUser),
    }
}
