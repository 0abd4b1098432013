//! The clock and the randomness of the machine, for hosts. Tests bring their own.

use haumana_sync::engine::{Clock, Random};
use haumana_sync::time::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // A clock before 1970 is as wrong as one that stands at 1970.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The machine's randomness, good enough for secrets.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    ///
    /// If the machine has no randomness to give; going on without would break promises silently.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        let filled = getrandom::fill(&mut bytes);
        assert!(filled.is_ok(), "the machine gives no randomness");
        u64::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_in_this_century() {
        let now = SystemClock.now().to_string();

        assert!(now.starts_with("20"), "{now}");
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(SystemRandom.next_u64(), SystemRandom.next_u64());
    }
}
