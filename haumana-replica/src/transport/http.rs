//! Over HTTP.

use super::Transport;
use crate::error::{Error, ErrorKind, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_sync::id::UserId;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// Has the ID tokens of the accounts that are signed in on this device.
#[async_trait::async_trait]
pub trait TokenSource: Debug + Send + Sync {
    /// Returns a token of `account`; `None` if it has to sign in again.
    async fn token(&self, account: &UserId) -> Option<String>;
}

/// What an HTTP transport is told once. [`HttpConfig::usual`] has values to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where the API is; the calls' paths are appended.
    pub base_url: String,
    /// The longest time to connect.
    pub connect_timeout: Duration,
    /// The longest time without a byte of the reply.
    pub read_timeout: Duration,
    /// How replies may come.
    pub encoding: Encoding,
}

/// How replies may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Compressed: right wherever there is a network in between.
    Gzip,
    /// As they are: faster on the same machine.
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
        }
    }
}

/// Talks to a server over HTTP, keeping connections open between calls.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client,
    sync_url: Url,
    tokens: Arc<dyn TokenSource>,
}

impl HttpTransport {
    /// Makes a transport to one server.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the address is none.
    pub fn new(config: HttpConfig, tokens: Arc<dyn TokenSource>) -> Result<Self> {
        let invalid = || Error::new("connect", ErrorKind::Invalid);
        let address = format!("{}/sync", config.base_url.trim_end_matches('/'));
        let sync_url = Url::parse(&address).map_err(|error| invalid().caused_by(error))?;
        // A token must not follow a redirect to somebody else.
        let client = Client::builder()
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .gzip(config.encoding == Encoding::Gzip)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| invalid().caused_by(error))?;
        Ok(Self { client, sync_url, tokens })
    }
}

#[async_trait::async_trait]
impl Transport for HttpTransport {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        let needs_sign_in = || Error::new("sync", ErrorKind::NeedsSignIn);
        let token = self.tokens.token(account).await.ok_or_else(needs_sign_in)?;
        // INVARIANT: nothing of one account leaves with another's token.
        if subject(&token).as_deref() != Some(account.as_str()) {
            return Err(needs_sign_in());
        }
        let request = self.client.post(self.sync_url.clone()).bearer_auth(token);
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let response = request.send().await.map_err(offline)?;
        if response.status() != StatusCode::OK {
            return Err(refused(&response));
        }
        Ok(response.bytes().await.map_err(offline)?.into())
    }
}

fn offline(error: reqwest::Error) -> Error {
    // The address is the server's and holds nothing of the user, but nobody needs it in a log.
    Error::new("sync", ErrorKind::Offline).caused_by(error.without_url())
}

/// What a status other than 200 means for the replica.
fn refused(response: &Response) -> Error {
    let kind = match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::NeedsSignIn,
        StatusCode::GONE => ErrorKind::Erased,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::TooLarge,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => ErrorKind::Unavailable,
        status if status.is_server_error() => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    };
    let header = response.headers().get(RETRY_AFTER);
    let secs = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Error::new("sync", kind).retry_after(secs)
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

/// Whose token it is, by its own account; the server is who verifies it.
fn subject(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.sub)
}
