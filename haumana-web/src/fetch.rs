//! The calls of a replica over the page's `fetch`.

use crate::host::Host;
use async_trait::async_trait;
use haumana_replica::transport::{Call, Transport};
use haumana_replica::{Error, ErrorKind, Result};
use haumana_sync::engine::{Resolution, RewindMode};
use haumana_sync::id::UserId;
use serde::Deserialize;
use serde_json::json;
use std::io::Write;

/// Calls the server that the page names, with the token that the page holds.
#[derive(Debug)]
pub(crate) struct FetchTransport(pub(crate) Host);

/// A method, a path, and a body.
type Request = (&'static str, String, Option<String>);

fn request(call: &Call) -> Result<Request> {
    Ok(match call {
        Call::Conflicts { after, limit } => {
            let after = after.as_ref().map(|after| format!("&after={}", escaped(after)));
            let path = format!("/conflicts?limit={limit}{}", after.unwrap_or_default());
            ("GET", path, None)
        }
        Call::Resolve { id, resolution, base, request_id } => {
            let mut body = match resolution {
                Resolution::Keep => json!({ "resolution": "keep" }),
                Resolution::Restore => json!({ "resolution": "restore" }),
                Resolution::Set(value) => json!({ "resolution": "set", "value": value }),
            };
            body["base"] = (*base).into();
            body["requestId"] = request_id.as_str().into();
            ("POST", format!("/conflicts/{id}"), Some(body.to_string()))
        }
        Call::History { kind, id, before, limit } => {
            let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
            ("GET", format!("/records/{}/{id}/history?limit={limit}{before}", escaped(kind)), None)
        }
        Call::Restore { kind, id, version, base, request_id } => {
            let body = json!({ "version": version, "base": base, "requestId": request_id });
            let path = format!("/records/{}/{id}/restore", escaped(kind));
            ("POST", path, Some(body.to_string()))
        }
        Call::Erase { request_id } => {
            ("DELETE", format!("/users/me?requestId={}", escaped(request_id)), None)
        }
        Call::Import { export } => {
            let text = String::from_utf8(export.clone());
            let text = text.map_err(|_| Error::new("import", ErrorKind::Invalid))?;
            ("POST", "/users/me/import".to_owned(), Some(text))
        }
        Call::Rewind { to, mode, request_id } => {
            let is_dry = *mode == RewindMode::DryRun;
            let body = json!({ "to": to.to_string(), "dryRun": is_dry, "requestId": request_id });
            ("POST", "/users/me/rewind".to_owned(), Some(body.to_string()))
        }
    })
}

fn escaped(text: &str) -> String {
    String::from(js_sys::encode_uri_component(text))
}

impl FetchTransport {
    async fn send(&self, op: &'static str, request: Request) -> Result<Vec<u8>> {
        let (method, path, body) = request;
        let answer = self.0.call(method, &path, body).await;
        let answer = answer.map_err(|_| Error::new(op, ErrorKind::Offline))?;
        let answer = js_sys::Array::from(&answer);
        let status = answer.get(0).as_f64().unwrap_or_default() as u16;
        let text = answer.get(1).as_string().unwrap_or_default();
        match status {
            204 => Ok(Vec::new()),
            200 if text.trim_start().starts_with('{') => Ok(text.into_bytes()),
            status => Err(refused(op, status, &text)),
        }
    }
}

/// A failure as the API says it.
#[derive(Deserialize)]
struct Failure {
    code: String,
    error: Option<String>,
}

/// What a status other than 200 means. What comes without the API's code is somebody else's answer,
/// and nothing follows from it for the account or its records.
fn refused(op: &'static str, status: u16, text: &str) -> Error {
    let Ok(Failure { code, error }) = serde_json::from_str(text) else {
        let kind = match status {
            413 => ErrorKind::TooLarge,
            408 | 429 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Protocol,
        };
        return Error::new(op, kind);
    };
    let is_sync = op == "sync";
    let kind = match status {
        401 | 403 => ErrorKind::NeedsSignIn,
        413 => ErrorKind::TooLarge,
        408 | 429 | 500.. => ErrorKind::Unavailable,
        410 if is_sync => ErrorKind::Erased,
        _ if is_sync => ErrorKind::Protocol,
        400 => ErrorKind::Invalid,
        404 => ErrorKind::NotFound,
        409 if code == "not_empty" => ErrorKind::NotEmpty,
        409 => ErrorKind::ConflictClosed,
        410 => ErrorKind::PastRetention,
        _ => ErrorKind::Protocol,
    };
    Error::new(op, kind).coded(Some(code)).explained(error)
}

#[async_trait(?Send)]
impl Transport for FetchTransport {
    async fn sync(&self, _: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        let body = String::from_utf8(body).map_err(|_| Error::new("sync", ErrorKind::Invalid))?;
        self.send("sync", ("POST", "/sync".to_owned(), Some(body))).await
    }

    async fn call(&self, _: &UserId, call: &Call) -> Result<Vec<u8>> {
        let op = match call {
            Call::Import { .. } => "import",
            Call::Erase { .. } => "erase",
            _ => "call",
        };
        self.send(op, request(call)?).await
    }

    async fn export(&self, _: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        let text = self.send("export", ("GET", "/users/me/export".to_owned(), None)).await?;
        let failed = |why| Error::new("export", ErrorKind::Storage).caused_by(why);
        file.write_all(&text).map_err(failed)
    }
}
