//! Connections: how many there are, and how long one may keep the server waiting.
//!
//! A connection costs memory and a descriptor, so each is bounded in time, and all are bounded in
//! number. Where there is no room for another one, the one that has been idle longest makes room.

use crate::descriptors;
use crate::idle::{Busy, Idle, Seat};
use crate::timed::Timed;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

/// LIMIT: how long the head of a request may take, and how long a connection may be idle before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// LIMIT: the head of a request.
const HEAD_BYTES: usize = 64 * 1024;
/// LIMIT: connections, where there are descriptors for them.
const CONNECTIONS: usize = 32_768;
/// Descriptors that are not for connections: files, logs, and what is fetched.
const OTHER_DESCRIPTORS: usize = 128;
/// How long the server waits before it accepts again where it could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// LIMIT: how long a client that was sent something may not acknowledge it: a phone that has left its
/// network does not say so, and what it follows would keep its place for a quarter of an hour.
const SILENCE: Duration = Duration::from_secs(60);

/// How many connections this process has room for.
pub(crate) fn room() -> usize {
    descriptors::raise().saturating_sub(OTHER_DESCRIPTORS).clamp(16, CONNECTIONS)
}

/// Serves until `stop` ends, and then until what runs is answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    room: usize,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    tracing::info!(room, "connections");
    let idle = Arc::new(Idle::new(room));
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
    let answering = Arc::clone(&seat);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, seat) = (router.clone(), Arc::clone(&answering));
        // hyper keeps the room of this future as long as the connection lasts, and a device that follows
        // lasts for an hour: in a box it is given back with the head of the reply.
        Box::pin(async move {
            let busy = Busy::new(seat);
            let response = answer(router, request.map(Body::new)).await;
            Ok::<_, Infallible>(response.map(|body| Answer { body, _busy: busy }))
        })
    });
    let serve = |io| {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        builder.max_buf_size(HEAD_BYTES).serve_connection(io, service)
    };
    let mut served = pin!(serve(TokioIo::new(Timed::new(stream))));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            done = &mut served => {
                if let Err(error) = done {
                    seat.failed(&error);
                }
                return;
            }
            () = seat.evicted() => return,
            _ = stopping.changed(), if !is_stopping => {
                is_stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Ends a connection whose other end has gone without a word.
#[cfg(target_os = "linux")]
fn bound_silence(stream: &TcpStream) {
    let silence_ms = u32::try_from(SILENCE.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(stream, silence_ms).ok();
}

/// The system decides.
#[cfg(not(target_os = "linux"))]
fn bound_silence(_: &TcpStream) {}

/// A reply. Its connection is idle once it is sent, or nobody wants it any more: a device that
/// follows, or an export that is being read, makes no room for others.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn answer(router: Router, request: Request) -> Response {
    if !has_one_host(&request) {
        return refused();
    }
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// RFC 9112, 3.2: a request of HTTP/1.1 without `Host`, and any with two, is refused.
fn has_one_host(request: &Request) -> bool {
    let n_hosts = request.headers().get_all(HOST).iter().count();
    n_hosts == 1 || (n_hosts == 0 && request.version() < Version::HTTP_11)
}

fn refused() -> Response {
    let body = r#"{"error":"the request needs exactly one Host","code":"invalid_request"}"#;
    (StatusCode::BAD_REQUEST, [("content-type", "application/json")], body).into_response()
}
