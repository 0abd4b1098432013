//! Somebody who issues tokens as Google does, with keys on loopback.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const CLIENT: &str = "1234-haumana.apps.googleusercontent.com";

pub(crate) struct Google {
    /// The address of the key set.
    pub url: String,
    pair: RsaKeyPair,
}

impl Google {
    pub(crate) fn start() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let key = pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwks = json!({ "keys": [{
            "kid": "g", "kty": "RSA", "alg": "RS256", "use": "sig",
            "n": number(key.modulus().big_endian_without_leading_zero()),
            "e": number(key.exponent().big_endian_without_leading_zero()),
        }]});
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/certs", listener.local_addr().unwrap());
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &jwks.to_string());
            }
        });
        Self { url, pair }
    }

    /// A token for this person, with other claims beside or instead of the usual ones.
    pub(crate) fn token(&self, sub: &str, more: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": "https://accounts.google.com", "aud": CLIENT, "azp": CLIENT, "sub": sub,
            "email": format!("{sub}@example.org"), "email_verified": true, "name": sub,
            "iat": now, "exp": now + 3600,
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let header = json!({ "alg": "RS256", "kid": "g", "typ": "JWT" });
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let (random, bytes) = (SystemRandom::new(), message.as_bytes());
        self.pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn serve(mut stream: TcpStream, jwks: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let length = jwks.len();
    let head = "HTTP/1.1 200 OK\r\ncache-control: max-age=600\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {length}\r\n\r\n{jwks}").unwrap();
}
