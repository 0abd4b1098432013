//! The page for people: the files of `haumana-web/dist`, which are part of this program.

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;

/// Only this server's own files run, and only this server is called.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The name of the bundle: the hash of what it was built from.
const BUNDLE: &str = include_str!("../../haumana-web/dist/sources.sha256");

macro_rules! files {
    ($($path:literal $file:literal $kind:literal)*) => {
        [$(($path, $kind, include_bytes!(concat!("../../haumana-web/dist/", $file)).as_slice())),*]
    };
}

/// Makes the routes: the page at `/`, and its files beside it.
pub(crate) fn routes() -> Router {
    let files = files! {
        "/" "index.html" "text/html; charset=utf-8"
        "/app.js" "app.js" "text/javascript; charset=utf-8"
        "/account.js" "account.js" "text/javascript; charset=utf-8"
        "/deleted.js" "deleted.js" "text/javascript; charset=utf-8"
        "/device.js" "device.js" "text/javascript; charset=utf-8"
        "/dom.js" "dom.js" "text/javascript; charset=utf-8"
        "/history.js" "history.js" "text/javascript; charset=utf-8"
        "/host.js" "host.js" "text/javascript; charset=utf-8"
        "/inbox.js" "inbox.js" "text/javascript; charset=utf-8"
        "/records.js" "records.js" "text/javascript; charset=utf-8"
        "/text.js" "text.js" "text/javascript; charset=utf-8"
        "/words.js" "words.js" "text/javascript; charset=utf-8"
        "/worker.js" "worker.js" "text/javascript; charset=utf-8"
        "/haumana_web.js" "haumana_web.js" "text/javascript; charset=utf-8"
        "/haumana_web_bg.wasm" "haumana_web_bg.wasm" "application/wasm"
        "/style.css" "style.css" "text/css; charset=utf-8"
        "/icon.svg" "icon.svg" "image/svg+xml"
        "/manifest.webmanifest" "manifest.webmanifest" "application/manifest+json"
    };
    files.into_iter().fold(Router::new(), |router, (path, kind, bytes)| {
        router.route(path, get(async move |headers: HeaderMap| file(&headers, kind, bytes)))
    })
}

/// Answers with a file, or says that the browser has it already.
fn file(headers: &HeaderMap, kind: &'static str, bytes: &'static [u8]) -> Response {
    let tag = format!("\"{}\"", BUNDLE.trim());
    let is_known =
        headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(bytes) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    head.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Asked for each time: the files of one bundle belong together.
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.insert(ETAG, tag);
    }
    response
}
