//! A clock that is set, and random bits that repeat, for engines in tests.

use crate::engine::{Clock, Random};
use crate::time::UnixMillis;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A clock that stands where it was set.
#[derive(Debug)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// Makes a clock that shows `now`.
    pub fn at(now: UnixMillis) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Puts the clock forward, or back.
    pub fn pass_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

/// Random bits that are the same for the same seed: <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// Makes the source of a seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Returns a number below `bound`, which is not 0.
    pub fn below(&self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
