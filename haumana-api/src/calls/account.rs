//! Everything of one user at once: taking it along, and erasing it.

use super::Call;
use crate::error::Failure;
use crate::openapi::{Doc, examples, parameters};
use crate::query::{self, EraseQuery, ExportQuery};
use crate::reply::{Notes, Reply, done, json as json_reply};
use crate::router::{Api, Exports};
use crate::stream::{Streamed, export_body};
use crate::verify::username;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get, post};
use haumana_sync::engine::{Erasure, Imported, PartState};
use haumana_sync::id::UserId;
use haumana_sync::wire::import::ImportRequest;
use haumana_sync::wire::inbox::is_request_id;
use serde_json::json;
use std::sync::Arc;

/// The `page` that an export in pages begins with.
const FIRST_PAGE: &str = "first";

pub(super) const CALLS: &[Call] = &[
    Call {
        method: "get",
        path: "/users/{me}/export",
        serve: || get(export),
        doc: || {
            Doc::call("export", "Everything of the user, sent while it is read, or in pages")
                .parameters([parameters::me(), parameters::page()])
                .ok("Export", "A file.", examples::export_reply())
                .fails(&[400, 403, 410, 413])
        },
    },
    Call {
        method: "post",
        path: "/users/{me}/import",
        serve: || post(import),
        doc: || {
            Doc::call("import", "Put an export into an empty account; again changes nothing")
                .parameters([parameters::me()])
                .body("ImportRequest", examples::import())
                .ok("ImportReply", "How much is in the account now.", examples::import_reply())
                .fails(&[403, 409])
        },
    },
    Call {
        method: "delete",
        path: "/users/{me}",
        serve: || delete(erase),
        doc: || {
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
    let (user, uri) = api.who(request).await?;
    check_me(&user, me)?;
    let page = query::read::<ExportQuery>(&uri)?.page;
    let mut response = match (page.as_deref(), api.config.exports) {
        (None, Exports::Streamed) => streamed(&api, &user).await?,
        (None, Exports::Bounded) => {
            let page = api.engine.export_page(&user, None, api.config.reply_limit_bytes).await?;
            let whole = page.next.is_none() && page.json.len() <= api.config.reply_limit_bytes;
            if !whole {
                return Err(Failure::ExportTooLarge);
            }
            Response::new(page.json.into())
        }
        (Some(page), _) => {
            let place = Some(page).filter(|page| *page != FIRST_PAGE);
            let limit_bytes = api.config.reply_limit_bytes;
            let page = api.engine.export_page(&user, place, limit_bytes).await?;
            Response::new(page.json.into())
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let file = HeaderValue::from_static(r#"attachment; filename="haumana-export.json""#);
    headers.insert(CONTENT_DISPOSITION, file);
    response.extensions_mut().insert(Notes::default());
    Ok(response)
}

async fn streamed(api: &Api, user: &UserId) -> Result<Response, Failure> {
    let mut export = api.engine.export(user).await?;
    // The first part is read before the status is sent, so that most failures have one.
    let first = api.engine.export_more(&mut export).await?.unwrap_or_default();
    let mut response = Response::new(export_body(Arc::clone(&api.engine), first, export));
    response.extensions_mut().insert(Streamed);
    Ok(response)
}

async fn import(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Reply, Failure> {
    let (user, body) = api.enter_as(request, |user| check_me(user, me)).await?;
    let import = api.engine.check_import(&user, ImportRequest::from_json(&body)?)?;
    let imported = api.engine.import(&import).await?;
    Ok(Reply::new(import_reply(imported)))
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

async fn erase(
    State(api): State<Arc<Api>>,
    me: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let (user, uri) = api.who(request).await?;
    check_me(&user, me)?;
    let request_id = query::read::<EraseQuery>(&uri)?.request_id;
    if request_id.as_deref().is_some_and(|id| !is_request_id(id)) {
        return Err(Failure::BadQuery);
    }
    // The entry goes last: whoever signs in while the rest is erased leaves none behind. The same
    // request again finishes what broke off in between, and only then it is acknowledged.
    let erasure = api.engine.erase_as(&user, request_id.as_deref()).await?;
    if let Some(accounts) = api.accounts.as_ref().filter(|_| erasure != Erasure::Repeated) {
        accounts.directory.remove(&username(&user)).await?;
    }
    Ok(match erasure {
        Erasure::DoneBy(by) => {
            let body = json!({ "erasedBy": by.to_string() }).to_string();
            json_reply(StatusCode::OK, body.into_bytes())
        }
        Erasure::Done | Erasure::Repeated => done(),
    })
}

/// Nobody asks for anybody else.
fn check_me(user: &UserId, me: Result<Path<String>, PathRejection>) -> Result<(), Failure> {
    match me {
        Ok(Path(me)) if me == "me" || me == user.as_str() => Ok(()),
        _ => Err(Failure::AnotherUser),
    }
}
