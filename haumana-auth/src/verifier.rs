//! The trait for verifying tokens.
//!
//! The header is read here too, so that every host refuses the same headers.

use crate::principal::{Principal, Rejection};
use std::fmt::Debug;

/// Verifies ID tokens. Where it gets the keys is its own matter.
///
/// Implement it for sessions or keys of your own. It is called for each request, so cache what is
/// expensive. The verifiers of this crate remember good signatures.
#[async_trait::async_trait]
pub trait Verifier: Debug + Send + Sync + 'static {
    /// Returns the user that `token` is for.
    ///
    /// # Errors
    ///
    /// [`AuthError`] if there is no such user, or nobody can tell.
    async fn verify(&self, token: &str) -> Result<Principal, AuthError>;
}

/// Why a verifier returns no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The token is not good.
    ///
    /// The client gets 401 without a reason. It should get another token.
    Rejected(Rejection),
    /// The keys cannot be fetched, so nobody can tell. Send the same request again later.
    ///
    /// The client gets 503, because its token may be good.
    Unavailable,
}

const SCHEME: &str = "Bearer";

/// Returns the token of a request, by the values of its `Authorization` headers. Pass an empty text
/// for a value that is not text, so that it is refused as well.
///
/// Two headers are refused, because a proxy and this server may believe different ones.
///
/// # Errors
///
/// [`Rejection::NoToken`] without a header, [`Rejection::SeveralTokens`] with two or more, and for
/// one header the errors of [`bearer`].
pub fn token_of<'a>(headers: impl IntoIterator<Item = &'a str>) -> Result<&'a str, Rejection> {
    let mut headers = headers.into_iter();
    let header = headers.next().ok_or(Rejection::NoToken)?;
    match headers.next() {
        Some(_) => Err(Rejection::SeveralTokens),
        None => bearer(header),
    }
}

/// Returns the token of the value of an `Authorization` header.
///
/// ```
/// use haumana_auth::{Rejection, bearer};
///
/// assert_eq!(Ok("a.b.c"), bearer("bearer a.b.c"));
/// assert_eq!(Err(Rejection::NotBearer), bearer("Basic a2Fp"));
/// assert_eq!(Err(Rejection::NotBearer), bearer("Bearer  a.b.c"), "one blank, not two");
/// ```
///
/// # Errors
///
/// [`Rejection::NotBearer`] if it is not `Bearer`, one blank, and a token.
pub fn bearer(text: &str) -> Result<&str, Rejection> {
    // RFC 9110: the case of the scheme's name does not matter.
    let token = match text.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest.strip_prefix(' '),
        _ => None,
    };
    match token {
        Some(token) if !token.is_empty() && !token.starts_with(' ') => Ok(token),
        _ => Err(Rejection::NotBearer),
    }
}
