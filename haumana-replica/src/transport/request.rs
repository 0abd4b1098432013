//! The calls of a replica as HTTP requests, for any HTTP client.

use super::Call;
use haumana_sync::engine::{Resolution, RewindMode};
use haumana_sync::id::RecordId;
use serde_json::json;

/// A request of a [`Transport`](super::Transport) over HTTP, without the server's address and
/// without credentials. Nothing in it is escaped.
///
/// ```
/// use haumana_replica::transport::{Call, Request};
///
/// let call = Call::Conflicts { after: None, limit: 20 };
///
/// let request = Request::of(&call);
///
/// assert_eq!(("GET", vec!["conflicts".to_owned()]), (request.method, request.path));
/// assert_eq!(vec![("limit", "20".to_owned())], request.query);
/// ```
///
/// It is for transports of your own. They then send the same requests as
/// [`HttpTransport`](super::HttpTransport).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The segments of the path, after the server's address.
    pub path: Vec<String>,
    /// The query, in this order.
    pub query: Vec<(&'static str, String)>,
    /// The body; it is `application/json`.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// Makes the request of a call beside `POST /sync`.
    pub fn of(call: &Call) -> Self {
        match call {
            Call::Conflicts { after, limit } => {
                let request = Self::get(&["conflicts"]).with("limit", Some(limit));
                request.with("after", after.as_ref())
            }
            Call::Resolve { id, resolution, base, request_id } => {
                let mut body = match resolution {
                    Resolution::Keep => json!({ "resolution": "keep" }),
                    Resolution::Restore => json!({ "resolution": "restore" }),
                    Resolution::Set(value) => json!({ "resolution": "set", "value": value }),
                };
                body["base"] = (*base).into();
                body["requestId"] = request_id.as_str().into();
                Self::post(&["conflicts", &id.to_string()], body.to_string().into())
            }
            Call::History { kind, id, before, limit } => {
                let request = Self::get(&[]).about(kind, *id, "history");
                request.with("limit", Some(limit)).with("before", before.as_ref())
            }
            Call::Restore { kind, id, version, base, request_id } => {
                let body = json!({ "version": version, "base": base, "requestId": request_id });
                Self::post(&[], body.to_string().into()).about(kind, *id, "restore")
            }
            Call::Erase { request_id } => {
                let erase = Self { method: "DELETE", ..Self::get(&["users", "me"]) };
                erase.with("requestId", Some(request_id))
            }
            Call::Import { export } => Self::post(&["users", "me", "import"], export.clone()),
            Call::Rewind { to, mode, request_id } => {
                let is_dry = *mode == RewindMode::DryRun;
                let to = to.to_string();
                let body = json!({ "to": to, "dryRun": is_dry, "requestId": request_id });
                Self::post(&["users", "me", "rewind"], body.to_string().into())
            }
        }
    }

    /// Makes the request of `POST /sync`.
    pub fn sync(body: Vec<u8>) -> Self {
        Self::post(&["sync"], body)
    }

    /// Makes the request of an export: of one page, or of everything at once.
    pub fn export(page: Option<&str>) -> Self {
        Self::get(&["users", "me", "export"]).with("page", page)
    }

    /// Makes the request of `GET /live`. The feed does not send `after` or earlier revisions again.
    pub fn live(after: Option<u64>) -> Self {
        Self::get(&["live"]).with("after", after)
    }

    pub(super) fn get(path: &[&str]) -> Self {
        let path = path.iter().map(ToString::to_string).collect();
        Self { method: "GET", path, query: Vec::new(), body: None }
    }

    fn post(path: &[&str], body: Vec<u8>) -> Self {
        Self { method: "POST", body: Some(body), ..Self::get(path) }
    }

    /// A call about one record. Earlier servers know only pieces.
    fn about(mut self, kind: &str, id: RecordId, call: &str) -> Self {
        let id = id.to_string();
        self.path = match kind {
            "piece" => vec!["pieces".to_owned(), id, call.to_owned()],
            kind => vec!["records".to_owned(), kind.to_owned(), id, call.to_owned()],
        };
        self
    }

    /// Adds a part of the query, if there is a value.
    pub(super) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }
}
