//! Any bytes as the payload of a token that is really signed: what is accepted names a user, for
//! no longer than a day, and nothing panics.
#![no_main]

#[path = "../signer.rs"]
mod signer;

use libfuzzer_sys::fuzz_target;
use signer::{HEADER, NOW_SECS, SIGNER, verify};

fuzz_target!(|data: &[u8]| {
    let Ok(principal) = verify(&SIGNER.token(HEADER, data)) else { return };
    let user = principal.user.as_str();
    assert!(!user.is_empty() && user.len() <= 255 && !user.contains(':'), "{user:?}");
    let left_secs = principal.expires_at.secs() - NOW_SECS;
    assert!((-300..=24 * 3600).contains(&left_secs), "{left_secs}");
});
