//! Server-sent events.
//!
//! A stream sends something at once: the present revision, or a comment if the client knows that
//! revision. Without a first byte a client cannot tell a silent server from a proxy that holds the
//! reply back. After that the stream sends each new revision, and a comment after each heartbeat of
//! silence.
//!
//! Three things end it: its time, the end of the token it was opened with, and the stop of the
//! host. A client that hangs up drops it, and with it the seat.

use super::{News, Seat};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use std::convert::Infallible;
use tokio::time::{Instant, sleep_until};

/// A response that sends the present revision, and then each new one, until `ends_at`.
pub(crate) fn stream(seat: Seat, present: Option<u64>, ends_at: Instant) -> Response {
    let state = State { seat, ends_at, begins: Some(present) };
    // In a box, because `unfold` would otherwise hold the state twice and move it with each event.
    let events = unfold(Box::new(state), |mut state| async move {
        let event = state.next().await?;
        Some((Ok::<_, Infallible>(event), state))
    });
    let mut response = Sse::new(events).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that collects replies would keep pokes back.
    let no_buffer = HeaderName::from_static("x-accel-buffering");
    headers.insert(no_buffer, HeaderValue::from_static("no"));
    response
}

/// What a stream sends next. It is polled only when the client has taken the events before.
struct State {
    seat: Seat,
    ends_at: Instant,
    /// The first event: the present revision, or `None` for a client that knows it.
    begins: Option<Option<u64>>,
}

impl State {
    /// `None` ends the stream. Time is checked before news, so a stream sends nothing after its
    /// end.
    async fn next(&mut self) -> Option<Event> {
        if let Some(present) = self.begins.take() {
            let retry = Event::default().retry(self.seat.limits().retry);
            let event = match present {
                Some(revision) => told(retry, revision),
                // A comment, so that the client knows that it is connected.
                None => retry.comment(""),
            };
            return Some(event);
        }
        let beat = Instant::now() + self.seat.limits().heartbeat;
        let until = beat.min(self.ends_at);
        tokio::select! {
            // The end is checked first.
            biased;
            () = sleep_until(until) => match until < self.ends_at {
                true => Some(Event::default().comment("")),
                false => None,
            },
            news = self.seat.next() => match news {
                News::Revision(revision) => Some(told(Event::default(), revision)),
                News::Over => None,
            },
        }
    }
}

/// The `id` is what a browser sends back as `Last-Event-ID` when it connects again.
fn told(event: Event, revision: u64) -> Event {
    event.id(revision.to_string()).data(super::said(revision))
}
