//! The clock and the randomness of the machine, for hosts. Tests bring their own.
//!
//! The engine has no clock and no source of chance of its own; both are traits that a host fills.
//! These are the ones of a real host. With a clock that is set and numbers from a seed, a test can
//! repeat a fault exactly.

use haumana_sync::engine::{Clock, Random};
use haumana_sync::time::UnixMillis;
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// How many numbers are fetched from the machine at once. Each fetch is a system call, and a large
/// push needs a number for each record.
const FETCHED: usize = 32;

/// The machine's clock.
///
/// Servers of one store should agree within two seconds; NTP does that.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

/// The clock may jump back, for example when it is corrected. The engine expects that: it never
/// gives out a stamp below an earlier one of the same account.
impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // A clock before 1970 is wrong; it counts as 1970.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The machine's randomness, good enough for secrets.
///
/// Numbers are fetched from the system 32 at a time, for each thread, and given out once each.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    ///
    /// If the machine has no randomness. To go on would break promises silently.
    fn next_u64(&self) -> u64 {
        NUMBERS.with_borrow_mut(|numbers| {
            if numbers.is_empty() {
                fetch(numbers);
            }
            // It is never empty here.
            numbers.pop().unwrap_or_default()
        })
    }
}

thread_local! {
    /// Numbers that were fetched and not given out. Each is given once.
    static NUMBERS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Asserted and not returned as an error: ids and epochs that are not random would break promises
/// to users, and nobody would notice.
fn fetch(numbers: &mut Vec<u64>) {
    let mut bytes = [0; 8 * FETCHED];
    let filled = getrandom::fill(&mut bytes);
    assert!(filled.is_ok(), "the machine gives no randomness");
    let (words, _) = bytes.as_chunks::<8>();
    numbers.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_clock_stands_in_this_century() {
        let now = SystemClock.now().to_string();

        assert!(now.starts_with("20"), "{now}");
    }

    #[test]
    fn random_numbers_differ() {
        let numbers =
            || -> Vec<u64> { (0..3 * FETCHED).map(|_| SystemRandom.next_u64()).collect() };
        let elsewhere =
            std::thread::spawn(move || (0..FETCHED).map(|_| SystemRandom.next_u64()).collect());
        let mut all: Vec<u64> = elsewhere.join().unwrap_or_default();

        all.extend(numbers());

        let different: HashSet<u64> = all.iter().copied().collect();
        assert_eq!((4 * FETCHED, 4 * FETCHED), (all.len(), different.len()));
    }
}
