//! `GET /live`: says at once that something was committed, by any device or call.
//!
//! Clients that accept `text/event-stream` by name get a stream. All others get a long poll: one
//! reply, as soon as there is something to say. Both need the same rights, and take one of the
//! places that [`LiveLimits`](crate::LiveLimits) has for the account.
//!
//! A client sends the revision that it knows as `after`, or as `Last-Event-ID`, which browsers send
//! by themselves. If that is the present revision, a stream begins with a comment, and a poll
//! waits. If it is not, the present revision comes at once.

use super::Route;
use crate::api::Api;
use crate::asker::Caller;
use crate::doc::{Doc, parameters};
use crate::error::Failure;
use crate::live::{News, Seat, said, stream};
use crate::load::Purpose;
use crate::query::{self, LiveQuery};
use crate::reply::Reply;
use crate::served::Call;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The beginning of a stream: one event, then a comment after the heartbeat.
const EXAMPLE: &str = "retry: 2000\nid: 41\ndata: {\"revision\":41}\n\n:\n\n";

pub(super) const CALLS: &[Route] = &[Route {
    call: Call::Live,
    method: "get",
    path: "/live",
    serve: || get(live),
    doc: |_| {
        let summary = "Hear that another device has changed something: as server-sent events for \
            clients that accept them, else as a long poll";
        Doc::call("live", summary)
            .parameters([parameters::after_revision(), parameters::last_event_id()])
            .ok("Live", "The present revision.", json!({ "revision": 41 }))
            .or_events(EXAMPLE)
            .fails(&[400])
    },
}];

/// # Errors
///
/// 400 for a query that is wrong, 404 without a live feed, 429 and 503 if there is no seat.
async fn live(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Failure> {
    let (head, _) = request.into_parts();
    let caller = api.auth.caller(&head).await?;
    let ends_at = Instant::now() + lasts(&api, &caller)?;
    // Looking at the head is a request like any other. Waiting is not: it takes no place.
    let work = |api: Arc<Api>, user, uri| async move {
        let query: LiveQuery = query::read(&uri)?;
        let live = api.live.as_ref().ok_or(Failure::NoSuchRoute)?;
        let seat = live.seat(&user)?;
        let revision = seat.revision(&user).await?;
        Ok((seat, revision, query.after))
    };
    let begun = Arc::clone(&api).read_as(caller.user, &head, Purpose::Read, work).await?;
    let (seat, revision, after) = begun;
    if accepts_events(&head.headers) {
        let known = after.or_else(|| last_event_id(&head.headers));
        let is_known = known == Some(revision);
        return Ok(stream(seat, (!is_known).then_some(revision), ends_at));
    }
    let revision = match after {
        Some(after) if after == revision => wait(seat, revision, ends_at).await,
        _ => revision,
    };
    Ok(Reply::new(said(revision).into_bytes()).into_response())
}

/// How long the caller may listen: the lifetime of a stream, or the rest of the token's time with
/// its leeway, if that is shorter.
fn lasts(api: &Api, caller: &Caller) -> Result<Duration, Failure> {
    let live = api.live.as_ref().ok_or(Failure::NoSuchRoute)?;
    let longest = live.limits().lifetime;
    let Some(until) = caller.until else { return Ok(longest) };
    let left_ms = until.0.saturating_sub(api.engine.now().0);
    Ok(longest.min(Duration::from_millis(u64::try_from(left_ms).unwrap_or_default())))
}

/// Waits for news, and returns the revision after that.
///
/// If nothing comes in time, or the host stops, it returns the revision that the client knows. That
/// is a valid answer: the client asks again.
async fn wait(mut seat: Seat, revision: u64, ends_at: Instant) -> u64 {
    let until = ends_at.min(Instant::now() + seat.limits().poll);
    match timeout_at(until, seat.next()).await {
        Ok(News::Revision(news)) => news,
        Ok(News::Over) | Err(_) => revision,
    }
}

/// Whether the client asks for events by name. A client that accepts anything, such as a browser's
/// address line, could not handle a reply that never ends.
fn accepts_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut items = values.flat_map(|value| value.split(','));
    items.any(|item| {
        let name = item.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// The revision in `Last-Event-ID`. Browsers send back what they were given; any other text is
/// ignored.
fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}
