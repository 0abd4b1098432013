//! Every history of a scope that is small enough for every day; docs/testing.md has the larger ones.

use haumana_sim::small::{Bound, Cast, search};

#[track_caller]
fn check(cast: Cast, bound: Bound, histories: usize) {
    let found = search(cast, bound);

    assert!(found.violations.is_empty(), "{}", found.violations.join("\n"));
    assert_eq!(histories, found.histories, "none of them is left out");
}

/// Found that a deleted piece lost its fields of which no phone knows when a phone's edit brought it
/// back: `2 Delete, Heard · 0 Name, Heard`.
#[test]
fn every_history_of_two_turns_keeps_every_promise() {
    for (cast, histories) in Cast::ALL.into_iter().zip([392, 849, 798, 313]) {
        check(cast, Bound::of_turns(2), histories);
    }
}

/// A time from the future counts as that of the server when the edit arrives.
#[test]
fn every_history_of_two_turns_with_a_clock_ahead_keeps_every_promise() {
    // The device whose clock is ahead is like no other, so less is the same than without it.
    for (cast, histories) in Cast::ALL.into_iter().zip([928, 849, 1363, 734]) {
        check(cast, Bound { ahead_ms: 86_400_000, ..Bound::of_turns(2) }, histories);
    }
}

#[test]
fn every_history_of_phones_with_two_edits_and_a_lost_reply_keeps_every_promise() {
    let bound =
        Bound { edits: 2, late: 0, deletes: 0, restores: 0, copies: 0, ..Bound::of_turns(3) };
    check(Cast::ALL[3], bound, 1464);
}
