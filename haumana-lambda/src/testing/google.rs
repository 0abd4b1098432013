//! An issuer of ID tokens like Google, with keys of its own, on loopback.
//!
//! Functions under test fetch keys from it over loopback, by the same code that fetches Google's.
//! It counts the fetches, so a test can see that keys are kept.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

/// The client id that the tokens are for.
pub const CLIENT_ID: &str = "1234-app.apps.googleusercontent.com";
const KEY_ID: &str = "b3319a147514df7ee5e4bcdee51350cc890cc89e";

/// The issuer.
pub struct Google {
    keys: RsaKeyPair,
    address: String,
    fetches: Arc<AtomicUsize>,
}

impl Google {
    /// Makes a key pair and publishes it on a free port.
    ///
    /// # Errors
    ///
    /// If no port is free, or no key can be made.
    pub async fn start() -> io::Result<Self> {
        let keys = RsaKeyPair::generate(KeySize::Rsa2048).map_err(io::Error::other)?;
        let public = keys.public_key();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let set = json!({"keys": [{
            "kid": KEY_ID, "use": "sig", "alg": "RS256", "kty": "RSA",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        }]})
        .to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/oauth2/v3/certs", listener.local_addr()?);
        let fetches = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&fetches);
        let serve = move || {
            count.fetch_add(1, Ordering::Relaxed);
            let headers =
                [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=21600")];
            let reply = (headers, set.clone());
            async { reply }
        };
        let app = Router::new().route("/oauth2/v3/certs", get(serve));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { keys, address, fetches })
    }

    /// The address of the key set.
    pub fn key_set(&self) -> &str {
        &self.address
    }

    /// How often the key set was fetched.
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Issues a token for `sub`, issued now and valid for an hour.
    pub fn token(&self, sub: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.sign(&json!({
            "iss": "https://accounts.google.com",
            "azp": CLIENT_ID,
            "aud": CLIENT_ID,
            "sub": sub,
            "email": format!("{sub}@example.com"),
            "email_verified": true,
            "name": format!("Haumana {sub}"),
            "iat": now,
            "exp": now + 3600,
        }))
    }

    /// Signs any claims, also wrong ones: a test makes tokens that have expired or are for another
    /// audience.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "kid": KEY_ID, "typ": "JWT"});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; self.keys.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self.keys.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature);
        assert!(signed.is_ok(), "a key that was just made signs");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
