//! The issuer's public keys, checked before use.

use super::memo::Memo;
use super::roca;
use crate::limits;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The keys of an issuer, by key id.
///
/// It remembers good signatures, so share one set between requests. A clone shares that memory.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: BTreeMap<String, Key>,
}

/// Why a key set cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// It is larger than a key set can be.
    TooLarge,
    /// It is not JSON of the form `{"keys": […]}`.
    NotAKeySet,
    /// None of its keys can be used.
    ///
    /// For example, an issuer may publish only keys for other algorithms.
    NoUsableKey,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the key set is too large",
            Self::NotAKeySet => "not a JSON Web Key Set",
            Self::NoUsableKey => "the key set has no usable key",
        })
    }
}

impl std::error::Error for KeySetError {}

impl KeySet {
    /// Reads a JSON Web Key Set (RFC 7517).
    ///
    /// Only keys for verifying RS256 are used. These are skipped: keys of another type, use,
    /// operation or algorithm; weak ones (below 2048 bits, even modulus, exponent below 3 or even,
    /// ROCA); malformed ones; those without an id; and those that publish a private part. If two
    /// keys have one id, both are skipped, since nobody can tell which was meant.
    ///
    /// # Errors
    ///
    /// [`KeySetError`] if no key remains.
    pub fn from_jwks(jwks: &[u8]) -> Result<Self, KeySetError> {
        if limits::KEY_SET_BYTES < jwks.len() {
            return Err(KeySetError::TooLarge);
        }
        let set: Jwks<'_> = serde_json::from_slice(jwks).map_err(|_| KeySetError::NotAKeySet)?;
        let mut by_id: BTreeMap<String, Vec<Option<Key>>> = BTreeMap::new();
        for raw in set.keys {
            let Ok(jwk) = serde_json::from_str::<Jwk>(raw.get()) else {
                continue;
            };
            let Some(id) = jwk.kid.clone().filter(|id| !id.is_empty()) else {
                continue;
            };
            by_id.entry(id).or_default().push(jwk.usable());
        }
        let alone = |(id, mut keys): (String, Vec<Option<Key>>)| match keys.len() {
            1 => keys.pop().flatten().map(|key| (id, key)),
            _ => None,
        };
        let keys: BTreeMap<_, _> = by_id.into_iter().filter_map(alone).collect();
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys }) }
    }

    /// Returns the ids of the usable keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Whether a usable key has this id.
    pub fn has(&self, id: &str) -> bool {
        self.keys.contains_key(id)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }
}

/// A public key that may verify RS256.
#[derive(Clone)]
pub(super) struct Key {
    key: DecodingKey,
    memo: Arc<Memo>,
}

impl Key {
    /// Whether this key's owner signed `message` with RSASSA-PKCS1-v1_5 and SHA-256.
    ///
    /// The provider is named here. The process-wide default would panic if another crate in an
    /// embedder's tree turned on the second backend.
    pub(super) fn has_signed(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        self.memo.is_good(message, signature, || {
            let verifier =
                (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&Algorithm::RS256, &self.key);
            verifier.is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[derive(Deserialize)]
struct Jwks<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
}

impl Jwk {
    /// The key, if it may be used to verify.
    fn usable(&self) -> Option<Key> {
        let is_for_us = self.kty == "RSA"
            && self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_deref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
            && self.alg.as_deref().is_none_or(|alg| alg == "RS256")
            && !self.is_private();
        let modulus = number(self.n.as_deref().filter(|_| is_for_us)?)?;
        let exponent = number(self.e.as_deref()?)?;
        let is_strong = limits::MODULUS_BITS.contains(&n_bits(&modulus))
            && is_odd(&modulus)
            && is_odd(&exponent)
            && exponent.len() <= limits::EXPONENT_BYTES
            && exponent != [1]
            && !roca::is_weak(&modulus);
        is_strong.then(|| Key {
            key: DecodingKey::from_rsa_raw_components(&modulus, &exponent),
            memo: Arc::default(),
        })
    }

    /// Whether it contains a part with which anybody can sign (RFC 7518, 6.3.2).
    fn is_private(&self) -> bool {
        let parts = [self.d, self.p, self.q, self.dp, self.dq, self.qi, self.oth];
        parts.iter().any(Option::is_some)
    }
}

/// A positive number in big-endian base64url without leading zeros (RFC 7518, 2).
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.first().is_some_and(|first| *first != 0).then_some(bytes)
}

fn n_bits(number: &[u8]) -> usize {
    let leading_zeros = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() * 8).saturating_sub(leading_zeros as usize)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}
