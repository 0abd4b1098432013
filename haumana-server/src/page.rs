//! The page for people: the files of `haumana-web/page`, which are part of this program. The link
//! `page` beside `src` puts them into the package.
//!
//! All files are in the program, so it needs no folder beside it, and page and server are always of
//! one version. They are compressed when they are first asked for; the WebAssembly was compressed
//! when it was built.
//!
//! A browser keeps the files, and asks each time whether they have changed. The tag has the hash of
//! the sources and the content of `config.json`. So after an update all files count as changed at
//! once.
//!
//! The `Content-Security-Policy` is in `headers.json`, which all hosts of the page share. This
//! module adds exactly what the sign-in needs.

use crate::page_sign_in::PageSignIn;
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
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

/// What the page may run and call: this server, and the issuer of the sign-in if there is one.
/// Every host of the page sends it.
const HEADERS: &str = include_str!("../page/headers.json");

/// The name of the bundle: the hash of what it was built from.
const BUNDLE: &str = include_str!("../page/sources.sha256");

/// Pairs of a name and the bytes of the file.
macro_rules! files {
    ($($file:literal)*) => {
        [$(($file, include_bytes!(concat!("../page/", $file)).as_slice())),*]
    };
}

/// The WebAssembly, compressed.
const WASM_BROTLI: &[u8] = include_bytes!("../page/haumana_web_bg.wasm.br");

/// The content of `headers.json`, by directive.
#[derive(Deserialize)]
struct Headers {
    policy: BTreeMap<String, String>,
    /// What is allowed in addition if Google signs people in.
    google: BTreeMap<String, String>,
}

/// The headers of all files.
#[derive(Clone)]
struct Sent {
    /// Names the version of the bundle and of its `config.json`. All files change with it.
    ///
    /// It has no quotation marks. The name of the coding is added to it for each representation.
    tag: String,
    /// `Content-Security-Policy`
    policy: HeaderValue,
    /// `Referrer-Policy`
    referrer: HeaderValue,
}

impl Sent {
    /// `None` if `headers.json` cannot be read, or an address in it cannot be in a header.
    fn new(sign_in: &PageSignIn) -> Option<Self> {
        let has_google = matches!(sign_in, PageSignIn::Google(_));
        let Headers { mut policy, google } = serde_json::from_str(HEADERS).ok()?;
        let google = google.into_iter().filter(|_| has_google);
        let called = sign_in.calls().map(|url| ("connect-src".to_owned(), url.to_owned()));
        for (directive, sources) in google.chain(called) {
            let of_this = policy.remove(&directive);
            let all: Vec<String> = of_this.into_iter().chain([sources]).collect();
            policy.insert(directive, all.join(" "));
        }
        let all = policy.iter().map(|(directive, sources)| format!("{directive} {sources}"));
        let policy = HeaderValue::from_str(&all.collect::<Vec<_>>().join("; ")).ok()?;
        // Google's button must know the origin of the page. It gets nothing more.
        let referrer = if has_google { "strict-origin" } else { "no-referrer" };
        // The content of `config.json` as one word, because a tag must not have quotation marks in
        // it.
        let told = sign_in.config().to_string().replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let tag = format!("{}{told}", BUNDLE.trim());
        Some(Self { tag, policy, referrer: HeaderValue::from_static(referrer) })
    }
}

/// A file of the page.
struct File {
    sent: Sent,
    /// Its media type.
    kind: &'static str,
    plain: Bytes,
    brotli: Option<&'static [u8]>,
    /// Filled at the first request that wants it.
    gzip: OnceLock<Bytes>,
}

/// The content of `config.json`.
fn config(sign_in: &PageSignIn) -> Bytes {
    match sign_in {
        PageSignIn::Nobody => Bytes::from_static(include_bytes!("../page/config.json")),
        other => other.config().to_string().into(),
    }
}

/// Makes the routes: the page at `/`, and its files beside it.
pub(crate) fn routes(sign_in: &PageSignIn) -> Router {
    // INVARIANT: tests ask for files with each policy, so `headers.json` can be read, and addresses
    // were checked when the arguments were read.
    let Some(sent) = Sent::new(sign_in) else { return Router::new() };
    let files = files! {
        "index.html" "account.js" "app.js" "bundle.js" "deleted.js" "device.js" "dom.js" "google.js"
        "haumana_web.js" "haumana_web_bg.wasm" "history.js" "host.js" "icon.svg" "inbox.js"
        "manifest.webmanifest" "oidc.js" "pane.js" "practice.js" "records.js" "rows.js" "style.css"
        "table.js" "text.js" "token.js" "two.js" "words.js" "worker.js"
    };
    let files = files.into_iter().map(|(name, plain)| match name.ends_with(".js") {
        true => (name, without_comments(plain)),
        false => (name, Bytes::from_static(plain)),
    });
    let files = files.chain([("config.json", config(sign_in))]);
    files.fold(Router::new(), |router, (name, plain)| {
        let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
        let brotli = name.ends_with(".wasm").then_some(WASM_BROTLI);
        let (kind, gzip) = (kind(name), OnceLock::new());
        let file = Arc::new(File { sent: sent.clone(), kind, plain, brotli, gzip });
        router.route(&path, get(async move |headers: HeaderMap| file.answer(&headers)))
    })
}

/// JavaScript without indentation and without comments on lines of their own. That saves a tenth of
/// all that is not WebAssembly.
fn without_comments(script: &'static [u8]) -> Bytes {
    let Ok(text) = str::from_utf8(script) else { return Bytes::from_static(script) };
    let (mut short, mut is_comment) = (String::with_capacity(text.len()), false);
    for line in text.lines().map(str::trim) {
        is_comment |= line.starts_with("/**");
        if !is_comment && !line.starts_with("//") && !line.is_empty() {
            short += line;
            short.push('\n');
        }
        is_comment &= !line.ends_with("*/");
    }
    short.into()
}

/// The media type of a file.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

impl File {
    /// Answers with the file, or says that the browser has it already.
    ///
    /// 304 has no body, and all headers of the 200.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let (coding, body) = self.coded(headers);
        // Each coding of a file is another representation.
        let tag = format!("\"{}{coding}\"", self.sent.tag);
        let is_known =
            headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(body) });
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let head = response.headers_mut();
        head.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        head.insert(CONTENT_SECURITY_POLICY, self.sent.policy.clone());
        head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        head.insert(REFERRER_POLICY, self.sent.referrer.clone());
        // The browser asks each time, because the files of one bundle belong together.
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

    /// The smallest form that the browser accepts, and the name of its coding. Without a coding it
    /// is the file as it is.
    ///
    /// Brotli exists for the WebAssembly alone, which was compressed when it was built.
    fn coded(&self, headers: &HeaderMap) -> (&'static str, Bytes) {
        match self.brotli {
            Some(brotli) if accepts_coding(headers, "br") => {
                return ("br", Bytes::from_static(brotli));
            }
            _ => {}
        }
        if accepts_coding(headers, "gzip") {
            let gzip = self.gzip.get_or_init(|| gzip(&self.plain)).clone();
            if gzip.len() < self.plain.len() {
                return ("gzip", gzip);
            }
        }
        ("", self.plain.clone())
    }
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory cannot fail.
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.map_or_else(|_| Bytes::copy_from_slice(plain), Bytes::from)
}
