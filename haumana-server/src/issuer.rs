//! An issuer of ID tokens, like Google, but for anyone who asks.
//!
//! Tokens are made as an OpenID issuer makes them: a JWT with RS256, a key id, and a key set that
//! others can fetch. So the server verifies its own tokens by the same rules as those of other
//! issuers, and a client needs nothing special.
//!
//! The name of the issuer ends in `localhost`, which is reserved, so no real issuer has it. No
//! other service accepts its tokens.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_auth::limits;
use haumana_auth::verify::{Booleans, Policy, Subjects};
use haumana_sync::time::UnixMillis;
use serde::Serialize;

/// `iss` of every token.
const ISSUER: &str = "https://haumana.localhost";
/// `aud` of every token.
const AUDIENCE: &str = "haumana-local";
/// How long a token is valid unless a shorter time is asked for: an hour, as with Google.
pub(crate) const LIFETIME_SECS: i64 = 3600;

/// Issues tokens with one key pair.
///
/// It holds the private key, so it is never part of a reply; `Issuer::jwks` has the public half.
#[derive(Debug)]
pub(crate) struct Issuer {
    pair: RsaKeyPair,
    /// A hash of the key, so a new key has a new id.
    key_id: String,
}

/// The person that a token is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person<'a> {
    pub(crate) sub: &'a str,
    pub(crate) email: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

/// Members that are absent are left out, and never null.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    /// True for each address, although this issuer verifies nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    iat: i64,
    exp: i64,
}

/// The public key. Its members are in the order that RFC 7638 requires for a thumbprint.
#[derive(Serialize)]
struct PublicNumbers {
    e: String,
    kty: &'static str,
    n: String,
}

#[derive(Serialize)]
struct Jwk<'a> {
    kid: &'a str,
    #[serde(rename = "use")]
    purpose: &'a str,
    alg: &'a str,
    #[serde(flatten)]
    numbers: PublicNumbers,
}

#[derive(Serialize)]
struct Jwks<'a> {
    keys: [Jwk<'a>; 1],
}

impl Issuer {
    /// Makes an issuer; its key's id is the key's thumbprint (RFC 7638).
    pub(crate) fn new(pair: RsaKeyPair) -> Self {
        let thumbprint = digest(&SHA256, json(&public_numbers(&pair)).as_bytes());
        Self { pair, key_id: URL_SAFE_NO_PAD.encode(thumbprint) }
    }

    /// The public key as a JSON Web Key Set.
    pub(crate) fn jwks(&self) -> String {
        let numbers = public_numbers(&self.pair);
        let key = Jwk { kid: &self.key_id, purpose: "sig", alg: "RS256", numbers };
        json(&Jwks { keys: [key] })
    }

    /// The policy that accepts the tokens of this issuer, and no others.
    ///
    /// Subjects are taken as they are, without a prefix.
    pub(crate) fn policy() -> Policy {
        Policy {
            issuers: vec![ISSUER.into()],
            audiences: vec![AUDIENCE.into()],
            authorized_parties: vec![],
            subjects: Subjects::Bare,
            booleans: Booleans::Json,
            leeway_secs: limits::TOKEN_LEEWAY_SECS,
            max_lifetime_secs: limits::TOKEN_LIFETIME_SECS,
            max_token_bytes: limits::TOKEN_BYTES,
        }
    }

    /// Issues a token for `person`, valid for `lifetime_secs`; `None` if the key does not sign.
    pub(crate) fn issue(
        &self,
        person: Person<'_>,
        now: UnixMillis,
        lifetime_secs: i64,
    ) -> Option<String> {
        let header = Header { alg: "RS256", kid: &self.key_id, typ: "JWT" };
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: person.sub,
            email: person.email,
            email_verified: person.email.map(|_| true),
            name: person.name,
            iat: now.secs(),
            exp: now.secs() + lifetime_secs,
        };
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(json(&header)), encode(json(&claims)));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let (random, bytes) = (SystemRandom::new(), message.as_bytes());
        self.pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).ok()?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn public_numbers(pair: &RsaKeyPair) -> PublicNumbers {
    let key = pair.public_key();
    let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    PublicNumbers {
        e: encode(key.exponent().big_endian_without_leading_zero()),
        kty: "RSA",
        n: encode(key.modulus().big_endian_without_leading_zero()),
    }
}

/// Strings and numbers always serialise.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rsa::KeySize;
    use haumana_auth::verify::{KeySet, Rejection, verify};

    #[test]
    fn what_it_issues_is_accepted_for_an_hour() {
        let issuer = Issuer::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        let keys = KeySet::from_jwks(issuer.jwks().as_bytes()).unwrap();
        let person =
            Person { sub: "kumu", email: Some("kumu@example.org"), name: Some("Kumu ʻO") };
        let now = UnixMillis::from_secs(1_750_000_000);

        let token = issuer.issue(person, now, LIFETIME_SECS).unwrap();

        let check = |secs: i64| {
            let at = UnixMillis::from_secs(1_750_000_000 + secs);
            verify(&token, &keys, &Issuer::policy(), at)
        };
        let principal = check(0).unwrap();
        assert_eq!("kumu", principal.user.as_str());
        assert!(principal.email_verified);
        assert_eq!(Some("Kumu ʻO"), principal.name.as_deref());
        assert!(check(3600).is_ok());
        assert_eq!(Some(Rejection::Expired), check(3600 + limits::TOKEN_LEEWAY_SECS).err());
    }
}
