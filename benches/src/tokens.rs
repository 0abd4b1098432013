//! A token that is really signed, and what verifies it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_auth::verify::{KeySet, Policy, Principal, Rejection, verify};
use haumana_auth::{Fetch, FetchError, Fetched, IssuerConfig, OidcVerifier};
use haumana_sync::engine::Clock;
use haumana_sync::time::UnixMillis;
use std::sync::Arc;

const NOW_SECS: i64 = 1_750_000_000;

/// What Google puts into a token.
const CLAIMS: &str = r#"{"iss":"https://accounts.google.com","azp":"a","aud":"a",
    "sub":"110248495921238986420","email":"kai@example.org","email_verified":true,"name":"Kai",
    "picture":"https://lh3.googleusercontent.com/a/ACg8ocKx0000000000000000000000000000=s96-c",
    "given_name":"Kai","family_name":"K","iat":1749999940,"exp":1750003540}"#;

/// A token, and what verifies it.
pub struct Tokens {
    /// The token.
    pub good: String,
    jwks: String,
    keys: KeySet,
    policy: Policy,
}

/// An issuer that is always at hand.
#[derive(Debug)]
struct AtHand(String);

#[async_trait::async_trait]
impl Fetch for AtHand {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        Ok(Fetched { body: self.0.clone().into_bytes(), fresh_for_secs: Some(3600) })
    }
}

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_secs(NOW_SECS)
    }
}

impl Tokens {
    /// Makes a key pair of 2048 bits, as Google's, and a token.
    ///
    /// # Panics
    ///
    /// If the machine cannot make a key pair.
    pub fn new() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap_or_else(|error| panic!("{error}"));
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#;
        let message = format!("{}.{}", encode(header.as_bytes()), encode(CLAIMS.as_bytes()));
        let mut signature = vec![0; pair.public_modulus_len()];
        let (random, bytes) = (SystemRandom::new(), message.as_bytes());
        let signed = pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature);
        signed.unwrap_or_else(|error| panic!("{error}"));
        let modulus = encode(pair.public_key().modulus().big_endian_without_leading_zero());
        let jwks = format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","n":"{modulus}","e":"AQAB"}}]}}"#);
        let keys = KeySet::from_jwks(jwks.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let policy = IssuerConfig::google(vec!["a".into()]).policy();
        Self { good: format!("{message}.{}", encode(&signature)), jwks, keys, policy }
    }

    /// Verifies a token with keys at hand, which remember the signatures that they have seen.
    ///
    /// # Errors
    ///
    /// As [`verify`].
    pub fn verify(&self, token: &str) -> Result<Principal, Rejection> {
        self.verify_with(&self.keys, token)
    }

    /// Keys that have not seen any signature.
    ///
    /// # Panics
    ///
    /// If the machine cannot read its own keys.
    pub fn fresh_keys(&self) -> KeySet {
        KeySet::from_jwks(self.jwks.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Tokens::verify`], with these keys.
    ///
    /// # Errors
    ///
    /// As [`verify`].
    pub fn verify_with(&self, keys: &KeySet, token: &str) -> Result<Principal, Rejection> {
        verify(token, keys, &self.policy, Still.now())
    }

    /// Makes the verifier of production, with an issuer that answers at once.
    ///
    /// # Panics
    ///
    /// If it refuses the configuration.
    pub fn verifier(&self) -> OidcVerifier {
        let fetch: Arc<dyn Fetch> = Arc::new(AtHand(self.jwks.clone()));
        let google = IssuerConfig::google(vec!["a".into()]);
        let made = OidcVerifier::new(vec![(google, fetch)], Arc::new(Still));
        made.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::new()
    }
}
