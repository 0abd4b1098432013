//! What happens around every request: its id, its log line, and what all replies carry.
//!
//! The order around a request matters:
//!
//! 1. The id is found or made, the counters begin, and the route that matched is remembered.
//! 2. A preflight request of a browser is answered here. Everything else runs, and a panic in it
//!    becomes a 500.
//! 3. The reply is compressed, if the client accepts gzip and the reply is large enough.
//! 4. The reply begins to hold its bytes for the account until they are sent. This is after
//!    compression, because only the compressed bytes stay in memory.
//! 5. Headers that all replies have are added: CORS, `Cache-Control: no-store` unless the reply has
//!    its own, and `X-Request-Id`.
//! 6. The line in the log and the metrics are written.
//!
//! A request that is dropped before step 6, because its client hung up or a host in front ran out
//! of time, has a line as well, with the reason `dropped`. So each request has exactly one line.

use crate::api::Api;
use crate::body::Received;
use crate::error::Failure;
use crate::limits::REQUEST_ID_BYTES;
use crate::meter::{self, Answered};
use crate::reply::Notes;
use crate::{compress, cors, unsent};
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use haumana_sync::engine::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

/// The target of the lines of the audit log. A host keeps them longer than other lines, and lets
/// them through at every level.
///
/// A line says which call was made on a whole account, by whom (as a hash, see
/// [`CallerKey`](haumana_auth::CallerKey)), and how it ended. A line with the status `begun` is
/// written before the work. If no second line of that request follows, the process ended during the
/// work.
pub const AUDIT: &str = "haumana_audit";

/// A proxy in front may set it, so that its log and this one can be joined. Otherwise it is 16
/// random hex digits.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Runs one request.
///
/// It is an axum middleware, and the outermost layer of the router.
pub(crate) async fn observe(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::new(&mut request, &api);
    let origins = &api.config.cors_origins;
    let origin = cors::allowed_origin(origins, request.headers());
    let wants_gzip = compress::is_wanted(request.headers());

    let is_preflight = cors::is_preflight(request.method(), request.headers());
    let response = if is_preflight && origin.is_some() {
        cors::preflight_answer()
    } else {
        run(next, request).await
    };

    let compression = api.config.compression;
    let gate = api.gate.as_deref();
    let response = compress::compress(response, wants_gzip, compression, gate).await;
    let mut response = unsent::until_sent(response).await;
    if !origins.is_empty() {
        cors::mark(response.headers_mut(), origin);
    }
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(REQUEST_ID, asked.id.clone());
    asked.log(&response);
    if let Some(gate) = gate {
        meter::at_work(gate.n_at_work());
    }
    response
}

/// Runs the handler. A panic is this request's failure and nobody else's.
///
/// Locks that a panic leaves behind are poisoned. Each place that locks says why it may go on with
/// what it finds there.
async fn run(next: Next, request: Request) -> Response {
    let mut handled = pin!(next.run(request));
    let response = std::future::poll_fn(|cx| {
        // After a panic the future is never polled again, so nobody sees what it left behind.
        let poll = catch_unwind(AssertUnwindSafe(|| handled.as_mut().poll(cx)));
        poll.unwrap_or_else(|_| Poll::Ready(Failure::Panicked.into_response()))
    });
    response.await
}

/// What is known of a request before it runs.
///
/// If it is dropped without [`Asked::log`], nobody got an answer.
struct Asked {
    /// In the log, and in the reply as `X-Request-Id`.
    id: HeaderValue,
    method: &'static str,
    /// The route that matched, never the address as it was sent: that may hold anything.
    route: Option<MatchedPath>,
    /// Shared with the handler, which adds to it.
    received: Received,
    /// How many requests were at work when this one came, if the host bounds that.
    ///
    /// With it an operator can tell a request that was slow itself from one that had many beside
    /// it.
    at_work: Option<usize>,
    /// When the head of the request had been read.
    start: Instant,
    /// Whether its line is written.
    is_told: bool,
}

impl Asked {
    /// It also puts the counters into the extensions of the request, where handlers find them.
    fn new(request: &mut Request, api: &Api) -> Self {
        let received = Received::default();
        request.extensions_mut().insert(received.clone());
        let at_work = api.gate.as_ref().map(|gate| gate.n_at_work());
        let id = given_id(request.headers()).unwrap_or_else(|| new_id(api.random.as_ref()));
        received.named(id.clone());
        Self {
            id,
            method: method_name(request.method()),
            route: request.extensions().get().cloned(),
            received,
            at_work,
            start: Instant::now(),
            is_told: false,
        }
    }

    /// Writes the request's one line. Everything in it is ours, or checked: no personal data.
    ///
    /// The level says what an operator should do: ERROR for failures of ours, WARN for refusals
    /// because there is too much at once, INFO for all else. Three kinds of 503 are INFO, because
    /// the server does what it promises: an account that is being imported, one that is being
    /// erased, and an upload that is too slow.
    ///
    /// The time of a streamed reply ends when the stream begins, and its size is absent.
    fn log(mut self, response: &Response) {
        self.is_told = true;
        let notes = response.extensions().get().cloned().unwrap_or_else(Notes::default);
        let counts = notes.counts;
        let time = self.start.elapsed();
        let route = self.route.as_ref().map_or("-", MatchedPath::as_str);
        let refused = notes.code.filter(|_| notes.is_overload);
        Answered {
            method: self.method,
            route,
            status: response.status().as_u16(),
            time,
            queued: self.received.waited(),
            refused: refused.map(|code| (code, notes.reason.unwrap_or("-"))),
        }
        .count();
        let ms = time.as_secs_f64() * 1000.0;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = self.id.to_str().unwrap_or_default(),
                    caller = self.received.caller(),
                    method = self.method,
                    route,
                    status = response.status().as_u16(),
                    ms = (ms * 1000.0).round() / 1000.0,
                    queued_ms = self.received.waited().map(|waited| waited.as_millis() as u64),
                    at_work = self.at_work,
                    bytes_in = self.received.bytes(),
                    bytes_out = response.body().size_hint().exact(),
                    pushed = counts.map(|counts| counts.pushed),
                    pulled = counts.map(|counts| counts.pulled),
                    merged = counts.map(|counts| counts.merged),
                    conflicts = counts.map(|counts| counts.conflicts),
                    rejected = counts.map(|counts| counts.rejected),
                    code = notes.code,
                    reason = notes.reason,
                    detail = notes.detail.as_deref(),
                    "request"
                )
            };
        }
        match notes.reason {
            // An operator must look at a 5xx, except at these three.
            Some("importing" | "erasing" | "slow_body") => line!(info),
            _ if notes.is_overload => line!(warn),
            _ if response.status().is_server_error() => line!(error),
            _ => line!(info),
        }
        self.audit(Some(response.status()), notes.code);
    }

    /// Writes to the audit log who exported, imported, rewound or erased an account.
    ///
    /// A request that got no answer has no status in its line. A request without a valid token has
    /// no line: otherwise strangers could fill the audit log.
    fn audit(&self, status: Option<StatusCode>, code: Option<&'static str>) {
        let is_unknown = match status {
            Some(status) => status == StatusCode::UNAUTHORIZED,
            None => self.received.caller().is_none(),
        };
        if !is_unknown {
            audit_line(&self.received, &status.map(|status| status.as_u16()), code);
        }
    }
}

/// Writes that the work of a request begins, if the request belongs in the audit log.
///
/// It is called last before the work. So if the process is killed during the work, this line
/// exists.
pub(crate) fn audit_begun(received: &Received) {
    audit_line(received, &"begun", None);
}

/// Writes a line of the audit log, if the request belongs in it.
fn audit_line(received: &Received, status: &dyn tracing::Value, code: Option<&'static str>) {
    let Some(call) = received.audited() else { return };
    tracing::info!(
        target: AUDIT,
        request = received.id(),
        caller = received.caller(),
        call,
        status,
        code,
        "audit"
    );
}

/// The client hung up, or the host's time was over. The request may have been served all the same.
impl Drop for Asked {
    fn drop(&mut self) {
        if self.is_told {
            return;
        }
        let (id, caller) = (self.id.to_str().unwrap_or_default(), self.received.caller());
        let (method, route) = (self.method, self.route.as_ref().map_or("-", MatchedPath::as_str));
        tracing::info!(request_id = id, caller, method, route, reason = "dropped", "request");
        self.audit(None, Some("dropped"));
    }
}

/// The id that the caller gave, if it is one that can be logged.
///
/// ASCII letters, digits and hyphens, at most [`REQUEST_ID_BYTES`]. Anything else could make a line
/// of the log look like another one.
fn given_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let is_plain = id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let is_short = !id.is_empty() && id.len() <= REQUEST_ID_BYTES;
    (is_plain && is_short).then(|| id.clone())
}

/// 64 random bits: enough to find a line, and no secret.
fn new_id(random: &dyn Random) -> HeaderValue {
    let id = format!("{:016x}", random.next_u64());
    HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// The name of the method. A method may be any text, so all unknown ones share one name.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
