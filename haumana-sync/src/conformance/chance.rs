//! A clock that is set, and random bits that repeat, for tests, models and fixtures.
//!
//! Tests of code that uses this library need these two, so that a run depends only on its seed.

use crate::engine::{Clock, Random};
use crate::time::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A clock that stays where it was set.
///
/// Its clones are the same clock. A clock made by [`ahead`](SetClock::ahead) shares its time, and
/// differs from it by a fixed amount.
///
/// ```
/// use haumana_sync::conformance::SetClock;
/// use haumana_sync::engine::Clock;
/// use haumana_sync::time::UnixMillis;
///
/// let server = SetClock::at(UnixMillis(1_000));
/// let phone = server.ahead(-250);
/// server.pass_ms(60_000);
///
/// assert_eq!((61_000, 60_750), (server.now().0, phone.now().0));
/// ```
#[derive(Clone, Debug)]
pub struct SetClock {
    true_ms: Arc<AtomicI64>,
    ahead_ms: Arc<AtomicI64>,
}

impl SetClock {
    /// Makes a clock that shows `now`.
    pub fn at(now: UnixMillis) -> Self {
        Self { true_ms: Arc::new(AtomicI64::new(now.0)), ahead_ms: Arc::default() }
    }

    /// Makes a clock that shares this time and shows `ms` more (less, if `ms` is negative).
    #[must_use]
    pub fn ahead(&self, ms: i64) -> Self {
        let ahead_ms = Arc::new(AtomicI64::new(ms));
        Self { true_ms: Arc::clone(&self.true_ms), ahead_ms }
    }

    /// Lets time pass, for all clocks that share this time.
    pub fn pass_ms(&self, ms: i64) {
        self.true_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Sets the time of all clocks that share it.
    pub fn set(&self, now: UnixMillis) {
        self.true_ms.store(now.0, Ordering::Relaxed);
    }

    /// Sets by how much this clock is ahead of the time.
    pub fn set_ahead_ms(&self, ms: i64) {
        self.ahead_ms.store(ms, Ordering::Relaxed);
    }

    /// Returns by how much this clock is ahead of the time.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.true_ms.load(Ordering::Relaxed) + self.ahead_ms())
    }
}

/// The difference of two consecutive states of [`SeededRandom`].
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Random bits that are the same for the same seed: <https://prng.di.unimi.it/splitmix64.c>.
///
/// It is for tests only: the seed determines every bit.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// Makes the source of a seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Makes the source whose first bits are made from `seed` itself, not from the next state.
    pub fn starting_at(seed: u64) -> Self {
        Self::new(seed.wrapping_sub(STEP))
    }

    /// Makes the source of a seed that is mixed first. So the sources of neighbouring seeds share
    /// no bits.
    ///
    /// Use it if one run makes many sources, with seeds that count up.
    pub fn scattered(seed: u64) -> Self {
        Self::new(mix(seed))
    }

    /// Returns a number below `bound`, which is not 0.
    pub fn below(&self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }

    /// Returns `true` with a probability of `percent` in a hundred.
    pub fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

impl Clone for SeededRandom {
    /// The clone continues from here by itself, with the same bits.
    fn clone(&self) -> Self {
        Self::new(self.0.load(Ordering::Relaxed))
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        mix(self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP))
    }
}

fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_one_time_go_together_and_are_wrong_each_by_its_own() {
        let server = SetClock::at(UnixMillis(1000));
        let (same, device) = (server.clone(), server.ahead(5));

        server.pass_ms(10);
        device.set_ahead_ms(-3);

        assert_eq!(UnixMillis(1010), same.now());
        assert_eq!((UnixMillis(1007), -3), (device.now(), device.ahead_ms()));
        assert_eq!(0, server.ahead_ms());
    }

    #[test]
    fn a_seed_has_the_bits_that_it_always_had() {
        let first = |random: SeededRandom| random.next_u64();

        assert_eq!(0xe220_a839_7b1d_cdaf, first(SeededRandom::new(0)));
        assert_eq!(first(SeededRandom::new(0)), first(SeededRandom::starting_at(STEP)));
        assert_eq!(first(SeededRandom::new(mix(7))), first(SeededRandom::scattered(7)));
    }
}
