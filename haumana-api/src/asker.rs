//! How the user of a request is found.
//!
//! Every call that concerns an account looks here first, and uses nothing but the head of the
//! request. The result is a [`UserId`], which is the only key that the engine and the store accept
//! for an account.
//!
//! Two kinds of host exist. One hands the token itself to this crate ([`Auth::Bearer`]). The other
//! has found out before who is asking, in a middleware or in a gateway, and says so in the
//! extensions of the request ([`Auth::Trusted`]). Headers of the request never name a user: a
//! client can write any header.

use crate::error::Failure;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use haumana_auth::authorizer::Asked;
use haumana_auth::limits::TOKEN_LEEWAY_SECS;
use haumana_auth::{Rejection, Verifier, token_of};
use haumana_sync::id::UserId;
use haumana_sync::time::UnixMillis;
use std::fmt::Debug;
use std::sync::Arc;

/// How the user of a request is found.
///
/// No request reaches the engine without a user.
///
/// ```
/// use axum::body::Body;
/// use axum::http::{Request, StatusCode};
/// use haumana_api::{Api, ApiConfig, Auth, SystemClock, SystemRandom, router};
/// use haumana_sync::engine::{Engine, EngineConfig};
/// use haumana_sync::store::{Generation, MemoryStore};
/// use std::sync::Arc;
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
/// let config = EngineConfig::new(Generation(0));
/// let engine = Engine::new(Arc::new(MemoryStore::new()), clock, random.clone(), config);
/// let api = Api::new(Arc::new(engine), Auth::Trusted, random, ApiConfig::of_a_server());
///
/// // Nobody has put a user into this request, so nobody is asking.
/// let reply = router::<()>(api).oneshot(Request::get("/conflicts").body(Body::empty())?).await?;
/// assert_eq!(StatusCode::UNAUTHORIZED, reply.status());
/// # Ok(())
/// # }
/// ```
///
/// ```
/// use haumana_api::Auth;
/// use haumana_sync::id::UserId;
///
/// // Your own middleware has done this after it has checked the caller.
/// let mut request = axum::http::Request::new(());
/// if let Some(kai) = UserId::verified_by_caller("member-1") {
///     request.extensions_mut().insert(kai);
/// }
/// let auth = Auth::Trusted;
/// # let _ = (request, auth);
/// ```
#[derive(Clone, Debug)]
pub enum Auth {
    /// By an ID token in `Authorization: Bearer <token>`, which the verifier checks.
    ///
    /// A token that is not good is 401. If the keys cannot be fetched, the answer is 503, because
    /// nobody can tell whether the token is good.
    Bearer(Arc<dyn Verifier>),
    /// By the host, which puts a [`UserId`] into the extensions of each request before it gets
    /// here. Behind API Gateway that is what [`authorizer::user`](haumana_auth::authorizer::user)
    /// returns. A request without a user is refused. A host that verifies tokens itself also puts
    /// the outcome there: [`Asked`].
    Trusted,
}

/// Whose request it is.
pub(crate) struct Caller {
    /// Whose account the request is about.
    pub(crate) user: UserId,
    /// The time until which the user is vouched for, with leeway. `None`: the host has not said.
    ///
    /// Only `GET /live` uses it: a stream must not outlive the token that it was opened with.
    pub(crate) until: Option<UnixMillis>,
}

impl Auth {
    /// Returns whose request this is. It looks at the head of the request only, so no body is read
    /// before its sender is known.
    pub(crate) async fn user(&self, head: &Parts) -> Result<UserId, Failure> {
        Ok(self.caller(head).await?.user)
    }

    /// Like [`Auth::user`], with the time until which the user is vouched for.
    ///
    /// # Errors
    ///
    /// - [`Failure::Unauthorized`]: no token, more than one `Authorization` header, or a token that
    ///   is not good. The reason is for the log; the client sees 401 and nothing else.
    /// - [`Failure::Blocked`]: an operator has blocked the user.
    /// - [`Failure::KeysUnavailable`]: the keys of the issuer cannot be fetched now. Nobody can
    ///   tell whether the token is good, so this is 503 and not 401: a client must not throw a good
    ///   token away.
    pub(crate) async fn caller(&self, head: &Parts) -> Result<Caller, Failure> {
        match self {
            Auth::Trusted => {
                match head.extensions.get::<Asked>() {
                    Some(Asked::Blocked) => return Err(Failure::Blocked),
                    Some(Asked::Refused(reason)) => return Err(Failure::Unauthorized(*reason)),
                    Some(Asked::Unverified) => return Err(Failure::KeysUnavailable),
                    Some(Asked::User(_)) | None => {}
                }
                let user = head.extensions.get::<UserId>();
                let user = user.cloned().ok_or(Failure::Unauthorized(Rejection::NoToken))?;
                Ok(Caller { user, until: None })
            }
            Auth::Bearer(verifier) => {
                let token = bearer_token(head).map_err(Failure::Unauthorized)?;
                let principal = verifier.verify(token).await?;
                let until = Some(principal.expires_at.plus_ms(TOKEN_LEEWAY_SECS * 1000));
                Ok(Caller { user: principal.user, until })
            }
        }
    }
}

/// The token of the one `Authorization` header, which is `Bearer`, one blank, and the token.
fn bearer_token(head: &Parts) -> Result<&str, Rejection> {
    let headers = head.headers.get_all(AUTHORIZATION).iter();
    token_of(headers.map(|header| header.to_str().unwrap_or_default()))
}
