//! The verification of ID tokens, as a pure function of (token, keys, policy, now).
//!
//! `jsonwebtoken` checks the signature and nothing else. The form of a token and its claims are
//! checked here, because the library's defaults accept lists as `iss` and `aud`, lifetimes of
//! years, unknown `crit`, and duplicates. `tests/it/attacks/` has what is refused.
//!
//! The steps, in order: size; three segments; the header (`alg`, `typ`, `kid`, nothing else); the
//! key; the signature; then the claims `iss`, `aud`, `azp`, the times, `sub`, and the profile. The
//! first check that fails gives the reason.
//!
//! Only RS256 is accepted, which all large issuers offer. The function has no I/O and no clock: a
//! test gives it any time.

mod claims;
mod header;
mod json;
mod keys;
mod memo;
mod policy;
mod roca;

pub use crate::principal::{Principal, Rejection, username};
pub use keys::{KeySet, KeySetError};
pub use policy::{Booleans, Policy, Subjects};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_sync::time::UnixMillis;

/// Verifies `token` and returns who it is for.
///
/// The claims are read only after the signature has been found good. The keys remember good
/// signatures, so a token that comes again needs no arithmetic. Everything else is checked each
/// time.
///
/// Hosts call it through a [`Verifier`](crate::Verifier), which finds the keys. Call it directly in
/// tests, or if you get the keys in another way.
///
/// # Errors
///
/// The reason of the first check that failed.
pub fn verify(
    token: &str,
    keys: &KeySet,
    policy: &Policy,
    now: UnixMillis,
) -> Result<Principal, Rejection> {
    if policy.max_token_bytes < token.len() {
        return Err(Rejection::TooLong);
    }
    let parts = Parts::split(token)?;
    let key_id = header::key_id(&parts.header)?;
    let key = keys.get(&key_id).ok_or(Rejection::UnknownKey)?;
    if !key.has_signed(parts.message.as_bytes(), &parts.signature) {
        return Err(Rejection::Signature);
    }
    claims::check(&parts.payload, policy, now)
}

/// Returns the `kid` that `token` names, without believing anything else about it.
///
/// For key caches, which fetch again if they do not know the id.
///
/// # Errors
///
/// Those of [`verify`] that can be found without a key.
pub fn key_id(token: &str, max_token_bytes: usize) -> Result<String, Rejection> {
    if max_token_bytes < token.len() {
        return Err(Rejection::TooLong);
    }
    header::key_id(&Parts::split(token)?.header)
}

/// Returns the `iss` that `token` claims, without believing it.
///
/// For hosts with several issuers, which must know whose keys to use. That issuer's policy then
/// decides whether the claim is true.
///
/// # Errors
///
/// Those of [`verify`] that can be found without a key.
pub fn claimed_issuer(token: &str, max_token_bytes: usize) -> Result<String, Rejection> {
    if max_token_bytes < token.len() {
        return Err(Rejection::TooLong);
    }
    let parts = Parts::split(token)?;
    header::key_id(&parts.header)?;
    claims::issuer(&parts.payload)
}

/// The parts of a token.
struct Parts<'a> {
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// The signed bytes: header and payload as they were received.
    message: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, Rejection> {
        let (message, signature) = token.rsplit_once('.').ok_or(Rejection::Shape)?;
        let (header, payload) = message.split_once('.').ok_or(Rejection::Shape)?;
        Ok(Self {
            header: decode(header)?,
            payload: decode(payload)?,
            signature: decode(signature)?,
            message,
        })
    }
}

/// Decodes one segment. The alphabet has no dot, so a fourth segment is refused here, and so is
/// every byte outside `[A-Za-z0-9_-]`. Unused bits of the last character must be zero.
fn decode(segment: &str) -> Result<Vec<u8>, Rejection> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).map_err(|_| Rejection::Shape)?;
    if bytes.is_empty() { Err(Rejection::Shape) } else { Ok(bytes) }
}
