//! `/dev`: tokens for anyone who asks. Only the local server has it.
//!
//! A web page that somebody visits can reach this server too. Its requests carry an `Origin`; and
//! if the page makes its own name point to 127.0.0.1, they carry that name in `Host`. Both are
//! refused. Otherwise any page could fetch a token and read everything.
//!
//! It is no protection from programs on this machine: they can read the database file as well.
//!
//! The routes exist only while the server issues tokens itself. With `--google-client-id` or
//! `--issuers` there is no `/dev` at all.
//!
//! | route | what |
//! |---|---|
//! | `POST /dev/tokens` | a token for the person that the body names, for `seconds` or an hour |
//! | `GET /dev/jwks.json` | the public key, for other programs that want to verify these tokens |

use crate::issuer::{Issuer, LIFETIME_SECS, Person};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use haumana_api::Origin;
use haumana_api::limits::BODY_TIMEOUT;
use haumana_sync::engine::Clock;
use haumana_sync::id::UserId;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// LIMIT: the body of a request for a token.
///
/// It is more than an id, an address and a name need.
const REQUEST_BYTES: usize = 16 * 1024;

/// What the routes of `/dev` need.
#[derive(Debug)]
pub(crate) struct Dev {
    pub(crate) issuer: Issuer,
    pub(crate) clock: Arc<dyn Clock>,
    /// Origins whose pages may fetch a token: those of `--cors-origin`.
    pub(crate) origins: Vec<Origin>,
    /// Whether the server may be called by names other than those of loopback.
    pub(crate) is_public: bool,
}

/// The person that the token is for. Nothing proves that it is true.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest<'a> {
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    /// How long the token is valid, so that somebody can try what happens when it has expired.
    seconds: Option<i64>,
}

/// Makes the routes.
pub(crate) fn routes(dev: Dev) -> Router {
    Router::new()
        .route("/dev/tokens", post(issue_token))
        .route("/dev/jwks.json", get(public_keys))
        .with_state(Arc::new(dev))
}

/// Errors have the form of the API's. 403 for a web page that may not ask; 400 for a body of
/// another form, or with other keys, or with an id that no token may have; 413 for a body that is
/// too large, 503 for one that is too slow.
///
/// The headers are checked before the body is read.
async fn issue_token(State(dev): State<Arc<Dev>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if !dev.is_public && is_passed_on(&head.headers) {
        let message = "a proxy passed this on: a server that others reach needs --google-client-id \
                       or --issuers";
        return failed(StatusCode::FORBIDDEN, "forbidden", message);
    }
    if !dev.may_ask(&head.headers) {
        return failed(StatusCode::FORBIDDEN, "forbidden", "only programs on this machine may ask");
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, REQUEST_BYTES));
    let Ok(read) = read.await else {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the body comes too slowly");
    };
    let Ok(body) = read else {
        let message = "the body is larger than this server takes";
        return failed(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message);
    };
    let asked = serde_json::from_slice::<TokenRequest<'_>>(&body).ok();
    let lifetime_secs = |asked: &TokenRequest<'_>| asked.seconds.unwrap_or(LIFETIME_SECS);
    let is_right = |secs: i64| (1..=LIFETIME_SECS).contains(&secs);
    let Some(asked) = asked.filter(|asked| is_right(lifetime_secs(asked))) else {
        let message =
            r#"the body is {"sub": "…", "email"?: "…", "name"?: "…", "seconds"?: 1 to 3600}"#;
        return failed(StatusCode::BAD_REQUEST, "invalid_request", message);
    };
    if asked.sub.contains(':') || UserId::verified_by_caller(asked.sub.as_ref()).is_none() {
        let message = "sub has 1 to 255 bytes without colons and control characters";
        return failed(StatusCode::BAD_REQUEST, "invalid_request", message);
    }
    let person =
        Person { sub: &asked.sub, email: asked.email.as_deref(), name: asked.name.as_deref() };
    match dev.issuer.issue(person, dev.clock.now(), lifetime_secs(&asked)) {
        Some(token) => json(StatusCode::OK, &serde_json::json!({ "idToken": token }).to_string()),
        None => failed(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server made a mistake"),
    }
}

async fn public_keys(State(dev): State<Arc<Dev>>) -> Response {
    json(StatusCode::OK, &dev.issuer.jwks())
}

/// Whether a proxy says that the request comes from elsewhere. It reaches the server over loopback.
fn is_passed_on(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip"].iter().any(|name| headers.contains_key(*name))
}

impl Dev {
    /// Whether a request comes from a program, from a listed page, or from the server's own page.
    ///
    /// Two checks, for two attacks of a web page that somebody visits:
    ///
    /// - `Origin`: a page of any site may post here, and its browser says where the page is from.
    ///   Only listed origins and the server's own page may.
    /// - `Host`: a page may point a name of its own to 127.0.0.1, and then its origin is that name.
    ///   So only the names of loopback are accepted, unless the operator has said that others may
    ///   call.
    fn may_ask(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let is_loopback = host
            .and_then(|host| host.parse::<Authority>().ok())
            .map(|host| matches!(host.host(), "localhost" | "127.0.0.1" | "[::1]"));
        let is_local = is_loopback.is_some_and(|is_loopback| is_loopback || self.is_public);
        // The server's own page sends an `Origin` as well. It counts only under a name of loopback:
        // any other name may belong to a visited page that points it here.
        let own = host.filter(|_| is_loopback == Some(true));
        let own = own.and_then(|host| Origin::parse(&format!("http://{host}")));
        let may = |origin: Origin| self.origins.contains(&origin) || own.as_ref() == Some(&origin);
        let origin = headers.get(ORIGIN).map(|origin| origin.to_str().ok().and_then(Origin::parse));
        is_local && origin.is_none_or(|origin| origin.is_some_and(may))
    }
}

fn json(status: StatusCode, body: &str) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_owned()).into_response()
}

/// The message is written as JSON text, so its quotation marks are no danger.
fn failed(status: StatusCode, code: &str, message: &str) -> Response {
    let error = serde_json::Value::from(message);
    json(status, &format!(r#"{{"error":{error},"code":"{code}"}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::RsaKeyPair;
    use haumana_api::SystemClock;

    #[track_caller]
    fn check(dev: &Dev, host: &str, origin: Option<&str>, expected: bool) {
        let mut headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        assert_eq!(expected, dev.may_ask(&headers), "{host} {origin:?}");
    }

    #[test]
    fn what_a_proxy_passes_on_comes_from_elsewhere() {
        for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
            let passed_on = HeaderMap::from_iter([(
                axum::http::HeaderName::from_static(name),
                "203.0.113.9".parse().unwrap(),
            )]);
            assert!(is_passed_on(&passed_on), "{name}");
        }
        assert!(!is_passed_on(&HeaderMap::new()));
    }

    #[test]
    fn pages_that_somebody_visits_cannot_fetch_tokens() {
        let dev = |is_public: bool| Dev {
            issuer: Issuer::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            clock: Arc::new(SystemClock),
            origins: vec![Origin::parse("http://localhost:3000").unwrap()],
            is_public,
        };
        let (local, public) = (dev(false), dev(true));

        check(&local, "127.0.0.1:8787", None, true);
        check(&local, "localhost:8787", None, true);
        check(&local, "[::1]:8787", None, true);
        check(&local, "localhost", Some("http://localhost:3000"), true);
        check(&local, "localhost", Some("https://evil.example"), false);
        check(&local, "localhost", Some("null"), false);
        check(&local, "localhost:8787", Some("http://localhost:8787"), true);
        check(&local, "localhost:8787", Some("http://localhost:9999"), false);
        check(&local, "evil.example:8787", Some("http://evil.example:8787"), false);
        check(&local, "evil.example:8787", None, false);
        check(&local, "localhost.evil.example", None, false);
        check(&local, "", None, false);
        check(&public, "haumana.example", None, true);
        check(&public, "evil.example", Some("http://evil.example"), false);
        check(&public, "haumana.example", Some("https://evil.example"), false);
        assert!(!local.may_ask(&HeaderMap::new()));
    }
}
