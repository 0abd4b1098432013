//! The only source of chance in a run: everything follows from one seed.
//!
//! Nothing else in the model may be random: no clock, no order of a hash map, no thread. So one
//! number repeats a run, on every machine and every store.

pub use haumana_sync::conformance::SeededRandom;

use haumana_sync::engine::Random as _;

/// The generator of a run.
///
/// A shrunk history goes on with a clone of it; see [`History`](crate::History).
#[derive(Clone, Debug)]
pub struct Dice(SeededRandom);

impl Dice {
    /// Makes the generator of a seed.
    ///
    /// The seed is mixed with a constant, so that the engines do not draw from the same one.
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::scattered(seed ^ 0x6861_756D_616E_6121))
    }

    /// Returns 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a number below `end`, which is at least 1.
    ///
    /// The remainder is a little uneven, which no run notices.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// Returns a number from `first` to `last`.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        first + (self.bits() % (last - first + 1) as u64) as i64
    }

    /// Whether an event happens that happens this often in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.bits() % 100 < percent
    }

    /// Returns one of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
