//! What verifies a token, for whoever asks who is asking.
//!
//! The header is read here, too, so that every host refuses the same headers.

use crate::principal::{Principal, Rejection};
use std::fmt::Debug;

/// Verifies ID tokens, with keys from wherever it has them.
///
/// Implement it for sessions or keys of your own. It is called for each request, so remember what
/// is expensive; the verifiers of this crate remember good signatures.
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
    ///
    /// A client is told 401 and nothing more; it gets another token.
    Rejected(Rejection),
    /// The keys cannot be had, so nobody can tell. Send the same request again later.
    ///
    /// A client is told 503: its token may be good.
    Unavailable,
}

const SCHEME: &str = "Bearer";

/// Returns the token of a request, by the values of its `Authorization` headers. A value that is no text
/// is given as an empty one: it is no token either.
///
/// Two headers are refused because two programs on the way may believe different ones.
///
/// # Errors
///
/// [`Rejection::NoToken`] without a header, [`Rejection::SeveralTokens`] with two or more, and what
/// [`bearer`] says of the one.
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
