//! The machine's clock and randomness.
//!
//! [`Replica::builder`](crate::Replica::builder) uses both unless others are set.

use haumana_sync::engine::{Clock, Random};
use haumana_sync::time::UnixMillis;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's clock.
///
/// A clock that is before 1970 reads as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Random bits for the ids of records and devices. They are unique, and cannot be predicted.
///
/// They do not protect secrets. For keys and tokens use a cryptographic source instead.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // The keys of the hash are the machine's randomness. The count makes each hash different.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }
}
