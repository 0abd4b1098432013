//! Who says who is asking.

use crate::error::Failure;
use crate::verify::{self, KeySet, Policy, Principal, Rejection};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use haumana_sync::engine::Clock;
use haumana_sync::id::UserId;
use std::fmt::Debug;
use std::sync::Arc;

/// Who says who is asking.
#[derive(Clone, Debug)]
pub enum Auth {
    /// An ID token in `Authorization: Bearer <token>`.
    Bearer(Arc<dyn Verifier>),
    /// The host, which puts a [`UserId`] into the extensions of each request before it gets here.
    /// Behind API Gateway that is what [`authorizer::user`](crate::authorizer::user) returns.
    /// A request without one is refused.
    Trusted,
}

/// Verifies ID tokens, with keys from wherever it has them.
#[async_trait::async_trait]
pub trait Verifier: Debug + Send + Sync + 'static {
    /// Returns who `token` is for.
    ///
    /// # Errors
    ///
    /// [`AuthError`] if nobody can be vouched for.
    async fn verify(&self, token: &str) -> Result<Principal, AuthError>;
}

/// Why a verifier vouches for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The token is not good.
    Rejected(Rejection),
    /// The keys cannot be had, so nobody can tell. Send the same request again later.
    Unavailable,
}

/// Verifies with keys that never change.
#[derive(Debug)]
pub struct StaticVerifier {
    keys: KeySet,
    policy: Policy,
    clock: Arc<dyn Clock>,
}

impl StaticVerifier {
    /// Makes a verifier.
    pub fn new(keys: KeySet, policy: Policy, clock: Arc<dyn Clock>) -> Self {
        Self { keys, policy, clock }
    }
}

#[async_trait::async_trait]
impl Verifier for StaticVerifier {
    async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let principal = verify::verify(token, &self.keys, &self.policy, self.clock.now());
        principal.map_err(AuthError::Rejected)
    }
}

impl Auth {
    /// Returns whose request this is. Looks at the head of the request only, so that nobody's body
    /// is read before it is known who sends it.
    pub(crate) async fn user(&self, head: &Parts) -> Result<UserId, Failure> {
        match self {
            Auth::Trusted => {
                let user = head.extensions.get::<UserId>();
                user.cloned().ok_or(Failure::Unauthorized(Rejection::NoToken))
            }
            Auth::Bearer(verifier) => {
                let token = bearer_token(head).map_err(Failure::Unauthorized)?;
                Ok(verifier.verify(token).await?.user)
            }
        }
    }
}

const SCHEME: &str = "Bearer";

/// The token of the one `Authorization` header, which is `Bearer`, one blank, and the token.
fn bearer_token(head: &Parts) -> Result<&str, Rejection> {
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or(Rejection::NoToken)?;
    if headers.next().is_some() {
        return Err(Rejection::SeveralTokens);
    }
    bearer(header.to_str().map_err(|_| Rejection::NotBearer)?)
}

/// The token of a header's value.
pub(crate) fn bearer(text: &str) -> Result<&str, Rejection> {
    // RFC 9110: the name of a scheme is the same in any case.
    let token = match text.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest.strip_prefix(' '),
        _ => None,
    };
    match token {
        Some(token) if !token.is_empty() && !token.starts_with(' ') => Ok(token),
        _ => Err(Rejection::NotBearer),
    }
}
