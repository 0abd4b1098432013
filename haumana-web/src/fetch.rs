//! The calls of a replica over the page's `fetch`.

use crate::host::{Host, name_of};
use async_trait::async_trait;
use haumana_replica::transport::{Call, Heard, Joined, LiveFeed, Request, Transport, refusal};
use haumana_replica::{Error, ErrorKind, Result};
use haumana_sync::id::UserId;
use serde::Deserialize;
use std::io::Write;
use std::pin::Pin;

const LIVE: &str = "live";
/// LIMIT: a reply, in bytes, as for every other device; it is more than any host of this project sends.
const REPLY_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
/// LIMIT: an export, in bytes. A browser's longest text is not much longer.
const EXPORT_BYTES: f64 = 500_000_000.0;
/// LIMIT: what a poll says, in bytes.
const LIVE_BYTES: f64 = 4_096.0;

/// Calls the server that the page names, with the token that the page holds of the account.
#[derive(Clone, Debug)]
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
    async fn send(
        &self,
        account: &UserId,
        op: &'static str,
        request: Request,
        most: f64,
    ) -> Result<Vec<u8>> {
        let path = path_of(&request);
        let body = request.body.map(String::from_utf8).transpose();
        let body = body.map_err(|_| Error::new(op, ErrorKind::Invalid))?;
        let answer = self.0.call(request.method, &path, body, most, account.as_str()).await;
        let answer = answer.map_err(|why| match name_of(&why) {
            name if name == "TooLong" => Error::new(op, ErrorKind::Protocol).caused_by(name),
            name => Error::new(op, ErrorKind::Offline).caused_by(name),
        })?;
        let answer = js_sys::Array::from(&answer);
        let status = answer.get(0).as_f64().unwrap_or_default() as u16;
        let text = answer.get(1).as_string().unwrap_or_default();
        let wait_secs = answer.get(2).as_f64().map(|secs| secs as u64);
        match status {
            204 => Ok(Vec::new()),
            200 if text.trim_start().starts_with('{') => Ok(text.into_bytes()),
            status => Err(refusal(op, status, text.as_bytes()).retry_after(wait_secs)),
        }
    }

    /// Exports from a host that cannot send everything in one reply.
    async fn export_pages(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        let (mut joined, mut page) = (Joined::new(file), Joined::FIRST.to_owned());
        let mut left = EXPORT_BYTES;
        loop {
            let (request, most) = (Request::export(Some(&page)), REPLY_BYTES.min(left));
            let text = self.send(account, "export", request, most).await;
            let text = text.map_err(Joined::refused)?;
            left -= text.len() as f64;
            match joined.add(&text)? {
                Some(next) => page = next,
                None => return Ok(()),
            }
        }
    }

    /// Asks for the revision of now, or, after one that is known, for the next one.
    async fn revision(&self, account: &UserId, after: Option<u64>) -> Result<u64> {
        let text = self.send(account, LIVE, Request::live(after), LIVE_BYTES).await?;
        let told: Told = serde_json::from_slice(&text)
            .map_err(|error| Error::new(LIVE, ErrorKind::Protocol).caused_by(error))?;
        Ok(told.revision)
    }
}

#[async_trait(?Send)]
impl Transport for FetchTransport {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        self.send(account, "sync", Request::sync(body), REPLY_BYTES).await
    }

    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.send(account, call.name(), Request::of(call), REPLY_BYTES).await
    }

    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        let text = match self.send(account, "export", Request::export(None), EXPORT_BYTES).await {
            Err(error) if error.kind() == ErrorKind::TooLarge => {
                return self.export_pages(account, file).await;
            }
            text => text?,
        };
        // A proxy in between may end a broken reply as if it were whole.
        if !text.ends_with(b"}") {
            return Err(Error::new("export", ErrorKind::Offline));
        }
        let failed = |why| Error::new("export", ErrorKind::Storage).caused_by(why);
        file.write_all(&text).map_err(failed)
    }

    async fn live(
        &self,
        account: &UserId,
        known: Option<u64>,
    ) -> Result<Option<Box<dyn LiveFeed>>> {
        let revision = match self.revision(account, None).await {
            // A server of before, or one that cannot know of others' commits.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            revision => revision?,
        };
        let heard = if known == Some(revision) { Heard::Alive } else { Heard::Revision(revision) };
        let (server, account) = (self.clone(), account.clone());
        Ok(Some(Box::new(Polls { server, account, revision, heard: Some(heard), poll: None })))
    }
}

#[derive(Deserialize)]
struct Told {
    revision: u64,
}

/// The live feed as long polls: a page cannot give a token to the browser's own `EventSource`.
struct Polls {
    server: FetchTransport,
    account: UserId,
    /// The latest one that was said.
    revision: u64,
    /// What the first poll said.
    heard: Option<Heard>,
    /// The poll that is under way, also where nobody waits for it.
    poll: Option<Pin<Box<dyn Future<Output = Result<u64>>>>>,
}

impl std::fmt::Debug for Polls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Polls").field("revision", &self.revision).finish_non_exhaustive()
    }
}

#[async_trait(?Send)]
impl LiveFeed for Polls {
    async fn next(&mut self) -> Result<Heard> {
        if let Some(heard) = self.heard.take() {
            return Ok(heard);
        }
        let (server, after) = (&self.server, self.revision);
        let poll = self.poll.get_or_insert_with(|| {
            let (server, account) = (server.clone(), self.account.clone());
            Box::pin(async move { server.revision(&account, Some(after)).await })
        });
        let polled = poll.await;
        self.poll = None;
        let before = std::mem::replace(&mut self.revision, polled?);
        let is_same = before == self.revision;
        Ok(if is_same { Heard::Alive } else { Heard::Revision(self.revision) })
    }
}
