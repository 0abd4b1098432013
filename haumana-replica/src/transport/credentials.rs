//! How requests prove to which account they belong.
//!
//! A replica has accounts. A server has tokens, keys or cookies. These traits connect the two.
//! Credentials never reach the storage.

use crate::maybe_send::{MaybeSend, MaybeSync};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_sync::id::UserId;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;

/// Proves to a server to which account a request belongs, by a token, a key or a cookie.
///
/// Use [`BearerJwt`] for ID tokens. Implement it for API keys, cookies and signatures:
///
/// ```
/// use haumana_replica::transport::{Credentials, Headers, HttpConfig, HttpTransport};
/// use haumana_sync::id::UserId;
/// use std::sync::Arc;
///
/// /// The key that the service has given to the member of this device.
/// #[derive(Debug)]
/// struct ApiKey { member: String, key: String }
///
/// #[async_trait::async_trait]
/// impl Credentials for ApiKey {
///     async fn authorize(&self, account: &UserId) -> Option<Headers> {
///         // A key of one account never carries the records of another.
///         let is_own = account.as_str() == self.member;
///         is_own.then(|| Headers::one("x-api-key", &self.key))
///     }
/// }
///
/// let config = HttpConfig::usual("https://example.org/sync-api");
/// let key = ApiKey { member: "member-1".into(), key: "key-of-kai".into() };
/// let server = HttpTransport::with_credentials(config, Arc::new(key))?;
/// # let _ = server;
/// # Ok::<(), haumana_replica::Error>(())
/// ```
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Credentials: fmt::Debug + MaybeSend + MaybeSync {
    /// Returns the headers that identify a request as one of `account`; `None` if that person must
    /// sign in first.
    ///
    /// # Guarantees
    ///
    /// - The server accepts a request with these headers as one of `account` and of nobody else, or
    ///   refuses it.
    async fn authorize(&self, account: &UserId) -> Option<Headers>;

    /// Returns why [`Credentials::authorize`] had no headers for `account`, for people and without
    /// a token. It becomes the source of the error.
    async fn why_not(&self, _account: &UserId) -> Option<&'static str> {
        None
    }

    /// The server has refused `headers` with 401. Returns whether other headers are available now,
    /// such as a refreshed token. Then the request is sent once more. The default is `false`.
    ///
    /// If the same request is refused again, the error is
    /// [`NeedsSignIn`](crate::ErrorKind::NeedsSignIn).
    async fn refused(&self, _account: &UserId, _headers: &Headers) -> bool {
        false
    }
}

/// Headers of one request. `Debug` prints no value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Makes headers with one header.
    pub fn one(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::default().and(name, value)
    }

    /// Makes `Authorization: Bearer` with a token.
    pub fn bearer(token: &str) -> Self {
        Self::one("authorization", format!("Bearer {token}"))
    }

    /// Adds a header.
    #[must_use]
    pub fn and(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// Returns the headers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Provides the ID tokens of the accounts that are signed in on this device.
///
/// Tokens are valid for minutes or hours, but edits wait for years. So fetch a token each time
/// instead of keeping it in a variable of the app.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait TokenSource: fmt::Debug + MaybeSend + MaybeSync {
    /// Returns a token of `account`; `None` if the person must sign in again.
    async fn token(&self, account: &UserId) -> Option<String>;

    /// The server has refused the token of `account`. Returns whether there is another one now.
    ///
    /// Return `true` only if [`TokenSource::token`] returns another token now.
    async fn refresh(&self, _account: &UserId) -> bool {
        false
    }
}

/// Sends JWTs whose subject is the account, as `Authorization: Bearer`.
///
/// A token whose `sub` is another account is not sent. So the records of one person never leave
/// under the name of another, even if the app mixes up tokens.
#[derive(Clone, Debug)]
pub struct BearerJwt {
    tokens: Arc<dyn TokenSource>,
}

impl BearerJwt {
    /// Sends tokens from `tokens`.
    pub fn new(tokens: Arc<dyn TokenSource>) -> Self {
        Self { tokens }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Credentials for BearerJwt {
    async fn authorize(&self, account: &UserId) -> Option<Headers> {
        let token = self.tokens.token(account).await?;
        // INVARIANT: no data of one account leaves with another account's token.
        let is_own = subject(&token).as_deref() == Some(account.as_str());
        is_own.then(|| Headers::bearer(&token))
    }

    async fn why_not(&self, account: &UserId) -> Option<&'static str> {
        let token = self.tokens.token(account).await;
        Some(match token.as_deref().map(subject) {
            None => "there is no token of the account",
            Some(None) => "the token is not a JWT with a subject",
            Some(Some(_)) => "the token's subject is not the account",
        })
    }

    async fn refused(&self, account: &UserId, _headers: &Headers) -> bool {
        self.tokens.refresh(account).await
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

/// Returns the subject of an ID token, as the token claims it; `None` if it has none.
///
/// Nothing is verified here; the server verifies the token. Use it on the device that owns the
/// token, to find the token's account.
pub fn subject(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_show_no_value() {
        let headers = Headers::bearer("secret").and("x-api-key", "secret");

        assert_eq!(r#"["authorization", "x-api-key"]"#, format!("{headers:?}"));
    }
}
