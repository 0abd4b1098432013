//! Every way in which a request can fail, and what the client receives then. Status codes are
//! decided here and nowhere else.
//!
//! A handler returns `Result<_, Failure>`. Turning a failure into a response happens here. Each of
//! three parties receives what it may know:
//!
//! - *the client* gets a status, a stable code and a sentence for people;
//! - *the log* gets a `reason`, which is finer than the code, and a `detail` with the causes;
//! - *metrics* get the reason of refusals that protect others.
//!
//! So the text of an inner error cannot reach a client by accident: it goes to the log alone.
//! Errors about the request itself are the exception: their text is made to be shown.
//!
//! If you add a variant, the test below does not compile until the variant is in its list, and
//! fails until the code is in `doc/errors.rs`, from which `docs/errors.md` and the OpenAPI document
//! are made.

use crate::directory::{DirectoryError, DirectoryErrorKind};
use crate::limits::{RETRY_AFTER_SECS, SPENT_RETRY_AFTER_SECS};
use crate::reply::{Notes, json};
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use haumana_auth::{AuthError, Rejection};
use haumana_sync::engine::{self, ErrorKind, ImportFlaw};
use haumana_sync::wire::BadRequest;
use serde::Serialize;
use std::error::Error;

/// Why a request failed as a whole.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody vouches for the caller. The reason is for our logs only.
    ///
    /// Why a token was refused would help somebody who tries tokens, so the reply is the same for
    /// all reasons.
    Unauthorized(Rejection),
    /// The keys to verify the token with cannot be had.
    ///
    /// 503 and not 401: the token may be good, and the client should keep it.
    KeysUnavailable,
    /// An operator has blocked the caller.
    ///
    /// 403, in the words that API Gateway uses.
    Blocked,
    /// No call has this address on this host.
    NoSuchRoute,
    /// The address is that of a call, but the call has another method.
    MethodNotAllowed,
    /// The address names another user than the one who is asking.
    ///
    /// The answer does not show whether that other user exists.
    AnotherUser,
    /// The address names nothing that can exist.
    ///
    /// Found in the address alone: an id that is no UUID, or a kind that the schema does not have.
    /// The reply is that of a record which does not exist.
    NoSuchThing,
    /// The query has a parameter that this call does not take, or a value that it cannot have. It
    /// holds what the call takes.
    BadQuery(&'static str),
    /// The body is not JSON, by its own account.
    NotJson,
    /// The body is compressed in a way that this server does not read.
    UnknownEncoding,
    /// The body is larger than the host takes, perhaps only once decompressed.
    TooLarge,
    /// What was asked for is larger than one reply of this host.
    ///
    /// Only on hosts that collect replies. An export that was cut would look complete, so it is
    /// refused.
    ExportTooLarge,
    /// The body ended early, or is not what its encoding says.
    BrokenBody,
    /// The body took too long to arrive.
    SlowBody,
    /// The body cannot be taken.
    BadRequest(BadRequest),
    /// An entry of an import cannot be taken.
    BadImport(ImportFlaw),
    /// The engine said no.
    Engine(engine::Error),
    /// The user directory said no.
    Directory(DirectoryError),
    /// The time that the host gives a request is over.
    ///
    /// What was asked for may have been done in part. Every call may be repeated.
    OutOfTime,
    /// One account asks for too much at once.
    ///
    /// 429, with the reason for the log and for metrics.
    Busy(&'static str),
    /// All accounts together ask for too much at once.
    ///
    /// 503, with the reason for the log and for metrics.
    Overloaded(&'static str),
    /// A bug in the server.
    ///
    /// A handler panicked. The panic hook has printed where; the client learns `internal`.
    Panicked,
}

/// The reply of a host that cannot answer in time: 503 `unavailable`, with `Retry-After`.
///
/// What was asked may have been done; asking again is harmless.
///
/// It is for a host with a deadline of its own, such as a function that must answer within 29
/// seconds. Such a host sends it just before its deadline, so that the client gets an answer at
/// all.
///
/// ```
/// let reply = haumana_api::out_of_time();
///
/// assert_eq!(503, reply.status().as_u16());
/// assert_eq!("5", reply.headers()["retry-after"]);
/// ```
pub fn out_of_time() -> Response {
    Failure::OutOfTime.into_response()
}

/// What a client receives, and the reason for the log.
///
/// One row of the table in [`Failure::answer`], with names.
struct Answer {
    status: StatusCode,
    code: &'static str,
    message: String,
    reason: Option<&'static str>,
}

/// The body of every error: `{"error": "…", "code": "…"}`, in this order.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    code: &'a str,
}

impl Failure {
    /// The table of statuses, codes, messages and reasons. It is one `match` without a catch-all
    /// for failures of this crate, so the compiler asks for a decision about each new failure.
    /// Kinds of engine errors that the table does not name are `internal`.
    fn answer(&self) -> Answer {
        let (status, code, message, reason) = match self {
            Self::Unauthorized(reason) => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "a valid token is needed".into(),
                Some(reason.as_str()),
            ),
            Self::KeysUnavailable => unavailable("tokens cannot be verified now", "keys"),
            // In the words of API Gateway when an authorizer denies.
            Self::Blocked => {
                (StatusCode::FORBIDDEN, "forbidden", "this is not yours".into(), Some("blocked"))
            }
            Self::NoSuchRoute => {
                (StatusCode::NOT_FOUND, "not_found", "there is no such call".into(), None)
            }
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this call takes another method; see the Allow header".into(),
                None,
            ),
            Self::AnotherUser => {
                (StatusCode::FORBIDDEN, "forbidden", "this is another user's".into(), None)
            }
            Self::NoSuchThing => {
                (StatusCode::NOT_FOUND, "not_found", "there is no such record".into(), None)
            }
            Self::BadQuery(taken) => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                format!(
                    "the query has a parameter or a value that this call does not take; it takes \
                     {taken}"
                ),
                Some("query"),
            ),
            Self::NotJson => media_type("the body must be application/json", "content_type"),
            Self::UnknownEncoding => media_type("the body may be gzip only", "content_encoding"),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "payload_too_large",
                "the body is larger than this server takes".into(),
                None,
            ),
            Self::ExportTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "payload_too_large",
                "the export exceeds one reply of this server; ask for it in pages: ?page=first"
                    .into(),
                Some("export"),
            ),
            Self::BrokenBody => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "the body ended early or is not what its encoding says".into(),
                Some("broken_body"),
            ),
            Self::SlowBody => unavailable("the body took too long to arrive", "slow_body"),
            Self::BadRequest(bad @ BadRequest::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, bad.code(), bad.to_string(), Some("contents"))
            }
            Self::BadRequest(bad) => (StatusCode::BAD_REQUEST, bad.code(), bad.to_string(), None),
            Self::BadImport(flaw) => {
                (StatusCode::BAD_REQUEST, "invalid_request", flaw.to_string(), Some("import"))
            }
            Self::Engine(error) => match error.kind() {
                ErrorKind::Unavailable => unavailable("try again later", "store"),
                ErrorKind::Spent => (
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_requests",
                    "too much of this account; wait, then send the same request again".into(),
                    Some("allowance"),
                ),
                ErrorKind::Erasing => unavailable("the account is being erased", "erasing"),
                ErrorKind::Importing => {
                    unavailable("an import into the account is not finished", "importing")
                }
                ErrorKind::NotEmpty => (
                    StatusCode::CONFLICT,
                    "not_empty",
                    "an import needs an empty account, and deleted records count: call DELETE \
                     /users/me first, then import again"
                        .into(),
                    None,
                ),
                ErrorKind::Gone => gone("the account was erased"),
                ErrorKind::PastRetention => gone("it is past its retention"),
                ErrorKind::NotFound => {
                    (StatusCode::NOT_FOUND, "not_found", "there is no such record".into(), None)
                }
                ErrorKind::ConflictClosed => (
                    StatusCode::CONFLICT,
                    "conflict_closed",
                    "the conflict was closed with another resolution".into(),
                    None,
                ),
                ErrorKind::Unreadable => (
                    StatusCode::CONFLICT,
                    "unreadable",
                    "what is stored of the record cannot be read until it is repaired".into(),
                    None,
                ),
                ErrorKind::Invalid => {
                    (StatusCode::BAD_REQUEST, "invalid_request", error.to_string(), None)
                }
                _ => internal("engine"),
            },
            Self::Directory(error) => match error.kind() {
                DirectoryErrorKind::Unavailable => unavailable("try again later", "directory"),
                DirectoryErrorKind::Refused => internal("directory"),
            },
            Self::OutOfTime => unavailable("try again later", "out_of_time"),
            Self::Busy(reason) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "too much of this account at once; wait, then send the same request again".into(),
                Some(*reason),
            ),
            Self::Overloaded(reason) => unavailable("too much at once; try again later", reason),
            Self::Panicked => internal("panic"),
        };
        Answer { status, code, message, reason }
    }

    /// Whether the account has used up its allowance.
    ///
    /// Then the client waits a minute and not five seconds: an allowance does not come back sooner.
    fn is_spent(&self) -> bool {
        matches!(self, Self::Engine(error) if error.kind() == ErrorKind::Spent)
    }

    /// What a person who reads the log needs to know beyond the code; never the user's data.
    ///
    /// It joins the error and its causes with colons, on one line. The errors of stores and
    /// directories promise that their text has no user data.
    fn detail(&self) -> Option<String> {
        let error: &dyn Error = match self {
            Self::Engine(error) => error,
            Self::Directory(error) => error,
            _ => return None,
        };
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            detail = format!("{detail}: {cause}");
            source = cause.source();
        }
        Some(detail)
    }
}

/// Status, code, message for people, reason for the log.
type Row = (StatusCode, &'static str, String, Option<&'static str>);

/// 503: the client waits for `Retry-After`, and sends the same request again.
fn unavailable(message: &str, reason: &'static str) -> Row {
    (StatusCode::SERVICE_UNAVAILABLE, "unavailable", message.into(), Some(reason))
}

/// 410: it existed and is no longer available, so repeating is pointless.
fn gone(message: &str) -> Row {
    (StatusCode::GONE, "gone", message.into(), None)
}

fn media_type(message: &str, reason: &'static str) -> Row {
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message.into(), Some(reason))
}

/// No inner detail: it goes to the log.
fn internal(reason: &'static str) -> Row {
    let message = "the server made a mistake".into();
    (StatusCode::INTERNAL_SERVER_ERROR, "internal", message, Some(reason))
}

/// Adds the headers that a status calls for: `WWW-Authenticate` to 401, `Retry-After` to 429 and
/// 503. The notes for the log travel in the extensions of the response.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Answer { status, code, message, reason } = self.answer();
        // Two strings always serialise.
        let body = serde_json::to_vec(&ErrorBody { error: &message, code }).unwrap_or_default();
        let mut response = json(status, body);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let secs = if self.is_spent() { SPENT_RETRY_AFTER_SECS } else { RETRY_AFTER_SECS };
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        let is_overload = self.is_spent() || matches!(self, Self::Busy(_) | Self::Overloaded(_));
        let detail = self.detail();
        let notes = Notes { code: Some(code), reason, detail, is_overload, ..Notes::default() };
        response.extensions_mut().insert(notes);
        response
    }
}

impl From<BadRequest> for Failure {
    fn from(bad: BadRequest) -> Self {
        Self::BadRequest(bad)
    }
}

impl From<ImportFlaw> for Failure {
    fn from(flaw: ImportFlaw) -> Self {
        Self::BadImport(flaw)
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Rejected(reason) => Self::Unauthorized(reason),
            AuthError::Unavailable => Self::KeysUnavailable,
        }
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        Self::Engine(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::error_codes;
    use std::collections::BTreeSet;

    /// One failure of each kind. A new kind does not compile until it is added here.
    fn every_failure() -> Vec<Failure> {
        let listed = |failure: &Failure| match failure {
            Failure::Unauthorized(_) | Failure::KeysUnavailable | Failure::NoSuchRoute => {}
            Failure::Blocked => {}
            Failure::MethodNotAllowed | Failure::AnotherUser | Failure::NoSuchThing => {}
            Failure::BadQuery(_) | Failure::NotJson | Failure::UnknownEncoding => {}
            Failure::TooLarge | Failure::ExportTooLarge => {}
            Failure::BrokenBody | Failure::SlowBody => {}
            Failure::BadRequest(_) | Failure::BadImport(_) => {}
            Failure::Engine(_) | Failure::Directory(_) => {}
            Failure::OutOfTime | Failure::Panicked => {}
            Failure::Busy(_) | Failure::Overloaded(_) => {}
        };
        let failures = vec![
            Failure::Unauthorized(Rejection::NoToken),
            Failure::KeysUnavailable,
            Failure::Blocked,
            Failure::NoSuchRoute,
            Failure::MethodNotAllowed,
            Failure::AnotherUser,
            Failure::NoSuchThing,
            Failure::BadQuery("limit"),
            Failure::NotJson,
            Failure::UnknownEncoding,
            Failure::TooLarge,
            Failure::ExportTooLarge,
            Failure::BrokenBody,
            Failure::SlowBody,
            Failure::BadRequest(BadRequest::Json),
            Failure::BadRequest(BadRequest::Shape),
            Failure::BadRequest(BadRequest::Operation),
            Failure::BadRequest(BadRequest::TooLarge),
            Failure::Directory(DirectoryError::new("put", DirectoryErrorKind::Unavailable)),
            Failure::Directory(DirectoryError::new("put", DirectoryErrorKind::Refused)),
            Failure::OutOfTime,
            Failure::Busy("account"),
            Failure::Overloaded("heavy"),
            Failure::Panicked,
        ];
        failures.iter().for_each(listed);
        failures
    }

    #[test]
    fn every_error_is_documented_and_nothing_else_is() {
        let told = every_failure().into_iter().map(|failure| failure.answer());
        let mut told: BTreeSet<_> =
            told.map(|answer| (answer.status.as_u16(), answer.code)).collect();
        // Errors of the engine cannot be made here. The tests of the calls cover them.
        told.extend([
            (409, "conflict_closed"),
            (409, "not_empty"),
            (409, "unreadable"),
            (410, "gone"),
        ]);

        let documented: BTreeSet<_> = error_codes().map(|code| (code.status, code.code)).collect();

        assert_eq!(documented, told);
        let source = include_str!("error.rs");
        let decided = source.split("mod tests").next().unwrap_or_default();
        for status in decided.split("StatusCode::").skip(1) {
            let name = status.split(|c: char| !c.is_ascii_uppercase() && c != '_').next();
            assert!(name.is_some_and(|name| KNOWN.contains(&name)), "{name:?} must be documented");
        }
    }

    const KNOWN: [&str; 13] = [
        "",
        "UNAUTHORIZED",
        "NOT_FOUND",
        "METHOD_NOT_ALLOWED",
        "FORBIDDEN",
        "BAD_REQUEST",
        "PAYLOAD_TOO_LARGE",
        "CONFLICT",
        "GONE",
        "TOO_MANY_REQUESTS",
        "SERVICE_UNAVAILABLE",
        "UNSUPPORTED_MEDIA_TYPE",
        "INTERNAL_SERVER_ERROR",
    ];
}
