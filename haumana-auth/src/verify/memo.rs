//! A memory of good signatures, because a device sends one token with many requests.

use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fmt;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// LIMIT: the remembered signatures of one key. Up to twice as many, until the older half is
/// dropped.
const SIGNATURES: usize = 4_096;

/// Remembers good signatures of one key, by SHA-256 of message and signature. Bad ones are not
/// remembered, so nobody can fill it without signed tokens. It lives as long as its key set.
#[derive(Default)]
pub(super) struct Memo(Mutex<Known>);

#[derive(Default)]
struct Known {
    newer: HashSet<[u8; 32]>,
    older: HashSet<[u8; 32]>,
}

impl Memo {
    /// Whether the signature of `message` is good: it was found good before, or `check` says so
    /// now.
    pub(super) fn is_good(
        &self,
        message: &[u8],
        signature: &[u8],
        check: impl FnOnce() -> bool,
    ) -> bool {
        let name = name(message, signature);
        if self.known().has(&name) {
            return true;
        }
        let is_good = check();
        if is_good {
            self.known().add(name);
        }
        is_good
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic cannot have left a set half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn has(&self, name: &[u8; 32]) -> bool {
        self.newer.contains(name) || self.older.contains(name)
    }

    fn add(&mut self, name: [u8; 32]) {
        if SIGNATURES <= self.newer.len() {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(name);
    }
}

/// The length is hashed too, so that the boundary between the two counts.
fn name(message: &[u8], signature: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(message.len().to_be_bytes());
    hasher.update(message);
    hasher.update(signature);
    hasher.finalize().into()
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_good_is_not_checked_again_and_what_was_bad_is() {
        let memo = Memo::default();

        assert!(memo.is_good(b"message", b"signature", || true));

        assert!(memo.is_good(b"message", b"signature", || unreachable!("it is known")));
        for (message, signature) in [(b"Message", b"signature"), (b"message", b"Signature")] {
            assert!(!memo.is_good(message, signature, || false));
            assert!(memo.is_good(message, signature, || true), "a bad one leaves no trace");
        }
        assert!(!memo.is_good(b"messages", b"ignature", || false), "the cut counts");
    }

    #[test]
    fn it_holds_no_more_than_its_limit_and_forgets_the_oldest() {
        let memo = Memo::default();
        let good = |n: usize| memo.is_good(&n.to_be_bytes(), b"", || true);

        (0..=3 * SIGNATURES).for_each(|n| assert!(good(n)));

        let known = memo.known();
        assert_eq!((1, SIGNATURES), (known.newer.len(), known.older.len()));
        assert!(!known.has(&name(&0_usize.to_be_bytes(), b"")));
        assert!(known.has(&name(&(3 * SIGNATURES).to_be_bytes(), b"")));
    }
}
