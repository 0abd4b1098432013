//! Reading what nobody wants, so that the client hears the answer.
//!
//! The API answers a bad token without reading the body. If the connection is closed while the
//! client is still sending, many clients see a broken connection and never the 401 that says why.
//! So the rest of the body is read and thrown away, within bounds. API Gateway does the same.
//!
//! It costs at most a second and 64 MB of reading for a request that was refused, and nothing for
//! one whose body was read: then there is nothing left.
//!
//! A client that sends `Expect: 100-continue` is left alone. It waits for leave before it sends its
//! body, and a refused request never gives it.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use haumana_api::limits;
use http_body::{Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// LIMIT: how long a client whose answer is ready may go on sending.
///
/// The reply waits for this reading, so the time is short.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a request, then reads what is left of its body.
pub(crate) async fn drain(request: Request, next: Next) -> Response {
    // Whoever waits for leave to send must not get it for a body that nobody wants.
    if request.headers().contains_key(EXPECT) || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let body = Shared(Arc::new(Mutex::new(body)));
    let response = next.run(Request::from_parts(head, Body::new(body.clone()))).await;
    // Past this time the client is cut off after all.
    tokio::time::timeout(TIMEOUT, discard(body)).await.ok();
    response
}

/// Reads to the end, to an error, or to the limit of what any request may send.
///
/// At most as many bytes as the largest body that the API would accept.
async fn discard(mut body: Shared) {
    let mut left = limits::REQUEST_BYTES;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let n_bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(n_bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// A body that two can read, one after the other.
///
/// First by the handler, then here. The two never read at the same time: the handler has ended by
/// then.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Body) -> T) -> T {
        // A body that a panic left behind is as good as any to be thrown away.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
