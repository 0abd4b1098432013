//! Who says who is asking.

use crate::error::Failure;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use haumana_auth::{Rejection, Verifier, bearer};
use haumana_sync::id::UserId;
use std::fmt::Debug;
use std::sync::Arc;

/// Who says who is asking.
#[derive(Clone, Debug)]
pub enum Auth {
    /// An ID token in `Authorization: Bearer <token>`.
    Bearer(Arc<dyn Verifier>),
    /// The host, which puts a [`UserId`] into the extensions of each request before it gets here.
    /// Behind API Gateway that is what [`authorizer::user`](haumana_auth::authorizer::user) returns.
    /// A request without one is refused.
    Trusted,
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

/// The token of the one `Authorization` header, which is `Bearer`, one blank, and the token.
fn bearer_token(head: &Parts) -> Result<&str, Rejection> {
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or(Rejection::NoToken)?;
    if headers.next().is_some() {
        return Err(Rejection::SeveralTokens);
    }
    bearer(header.to_str().map_err(|_| Rejection::NotBearer)?)
}
