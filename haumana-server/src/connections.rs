//! Connections: how many there are, and how long one may keep the server waiting.
//!
//! A connection costs memory and a descriptor. So each is bounded in time, and all together are
//! bounded in number. If there is no room for another one, the connection that has been idle
//! longest is closed.
//!
//! Reading order: [`serve`] accepts, `idle` chooses the connection to close, `timed` ends
//! connections whose client does not read its reply, `carried` holds the connections that only
//! listen.
//!
//! The life of a connection:
//!
//! ```text
//!  accept ─▶ seat (or none: dropped) ─▶ hyper: head within 30 s ─▶ Host header ─▶ router ─▶ reply
//!                                         ▲                                                  │
//!                                         └───────────── idle, may make room ◀───────────────┤
//!                                              carried: the rest of a stream of events ◀─────┘
//! ```

use crate::carried::{self, Answer, Rest, carry};
use crate::descriptors;
use crate::idle::{Busy, Idle, Seat};
use crate::timed::Timed;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

/// LIMIT: how long the head of a request may take, and how long a connection may be idle before
/// that.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// LIMIT: the size of the head of a request.
///
/// A head that arrives in one piece may be up to twice as large.
const HEAD_BYTES: usize = 64 * 1024;
/// LIMIT: connections, if there are descriptors for so many.
const CONNECTIONS: usize = 32_768;
/// Descriptors that are kept for other things: files, logs, and fetching keys.
///
/// Without this reserve a flood of connections would keep the store from opening a file.
const OTHER_DESCRIPTORS: usize = 128;
/// How long the server waits before it accepts again after accepting has failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// LIMIT: how long sent bytes may stay without an acknowledgement. A phone that has left its
/// network does not say so. Without this limit its stream would keep its place for a quarter of an
/// hour.
const SILENCE: Duration = Duration::from_secs(60);

/// How many connections this process has room for.
///
/// At least 16, however few descriptors there are.
pub(crate) fn room() -> usize {
    descriptors::raise().saturating_sub(OTHER_DESCRIPTORS).clamp(16, CONNECTIONS)
}

/// Serves until `stop` ends, and then until all present requests are answered. Metrics call the
/// listener `name`.
///
/// If a connection cannot be accepted, most likely because there are no descriptors, an idle one is
/// closed and the server tries again after a pause. It never ends because of that.
///
/// At the end the listener is closed, each connection ends after its present reply, and this
/// returns when the last of them is gone. The caller bounds how long that may take.
pub(crate) async fn serve(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    room: usize,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    tracing::info!(name, room, "connections");
    let idle = Arc::new(Idle::new(name, room));
    let (stopped, stopping) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                if let Some(seat) = idle.seat().await {
                    tokio::spawn(connection(stream, router.clone(), seat, stopping.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(detail = %error, "a connection could not be accepted");
                idle.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, stopping));
    stopped.send(()).ok();
    stopped.closed().await;
    Ok(())
}

/// Answers the requests of one connection.
///
/// Three things can end it: hyper is done, the seat must make room, or the server stops and the
/// present reply is sent. When a stream of events has begun, the task hands the connection to a
/// smaller one and ends.
async fn connection(
    stream: TcpStream,
    router: Router,
    seat: Seat,
    mut stopping: watch::Receiver<()>,
) {
    // Without this the second packet of a reply waits for the client's acknowledgement: 40 ms.
    stream.set_nodelay(true).ok();
    bound_silence(&stream);
    let seat = Arc::new(seat);
    let (answering, rest) = (Arc::clone(&seat), Rest::default());
    let to_carry = rest.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, seat, rest) = (router.clone(), Arc::clone(&answering), to_carry.clone());
        // In a box, so that a connection between two requests does not keep this memory.
        Box::pin(async move {
            let busy = Busy::new(seat);
            let request = request.map(Body::new);
            let may_be_carried = carried::may_be_carried(&request);
            let response = answer(router, request).await;
            let response = response.map(|body| Answer::new(body, busy));
            Ok::<_, Infallible>(carried::give(response, may_be_carried, &rest))
        })
    });
    let serve = |io| {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        builder.max_buf_size(HEAD_BYTES).serve_connection(io, service)
    };
    let mut served = serve(TokioIo::new(Timed::new(stream)));
    let mut is_stopping = false;
    let rest = loop {
        let served_or_taken = poll_fn(|cx| match Pin::new(&mut served).poll(cx) {
            Poll::Ready(done) => Poll::Ready(Err(done)),
            Poll::Pending => rest.take().map_or(Poll::Pending, |rest| Poll::Ready(Ok(rest))),
        });
        tokio::select! {
            served = served_or_taken => match served {
                Ok(rest) => break rest,
                Err(done) => {
                    if let Err(error) = done {
                        seat.failed(&error);
                    }
                    return;
                }
            },
            () = seat.evicted() => return,
            _ = stopping.changed(), if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut served).graceful_shutdown();
            }
        }
    };
    let stream = served.into_parts().io.into_inner();
    // A task of its own, because the present task keeps the memory that it once needed.
    tokio::spawn(async move {
        if let Err(error) = carry(stream, rest).await {
            seat.failed(&error);
        }
        // `serve` waits until every copy of this is dropped.
        drop(stopping);
    });
}

/// Ends a connection whose other end has gone without saying so.
///
/// The kernel does it (`TCP_USER_TIMEOUT`), because it knows which bytes were acknowledged.
#[cfg(target_os = "linux")]
fn bound_silence(stream: &TcpStream) {
    let silence_ms = u32::try_from(SILENCE.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(stream, silence_ms).ok();
}

/// On other systems their own default applies.
#[cfg(not(target_os = "linux"))]
fn bound_silence(_: &TcpStream) {}

/// The check of `Host` comes before the router, so nothing there sees a request with two.
async fn answer(router: Router, request: Request) -> Response {
    if !has_one_host(&request) {
        return refused();
    }
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// RFC 9112, 3.2: a request is refused if it has two `Host` headers, or one that is not valid, or,
/// in HTTP/1.1, none.
///
/// With two headers, a proxy and this server could each use another one.
fn has_one_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => request.version() < Version::HTTP_11,
        _ => false,
    }
}

/// A name or an address, perhaps with a port. Empty is allowed: the target of the request may have
/// no host.
fn is_host(host: &[u8]) -> bool {
    host.is_empty() || (!host.contains(&b'@') && Authority::try_from(host).is_ok())
}

/// It has the form of an error of the API, but no request id, because it never reached the API.
fn refused() -> Response {
    let body = r#"{"error":"the request needs exactly one Host","code":"invalid_request"}"#;
    (StatusCode::BAD_REQUEST, [("content-type", "application/json")], body).into_response()
}
