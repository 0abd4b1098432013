//! Who is asking: the verification of ID tokens, as a pure function of (token, keys, policy, now).
//!
//! `jsonwebtoken` checks the signature and nothing else. What a token may look like and what it
//! has to claim is decided here, because its defaults take `iss` and `aud` as lists, years of
//! lifetime, unknown `crit`, and duplicates. What is refused stands in `tests/it/attacks/`.
//!
//! The steps, in order: size; three segments; the header (`alg`, `typ`, `kid`, nothing else); the
//! key; the signature; then the claims `iss`, `aud`, `azp`, the times, `sub`, and the profile. The
//! first that fails is the reason.
//!
//! It takes RS256 alone, which all large issuers offer. There is no I/O in it, and no clock: a test
//! gives it any time.

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
/// The claims are read only after the signature has been found good. The keys remember signatures
/// that were, so a token that comes again costs no arithmetic; everything else of it is looked at
/// each time.
///
/// # Errors
///
/// The first reason that was found against the token.
///
/// Call it by a [`Verifier`](crate::Verifier), which finds the keys. By itself it is for tests and
/// for hosts that get their keys in another way.
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
/// For key caches, which fetch again for an id that they do not know.
///
/// # Errors
///
/// As [`verify`] for everything that can be told without a key.
pub fn key_id(token: &str, max_token_bytes: usize) -> Result<String, Rejection> {
    if max_token_bytes < token.len() {
        return Err(Rejection::TooLong);
    }
    header::key_id(&Parts::split(token)?.header)
}

/// Returns the `iss` that `token` claims, without believing it.
///
/// For hosts with several issuers, which must know whose keys to verify it with. That issuer's
/// policy then decides whether the claim is true.
///
/// # Errors
///
/// As [`verify`] for everything that can be told without a key.
pub fn claimed_issuer(token: &str, max_token_bytes: usize) -> Result<String, Rejection> {
    if max_token_bytes < token.len() {
        return Err(Rejection::TooLong);
    }
    let parts = Parts::split(token)?;
    header::key_id(&parts.header)?;
    claims::issuer(&parts.payload)
}

/// A token taken apart.
struct Parts<'a> {
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// What is signed: header and payload as they came.
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

/// Decodes one segment. The alphabet has no dot, so a fourth segment ends here, and so does every
/// byte outside `[A-Za-z0-9_-]`; unused bits of the last character must be zero.
fn decode(segment: &str) -> Result<Vec<u8>, Rejection> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).map_err(|_| Rejection::Shape)?;
    if bytes.is_empty() { Err(Rejection::Shape) } else { Ok(bytes) }
}
