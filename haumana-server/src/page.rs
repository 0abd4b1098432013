//! The page for people: the files of `haumana-web/page`, which are part of this program. The link `page`
//! beside `src` takes them into the package.

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
const BUNDLE: &str = include_str!("../page/sources.sha256");

macro_rules! files {
    ($($file:literal)*) => {
        [$(($file, include_bytes!(concat!("../page/", $file)).as_slice())),*]
    };
}

/// Makes the routes: the page at `/`, and its files beside it.
pub(crate) fn routes() -> Router {
    let files = files! {
        "index.html" "account.js" "app.js" "bundle.js" "deleted.js" "device.js" "dom.js" "haumana_web.js"
        "haumana_web_bg.wasm" "history.js" "host.js" "icon.svg" "inbox.js" "manifest.webmanifest"
        "pane.js" "practice.js" "records.js" "style.css" "text.js" "two.js" "words.js" "worker.js"
    };
    files.into_iter().fold(Router::new(), |router, (name, bytes)| {
        let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
        let kind = kind(name);
        router.route(&path, get(async move |headers: HeaderMap| file(&headers, kind, bytes)))
    })
}

/// The media type of a file.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
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
