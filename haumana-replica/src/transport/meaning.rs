//! What a failure over HTTP means for a replica, for any transport.
//!
//! Between a device and its server there may be networks that want a sign-in first, proxies and
//! firewalls. They answer instead of the server, with any status. The server describes each failure
//! as JSON with a stable code. An answer without a code is from something else.

use crate::error::{Error, ErrorKind};
use serde::Deserialize;

/// LIMIT: the server's message for people, in characters.
const EXPLANATION_CHARS: usize = 300;

/// A failure in the form of the API.
#[derive(Deserialize)]
struct Failure {
    code: String,
    #[serde(default)]
    error: Option<String>,
}

/// Returns the error for an answer with a status other than 200. `op` is the operation: `sync`, or
/// [`Call::name`](super::Call::name). `body` is the answer's body. An error without a
/// [code](Error::code) is not the API's answer.
pub fn refusal(op: &'static str, status: u16, body: &[u8]) -> Error {
    let Ok(Failure { code, error }) = serde_json::from_slice(body) else {
        return Error::new(op, kind_of_another(op, status, body));
    };
    // Two calls answer 409, each for its own reason.
    let kind = if code == "not_empty" { ErrorKind::NotEmpty } else { kind_of(op, status) };
    let said = error.map(|error| error.chars().take(EXPLANATION_CHARS).collect());
    Error::new(op, kind).coded(Some(code)).explained(said)
}

/// The meaning of a status of the API.
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

/// The meaning of a status without the API's code.
///
/// A smaller request may pass a proxy, and an overloaded service may recover. A gateway of the
/// server may answer in JSON. Otherwise the answer says nothing about the account or its records: a
/// firewall's 403 does not mean an expired sign-in, and a web page's 404 does not mean a missing
/// record.
fn kind_of_another(op: &str, status: u16, body: &[u8]) -> ErrorKind {
    let is_gateway = serde_json::from_slice::<serde_json::Map<_, _>>(body).is_ok();
    match status {
        401 | 410 if is_gateway => kind_of(op, status),
        413 => ErrorKind::TooLarge,
        // A network that wants its own sign-in.
        511 => ErrorKind::Protocol,
        408 | 429 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    }
}
