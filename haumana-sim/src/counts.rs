//! Counts of rare events. They must happen in runs: a law that is never tested is no law.
//!
//! A random model may stop doing something rare without anybody noticing, for example when a
//! probability is changed. So each rare event is counted, and tests check that every event that a
//! profile makes possible has happened.

use super::profile::Profile;

/// Something that happens in some run of a profile.
///
/// Long runs report the counts under these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rare {
    /// The request to restore a version came again, after other edits.
    RestoreAgain,
    /// The resolution of a conflict came again, after other edits.
    ResolutionAgain,
    /// A delete came again, after other edits.
    DeleteAgain,
    /// The request to erase the account came again, after a new beginning.
    ErasureAgain,
    /// An import came again, after other edits.
    ImportAgain,
    /// The request to rewind came again, after other edits.
    RewindAgain,
    /// A rewind changed something.
    Rewound,
    /// A rewind was undone by another one.
    RewindUndone,
    /// A phone synced in the middle of a rewind.
    RewindCrossed,
    /// A rewind happened in the middle of a phone's sync.
    SyncCrossedByRewind,
    /// A record's creation came after its delete.
    LateCreation,
    /// A form was saved with a text that its phone had pushed, and that is in no version.
    PushedForm,
    /// A phone sent a session again that had been corrected.
    MendedSession,
    /// A phone sent a session again that had been deleted.
    DeletedSession,
}

impl Rare {
    /// All of them, in order.
    pub const ALL: [Rare; 14] = ALL;
}

const ALL: [Rare; 14] = [
    Rare::RestoreAgain,
    Rare::ResolutionAgain,
    Rare::DeleteAgain,
    Rare::ErasureAgain,
    Rare::ImportAgain,
    Rare::RewindAgain,
    Rare::Rewound,
    Rare::RewindUndone,
    Rare::RewindCrossed,
    Rare::SyncCrossedByRewind,
    Rare::LateCreation,
    Rare::PushedForm,
    Rare::MendedSession,
    Rare::DeletedSession,
];

/// How often each rare thing happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; ALL.len()]);

impl Counts {
    /// Counts one event.
    pub fn note(&mut self, rare: Rare) {
        self.0[rare as usize] += 1;
    }

    /// How often this happened.
    pub fn of(&self, rare: Rare) -> usize {
        self.0[rare as usize]
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// The events that should have happened in runs of `profile` and never have.
    ///
    /// Over enough runs of a profile it must be empty.
    pub fn missing(&self, profile: Profile) -> Vec<Rare> {
        let Profile { asks, imports, erasures, mends, rewinds, forms, .. } = profile;
        let is_due = |rare: Rare| match rare {
            Rare::RestoreAgain | Rare::ResolutionAgain | Rare::DeleteAgain => asks,
            Rare::LateCreation => asks,
            Rare::ErasureAgain => erasures,
            Rare::ImportAgain => imports,
            Rare::RewindAgain | Rare::Rewound | Rare::RewindUndone => rewinds,
            Rare::RewindCrossed | Rare::SyncCrossedByRewind => rewinds,
            // Rewinds leave too little time for it.
            Rare::PushedForm => forms && asks && !rewinds,
            Rare::MendedSession | Rare::DeletedSession => mends,
        };
        ALL.into_iter().filter(|rare| is_due(*rare) && self.0[*rare as usize] == 0).collect()
    }
}
