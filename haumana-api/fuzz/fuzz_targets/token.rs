//! Any text as a token: nothing but the one that was issued is accepted, and nothing panics.
#![no_main]

#[path = "../signer.rs"]
mod signer;

use libfuzzer_sys::fuzz_target;
use signer::{GOOD, SIGNER, verify};
use std::sync::LazyLock;

static ISSUED: LazyLock<String> = LazyLock::new(|| SIGNER.token(signer::HEADER, GOOD));

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A text that begins like this stands for a change of the good token; otherwise the fuzzer,
    // which cannot sign, would never get past the signature.
    let token = match text.strip_prefix('~') {
        Some(change) => changed(&ISSUED, change.as_bytes()),
        None => text.to_owned(),
    };
    assert_eq!(token == *ISSUED, verify(&token).is_ok(), "{token}");
});

/// Puts bytes at places: a pair of bytes for the place, one for the character.
fn changed(token: &str, change: &[u8]) -> String {
    let mut bytes = token.as_bytes().to_vec();
    for step in change.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([step[0], step[1]])) % bytes.len();
        bytes[at] = step[2] & 0x7f;
    }
    String::from_utf8(bytes).unwrap_or_default()
}
