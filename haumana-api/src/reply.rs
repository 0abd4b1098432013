//! Replies in JSON, with notes for the log.
//!
//! The bytes of a reply are JSON already. The engine and the wire modules splice stored text into
//! it, so records are not parsed and written again on their way out.
//!
//! The extensions of a response carry what is not for the client: `Notes` for the log, `Counts` for
//! hosts that count, and the memory that a fixed reply keeps its compressed form in.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use haumana_app::wire::Counts;
use std::sync::{Arc, OnceLock};

/// What the log line of a request says about its reply. It travels with the response.
///
/// The line of a response without notes has neither code nor counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The code of the error, as the client receives it.
    ///
    /// `None`: a success.
    pub(crate) code: Option<&'static str>,
    /// Why the request failed, more precisely than the code.
    ///
    /// A word from a fixed list, so that it can be a label of metrics.
    pub(crate) reason: Option<&'static str>,
    /// What failed inside.
    pub(crate) detail: Option<String>,
    /// How much went through.
    pub(crate) counts: Option<Counts>,
    /// Whether it was refused because there was too much at once.
    ///
    /// Then the line is a warning, and the refusal is counted.
    pub(crate) is_overload: bool,
}

/// A success.
///
/// 200, `application/json`.
pub(crate) struct Reply {
    json: Vec<u8>,
    counts: Option<Counts>,
}

impl Reply {
    pub(crate) fn new(json: Vec<u8>) -> Self {
        Self { json, counts: None }
    }

    /// Used by the calls that sync: the counts go to the log and to hosts that count.
    pub(crate) fn counted(json: Vec<u8>, counts: Counts) -> Self {
        Self { json, counts: Some(counts) }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = json(StatusCode::OK, self.json);
        response.extensions_mut().insert(Notes { counts: self.counts, ..Notes::default() });
        if let Some(counts) = self.counts {
            response.extensions_mut().insert(counts);
        }
        response
    }
}

/// A success that is the same for everybody, each time.
///
/// Limits, schema and OpenAPI document are such replies. Cloning one copies no bytes.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    json: Bytes,
    packed: Packed,
}

/// The compressed form of a `Fixed` reply. It is made when it is first wanted.
///
/// The first request that asks for gzip fills it. If two requests do so at once, both compress and
/// one result is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed(pub(crate) Arc<OnceLock<Bytes>>);

impl Fixed {
    pub(crate) fn new(json: String) -> Self {
        Self { json: json.into(), packed: Packed::default() }
    }
}

impl IntoResponse for Fixed {
    fn into_response(self) -> Response {
        let mut response = json(StatusCode::OK, self.json);
        response.extensions_mut().insert(self.packed);
        response
    }
}

/// A success without content.
///
/// 204 without a body.
pub(crate) fn done() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A response of JSON.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
