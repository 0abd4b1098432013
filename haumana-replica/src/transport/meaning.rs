//! What a failure over HTTP means for a replica, whatever has carried it.
//!
//! Between a device and its server stand networks that want a sign-in first, proxies and firewalls.
//! They answer in the server's place, with any status. The server says each failure as JSON with a
//! stable code; what comes without one is somebody else's.

use crate::error::{Error, ErrorKind};
use serde::Deserialize;

/// LIMIT: what the server says to people, in characters.
const EXPLANATION_CHARS: usize = 300;

/// A failure as the API says it.
#[derive(Deserialize)]
struct Failure {
    code: String,
    #[serde(default)]
    error: Option<String>,
}

/// Returns what an answer of a status other than 200 means: `op` is what was tried, `sync` or
/// [`Call::name`](super::Call::name), and `body` what came. An error without a
/// [code](Error::code) is not the API's answer.
pub fn refusal(op: &'static str, status: u16, body: &[u8]) -> Error {
    let Ok(Failure { code, error }) = serde_json::from_slice(body) else {
        return Error::new(op, kind_of_another(op, status, body));
    };
    // Two calls answer 409, each for a reason of its own.
    let kind = if code == "not_empty" { ErrorKind::NotEmpty } else { kind_of(op, status) };
    let said = error.map(|error| error.chars().take(EXPLANATION_CHARS).collect());
    Error::new(op, kind).coded(Some(code)).explained(said)
}

/// What the API means by a status.
fn kind_of(op: &str, status: u16) -> ErrorKind {
    let is_sync = op == "sync";
    match status {
        401 | 403 => ErrorKind::NeedsSignIn,
        410 if is_sync => ErrorKind::Erased,
        413 => ErrorKind::TooLarge,
        408 | 429 | 500..=599 => ErrorKind::Unavailable,
        _ if is_sync => ErrorKind::Protocol,
        400 => ErrorKind::Invalid,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::ConflictClosed,
        410 => ErrorKind::PastRetention,
        _ => ErrorKind::Protocol,
    }
}

/// What a status means that came without the API's code.
///
/// A smaller request may pass a proxy, and what is overloaded may recover. A gateway in front of the
/// server may speak for it, in JSON. Otherwise nothing follows for the account or its records: a
/// firewall's 403 is no sign-in that has run out, and a web page's 404 is no piece that is missing.
fn kind_of_another(op: &str, status: u16, body: &[u8]) -> ErrorKind {
    let is_gateway = serde_json::from_slice::<serde_json::Map<_, _>>(body).is_ok();
    match status {
        401 | 410 if is_gateway => kind_of(op, status),
        413 => ErrorKind::TooLarge,
        // A network that wants a sign-in of its own.
        511 => ErrorKind::Protocol,
        408 | 429 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    }
}
