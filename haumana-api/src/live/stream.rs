//! Server-sent events.
//!
//! A stream begins with an event at once, also for a client that knows the present revision: until
//! the first byte comes, a client cannot tell a server that is silent from a proxy that holds the
//! reply back. After that it says each new revision, and a comment whenever it was silent for the
//! heartbeat.
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

/// A response that says the present revision, and then each new one, until `ends_at`.
pub(crate) fn stream(seat: Seat, present: Option<u64>, ends_at: Instant) -> Response {
    let state = State { seat, ends_at, begins: Some(present) };
    // In a box, so that it is not moved with each event, and the stream does not hold it twice.
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

/// What a stream says next. It is asked only when its client has taken what was said before.
struct State {
    seat: Seat,
    ends_at: Instant,
    /// What it begins with: the present revision, or nothing for a client that knows it.
    begins: Option<Option<u64>>,
}

impl State {
    /// `None` ends the stream. Time is looked at before news, so a stream never says anything after
    /// its end.
    async fn next(&mut self) -> Option<Event> {
        if let Some(present) = self.begins.take() {
            let retry = Event::default().retry(self.seat.limits().retry);
            let event = match present {
                Some(revision) => told(retry, revision),
                // It has to say something, or the client would not know that it is connected.
                None => retry.comment(""),
            };
            return Some(event);
        }
        let beat = Instant::now() + self.seat.limits().heartbeat;
        let until = beat.min(self.ends_at);
        tokio::select! {
            // A client that may hear no more hears no more.
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
