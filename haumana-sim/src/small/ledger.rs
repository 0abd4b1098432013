//! Who typed what, and what that user had seen.
//!
//! It is a small form of the random model's ledger: 32 bits for each of four parts, and no
//! versions.

/// How many parts of a record are followed separately: the short field, the lines, the fields of
/// other policies, and the star, which phones have instead of these.
pub(super) const PARTS: usize = 4;

/// See [`PARTS`].
pub(super) const NAME: usize = 0;
/// See [`PARTS`].
pub(super) const WORDS: usize = 1;
/// See [`PARTS`].
pub(super) const REST: usize = 2;
/// See [`PARTS`].
pub(super) const STAR: usize = 3;

/// The edits in what somebody sees, one bit each, by part.
///
/// A history has far fewer than 32 edits.
pub(super) type Seen = [u32; PARTS];

/// The edits of both.
pub(super) fn both(one: Seen, other: Seen) -> Seen {
    std::array::from_fn(|part| one[part] | other[part])
}

/// What an edit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// An edit of one part.
    Of(usize),
    /// A restore of the first version: an edit of all parts.
    Restore,
    /// A delete.
    Delete,
}

/// One edit, restore of the first version, or delete.
///
/// Its number is its place in the ledger, and its bit.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// What it is.
    pub(super) sort: Sort,
    /// Its time: the claimed one, but no later than its first arrival.
    pub(super) at_ms: i64,
    /// The edits that its user had seen.
    pub(super) seen: Seen,
    /// The value that its user toggled the star to.
    pub(super) star: bool,
    /// The parts that restoring the first version changed.
    pub(super) restored: [bool; PARTS],
    /// Whether it has reached the server.
    pub(super) has_arrived: bool,
}

/// All edits of a history, by number, and those in the server's record.
///
/// `server` grows with each edit that arrives, and never shrinks.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) edits: Vec<Edit>,
    pub(super) server: Seen,
}

impl Ledger {
    /// Notes an edit and returns its number.
    pub(super) fn add(&mut self, edit: Edit) -> usize {
        self.edits.push(edit);
        self.edits.len() - 1
    }

    /// The edit with that number reaches the server at `now_ms`.
    ///
    /// The server accepts no time in the future, so the edit's time is limited to its arrival.
    pub(super) fn arrive(&mut self, number: usize, now_ms: i64) {
        let edit = &mut self.edits[number];
        edit.at_ms = if edit.has_arrived { edit.at_ms } else { edit.at_ms.min(now_ms) };
        self.edits[number].has_arrived = true;
        let seen = both(self.edits[number].seen, self.own(number));
        self.server = both(self.server, seen);
    }

    /// The bits of one edit.
    pub(super) fn own(&self, number: usize) -> Seen {
        let edit = &self.edits[number];
        std::array::from_fn(|of| if edit.is_of(of) { 1 << number } else { 0 })
    }

    /// The edits of a part that have arrived.
    pub(super) fn arrived(&self, of: usize) -> Vec<usize> {
        let all = self.edits.iter().enumerate();
        all.filter(|(_, edit)| edit.has_arrived && edit.is_of(of))
            .map(|(number, _)| number)
            .collect()
    }

    /// The edits of a part that nobody who saw them replaced.
    ///
    /// One of these wins, or they are merged. All others were replaced by somebody who saw them.
    pub(super) fn standing(&self, of: usize) -> Vec<usize> {
        let arrived = self.arrived(of);
        let is_replaced = |number: &usize| {
            arrived.iter().any(|later| self.edits[*later].seen[of] >> number & 1 == 1)
        };
        arrived.iter().copied().filter(|number| !is_replaced(number)).collect()
    }

    /// Whether it is certain which of the standing edits of a part must win: there is only one, or
    /// nobody who edited it had seen another's edit.
    pub(super) fn is_plain(&self, of: usize) -> bool {
        let saw_none = |number: usize| self.edits[number].seen[of] == 0;
        self.standing(of).len() == 1 || self.arrived(of).into_iter().all(saw_none)
    }

    /// The delete that has arrived.
    pub(super) fn delete(&self) -> Option<&Edit> {
        self.edits.iter().find(|edit| edit.has_arrived && edit.sort == Sort::Delete)
    }

    /// Whether some edit that `delete` had seen, other than `restore`, replaced the first value of
    /// a part.
    pub(super) fn has_replaced_first(&self, of: usize, delete: &Edit, restore: &Edit) -> bool {
        let mut edits = self.edits.iter().enumerate();
        edits.any(|(number, edit)| {
            let is_in = |seen: Seen| seen[of] >> number & 1 == 1;
            let is_on_first = edit.sort == Sort::Of(of) && edit.seen[of] == 0;
            is_on_first && is_in(delete.seen) && !is_in(restore.seen)
        })
    }

    /// Whether the first version was restored.
    pub(super) fn has_restore(&self) -> bool {
        self.edits.iter().any(|edit| edit.sort == Sort::Restore)
    }
}

impl Edit {
    fn is_of(&self, of: usize) -> bool {
        self.sort == Sort::Of(of) || self.sort == Sort::Restore
    }

    /// Whether it changes the part.
    pub(super) fn sets(&self, of: usize) -> bool {
        self.sort == Sort::Of(of) || self.restored[of]
    }
}
