//! A key, and tokens that it signs.
#![allow(dead_code)] // Each target uses a part.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_auth::verify::{self, Booleans, KeySet, Policy, Principal, Rejection, Subjects};
use haumana_sync::time::UnixMillis;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

pub const NOW_SECS: i64 = 1_750_000_000;
pub const HEADER: &str = r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#;
pub const GOOD: &str =
    r#"{"iss":"accounts.google.com","aud":"a","sub":"1","iat":1749999940,"exp":1750003540}"#;
/// What Google sends.
pub const FULL: &str = r#"{"iss":"accounts.google.com","azp":"a","aud":"a","sub":"110248495921238986420",
"email":"k\u0101@example.org","email_verified":true,"name":"K\ud83c\udf3a","picture":"https://example.org/p",
"at_hash":"x","x":[{"y":[1.5e-3,null,false,""]},-0],"nbf":1749999940,"iat":1749999940,"exp":1750003540}"#;

/// The key of the seeds, if there are any; its tokens are the same in every process.
pub static SIGNER: LazyLock<Signer> = LazyLock::new(|| match std::fs::read(key_file()) {
    Ok(pkcs8) => Signer(RsaKeyPair::from_pkcs8(&pkcs8).expect("key.pk8 is of the seeds")),
    Err(_) => Signer(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
});

/// The tokens that are good.
pub static ISSUED: LazyLock<[String; 2]> =
    LazyLock::new(|| [GOOD, FULL].map(|claims| SIGNER.token(HEADER, claims)));

static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::from_jwks(SIGNER.jwks().as_bytes()).unwrap());

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    issuers: vec!["accounts.google.com".into()],
    audiences: vec!["a".into()],
    authorized_parties: vec!["a".into()],
    subjects: Subjects::Bare,
    booleans: Booleans::Json,
    leeway_secs: 300,
    max_lifetime_secs: 24 * 3600,
    max_token_bytes: 8192,
});

pub fn key_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("key.pk8")
}

pub struct Signer(pub RsaKeyPair);

impl Signer {
    pub fn jwks(&self) -> String {
        let modulus = self.0.public_key().modulus().big_endian_without_leading_zero();
        let n = URL_SAFE_NO_PAD.encode(modulus);
        format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","n":"{n}","e":"AQAB"}}]}}"#)
    }

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
