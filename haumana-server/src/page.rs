//! The page for people: the files of `haumana-web/page`, which are part of this program. The link `page`
//! beside `src` takes them into the package.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use haumana_api::accepts_coding;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

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

/// The WebAssembly, compressed.
const WASM_BROTLI: &[u8] = include_bytes!("../page/haumana_web_bg.wasm.br");

/// A file of the page.
struct File {
    kind: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: OnceLock<Bytes>,
}

/// Makes the routes: the page at `/`, and its files beside it.
pub(crate) fn routes() -> Router {
    let files = files! {
        "index.html" "account.js" "app.js" "bundle.js" "deleted.js" "device.js" "dom.js" "haumana_web.js"
        "haumana_web_bg.wasm" "history.js" "host.js" "icon.svg" "inbox.js" "manifest.webmanifest"
        "pane.js" "practice.js" "records.js" "style.css" "text.js" "two.js" "words.js" "worker.js"
    };
    files.into_iter().fold(Router::new(), |router, (name, plain)| {
        let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
        let brotli = name.ends_with(".wasm").then_some(WASM_BROTLI);
        let file = Arc::new(File { kind: kind(name), plain, brotli, gzip: OnceLock::new() });
        router.route(&path, get(async move |headers: HeaderMap| file.answer(&headers)))
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

impl File {
    /// Answers with the file, or says that the browser has it already.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let (coding, body) = self.coded(headers);
        // Each coding of a file is another representation.
        let tag = format!("\"{}{coding}\"", BUNDLE.trim());
        let is_known =
            headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(body) });
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let head = response.headers_mut();
        head.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        head.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        head.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // Asked for each time: the files of one bundle belong together.
        head.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        head.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if !coding.is_empty() {
            head.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            head.insert(ETAG, tag);
        }
        response
    }

    /// The smallest that the browser takes, and the name of its coding; without one the file as it is.
    fn coded(&self, headers: &HeaderMap) -> (&'static str, Bytes) {
        match self.brotli {
            Some(brotli) if accepts_coding(headers, "br") => {
                return ("br", Bytes::from_static(brotli));
            }
            _ => {}
        }
        if accepts_coding(headers, "gzip") {
            let gzip = self.gzip.get_or_init(|| gzip(self.plain)).clone();
            if gzip.len() < self.plain.len() {
                return ("gzip", gzip);
            }
        }
        ("", Bytes::from_static(self.plain))
    }
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory cannot fail.
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.map_or_else(|_| Bytes::copy_from_slice(plain), Bytes::from)
}
