//! Browsers on other origins: an allow-list, empty unless the host says otherwise.
//!
//! The browser enforces this, not the server. A page of another origin may send a request in any
//! case; without permission the browser does not let it read the reply, and does not send the
//! request at all if it has an `Authorization` header. ID tokens are never in cookies, so a page
//! without a token of its own gains nothing. A host whose own sign-in uses cookies must protect
//! itself from such pages.
//!
//! **Invariant:** the header `Access-Control-Allow-Origin` is an origin from the list, never `*`
//! and never an echo.

use crate::limits::PREFLIGHT_MAX_AGE_SECS;
use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;

/// An origin of a web page: scheme, host, and port if it is not the scheme's own.
///
/// It is compared byte by byte with the `Origin` header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// Parses `https://host` or `http://host:port`, exactly as browsers send it.
    ///
    /// Returns `None` for anything that a browser would never send, such as a trailing slash or the
    /// scheme's own port, because it would match nothing. `*` and `null` are refused as well.
    ///
    /// ```
    /// use haumana_api::Origin;
    ///
    /// assert!(Origin::parse("https://app.example.org").is_some());
    /// assert!(Origin::parse("https://app.example.org/").is_none(), "browsers send no slash");
    /// assert!(Origin::parse("*").is_none(), "whom you allow, you name");
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let is_web = matches!(scheme, "https" | "http") && !authority.as_str().contains('@');
        // A star or a list would match no origin that a browser sends.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let is_web = is_web && authority.as_str().bytes().all(is_plain);
        let is_web = is_web && authority.as_str() == as_sent(scheme, authority);
        let is_exact = text == format!("{scheme}://{authority}") && text == text.to_lowercase();
        (is_web && is_exact).then(|| HeaderValue::from_str(text).ok().map(Self)).flatten()
    }
}

/// The authority as a browser writes it: without the scheme's own port.
fn as_sent(scheme: &str, authority: &Authority) -> String {
    let own_port = if scheme == "https" { 443 } else { 80 };
    match authority.port_u16().filter(|port| *port != own_port) {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    }
}

/// Returns the origin of a request, if it is on the list.
///
/// It is the listed value, not the value of the request.
pub(crate) fn allowed_origin(listed: &[Origin], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    listed.iter().find(|allowed| allowed.0 == *origin).map(|allowed| allowed.0.clone())
}

/// Whether a request is a browser's preflight.
///
/// An `OPTIONS` request without that header is an ordinary one, and matches no route.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight request from an origin on the list. Browsers send no token with it.
pub(crate) fn preflight_answer() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST, DELETE");
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    let allowed = "authorization, content-type, content-encoding, last-event-id, x-request-id";
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(PREFLIGHT_MAX_AGE_SECS));
    response
}

/// Lets the page at `origin` read a response, also a refusal.
///
/// `Vary: origin` is set in any case: a cache must not hand the reply for one origin to another.
/// `Retry-After` and the request id are exposed, because otherwise a page could not read them.
pub(crate) fn mark(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("x-request-id, retry-after");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for text in [
            "https://haumana.example",
            "https://haumana.example:80",
            "http://haumana.example:443",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]",
            "http://[::1]:3000",
        ] {
            assert!(Origin::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for text in [
            "",
            "*",
            "null",
            "haumana.example",
            "https://haumana.example/",
            "https://a.example/x",
            "https://A.example",
            "ftp://a.example",
            "https://u@a.example",
            "https://a.example?x",
            "https://",
            " https://a.example",
            "https://*.example",
            "https://*",
            "https://a.example,https://b.example",
            "https://a.example,b.example",
            "https://a.example:443",
            "http://a.example:80",
            "http://[::1]:80",
            "https://a.example:",
            "https://a.example:0443",
            "https://a.example:08443",
            "https://a.example:65536",
        ] {
            assert_eq!(None, Origin::parse(text), "{text}");
        }
    }
}
