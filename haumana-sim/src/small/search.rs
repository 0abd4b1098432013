//! The search through all histories.
//!
//! It is depth-first. At each node it tries all useful turns, each on a copy of the scene. If the
//! history is complete, it is settled and judged, on another copy. Then the search continues from
//! it.

use super::judge;
use super::scene::{Cast, Scene};
use super::turn::Turn;

/// The bounds of a history.
///
/// Each number bounds one sort of turn in the whole history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Turns.
    pub turns: usize,
    /// Edits.
    pub edits: usize,
    /// Lost replies.
    pub lost: usize,
    /// Requests that are repeated late.
    pub late: usize,
    /// Deletes.
    pub deletes: usize,
    /// Restores of the first version.
    pub restores: usize,
    /// Copied devices.
    pub copies: usize,
    /// How far the clock of the first device is ahead.
    pub ahead_ms: i64,
}

impl Bound {
    /// Four edits, and each accident once, in this many turns.
    pub fn of_turns(turns: usize) -> Self {
        Self { turns, edits: 4, lost: 1, late: 1, deletes: 1, restores: 1, copies: 1, ahead_ms: 0 }
    }
}

/// The result of a search.
///
/// Two searches with one bound find the same, on every machine.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How many histories there are.
    pub histories: usize,
    /// How many turns were played, and syncs to settle them.
    pub turns: usize,
    /// The histories with a fault, and the fault; the shortest first.
    pub violations: Vec<String>,
    /// How many there are of those.
    pub n_violations: usize,
}

/// How many violations are kept.
const TOLD: usize = 10;

/// Goes through every history of this cast within `bound`.
pub fn search(cast: Cast, bound: Bound) -> Found {
    let mut found = Found::default();
    match Scene::new(cast, bound.ahead_ms) {
        Ok(scene) => go_on(&scene, &mut Vec::new(), (cast, bound), &mut found),
        Err(text) => found.violate(&[], &text),
    }
    found.violations.sort_by_key(String::len);
    found
}

/// `turns` led to the scene. It grows and shrinks with the depth.
fn go_on(scene: &Scene, turns: &mut Vec<Turn>, within: (Cast, Bound), found: &mut Found) {
    let (cast, bound) = within;
    if turns.len() == bound.turns {
        return;
    }
    for turn in Turn::all(turns, scene, bound, cast) {
        let mut next = scene.fork();
        turns.push(turn);
        found.turns += 1;
        let played = next.play(turn);
        if let Err(text) = &played {
            found.histories += 1;
            found.violate(turns, text);
        } else {
            if Turn::is_whole(turns) {
                found.histories += 1;
                let mut end = next.fork();
                if let Err(text) = end.settle().and_then(|()| judge::look(&end)) {
                    found.violate(turns, &text);
                }
            }
            go_on(&next, turns, within, found);
        }
        turns.pop();
    }
}

impl Found {
    /// Short histories are the most useful, so the longest is dropped.
    fn violate(&mut self, turns: &[Turn], text: &str) {
        self.n_violations += 1;
        let told: Vec<String> = turns.iter().map(Turn::to_string).collect();
        self.violations.push(format!("{}\n    {text}", told.join(" · ")));
        self.violations.sort_by_key(String::len);
        self.violations.truncate(TOLD);
    }
}
