//! Real keys and really signed tokens.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, KeyPair, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_auth::verify::{self, Booleans, KeySet, Policy, Principal, Rejection, Subjects};
use haumana_sync::time::UnixMillis;
use std::sync::LazyLock;

/// The time at which tokens are checked, unless a test says otherwise.
pub(crate) const NOW_SECS: i64 = 1_750_000_000;
/// One of the two issuers that Google uses.
pub(crate) const ISSUER: &str = "https://accounts.google.com";
/// The other one.
pub(crate) const BARE_ISSUER: &str = "accounts.google.com";
pub(crate) const AUDIENCE: &str = "1234-haumana.apps.googleusercontent.com";
pub(crate) const SECOND_AUDIENCE: &str = "5678-web.apps.googleusercontent.com";
pub(crate) const PARTY: &str = "9012-ios.apps.googleusercontent.com";
pub(crate) const SUBJECT: &str = "110248495921238986420";
pub(crate) const EMAIL: &str = "kumu-marked@example.org";

/// Making RSA keys is slow, so that one binary makes two and shares them.
pub(crate) static KAI: LazyLock<Signer> = LazyLock::new(|| Signer::new("kai"));
pub(crate) static UKA: LazyLock<Signer> = LazyLock::new(|| Signer::new("uka"));
static KEYS: LazyLock<KeySet> = LazyLock::new(|| key_set(&[&KAI.jwk(), &UKA.jwk()]).unwrap());

/// A key pair with its id.
pub(crate) struct Signer {
    pub id: &'static str,
    pub pair: RsaKeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        Self { id, pair: RsaKeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    pub(crate) fn modulus(&self) -> &[u8] {
        self.pair.public_key().modulus().big_endian_without_leading_zero()
    }

    pub(crate) fn exponent(&self) -> &[u8] {
        self.pair.public_key().exponent().big_endian_without_leading_zero()
    }

    /// The public key as an X.509 structure.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        self.pair.public_key().as_der().unwrap().as_ref().to_vec()
    }

    pub(crate) fn jwk(&self) -> String {
        jwk(self.id, self.modulus(), self.exponent(), r#""use":"sig","alg":"RS256""#)
    }

    /// The header that Google sends.
    pub(crate) fn header(&self) -> String {
        format!(r#"{{"alg":"RS256","kid":"{}","typ":"JWT"}}"#, self.id)
    }

    pub(crate) fn sign_with(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signed = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), message, &mut signed).unwrap();
        signed
    }

    /// A token of any two texts, really signed.
    pub(crate) fn token(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let message = message(header, payload);
        let signed = self.sign_with(&signature::RSA_PKCS1_SHA256, message.as_bytes());
        format!("{message}.{}", encode(signed))
    }

    /// A token with this header around good claims.
    pub(crate) fn with_header(&self, header: impl AsRef<[u8]>) -> String {
        self.token(header, Claims::good().json())
    }

    /// A token with these claims behind a good header.
    pub(crate) fn with_claims(&self, claims: &Claims) -> String {
        self.token(self.header(), claims.json())
    }
}

/// Claims as (name, JSON text), so that they can be anything.
#[derive(Clone)]
pub(crate) struct Claims(Vec<(String, String)>);

impl Claims {
    /// What Google sends.
    pub(crate) fn good() -> Self {
        let text = |text: &str| format!("\"{text}\"");
        Self(vec![])
            .and("iss", &text(ISSUER))
            .and("azp", &text(PARTY))
            .and("aud", &text(AUDIENCE))
            .and("sub", &text(SUBJECT))
            .and("email", &text(EMAIL))
            .and("email_verified", "true")
            .and("name", &text("Kumu Hula"))
            .and("picture", &text("https://example.org/p.png"))
            .and("iat", &(NOW_SECS - 60).to_string())
            .and("exp", &(NOW_SECS + 3540).to_string())
    }

    /// Adds a claim behind the others, also if it is there.
    pub(crate) fn and(mut self, name: &str, json: &str) -> Self {
        self.0.push((name.to_owned(), json.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(key, _)| key != name);
        self
    }

    /// Replaces a claim.
    pub(crate) fn with(self, name: &str, json: &str) -> Self {
        self.without(name).and(name, json)
    }

    pub(crate) fn json(&self) -> String {
        let members: Vec<_> =
            self.0.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        issuers: vec![ISSUER.into(), BARE_ISSUER.into()],
        audiences: vec![AUDIENCE.into(), SECOND_AUDIENCE.into()],
        authorized_parties: vec![PARTY.into()],
        subjects: Subjects::Bare,
        booleans: Booleans::Json,
        leeway_secs: 300,
        max_lifetime_secs: 24 * 3600,
        max_token_bytes: 8192,
    }
}

pub(crate) fn keys() -> &'static KeySet {
    &KEYS
}

/// The key set of the given JSON Web Keys.
pub(crate) fn key_set(jwks: &[&str]) -> Result<KeySet, verify::KeySetError> {
    KeySet::from_jwks(format!(r#"{{"keys":[{}]}}"#, jwks.join(",")).as_bytes())
}

/// A JSON Web Key of raw numbers, with further members.
pub(crate) fn jwk(id: &str, modulus: &[u8], exponent: &[u8], rest: &str) -> String {
    let (n, e) = (encode(modulus), encode(exponent));
    format!(r#"{{"kty":"RSA","kid":"{id}","n":"{n}","e":"{e}",{rest}}}"#)
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is signed.
pub(crate) fn message(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", encode(header), encode(payload))
}

/// Verifies with the usual keys and policy.
pub(crate) fn verify(token: &str) -> Result<Principal, Rejection> {
    verify::verify(token, keys(), &policy(), UnixMillis::from_secs(NOW_SECS))
}

/// Checks that `token` is refused for this reason and no other.
#[track_caller]
pub(crate) fn refused(case: &str, token: &str, reason: Rejection) {
    assert_eq!(Some(reason), verify(token).err(), "{case} must be refused");
}

/// Checks that `token` is accepted.
#[track_caller]
pub(crate) fn accepted(case: &str, token: &str) {
    assert_eq!(None, verify(token).err(), "{case} must be accepted");
}
