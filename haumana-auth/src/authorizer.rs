//! Authentication behind API Gateway: a TOKEN authorizer as a function, and how the functions
//! behind it read its answer. Nothing here needs Lambda.
//!
//! API Gateway turns exactly one failure into 401: an invocation that fails with the message
//! `Unauthorized`. Every other failure becomes 500. A `Deny` becomes 403 and is kept for the token,
//! so it is only for callers whom an operator has blocked. In doubt, and when the keys cannot be
//! fetched, the answer is `Unauthorized`.
//!
//! API Gateway does not charge for a request that a `Deny` refuses, and keeps the answer without
//! asking again (<https://aws.amazon.com/api-gateway/pricing/>, "Requests are not charged for
//! authorization and authentication failures", read 2026-11-28). So a blocked caller costs one
//! invocation of the authorizer every five minutes.

use crate::caller::Callers;
use crate::limits;
use crate::principal::{Principal, Rejection};
use crate::verifier::{AuthError, Verifier, bearer, token_of};
use haumana_sync::id::UserId;
use haumana_sync::time::UnixMillis;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// The reason of an [`Unauthorized`] if the keys cannot be fetched, so that no token can be
/// verified.
pub const KEYS: &str = "keys";

const ALLOW: &str = "Allow";
const DENY: &str = "Deny";

/// The failure that becomes 401. Its `Display` is exactly `Unauthorized`, whatever the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthorized {
    /// Why, for metrics. The log has it already.
    pub reason: &'static str,
}

impl fmt::Display for Unauthorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unauthorized")
    }
}

impl std::error::Error for Unauthorized {}

/// The answer to API Gateway about a good token. It serialises to the form that API Gateway reads.
///
/// It holds a user id: do not log it. The user is in its context, which only the functions behind
/// the gateway see.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    principal_id: &'static str,
    policy_document: PolicyDocument,
    context: Context,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDocument {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: &'static str,
    resource: String,
}

/// Flat, and strings only: with any other context API Gateway fails every request.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    user_id: String,
    exp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<String>,
}

impl fmt::Debug for Permission {
    /// Shows nothing of its content, because it names a user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permission(..)")
    }
}

/// Answers the event of a TOKEN authorizer.
///
/// The permission is for every call of the stage, because API Gateway keeps it for the token and
/// uses it for later calls of the client. It says who the user is, and until when. Each call checks
/// again whether it is for that user.
///
/// # Errors
///
/// [`Unauthorized`] in every other case, also if the event is not one of a TOKEN authorizer.
pub async fn authorize(verifier: &dyn Verifier, event: &Value) -> Result<Permission, Unauthorized> {
    authorize_caller(verifier, &Callers::default(), event).await
}

/// Like [`authorize`], with a hash for the logs in the permission (`context.caller`), and a `Deny`
/// for callers who are blocked.
///
/// # Errors
///
/// [`Unauthorized`], as from [`authorize`].
pub async fn authorize_caller(
    verifier: &dyn Verifier,
    callers: &Callers,
    event: &Value,
) -> Result<Permission, Unauthorized> {
    let permission = permit(verifier, callers, event).await;
    let (caller, reason) = match &permission {
        Ok(permission) if permission.is_denied() => (permission.caller(), Some("blocked")),
        Ok(permission) => (permission.caller(), None),
        Err(refused) => (None, Some(refused.reason)),
    };
    // The alarm for keys reads this line, so it must be there at every level of the log.
    match reason {
        Some(KEYS) => tracing::error!(caller, reason, "authorizer"),
        _ => tracing::info!(caller, reason, "authorizer"),
    }
    permission
}

async fn permit(
    verifier: &dyn Verifier,
    callers: &Callers,
    event: &Value,
) -> Result<Permission, Unauthorized> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let gateway = refused(Rejection::Gateway);
    if text("type") != Some("TOKEN") {
        return Err(gateway);
    }
    let resource = text("methodArn").and_then(every_call_of_the_stage).ok_or(gateway)?;
    let header = text("authorizationToken").ok_or(refused(Rejection::NoToken))?;
    let token = bearer(header).map_err(refused)?;
    let principal = verifier.verify(token).await.map_err(|error| match error {
        AuthError::Rejected(reason) => refused(reason),
        AuthError::Unavailable => Unauthorized { reason: KEYS },
    })?;
    Ok(Permission::new(&principal, callers, resource))
}

/// The caller of a request, if no gateway has asked an authorizer. Behind an HTTP API the function
/// itself verifies the token.
///
/// The host puts it into the extensions of a request that has a token, for `Auth::Trusted` of
/// `haumana-api`. If there is a user, the host puts the user beside it.
///
/// A call that needs no user, such as `GET /health`, is answered in any case.
#[derive(Clone, PartialEq, Eq)]
pub enum Asked {
    /// This user.
    User(UserId),
    /// A user whom an operator has blocked.
    Blocked,
    /// Nobody: the token is not good.
    Refused(Rejection),
    /// Nobody can tell, because the keys cannot be fetched.
    Unverified,
}

impl fmt::Debug for Asked {
    /// Names no user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(_) => f.write_str("User(..)"),
            Self::Blocked => f.write_str("Blocked"),
            Self::Refused(reason) => write!(f, "Refused({})", reason.as_str()),
            Self::Unverified => f.write_str("Unverified"),
        }
    }
}

/// Returns who asks, by the values of the `Authorization` headers of a request; `None` if it has
/// none.
///
/// It accepts and refuses the same tokens as [`authorize_caller`], with one difference. If the keys
/// cannot be fetched, an authorizer can only say `Unauthorized`, but a function can say 503.
///
/// ```
/// use haumana_auth::authorizer::{Asked, ask_caller};
/// use haumana_auth::{AuthError, Callers, Principal, Verifier};
///
/// #[derive(Debug)]
/// struct NoKeys;
///
/// #[async_trait::async_trait]
/// impl Verifier for NoKeys {
///     async fn verify(&self, _token: &str) -> Result<Principal, AuthError> {
///         Err(AuthError::Unavailable)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let callers = Callers::default();
/// assert_eq!(None, ask_caller(&NoKeys, &callers, &[]).await);
/// assert_eq!(Some(Asked::Unverified), ask_caller(&NoKeys, &callers, &["Bearer a.b.c"]).await);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn ask_caller(
    verifier: &dyn Verifier,
    callers: &Callers,
    headers: &[&str],
) -> Option<Asked> {
    let token = match token_of(headers.iter().copied()) {
        Ok(token) => token,
        Err(Rejection::NoToken) => return None,
        Err(reason) => return Some(Asked::Refused(reason)),
    };
    Some(match verifier.verify(token).await {
        Ok(principal) if callers.is_blocked(callers.hash(&principal.user).as_deref()) => {
            Asked::Blocked
        }
        Ok(principal) => Asked::User(principal.user),
        Err(AuthError::Rejected(reason)) => Asked::Refused(reason),
        Err(AuthError::Unavailable) => Asked::Unverified,
    })
}

fn refused(reason: Rejection) -> Unauthorized {
    Unauthorized { reason: reason.as_str() }
}

impl Permission {
    fn new(principal: &Principal, callers: &Callers, resource: String) -> Self {
        let caller = callers.hash(&principal.user);
        let effect = if callers.is_blocked(caller.as_deref()) { DENY } else { ALLOW };
        let statement = Statement { action: "execute-api:Invoke", effect, resource };
        Self {
            // Required, but nobody reads it. The user is in the context, and only there.
            principal_id: "user",
            policy_document: PolicyDocument { version: "2012-10-17", statement: [statement] },
            context: Context {
                user_id: principal.user.as_str().to_owned(),
                exp: principal.expires_at.secs().to_string(),
                caller,
            },
        }
    }

    /// Whether an operator has blocked the caller.
    pub fn is_denied(&self) -> bool {
        self.policy_document.statement.iter().any(|statement| statement.effect == DENY)
    }

    fn caller(&self) -> Option<&str> {
        self.context.caller.as_deref()
    }
}

/// The resource `arn:…:{api}/{stage}/*/*`, from the ARN of one call; `None` if the ARN is not
/// valid.
fn every_call_of_the_stage(method_arn: &str) -> Option<String> {
    let parts: Vec<&str> = method_arn.splitn(6, ':').collect();
    let ["arn", partition, "execute-api", region, account, call] = parts[..] else {
        return None;
    };
    let call: Vec<&str> = call.splitn(4, '/').collect();
    let [api, stage, method, _path] = call[..] else {
        return None;
    };
    // A wildcard in any of these would permit more than was asked for.
    let is_name = |text: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !text.is_empty() && text.bytes().all(is_plain)
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let are_names = [partition, region, api, stage, method].into_iter().all(is_name);
    (are_names && is_account)
        .then(|| format!("arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/*/*"))
}

/// Returns the user of a request, from its `requestContext.authorizer`, which API Gateway passes
/// on. The host puts the user into the request's extensions, for `Auth::Trusted` of `haumana-api`.
///
/// `exp` is checked again: API Gateway keeps a permission for minutes, and the token may have
/// expired since. The leeway is the same, so the permission ends when the token ends.
///
/// # Errors
///
/// [`Rejection::Gateway`] if the context does not have the form that [`authorize`] makes,
/// [`Rejection::Expired`] if the token has expired. Both are answered with 401.
pub fn user(context: &Value, now: UnixMillis) -> Result<UserId, Rejection> {
    let text = |name: &str| context.get(name).and_then(Value::as_str).ok_or(Rejection::Gateway);
    let (user, exp) = (text("userId")?, text("exp")?);
    let is_number = exp.bytes().all(|byte| byte.is_ascii_digit());
    let exp = exp.parse::<i64>().ok().filter(|_| is_number).ok_or(Rejection::Gateway)?;
    if exp.saturating_add(limits::TOKEN_LEEWAY_SECS) <= now.secs() {
        return Err(Rejection::Expired);
    }
    UserId::verified_by_caller(user).ok_or(Rejection::Gateway)
}
