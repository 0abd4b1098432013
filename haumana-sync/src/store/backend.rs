//! What every backend needs: the first steps of a commit, the numbers of states, pages of history.
//!
//! Backends that use these functions read the contract in the same way.
//!
//! Write a backend's commit in this order: [`check_batch`], then read the stored head under the
//! lock of the storage, then [`decide`], then write.

use super::{Batch, BatchLimits, Error, ErrorKind, Head, HeadState, HistoryEntry, Result};
use crate::id::UserId;

/// What a commit has to do, once the stored head is known.
///
/// `Done` makes a commit repeatable. A backend that answers `Conflict` in that case makes the
/// engine merge its own edit with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write the batch.
    Write,
    /// The same batch was the last one that was written: answer `Ok` and write nothing.
    Done,
    /// The stored head is not the expected one: answer [`ErrorKind::Conflict`] and write nothing.
    Conflict,
}

/// Checks a batch before anything is done with it.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] if it exceeds the limits.
///
/// # Panics
///
/// As [`Batch::assert_consistent`].
pub fn check_batch(
    limits: BatchLimits,
    user: &UserId,
    expected: Option<&Head>,
    batch: &Batch,
) -> Result<()> {
    batch.assert_consistent(user, expected);
    if limits.items < batch.items() || limits.bytes < batch.size_bytes() {
        return Err(Error::new("commit", ErrorKind::TooLarge));
    }
    Ok(())
}

/// Decides what a commit does. Call it where nobody else can change the head until the write.
///
/// ```
/// use haumana_sync::conformance::sample::{next_batch, piece, record};
/// use haumana_sync::store::backend::{Decision, decide};
///
/// let first = next_batch(None, vec![record(piece(1), 1, "Hula")], Vec::new());
/// assert_eq!(Decision::Write, decide(None, None, &first));
/// assert_eq!(Decision::Done, decide(Some(&first.head), None, &first));
/// let second = next_batch(Some(&first.head), Vec::new(), Vec::new());
/// assert_eq!(Decision::Write, decide(Some(&first.head), Some(&first.head), &second));
/// assert_eq!(Decision::Conflict, decide(Some(&second.head), None, &first));
/// ```
pub fn decide(stored: Option<&Head>, expected: Option<&Head>, batch: &Batch) -> Decision {
    if stored.is_some_and(|head| head.is_same(&batch.head)) {
        return Decision::Done;
    }
    match (stored, expected) {
        (None, None) => Decision::Write,
        (Some(head), Some(expected)) if head.is_same(expected) => Decision::Write,
        _ => Decision::Conflict,
    }
}

/// Cuts a page of [`Store::history_of`](super::Store::history_of) to `limit` entries. It does not
/// split a version, unless the first version alone exceeds `limit`.
///
/// Read one entry more than `limit`, in the order of the answer. With that entry this function sees
/// whether the last version continues.
pub fn cut_between_versions(entries: &mut Vec<HistoryEntry>, limit: usize) {
    let Some(split) = entries.get(limit).map(|entry| entry.key.version) else { return };
    entries.truncate(limit);
    let whole = entries.iter().take_while(|entry| entry.key.version != split).count();
    if whole != 0 {
        entries.truncate(whole);
    }
}

impl HeadState {
    /// Returns the number that stores keep. It never changes.
    ///
    /// A store with columns keeps the number instead of the word. A store that keeps the head as
    /// JSON does not need it.
    pub fn number(self) -> u8 {
        match self {
            HeadState::Active => 0,
            HeadState::Erasing => 1,
            HeadState::Erased => 2,
            HeadState::Importing => 3,
        }
    }

    /// Returns the state with that number.
    pub fn from_number(number: u8) -> Option<Self> {
        let states =
            [HeadState::Active, HeadState::Erasing, HeadState::Erased, HeadState::Importing];
        states.into_iter().find(|state| state.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::sample::{entry, piece};

    #[track_caller]
    fn check(sides: &[(u32, u32)], limit: usize, left: usize) {
        let of = |(version, side): &(u32, u32)| entry(piece(1), *version, *side, 0);
        let mut entries: Vec<HistoryEntry> = sides.iter().map(of).collect();
        cut_between_versions(&mut entries, limit);
        assert_eq!(left, entries.len(), "{sides:?} cut to {limit}");
    }

    #[test]
    fn pages_of_history_end_between_versions() {
        check(&[(3, 0), (2, 0), (2, 1), (1, 0)], 4, 4);
        check(&[(3, 0), (2, 0), (2, 1), (1, 0)], 3, 3);
        check(&[(3, 0), (2, 0), (2, 1), (1, 0)], 2, 1);
        check(&[(2, 0), (2, 1), (2, 2)], 2, 2);
        check(&[], 2, 0);
    }

    #[test]
    fn each_state_has_one_number() {
        for number in 0..4 {
            assert_eq!(Some(number), HeadState::from_number(number).map(HeadState::number));
        }
        assert_eq!(None, HeadState::from_number(4));
    }
}
