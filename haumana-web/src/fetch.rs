//! The calls of a replica over the page's `fetch`.

use crate::host::Host;
use async_trait::async_trait;
use haumana_replica::transport::{Call, Request, Transport, refusal};
use haumana_replica::{Error, ErrorKind, Result};
use haumana_sync::id::UserId;
use std::io::Write;

/// Calls the server that the page names, with the token that the page holds.
#[derive(Debug)]
pub(crate) struct FetchTransport(pub(crate) Host);

/// The path and the query of a request.
fn path_of(request: &Request) -> String {
    let path = request.path.iter().map(|segment| format!("/{}", escaped(segment)));
    let query = request.query.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    match query.collect::<Vec<_>>().join("&") {
        query if query.is_empty() => path.collect(),
        query => format!("{}?{query}", path.collect::<String>()),
    }
}

fn escaped(text: &str) -> String {
    String::from(js_sys::encode_uri_component(text))
}

impl FetchTransport {
    async fn send(&self, op: &'static str, request: Request) -> Result<Vec<u8>> {
        let path = path_of(&request);
        let body = request.body.map(String::from_utf8).transpose();
        let body = body.map_err(|_| Error::new(op, ErrorKind::Invalid))?;
        let answer = self.0.call(request.method, &path, body).await;
        let answer = answer.map_err(|_| Error::new(op, ErrorKind::Offline))?;
        let answer = js_sys::Array::from(&answer);
        let status = answer.get(0).as_f64().unwrap_or_default() as u16;
        let text = answer.get(1).as_string().unwrap_or_default();
        match status {
            204 => Ok(Vec::new()),
            200 if text.trim_start().starts_with('{') => Ok(text.into_bytes()),
            status => Err(refusal(op, status, text.as_bytes())),
        }
    }
}

#[async_trait(?Send)]
impl Transport for FetchTransport {
    async fn sync(&self, _: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        self.send("sync", Request::sync(body)).await
    }

    async fn call(&self, _: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.send(call.name(), Request::of(call)).await
    }

    async fn export(&self, _: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        let text = self.send("export", Request::export(None)).await?;
        let failed = |why| Error::new("export", ErrorKind::Storage).caused_by(why);
        file.write_all(&text).map_err(failed)
    }
}
