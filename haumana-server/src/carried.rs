//! Connections that carry a stream of events, and nothing else afterwards.
//!
//! hyper keeps two buffers of 8 kB for each connection, since anything may come next. A device that
//! follows sends nothing for an hour, and receives a few bytes now and then. So hyper sends the
//! head of its reply and the first event. Then this module takes the connection from hyper, and
//! sends the rest itself.
//!
//! ```text
//!  router ─▶ Answer ─▶ give ─▶ hyper: head, first event
//!                        └▶ Rest ─▶ connection ─▶ carry: chunks, until the end
//! ```
//! Only `GET` over HTTP/1.1 with `text/event-stream` goes this way. Such a reply is in chunks (RFC
//! 9112, 7.1), which are simple to write by hand, and its head says that the connection ends with
//! it. A connected device then takes 1.8 kB, instead of about 13 kB.

use crate::idle::Busy;
use crate::timed::Timed;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, Version};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A reply, with the mark that its connection is busy. The connection is idle once the reply is
/// sent or dropped. While a device follows or reads an export, its connection does not make room
/// for others.
pub(crate) struct Answer {
    body: Body,
    /// Dropped with the body.
    _busy: Busy,
}

impl Answer {
    pub(crate) fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
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

/// Where hyper's side leaves the rest of a stream, for the task of the connection.
///
/// One for each connection, shared by its service and its task.
#[derive(Clone, Default)]
pub(crate) struct Rest(Arc<Mutex<Option<Answer>>>);

impl Rest {
    /// Called while hyper polls the body, so while the connection's task is polled. That task looks
    /// here right afterwards.
    fn put(&self, answer: Answer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    /// Takes the rest, if it is there. Then hyper has nothing more to send.
    pub(crate) fn take(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether a reply of unknown length to this request would be in chunks.
pub(crate) fn may_be_carried(request: &Request) -> bool {
    request.method() == Method::GET && request.version() == Version::HTTP_11
}

/// A reply in the form that hyper gets.
pub(crate) enum Given {
    /// hyper sends all of it.
    ///
    /// Any reply but a stream of events.
    Whole(Answer),
    /// hyper sends the beginning; the rest goes into `rest`.
    ///
    /// At first it is polled as usual. Once its first frame is out, it puts `answer` into `rest`
    /// and stays pending.
    Beginning { answer: Option<Answer>, has_begun: bool, rest: Rest },
}

/// Gives hyper the whole of a reply, or the beginning of a stream of events.
///
/// The response has its headers already; only `Connection: close` is added.
pub(crate) fn give(
    mut response: Response<Answer>,
    may_be_carried: bool,
    rest: &Rest,
) -> Response<Given> {
    let kind = response.headers().get(CONTENT_TYPE);
    if !may_be_carried || kind.is_none_or(|kind| kind != "text/event-stream") {
        return response.map(Given::Whole);
    }
    // No further request is read, so the head tells the client to send none.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let rest = rest.clone();
    response.map(|answer| Given::Beginning { answer: Some(answer), has_begun: false, rest })
}

impl HttpBody for Given {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(answer) => Pin::new(answer).poll_frame(cx),
            Self::Beginning { answer, has_begun: true, rest } => {
                // hyper may poll several times before the task of the connection takes the rest.
                // That task is running, so nobody has to wake it.
                if let Some(answer) = answer.take() {
                    rest.put(answer);
                }
                Poll::Pending
            }
            Self::Beginning { answer, has_begun, .. } => {
                let Some(answer) = answer else { return Poll::Pending };
                let frame = Pin::new(answer).poll_frame(cx);
                *has_begun = frame.is_ready();
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(answer) if answer.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(answer) => answer.size_hint(),
            Self::Beginning { .. } => SizeHint::default(),
        }
    }
}

/// Sends the rest of a stream in chunks, until it ends or the client is gone.
///
/// What the client sends is read and ignored, so that its hanging up is noticed. A stream that ends
/// with an error gets no last chunk, so the client knows that it was cut off.
///
/// # Errors
///
/// Those of the socket; `TimedOut` if the client takes nothing.
pub(crate) async fn carry(mut stream: Timed<TcpStream>, mut rest: Answer) -> io::Result<()> {
    if stream.is_stuck() {
        // Something that hyper has written may be lost; the client connects again.
        return Ok(());
    }
    loop {
        let mut ignored = [0; 32];
        let frame = tokio::select! {
            frame = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)) => frame,
            read = stream.read(&mut ignored) => match read? {
                0 => return Ok(()),
                _ => continue,
            },
        };
        match frame {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                // A chunk without a byte would be the end.
                if !data.is_empty() {
                    stream.write_all(&chunk(&data)).await?;
                }
            }
            Some(Err(_)) => return Ok(()),
            None => {
                stream.write_all(b"0\r\n\r\n").await?;
                return stream.shutdown().await;
            }
        }
    }
}

/// RFC 9112, 7.1.
fn chunk(data: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
