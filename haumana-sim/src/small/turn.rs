//! What can happen in one turn, and which turns there are to try.
//!
//! The number of histories grows with each turn by a factor of about the number of choices. So
//! turns that lead to the same as others are left out here; the module above lists them.

use super::scene::{Cast, Scene};
use super::search::Bound;
use std::fmt;

/// What a device's user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Nothing.
    Nothing,
    /// Edits the short field, of which the later edit wins.
    Name,
    /// Edits the lines: the middle one, and one more at the top or at the bottom.
    Words,
    /// Edits a field of each other policy; on a phone the star.
    Rest,
    /// Deletes the record; not on a phone, of which no server hears it.
    Delete,
}

/// How the device's sync ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The reply is heard.
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
        /// Whose.
        device: usize,
        /// What.
        what: What,
        /// Whether the time of the edit is before all others, not after them.
        is_early: bool,
        /// How the sync ends.
        end: End,
    },
    /// A request comes again, late; the place is among those sent.
    Late(usize),
    /// The last device is set up from a backup of this one.
    Copy(usize),
    /// A person makes the first version the record's content again.
    Restore,
}

const EDITS: [What; 4] = [What::Name, What::Words, What::Rest, What::Delete];

impl Turn {
    /// Every turn that is to be tried after `turns`, which led to `scene`.
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
            // A device whose clock is ahead is like no other.
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
                // A clock that is set back between two edits of one push is a matter of its own.
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

    /// Whether the history of `turns` is one to look at, and not the same as a shorter one.
    ///
    /// A history that ends with something unsent is looked at when it has been sent.
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
