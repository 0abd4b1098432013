//! Any bytes as the header of a token that is really signed: what is accepted is what a general
//! JSON parser takes for RS256 with the key's id and nothing unknown, and nothing panics.
#![no_main]

#[path = "../signer.rs"]
mod signer;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use signer::{GOOD, SIGNER, verify};

fuzz_target!(|data: &[u8]| {
    if verify(&SIGNER.token(data, GOOD)).is_err() {
        return;
    }
    let header: Value = serde_json::from_slice(data).expect("what was accepted is JSON");
    assert_eq!(("RS256", "k"), (header["alg"].as_str().unwrap(), header["kid"].as_str().unwrap()));
    for (name, value) in header.as_object().unwrap() {
        let is_jwt = || value.as_str().unwrap().eq_ignore_ascii_case("JWT");
        assert!(name == "alg" || name == "kid" || (name == "typ" && is_jwt()), "{name}");
    }
});
