//! The token's header: three keys are known, and anything else is refused.

use super::Rejection;
use super::json::{self, Value};

/// Checks the header and returns its `kid`.
///
/// `jwk`, `jku`, `x5u`, `x5c` and `x5t` offer a key that the sender has chosen. `crit`, `b64`,
/// `zip` and `cty` change the meaning of the signature. None of them is ever needed.
pub(super) fn key_id(header: &[u8]) -> Result<String, Rejection> {
    let fields = json::object(header).ok_or(Rejection::HeaderJson)?;
    if fields.get("alg").and_then(Value::text) != Some("RS256") {
        return Err(Rejection::Algorithm);
    }
    let is_jwt = |kind: &Value| kind.text().is_some_and(|kind| kind.eq_ignore_ascii_case("JWT"));
    if !fields.get("typ").is_none_or(is_jwt) {
        return Err(Rejection::Type);
    }
    if fields.keys().any(|key| !matches!(key.as_str(), "alg" | "typ" | "kid")) {
        return Err(Rejection::UnknownHeader);
    }
    match fields.get("kid").and_then(Value::text) {
        Some(id) if !id.is_empty() => Ok(id.to_owned()),
        _ => Err(Rejection::KeyId),
    }
}
