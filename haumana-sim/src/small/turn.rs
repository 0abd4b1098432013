//! The turns, and which of them are tried.
//!
//! Each turn multiplies the number of histories by about the number of choices. So turns that lead
//! to the same result as others are left out here; the module above lists them.

use super::scene::{Cast, Scene};
use super::search::Bound;
use std::fmt;

/// What a device's user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Nothing.
    Nothing,
    /// Edits the short field, in which the later edit wins.
    Name,
    /// Edits the lines: the middle one, and one more at the top or at the bottom.
    Words,
    /// Edits a field of each other policy; on a phone the star.
    Rest,
    /// Deletes the record. Not on a phone, because no server learns of that.
    Delete,
}

/// How the device's sync ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The reply arrives.
    Heard,
    /// The reply is lost.
    Lost,
    /// There is no sync yet.
    Kept,
}

/// One thing that happens.
///
/// Printed, a list of these is the story of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A device's user does something, and it syncs.
    Act {
        /// The device.
        device: usize,
        /// What its user does.
        what: What,
        /// Whether the time of the edit is before all others, not after them.
        is_early: bool,
        /// How the sync ends.
        end: End,
    },
    /// A request is repeated, late. The number is its place among the sent ones.
    Late(usize),
    /// The last device is set up from a backup of this one.
    Copy(usize),
    /// A person restores the first version of the record.
    Restore,
}

const EDITS: [What; 4] = [What::Name, What::Words, What::Rest, What::Delete];

impl Turn {
    /// Every turn to try after `turns`, which led to `scene`.
    ///
    /// The order is fixed, so that a search is the same each time.
    pub(super) fn all(turns: &[Turn], scene: &Scene, bound: Bound, cast: Cast) -> Vec<Turn> {
        let count = |is: fn(&Turn) -> bool| turns.iter().filter(|turn| is(turn)).count();
        let n_deletes = count(|turn| matches!(turn, Turn::Act { what: What::Delete, .. }));
        let n_edits = count(Turn::is_edit) - n_deletes;
        let n_lost = count(|turn| matches!(turn, Turn::Act { end: End::Lost, .. }));
        let n_late = count(|turn| matches!(turn, Turn::Late(_)));
        let n_copies = count(|turn| matches!(turn, Turn::Copy(_)));
        let n_restores = count(|turn| matches!(turn, Turn::Restore));
        let mut next = Vec::new();
        let keeper = match turns.last() {
            Some(Turn::Act { device, end: End::Kept, .. }) => Some(*device),
            _ => None,
        };
        for device in 0..cast.0.len() {
            // A device whose clock is ahead is not interchangeable.
            let others = usize::from(bound.ahead_ms != 0)..device;
            let is_first =
                !others.into_iter().any(|at| !scene.has_acted[at] && cast.0[at] == cast.0[device]);
            let may_act = scene.has_acted[device] || is_first;
            if !may_act || keeper.is_some_and(|keeper| keeper != device) {
                continue;
            }
            let is_pending = scene.devices[device].is_pending();
            let mut whats = vec![What::Nothing];
            let holds = scene.devices[device].holds();
            whats.extend(EDITS.into_iter().filter(|what| {
                let is_room = match what {
                    What::Delete => n_deletes < bound.deletes && scene.devices[device].deletes(),
                    _ => n_edits < bound.edits,
                };
                holds && is_room
            }));
            for what in whats {
                let is_edit = what != What::Nothing;
                // A clock that is set back between two edits of one push is tested elsewhere.
                let earliness: &[bool] = match is_edit && !is_pending && what != What::Delete {
                    true => &[false, true],
                    false => &[false],
                };
                for is_early in earliness {
                    let act = |end| Turn::Act { device, what, is_early: *is_early, end };
                    next.push(act(End::Heard));
                    let has_something = is_edit || is_pending;
                    next.extend((has_something && n_lost < bound.lost).then_some(act(End::Lost)));
                    next.extend(is_edit.then_some(act(End::Kept)));
                }
            }
        }
        if keeper.is_none() {
            if n_late < bound.late {
                next.extend((0..scene.sent.len()).map(Turn::Late));
            }
            let last = cast.0.len() - 1;
            if n_copies < bound.copies && !scene.has_acted[last] {
                next.extend((0..last).filter(|at| scene.has_acted[*at]).map(Turn::Copy));
            }
            if n_restores < bound.restores && 0 < n_edits + n_deletes {
                next.push(Turn::Restore);
            }
        }
        next
    }

    fn is_edit(&self) -> bool {
        matches!(self, Turn::Act { what, .. } if *what != What::Nothing)
    }

    /// Whether the history of `turns` must be judged, and is not equal to a shorter one.
    ///
    /// A history that ends with an unsent edit is judged when the edit has been sent.
    pub(super) fn is_whole(turns: &[Turn]) -> bool {
        if matches!(turns.last(), Some(Turn::Act { end: End::Kept, .. })) {
            return false;
        }
        turns.iter().enumerate().all(|(at, turn)| match turn {
            Turn::Act { device, what: What::Nothing, end: End::Heard, .. } => {
                let is_pending = turns[..at].iter().rev().find_map(|turn| match turn {
                    Turn::Act { device: of, end, .. } if of == device => Some(*end != End::Heard),
                    _ => None,
                });
                is_pending == Some(true)
                    || turns[at + 1..].iter().any(|turn| match turn {
                        Turn::Act { device: of, .. } => of == device && turn.is_edit(),
                        Turn::Copy(of) => of == device,
                        _ => false,
                    })
            }
            _ => true,
        })
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Turn::Act { device, what, is_early, end } => {
                let when = if *is_early { ", early" } else { "" };
                write!(f, "{device} {what:?}{when}, {end:?}")
            }
            Turn::Late(request) => write!(f, "request {request} again"),
            Turn::Copy(device) => write!(f, "copy of {device}"),
            Turn::Restore => f.write_str("restore"),
        }
    }
}
