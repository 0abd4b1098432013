//! Reading request bodies: bounded in bytes on the wire, in bytes decompressed, and in time.
//!
//! A body is anybody's bytes, from a client that may be slow, wrong or hostile. Each bound answers
//! one attack:
//!
//! - *Content type and coding* are checked first. Everything but JSON, plain or as gzip, is 415,
//!   and nothing of it is read.
//! - *A declared length* above the limit is 413 at once. A length that is declared and not sent
//!   reserves at most 64 kB.
//! - *Bytes on the wire* are counted as they come. One byte over the limit is 413.
//! - *Bytes after decompression* are counted by the writer behind the decoder. It stops a gzip
//!   bomb, at most one buffer past the limit.
//! - *Time*: the whole body has to arrive within `Bounds::timeout`, else 503. That includes waiting
//!   for room in the budget of all bodies.
//! - *Turns*: decompressing yields to other requests after about a millisecond of work. So a body
//!   that costs much work and yields few bytes does not hold up others.
//!
//! The result is bytes in memory. The wire module of the call decides whether they are JSON of the
//! right form, in one pass and with limits of its own.

use crate::error::Failure;
use crate::load::Ticket;
use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use flate2::write::MultiGzDecoder;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What is measured of a request. It lives in the extensions of the request.
///
/// Clones share one set of numbers. The middleware keeps one clone; the handlers find the other in
/// the extensions of the request. The middleware writes the line of the log when the reply is
/// there, or when the client has gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received(Arc<Measured>);

/// Atomic numbers with relaxed ordering suffice: they are read for the log, after the work.
#[derive(Debug, Default)]
struct Measured {
    /// Bytes of the body as they came on the wire, that is before decompression.
    n_bytes: AtomicU64,
    /// Microseconds that the request has waited for its turn.
    queued_us: AtomicU64,
    /// The keyed hash of the user. It is set once the user is known, so it is absent in the line of
    /// a request that was refused with 401.
    caller: OnceLock<String>,
    /// Set by calls on a whole account, also by those that are refused.
    audited: OnceLock<&'static str>,
    /// What the log calls the request.
    id: OnceLock<HeaderValue>,
}

impl Received {
    fn add(&self, n_bytes: usize) {
        self.0.n_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
    }

    /// How many bytes of the body have arrived.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.n_bytes.load(Ordering::Relaxed)
    }

    /// Notes the name that logs have for the user.
    pub(crate) fn asked_by(&self, caller: String) {
        // A request has one user.
        self.0.caller.set(caller).ok();
    }

    /// The name that logs have for the user, if the user is known.
    pub(crate) fn caller(&self) -> Option<&str> {
        self.0.caller.get().map(String::as_str)
    }

    /// Notes the name that the log has for the request.
    pub(crate) fn named(&self, id: HeaderValue) {
        self.0.id.set(id).ok();
    }

    /// The name that the log has for the request.
    pub(crate) fn id(&self) -> &str {
        self.0.id.get().and_then(|id| id.to_str().ok()).unwrap_or_default()
    }

    /// Notes that this request belongs in the audit log, under this name.
    ///
    /// If it is called again, the first name stays. A handler calls it before it looks at anything,
    /// so that a refused attempt is in the audit log too.
    pub(crate) fn audit(&self, call: &'static str) {
        self.0.audited.set(call).ok();
    }

    /// The name of this request in the audit log, if it belongs there.
    pub(crate) fn audited(&self) -> Option<&'static str> {
        self.0.audited.get().copied()
    }

    /// Notes how long the request has waited for its turn.
    ///
    /// It is called once the waits are over, also if the request is refused then.
    pub(crate) fn queued(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.queued_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How long the request has waited for its turn, if that is a millisecond or more.
    ///
    /// Less does not count as waiting. Otherwise nearly every line of the log would have such a
    /// number.
    pub(crate) fn waited(&self) -> Option<Duration> {
        let waited = Duration::from_micros(self.0.queued_us.load(Ordering::Relaxed));
        Some(waited).filter(|waited| Duration::from_millis(1) <= *waited)
    }
}

/// The limits of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most bytes, on the wire and decompressed.
    pub(crate) limit_bytes: usize,
    /// The longest time from the first look at the body to its last byte.
    pub(crate) timeout: Duration,
}

/// Reads a body of JSON, decompressed.
///
/// `ticket` is where the bytes are counted in the budgets of the account and of the host. Without
/// one they are bounded by `bounds` alone.
///
/// # Errors
///
/// - [`Failure::NotJson`], [`Failure::UnknownEncoding`]: 415.
/// - [`Failure::TooLarge`]: 413, on the wire or decompressed.
/// - [`Failure::BrokenBody`]: 400; the connection broke, or the body is not the gzip that its
///   header declares.
/// - [`Failure::SlowBody`]: 503; the time is over.
/// - [`Failure::Busy`] and [`Failure::Overloaded`]: 429 and 503; there is no room for the bytes.
///
/// # Cancellation
///
/// Safe. What was read is dropped, and the budgets are given back with the ticket.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    bounds: Bounds,
    received: &Received,
    ticket: Option<&mut Ticket>,
) -> Result<Vec<u8>, Failure> {
    if !is_json(headers) {
        return Err(Failure::NotJson);
    }
    let is_gzip = is_gzip(headers)?;
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if bounds.limit_bytes < declared {
        return Err(Failure::TooLarge);
    }
    let bounded = Bounded { bytes: Vec::new(), limit: bounds.limit_bytes, is_over: false };
    let sink = if is_gzip {
        Sink::Gzip(Box::new(MultiGzDecoder::new(bounded)))
    } else {
        // LIMIT: a declared length that is never sent reserves at most `RESERVED_BYTES`.
        let bytes = Vec::with_capacity(declared.min(RESERVED_BYTES));
        Sink::Plain(Bounded { bytes, ..bounded })
    };
    let collected = collect(body, sink, bounds.limit_bytes, received, ticket);
    tokio::time::timeout(bounds.timeout, collected).await.map_err(|_| Failure::SlowBody)?
}

/// The most that is reserved for a body before it comes.
const RESERVED_BYTES: usize = 64 * 1024;

/// How long a body is decompressed before other requests are served.
const SLICE: Duration = Duration::from_millis(1);

/// How much of a body is decompressed at a time. Gzip makes at most about a thousand times as much
/// of it.
const PART_BYTES: usize = 4 * 1024;

/// It takes frames as they come, and hands each to the sink in small parts. After each part it
/// reserves room for the growth of the decompressed body. So all that has come is counted before
/// more is taken.
///
/// Trailers are ignored.
async fn collect(
    mut body: Body,
    mut sink: Sink,
    limit_bytes: usize,
    received: &Received,
    mut ticket: Option<&mut Ticket>,
) -> Result<Vec<u8>, Failure> {
    let (mut left, mut since) = (limit_bytes, Instant::now());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| Failure::BrokenBody)?.into_data() else {
            continue;
        };
        received.add(data.len());
        left = left.checked_sub(data.len()).ok_or(Failure::TooLarge)?;
        for part in data.chunks(PART_BYTES) {
            let before = sink.bounded().bytes.len();
            sink.write(part)?;
            let after = sink.bounded().bytes.len();
            if let Some(ticket) = &mut ticket {
                ticket.hold_body(after).await?;
            }
            // Others are served between two parts. That matters for a gzip bomb, and for a body
            // that costs time and yields nothing, such as thousands of empty members.
            if 8 * PART_BYTES < after - before || SLICE < since.elapsed() {
                tokio::task::yield_now().await;
                since = Instant::now();
            }
        }
    }
    sink.finish()
}

/// Where the bytes of a body go.
///
/// Both variants end in a [`Bounded`], which has the only check of the decompressed size.
enum Sink {
    /// The bytes as they came.
    Plain(Bounded),
    /// Through the decoder, which also accepts several gzip members one after the other, as RFC
    /// 1952 allows. Boxed, because its state is large.
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Sink {
    /// Either all of `data` is taken, or the body is refused as a whole.
    fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        let written = match self {
            Self::Plain(bounded) => bounded.write_all(data),
            Self::Gzip(decoder) => decoder.write_all(data),
        };
        written.map_err(|_| self.failure())
    }

    /// A gzip that was cut off has no valid end, so a broken upload is 400 and never taken for a
    /// short one.
    fn finish(mut self) -> Result<Vec<u8>, Failure> {
        let finished = match &mut self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
        };
        match (finished, self) {
            (Ok(()), Self::Plain(bounded)) => Ok(bounded.bytes),
            (Ok(()), Self::Gzip(mut decoder)) => Ok(std::mem::take(&mut decoder.get_mut().bytes)),
            (Err(_), sink) => Err(sink.failure()),
        }
    }

    /// Whether an error of this sink means a bomb or invalid input.
    fn failure(&self) -> Failure {
        if self.bounded().is_over { Failure::TooLarge } else { Failure::BrokenBody }
    }

    fn bounded(&self) -> &Bounded {
        match self {
            Self::Plain(bounded) => bounded,
            Self::Gzip(decoder) => decoder.get_ref(),
        }
    }
}

/// Bytes up to a limit. A gzip bomb ends here, one buffer of the decoder past the limit at most.
///
/// A part that does not fit is not written at all. The decoder turns this error and that of bad
/// input into the same kind of I/O error. `is_over` tells them apart, because the client must learn
/// which of the two it was.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.limit - self.bytes.len() < data.len() {
            self.is_over = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the body says that it is JSON, in UTF-8 if it names a character set.
///
/// JSON on the wire is UTF-8 (RFC 8259), so another character set is refused instead of being
/// misread. Two `Content-Type` headers are refused as well: a proxy and this server might each
/// believe another one.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Some(content_type)) = only_value(headers, &CONTENT_TYPE) else {
        return false;
    };
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    is_json && parts.all(is_utf8)
}

/// One parameter of a content type, such as `charset=utf-8`. Any other parameter than `charset` is
/// refused.
fn is_utf8(parameter: &str) -> bool {
    parameter.is_empty()
        || parameter.split_once('=').is_some_and(|(name, value)| {
            let value = value.trim_matches('"');
            name.eq_ignore_ascii_case("charset")
                && (value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8"))
        })
}

/// `identity` counts as no coding. A list of codings, such as `gzip, gzip`, is refused.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Failure> {
    match only_value(headers, &CONTENT_ENCODING).map(|value| value.map(str::to_ascii_lowercase)) {
        None => Ok(false),
        Some(Some(encoding)) if encoding == "identity" => Ok(false),
        Some(Some(encoding)) if encoding == "gzip" => Ok(true),
        Some(_) => Err(Failure::UnknownEncoding),
    }
}

/// The value of a header: `None` if there is none, `Some(None)` if it is no text or not alone.
fn only_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(first.to_str().ok().map(str::trim).filter(|_| values.next().is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, expected: bool) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        assert_eq!(expected, is_json(&headers), "{content_type}");
    }

    #[test]
    fn json_may_name_its_character_set_if_it_is_utf8() {
        check("application/json", true);
        check("Application/JSON", true);
        check("application/json; charset=utf-8", true);
        check("application/json;charset=\"UTF-8\"", true);
        check("application/json;", true);
        check("application/json; charset=utf-16", false);
        check("application/json; boundary=x", false);
    }

    #[test]
    fn what_is_not_json_by_its_own_account_is_refused() {
        for kind in ["", "text/json", "text/plain", "application/jsonp", "application/x-ndjson"] {
            check(kind, false);
        }
        assert!(!is_json(&HeaderMap::new()));
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_TYPE, "application/json".parse().unwrap());
        headers.append(CONTENT_TYPE, "application/json".parse().unwrap());
        assert!(!is_json(&headers));
    }
}
