//! Reads the rest of a body that nobody needs, so that the client receives the answer.
//!
//! The API answers a bad token without reading the body. If the connection is closed while the
//! client is still sending, many clients see a broken connection and never the 401 that says why.
//! So the rest of the body is read and thrown away, within bounds. API Gateway does the same.
//!
//! For a refused request it costs at most a second and 64 MB of reading. For a request whose body
//! was read it costs nothing, because nothing is left.
//!
//! A client that sends `Expect: 100-continue` is left alone. It waits for permission before it
//! sends its body, and a refused request never gives that permission.

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
    // A client that waits for permission must not get it for a body that nobody needs.
    if request.headers().contains_key(EXPECT) || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let body = Shared(Arc::new(Mutex::new(body)));
    let response = next.run(Request::from_parts(head, Body::new(body.clone()))).await;
    // After this time the client is cut off all the same.
    tokio::time::timeout(TIMEOUT, discard(body)).await.ok();
    response
}

/// Reads to the end, to an error, or to a limit: the size of the largest body that the API accepts.
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

/// A body with two readers, one after the other.
///
/// First the handler reads it, then this module. They never read at the same time: the handler has
/// ended by then.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Body) -> T) -> T {
        // A panic may have left the body half read. It is thrown away in any case.
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
