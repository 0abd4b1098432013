//! Any bytes as a key set: what is accepted has keys with ids, and nothing panics.
#![no_main]

use haumana_auth::verify::KeySet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(keys) = KeySet::from_jwks(data) {
        assert!(keys.ids().count() != 0 && keys.ids().all(|id| !id.is_empty() && keys.has(id)));
    }
});
