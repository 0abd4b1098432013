//! A transport over HTTP.
//!
//! It speaks HTTP/1.1 and HTTP/2 over TLS. It follows no redirects, because a token must not go to
//! another server.

use super::answer::{Start, body, offline, refused};
use super::bounds::Budget;
use super::credentials::{BearerJwt, Credentials, Headers, TokenSource};
use super::events::EventStream;
use super::pages::Joined;
use super::{Call, ERASE, LiveFeed, Request, Transport};
use crate::error::{Error, ErrorKind, Result};
use async_trait::async_trait;
use haumana_sync::id::UserId;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use std::fmt::Debug;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The settings of an HTTP transport. [`HttpConfig::usual`] makes one; then set the fields that
/// differ.
///
/// ```
/// use haumana_replica::transport::{Encoding, HttpConfig};
///
/// let mut config = HttpConfig::usual("http://127.0.0.1:8080");
/// config.encoding = Encoding::Identity;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// The address of the API, as `https://host/path`. The paths of calls are appended. It begins
    /// with `https://` or `http://`, and has no user name, query or fragment.
    pub base_url: String,
    /// The longest time to connect. Usually 10 seconds.
    pub connect_timeout: Duration,
    /// The longest time without a byte of the reply. Usually 60 seconds.
    pub read_timeout: Duration,
    /// The encoding of replies. Usually [`Encoding::Gzip`].
    pub encoding: Encoding,
    /// The most bytes of a reply that are read, decompressed. Usually 64 MB, more than any host of
    /// this project sends. If a reply is larger, the call fails with [`ErrorKind::Protocol`].
    ///
    /// A server that sends more, because it is broken or hostile, costs at most this much memory.
    pub reply_bytes: u64,
    /// The most bytes of an export that are written. Usually 4 GB.
    pub export_bytes: u64,
    /// How long a request may take until its reply begins, and how long a reply may be slower than
    /// 1 kB per second. Usually five minutes. After that the call fails with
    /// [`ErrorKind::Offline`].
    pub patience: Duration,
    /// Whether tokens may be sent over `http://` to another machine. Usually not: such a `base_url`
    /// is refused. This machine is always allowed.
    ///
    /// It is for a test network without certificates. Everybody between the two machines can read
    /// and change everything, including the tokens.
    pub plain_http: bool,
}

/// The encoding of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Compressed. It is right if there is a network in between.
    ///
    /// Requests are not compressed.
    Gzip,
    /// Not compressed. It is faster on the same machine.
    Identity,
}

impl HttpConfig {
    /// Compressed replies, ten seconds to connect, a minute without a byte.
    pub fn usual(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            encoding: Encoding::Gzip,
            reply_bytes: 64 << 20,
            export_bytes: 4 << 30,
            patience: Duration::from_secs(300),
            plain_http: false,
        }
    }
}

/// Talks to a server over HTTP. Connections stay open between calls.
///
/// Make one transport for each server and keep it. A new transport must connect again, and a TLS
/// handshake costs more than a sync.
///
/// Its calls need a tokio runtime with IO and time enabled, such as `#[tokio::main]` or
/// `Builder::enable_all` make it. Without one they panic. Making a transport needs no runtime.
///
/// ```no_run
/// use haumana_replica::transport::{HttpConfig, HttpTransport, TokenSource};
/// use haumana_sync::id::UserId;
/// use std::sync::Arc;
///
/// /// Where your app keeps the ID token of who is signed in.
/// #[derive(Debug)]
/// struct Keychain;
///
/// #[async_trait::async_trait]
/// impl TokenSource for Keychain {
///     async fn token(&self, _account: &UserId) -> Option<String> {
///         std::env::var("ID_TOKEN").ok()
///     }
/// }
///
/// # fn main() -> Result<(), haumana_replica::Error> {
/// let config = HttpConfig::usual("https://sync.example.org");
/// let server = HttpTransport::new(config, Arc::new(Keychain))?;
/// # let _ = server;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client,
    base_url: Url,
    credentials: Arc<dyn Credentials>,
    config: HttpConfig,
}

impl HttpTransport {
    /// Makes a transport to one server, for accounts with ID tokens: [`BearerJwt`].
    ///
    /// # Errors
    ///
    /// As [`HttpTransport::with_credentials`].
    pub fn new(config: HttpConfig, tokens: Arc<dyn TokenSource>) -> Result<Self> {
        Self::with_credentials(config, Arc::new(BearerJwt::new(tokens)))
    }

    /// Makes a transport to one server.
    ///
    /// Nothing is sent yet. A server on this machine is called without a proxy, so no proxy sees
    /// the token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the address is not valid, or if tokens would be sent over plain
    /// HTTP to another machine.
    pub fn with_credentials(config: HttpConfig, credentials: Arc<dyn Credentials>) -> Result<Self> {
        let base_url = address(&config.base_url)?;
        let is_here = is_this_machine(&base_url);
        if base_url.scheme() != "https" && !is_here && !config.plain_http {
            return Err(invalid("tokens are not sent over http:// to another machine"));
        }
        // A server on this machine is called without a proxy, which would see the token.
        let builder = Client::builder();
        let builder = if is_here { builder.no_proxy() } else { builder };
        // A token must not follow a redirect to another server.
        let client = builder
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .gzip(config.encoding == Encoding::Gzip)
            .tcp_nodelay(true)
            .build()
            .map_err(invalid)?;
        Ok(Self { client, base_url, credentials, config })
    }

    /// Reads how large a request may be: `requestBytes` of `GET /limits`, which needs no token.
    ///
    /// If it is less than 4 MB, set [`ReplicaConfig::push_bytes`](crate::ReplicaConfig::push_bytes)
    /// below it.
    ///
    /// # Errors
    ///
    /// As [`Transport::call`].
    pub async fn request_limit_bytes(&self) -> Result<usize> {
        let response = self.reply("limits", self.request(Request::get(&["limits"]))).await?;
        if response.status() != StatusCode::OK {
            return Err(refused("limits", response, self.config.patience).await);
        }
        let limits: Limits = serde_json::from_slice(&self.body("limits", response).await?)
            .map_err(|error| Error::new("limits", ErrorKind::Protocol).caused_by(error))?;
        Ok(limits.request_bytes)
    }

    /// Sends a request as `account`. Any status except 200 is a failure; for an erasure 204 is a
    /// success, too.
    async fn send(
        &self,
        op: &'static str,
        account: &UserId,
        request: RequestBuilder,
    ) -> Result<Response> {
        let again = request.try_clone();
        let (headers, mut response) = self.send_once(op, account, request).await?;
        if let (StatusCode::UNAUTHORIZED, Some(again)) = (response.status(), again)
            && self.credentials.refused(account, &headers).await
        {
            response = self.send_once(op, account, again).await?.1;
        }
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NO_CONTENT if op == ERASE => Ok(response),
            _ => Err(refused(op, response, self.config.patience).await),
        }
    }

    /// Sends a request, and waits for the reply to begin.
    async fn reply(&self, op: &'static str, request: RequestBuilder) -> Result<Response> {
        match tokio::time::timeout(self.config.patience, request.send()).await {
            Ok(reply) => reply.map_err(|error| offline(op, error)),
            Err(late) => Err(Error::new(op, ErrorKind::Offline).caused_by(late)),
        }
    }

    async fn body(&self, op: &'static str, response: Response) -> Result<Vec<u8>> {
        body(op, response, Budget::of(op, self.config.reply_bytes, self.config.patience)).await
    }

    async fn send_once(
        &self,
        op: &'static str,
        account: &UserId,
        request: RequestBuilder,
    ) -> Result<(Headers, Response)> {
        let Some(headers) = self.credentials.authorize(account).await else {
            let error = Error::new(op, ErrorKind::NeedsSignIn);
            return Err(match self.credentials.why_not(account).await {
                Some(why) => error.caused_by(why),
                None => error,
            });
        };
        let mut request = request;
        for (name, value) in headers.iter() {
            let mut value = HeaderValue::from_str(value)
                .map_err(|error| Error::new(op, ErrorKind::NeedsSignIn).caused_by(error))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        Ok((headers, self.reply(op, request).await?))
    }

    fn request(&self, request: Request) -> RequestBuilder {
        let Request { method, path, query, body } = request;
        let mut url = self.base_url.clone();
        // An address that can be a base has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = match method {
            "POST" => self.client.post(url),
            "DELETE" => self.client.delete(url),
            _ => self.client.get(url),
        };
        match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            None => request,
        }
    }

    /// Exports from a host that cannot send everything in one reply.
    async fn export_pages(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        let mut joined = Joined::new(file);
        let mut left = self.config.export_bytes;
        let mut page = Joined::FIRST.to_owned();
        loop {
            let request = self.request(Request::export(Some(&page)));
            let response = self.send("export", account, request).await.map_err(Joined::refused)?;
            let most = self.config.reply_bytes.min(left);
            let budget = Budget::of("export", most, self.config.patience);
            let text = body("export", response, budget).await?;
            left = left.saturating_sub(text.len() as u64);
            match joined.add(&text)? {
                Some(next) => page = next,
                None => return Ok(()),
            }
        }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Transport for HttpTransport {
    async fn sync(&self, account: &UserId, request: Vec<u8>) -> Result<Vec<u8>> {
        let request = self.request(Request::sync(request));
        self.body("sync", self.send("sync", account, request).await?).await
    }

    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        let response = self.send(call.name(), account, self.request(Request::of(call))).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Vec::new());
        }
        self.body(call.name(), response).await
    }

    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        let request = self.request(Request::export(None));
        let mut response = match self.send("export", account, request).await {
            Err(error) if error.kind() == ErrorKind::TooLarge => {
                return self.export_pages(account, file).await;
            }
            sent => sent?,
        };
        let (mut start, mut last) = (Start::of("export", &response), None);
        let mut budget = Budget::of("export", self.config.export_bytes, self.config.patience);
        while let Some(part) = response.chunk().await.map_err(|error| offline("export", error))? {
            budget.take(&part)?;
            start.check(&part)?;
            last = part.last().copied().or(last);
            file.write_all(&part)
                .map_err(|error| Error::new("export", ErrorKind::Storage).caused_by(error))?;
        }
        // A proxy may end an interrupted reply as if it were complete.
        let is_whole = last == Some(b'}');
        is_whole.then_some(()).ok_or_else(|| Error::new("export", ErrorKind::Offline))
    }

    async fn live(
        &self,
        account: &UserId,
        known: Option<u64>,
    ) -> Result<Option<Box<dyn LiveFeed>>> {
        let request = self.request(Request::live(known));
        // A compressed stream arrives in blocks, and late.
        let request = request.header(ACCEPT_ENCODING, "identity");
        let request = request.header(ACCEPT, "text/event-stream");
        match self.send("live", account, request).await {
            Ok(response) => Ok(Some(Box::new(EventStream::of(response)?))),
            // An earlier server, or one that does not learn of others' commits.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Reads the address of a server. Parts that requests would not use are refused, not ignored.
fn address(text: &str) -> Result<Url> {
    let begins = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !begins("https://") && !begins("http://") {
        return Err(invalid("an address begins with https:// or http://"));
    }
    let url = Url::parse(text.trim_end_matches('/')).map_err(invalid)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("an address has no user name and no password: see Credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("an address has no query and no fragment"));
    }
    Ok(url)
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("connect", ErrorKind::Invalid).caused_by(why)
}

/// Whether an address is on this machine: `localhost`, and loopback addresses.
pub fn is_loopback(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| is_this_machine(&url))
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    request_bytes: usize,
}
