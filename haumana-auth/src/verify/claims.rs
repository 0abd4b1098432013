//! The token's claims, read from a payload whose signature is good.

use super::json::{self, Object, Value};
use super::{Booleans, Policy, Principal, Rejection};
use haumana_sync::time::UnixMillis;

/// Checks every claim against the policy.
pub(super) fn check(
    payload: &[u8],
    policy: &Policy,
    now: UnixMillis,
) -> Result<Principal, Rejection> {
    let claims = json::object(payload).ok_or(Rejection::PayloadJson)?;
    if !is_listed(claims.get("iss"), &policy.issuers) {
        return Err(Rejection::Issuer);
    }
    // OpenID Connect: an audience is a string, or a list. Only lists with one entry are accepted.
    let audience = claims.get("aud").and_then(Value::only_text);
    if !audience.is_some_and(|audience| policy.audiences.iter().any(|ours| ours == audience)) {
        return Err(Rejection::Audience);
    }
    let party = claims.get("azp");
    if party.is_some() && !is_listed(party, &policy.authorized_parties) {
        return Err(Rejection::AuthorizedParty);
    }
    let expires_at_secs = check_times(&claims, policy, now.secs())?;
    let subject = claims.get("sub").and_then(Value::text).ok_or(Rejection::Subject)?;
    Ok(Principal {
        user: policy.subjects.user(subject).ok_or(Rejection::Subject)?,
        email: profile(&claims, "email", Value::text)?.map(str::to_owned),
        email_verified: email_verified(&claims, policy.booleans)?,
        name: profile(&claims, "name", Value::text)?.map(str::to_owned),
        picture: profile(&claims, "picture", Value::text)?.map(str::to_owned),
        expires_at: UnixMillis::from_secs(expires_at_secs),
    })
}

/// Reads `iss`, before anything is verified.
pub(super) fn issuer(payload: &[u8]) -> Result<String, Rejection> {
    let claims = json::object(payload).ok_or(Rejection::PayloadJson)?;
    let issuer = claims.get("iss").and_then(Value::text);
    issuer.map(str::to_owned).ok_or(Rejection::Issuer)
}

/// Whether `claim` is a string that equals one of `allowed`, byte for byte.
fn is_listed(claim: Option<&Value>, allowed: &[String]) -> bool {
    let text = claim.and_then(Value::text);
    text.is_some_and(|text| allowed.iter().any(|listed| listed == text))
}

/// Checks `exp`, `iat` and `nbf`, and returns `exp`.
fn check_times(claims: &Object, policy: &Policy, now: i64) -> Result<i64, Rejection> {
    let expires_at = seconds(claims, "exp").ok_or(Rejection::Expiry)?;
    let issued_at = seconds(claims, "iat").ok_or(Rejection::IssuedAt)?;
    let not_before = match claims.get("nbf") {
        None => issued_at,
        Some(_) => seconds(claims, "nbf").ok_or(Rejection::NotBefore)?,
    };
    if expires_at.saturating_add(policy.leeway_secs) <= now {
        return Err(Rejection::Expired);
    }
    if now.saturating_add(policy.leeway_secs) < issued_at.max(not_before) {
        return Err(Rejection::Premature);
    }
    let ends_late = now.saturating_add(policy.max_lifetime_secs) < expires_at
        || issued_at.saturating_add(policy.max_lifetime_secs) < expires_at;
    if ends_late || expires_at <= issued_at.max(not_before) {
        return Err(Rejection::Lifetime);
    }
    Ok(expires_at)
}

/// A time claim: whole seconds, not negative. Any float is refused, even `1.7e9`.
fn seconds(claims: &Object, name: &str) -> Option<i64> {
    claims.get(name)?.integer().filter(|secs| 0 <= *secs)
}

/// An optional claim that must have its type if it is there.
fn profile<'a, T>(
    claims: &'a Object,
    name: &str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Option<T>, Rejection> {
    claims.get(name).map(|value| read(value).ok_or(Rejection::Profile)).transpose()
}

/// `email_verified`; absent means false.
fn email_verified(claims: &Object, booleans: Booleans) -> Result<bool, Rejection> {
    let verified = profile(claims, "email_verified", |value| match (value, booleans) {
        (Value::Bool(verified), _) => Some(*verified),
        (Value::Text(text), Booleans::JsonOrText) => text.parse().ok(),
        _ => None,
    })?;
    Ok(verified.unwrap_or(false))
}
