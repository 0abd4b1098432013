//! Fetching key sets over HTTPS.

use crate::key_cache::{Fetch, FetchError, Fetched};
use crate::limits::KEY_SET_BYTES;
use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

/// Fetches a key set over HTTPS, from exactly one address: redirects are errors.
#[derive(Debug)]
pub struct HttpFetch {
    url: Url,
    timeout: Duration,
    /// Made with the first fetch. Reading the machine's root certificates takes milliseconds, which
    /// a cold start without a token to verify should not spend.
    client: OnceLock<Client>,
}

/// An address from which keys cannot be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    address: String,
    wanted: &'static str,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not the address of a key set; it must be {}", self.address, self.wanted)
    }
}

impl std::error::Error for AddressError {}

impl HttpFetch {
    /// Fetches from `address`, which begins with `https://`. The whole fetch may take `timeout`.
    ///
    /// No other address is ever asked. The address may not contain credentials.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if the address is anything else.
    pub fn https(address: &str, timeout: Duration) -> Result<Self, AddressError> {
        let is_fine = |url: &Url| url.scheme() == "https" && url.has_host();
        Self::of(address, timeout, is_fine, "https://…")
    }

    /// Like [`HttpFetch::https`], but also accepts an issuer on this machine without TLS:
    /// `http://127.0.0.1…` or `http://[::1]…`, for development and tests. A name is not accepted,
    /// since names can be pointed elsewhere.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if the address is anything else.
    pub fn https_or_loopback(address: &str, timeout: Duration) -> Result<Self, AddressError> {
        let is_fine = |url: &Url| {
            let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]"));
            url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback))
        };
        Self::of(address, timeout, is_fine, "https://…, or http://127.0.0.1…")
    }

    fn of(
        address: &str,
        timeout: Duration,
        is_fine: impl Fn(&Url) -> bool,
        wanted: &'static str,
    ) -> Result<Self, AddressError> {
        let url = Url::parse(address).ok().filter(is_fine);
        let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
        let url = url.ok_or_else(|| AddressError { address: address.to_owned(), wanted })?;
        Ok(Self { url, timeout, client: OnceLock::new() })
    }

    fn client(&self) -> Result<&Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(self.timeout)
            .https_only(self.url.scheme() == "https");
        if self.url.scheme() == "http" {
            // An address on this machine is not behind a proxy.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|_| FetchError::Connection)?;
        Ok(self.client.get_or_init(|| client))
    }
}

#[async_trait::async_trait]
impl Fetch for HttpFetch {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        let answer = self.client()?.get(self.url.clone()).send().await.map_err(failure)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let fresh_for_secs = fresh_for_secs(answer.headers());
        Ok(Fetched { body: read(answer).await?, fresh_for_secs })
    }
}

fn failure(error: reqwest::Error) -> FetchError {
    if error.is_timeout() { FetchError::TimedOut } else { FetchError::Connection }
}

/// Reads a body up to the limit. The client's timeout covers this too.
async fn read(mut answer: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if KEY_SET_BYTES - body.len() < chunk.len() {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The freshness by `Cache-Control` (RFC 9111), less the time that the answer spent in caches.
fn fresh_for_secs(headers: &HeaderMap) -> Option<i64> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut max_age = None;
    for directive in values.flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(0),
            "max-age" => max_age = seconds(value),
            _ => {}
        }
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()).and_then(seconds).unwrap_or(0);
    max_age.map(|max_age| max_age.saturating_sub(age))
}

/// A number of seconds. One that is too large becomes the largest.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.trim().trim_matches('"');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(cache_control: &[&str], age: Option<&str>, expected: Option<i64>) {
        let mut headers = HeaderMap::new();
        for value in cache_control {
            headers.append(CACHE_CONTROL, value.parse().unwrap());
        }
        age.map(|age| headers.insert(AGE, age.parse().unwrap()));
        assert_eq!(expected, fresh_for_secs(&headers), "{cache_control:?}");
    }

    #[test]
    fn cache_control_is_read_with_age() {
        says(&[], None, None);
        says(&["public, max-age=24163, must-revalidate, no-transform"], None, Some(24163));
        says(&["public", "Max-Age = 60"], None, Some(60));
        says(&["max-age=600"], Some("500"), Some(100));
        says(&["max-age=600"], Some("700"), Some(-100));
        says(&["max-age=600"], Some("soon"), Some(600));
        says(&["max-age=600, no-store"], None, Some(0));
        says(&["no-cache"], None, Some(0));
        says(&["max-age=\"60\""], None, Some(60));
        says(&["max-age=99999999999999999999"], None, Some(i64::MAX));
        says(&["max-age=-1"], None, None);
        says(&["max-age="], None, None);
    }

    #[track_caller]
    fn address(text: &str, https: bool, loopback: bool) {
        let timeout = Duration::from_secs(1);
        assert_eq!(https, HttpFetch::https(text, timeout).is_ok(), "{text}");
        assert_eq!(loopback, HttpFetch::https_or_loopback(text, timeout).is_ok(), "{text}");
    }

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        address("https://www.googleapis.com/oauth2/v3/certs", true, true);
        address("http://www.googleapis.com/oauth2/v3/certs", false, false);
        address("http://127.0.0.1:8080/keys", false, true);
        address("http://[::1]:8080/keys", false, true);
        address("http://localhost:8080/keys", false, false);
        address("http://127.0.0.1.example.org/keys", false, false);
        address("http://127.0.0.1@example.org/keys", false, false);
        address("https://user:word@example.org/keys", false, false);
        address("file:///etc/passwd", false, false);
        address("data:application/json,{}", false, false);
        address("example.org/keys", false, false);
        address("", false, false);
    }
}
