//! A key, and tokens that it signs.
#![allow(dead_code)] // Each target uses a part.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_api::verify::{self, Booleans, KeySet, Policy, Principal, Rejection, Subjects};
use haumana_sync::time::UnixMillis;
use std::sync::LazyLock;

pub const NOW_SECS: i64 = 1_750_000_000;
pub const HEADER: &str = r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#;
pub const GOOD: &str = r#"{"iss":"accounts.google.com","aud":"a","sub":"1","iat":1749999940,"exp":1750003540}"#;

pub static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()));

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let key = SIGNER.0.public_key();
    let n = URL_SAFE_NO_PAD.encode(key.modulus().big_endian_without_leading_zero());
    let jwks = format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","n":"{n}","e":"AQAB"}}]}}"#);
    KeySet::from_jwks(jwks.as_bytes()).unwrap()
});

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    issuers: vec!["accounts.google.com".into()],
    audiences: vec!["a".into()],
    authorized_parties: vec![],
    subjects: Subjects::Bare,
    booleans: Booleans::Json,
    leeway_secs: 300,
    max_lifetime_secs: 24 * 3600,
    max_token_bytes: 8192,
});

pub struct Signer(RsaKeyPair);

impl Signer {
    pub fn token(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", encode(header.as_ref()), encode(payload.as_ref()));
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", encode(&signature))
    }
}

pub fn verify(token: &str) -> Result<Principal, Rejection> {
    verify::verify(token, &KEYS, &POLICY, UnixMillis::from_secs(NOW_SECS))
}
