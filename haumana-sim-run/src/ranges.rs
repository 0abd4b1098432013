//! A set of seeds as ranges. The finished seeds of a profile are nearly always one range.

use serde::{Deserialize, Serialize};

/// Seeds as half-open ranges, in order, with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges(Vec<[u64; 2]>);

impl Ranges {
    /// Adds a seed; `false` if it is there already.
    pub fn insert(&mut self, seed: u64) -> bool {
        let at = self.0.partition_point(|[_, end]| *end < seed);
        match self.0.get_mut(at) {
            Some([first, end]) if (*first..*end).contains(&seed) => return false,
            Some([_, end]) if *end == seed => *end += 1,
            Some([first, _]) if *first == seed + 1 => *first = seed,
            _ => self.0.insert(at, [seed, seed + 1]),
        }
        if let Some([_, end]) = self.0.get(at + 1).copied().filter(|next| next[0] == self.0[at][1])
        {
            self.0[at][1] = end;
            self.0.remove(at + 1);
        }
        true
    }

    /// Whether a seed is there.
    pub fn contains(&self, seed: u64) -> bool {
        self.0.iter().any(|[first, end]| (*first..*end).contains(&seed))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|[first, end]| end - first).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first seed at or after `from` that is not in the set.
    pub fn next_free(&self, from: u64) -> u64 {
        let within = self.0.iter().find(|[first, end]| (*first..*end).contains(&from));
        within.map_or(from, |[_, end]| *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_in_any_order_become_one_range() {
        let mut seeds = Ranges::default();
        for seed in [5, 0, 7, 6, 2, 1, 4, 3] {
            assert!(seeds.insert(seed), "{seed} is new");
        }

        assert_eq!(Ranges(vec![[0, 8]]), seeds);
        assert!((0..8).all(|seed| !seeds.insert(seed)), "none is new again");
    }

    #[test]
    fn the_next_free_seed_is_behind_those_that_are_done() {
        let mut seeds = Ranges::default();
        assert_eq!([true; 3], [0, 1, 3].map(|seed| seeds.insert(seed)));

        assert_eq!([2, 2, 2, 4, 9], [0, 1, 2, 3, 9].map(|from| seeds.next_free(from)));
        assert_eq!((3, true, false), (seeds.len(), seeds.contains(3), seeds.contains(2)));
    }
}
