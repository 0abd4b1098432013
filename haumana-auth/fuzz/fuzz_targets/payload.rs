//! Any bytes as the payload of a token that is really signed: what is accepted names the user whom
//! a general JSON parser reads in it, for no longer than a day, and nothing panics.
#![no_main]

#[path = "../signer.rs"]
mod signer;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use signer::{HEADER, NOW_SECS, SIGNER, verify};

fuzz_target!(|data: &[u8]| {
    let Ok(principal) = verify(&SIGNER.token(HEADER, data)) else { return };
    let user = principal.user.as_str();
    assert!(!user.is_empty() && user.len() <= 255 && !user.contains(':'), "{user:?}");
    let left_secs = principal.expires_at.secs() - NOW_SECS;
    assert!((-300..=24 * 3600).contains(&left_secs), "{left_secs}");
    // Numbers that no double can hold are JSON all the same, and the general parser refuses them.
    let Ok(claims) = serde_json::from_slice::<Value>(data) else { return };
    assert_eq!(Some(user), claims["sub"].as_str());
    assert_eq!(Some(principal.expires_at.secs()), claims["exp"].as_i64());
    assert_eq!(
        (Some("accounts.google.com"), Some("a")),
        (claims["iss"].as_str(), claims["aud"].as_str())
    );
    assert!(claims.get("azp").is_none_or(|party| party == "a"));
    assert_eq!(principal.email.as_deref(), claims.get("email").and_then(Value::as_str));
    assert_eq!(principal.email_verified, claims.get("email_verified") == Some(&Value::Bool(true)));
});
