//! Gives memory that large requests took back to the system.
//!
//! A burst of large uploads makes the process large, and the allocator of glibc keeps memory that
//! was freed. On a small machine other programs then lack that memory. Every two seconds this
//! module looks at the resident memory of the process. If it is 16 MB more than after the last
//! time, and has stopped growing, `malloc_trim` is called on a thread that may block.
//!
//! Looking costs one read of a file in `/proc`. Giving back walks through all heaps, so it is done
//! rarely, and never while memory still grows, because then it is being used.

use std::time::Duration;

/// How often the memory is looked at.
const PAUSE: Duration = Duration::from_secs(2);

/// The growth since the last time that is worth the walk through all heaps.
const WORTH_KB: u64 = 16 << 10;

/// After so many looks in a row without growth, the work counts as over.
///
/// That is ten seconds. Then memory is given back once more: the first time may have been between
/// two requests of one burst.
const QUIET_LOOKS: u32 = 5;

/// Runs for ever. Gives free memory back whenever the process has become much larger and has
/// stopped growing.
pub(crate) async fn keep_small() {
    // If the system does not say how much memory there is, nothing is done.
    let Some(at_start_kb) = resident_kb() else { return };
    let mut looks = Looks::new(at_start_kb);
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(resident_kb) = resident_kb() else { return };
        if looks.is_due(resident_kb) {
            let given = tokio::task::spawn_blocking(haumana_trim::give_back);
            // A panic was reported where it happened.
            let _ = given.await;
            looks.settle(self::resident_kb().unwrap_or(resident_kb));
        }
    }
}

/// The state of the looks at the memory.
#[derive(Debug)]
struct Looks {
    /// The resident memory after all free memory was given back the last time.
    settled_kb: u64,
    /// The resident memory at the last look.
    before_kb: u64,
    /// How many looks in a row found no growth.
    quiet_looks: u32,
    /// Whether to give back once more, because the last time may have been in the midst of work.
    owes_last: bool,
}

impl Looks {
    /// What the process has at its start counts as in use.
    fn new(resident_kb: u64) -> Self {
        let (settled_kb, before_kb) = (resident_kb, resident_kb);
        Self { settled_kb, before_kb, quiet_looks: 0, owes_last: false }
    }

    /// Whether to give back now. There are two cases: much was added since the last time, and it
    /// grows no more; or a last time is owed, and the work has ended.
    fn is_due(&mut self, resident_kb: u64) -> bool {
        let has_grown = self.settled_kb + WORTH_KB <= resident_kb;
        let grows = self.before_kb < resident_kb;
        self.before_kb = resident_kb;
        self.quiet_looks = if grows { 0 } else { self.quiet_looks + 1 };
        let is_last = self.owes_last && QUIET_LOOKS <= self.quiet_looks;
        let is_due = is_last || (has_grown && !grows);
        if is_due {
            self.owes_last = !is_last;
        }
        is_due
    }

    /// Sets the amount in use. Growth is counted from here.
    fn settle(&mut self, resident_kb: u64) {
        self.settled_kb = resident_kb;
        self.before_kb = resident_kb;
        self.quiet_looks = 0;
    }
}

/// The resident memory of this process, in units of 1,024 bytes, as the kernel reports it.
///
/// Linux only; `None` elsewhere.
fn resident_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_much_was_added_and_no_more_is() {
        let mut looks = Looks::new(20_000);

        assert!(!looks.is_due(180_000), "still growing");
        assert!(looks.is_due(180_000));
        looks.settle(30_000);
        assert!(!looks.is_due(30_000));
        assert!(!looks.is_due(45_000));
        assert!(!looks.is_due(45_000), "not worth it");
    }

    #[test]
    fn what_was_in_use_is_given_back_once_the_work_has_ended() {
        let mut looks = Looks::new(20_000);
        looks.is_due(180_000);
        assert!(looks.is_due(180_000), "a pause of the work");
        looks.settle(150_000);

        let due = (0..20).filter(|_| looks.is_due(150_000)).count();

        assert_eq!(1, due);
        looks.settle(30_000);
        assert!((0..20).all(|_| !looks.is_due(30_000)));
    }

    #[test]
    fn what_stays_in_use_is_not_walked_through_again_and_again() {
        let mut looks = Looks::new(20_000);
        looks.is_due(180_000);
        assert!(looks.is_due(180_000));

        looks.settle(170_000);

        assert!(!looks.is_due(175_000) && !looks.is_due(175_000));
    }
}
