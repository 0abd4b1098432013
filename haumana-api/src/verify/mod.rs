//! Who is asking: the verification of ID tokens, as a pure function of (token, keys, policy, now).
//!
//! `jsonwebtoken` checks the signature and nothing else. What a token may look like and what it
//! has to claim is decided here, because its defaults take `iss` and `aud` as lists, years of
//! lifetime, unknown `crit`, and duplicates. What is refused stands in `tests/it/attacks/`.

mod claims;
mod header;
mod json;
mod keys;
mod policy;

pub use claims::Principal;
pub use keys::{KeySet, KeySetError};
pub use policy::{Booleans, Policy, Subjects, username};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_sync::time::UnixMillis;

/// Why a token was refused: for logs and metrics, never for clients, who see `unauthorized`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// There was no `Authorization` header.
    NoToken,
    /// There was more than one `Authorization` header.
    SeveralTokens,
    /// The header is not `Bearer`, one blank, and a token.
    NotBearer,
    /// It is longer than [`Policy::max_token_bytes`].
    TooLong,
    /// It is not three segments of canonical base64url.
    Shape,
    /// Its header is not a JSON object in UTF-8 without duplicate keys.
    HeaderJson,
    /// `alg` is not exactly `RS256`.
    Algorithm,
    /// `typ` is neither absent nor `JWT`.
    Type,
    /// `kid` is not a non-empty string.
    KeyId,
    /// It has a header that this verifier does not know.
    UnknownHeader,
    /// No key of the set has its `kid`.
    UnknownKey,
    /// The key did not sign it.
    Signature,
    /// Its payload is not a JSON object in UTF-8 without duplicate keys.
    PayloadJson,
    /// `iss` is not one of [`Policy::issuers`].
    Issuer,
    /// `aud` is not one of [`Policy::audiences`].
    Audience,
    /// `azp` is present and not one of [`Policy::authorized_parties`].
    AuthorizedParty,
    /// `sub` is not a user id.
    Subject,
    /// `exp` is not a whole number of seconds.
    Expiry,
    /// `iat` is not a whole number of seconds.
    IssuedAt,
    /// `nbf` is present and not a whole number of seconds.
    NotBefore,
    /// It has expired.
    Expired,
    /// It was issued in the future, or is not valid yet.
    Premature,
    /// It lives longer than [`Policy::max_lifetime_secs`], or ends before it begins.
    Lifetime,
    /// `email`, `email_verified`, `name` or `picture` has another type than it must have.
    Profile,
    /// The issuer does not vouch for the e-mail address; only `POST /auth/sync` asks for that.
    EmailUnverified,
    /// The host's gateway has not said who is asking, or not in the form that was agreed.
    Gateway,
}

impl Rejection {
    /// Returns the reason's name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::SeveralTokens => "several_tokens",
            Self::NotBearer => "not_bearer",
            Self::TooLong => "too_long",
            Self::Shape => "shape",
            Self::HeaderJson => "header_json",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::KeyId => "key_id",
            Self::UnknownHeader => "unknown_header",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::PayloadJson => "payload_json",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::AuthorizedParty => "authorized_party",
            Self::Subject => "subject",
            Self::Expiry => "expiry",
            Self::IssuedAt => "issued_at",
            Self::NotBefore => "not_before",
            Self::Expired => "expired",
            Self::Premature => "premature",
            Self::Lifetime => "lifetime",
            Self::Profile => "profile",
            Self::EmailUnverified => "email_unverified",
            Self::Gateway => "gateway",
        }
    }
}

/// Verifies `token` and returns who it is for.
///
/// The claims are read only after the signature has been found good.
///
/// # Errors
///
/// The first reason that was found against the token.
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
