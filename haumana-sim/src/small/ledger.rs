//! Who typed what, having seen what.
//!
//! It is the ledger of the random model in small: 32 bits for each of four parts, and no versions.

/// How many parts a record has that are followed on their own: the short field, the lines, the fields
/// of other policies, and the star that phones have in their stead.
pub(super) const PARTS: usize = 4;

/// See [`PARTS`].
pub(super) const NAME: usize = 0;
/// See [`PARTS`].
pub(super) const WORDS: usize = 1;
/// See [`PARTS`].
pub(super) const REST: usize = 2;
/// See [`PARTS`].
pub(super) const STAR: usize = 3;

/// The edits that are in what somebody sees, one bit each, by part.
///
/// A history has far fewer than 32 edits.
pub(super) type Seen = [u32; PARTS];

/// Both together.
pub(super) fn both(one: Seen, other: Seen) -> Seen {
    std::array::from_fn(|part| one[part] | other[part])
}

/// What an edit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// An edit of one part.
    Of(usize),
    /// The first version is the content again: an edit of all parts.
    Restore,
    /// A delete.
    Delete,
}

/// One edit, or the restoring of the first version, or a delete.
///
/// Its number is its place in the ledger, and its bit.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// What it is.
    pub(super) sort: Sort,
    /// Its time: as its device claims, and no later than when it arrived first.
    pub(super) at_ms: i64,
    /// The edits that its user had seen.
    pub(super) seen: Seen,
    /// What its user turned the star to.
    pub(super) star: bool,
    /// The parts of which restoring the first version made something else than what was there.
    pub(super) restored: [bool; PARTS],
    /// Whether it has reached the server.
    pub(super) has_arrived: bool,
}

/// All edits of a history, by their number, and what is in the server's record of them.
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

    /// The edit of that number reaches the server at `now_ms`.
    ///
    /// The server takes no time from the future, so the edit's time is cut to its arrival.
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

    /// Those that nobody who saw them replaced.
    ///
    /// Of these one wins, or they are merged; all others were replaced by somebody who saw them.
    pub(super) fn standing(&self, of: usize) -> Vec<usize> {
        let arrived = self.arrived(of);
        let is_replaced = |number: &usize| {
            arrived.iter().any(|later| self.edits[*later].seen[of] >> number & 1 == 1)
        };
        arrived.iter().copied().filter(|number| !is_replaced(number)).collect()
    }

    /// Whether it is certain which of the standing edits of a part is to win: there is one, or nobody
    /// who edited it had seen another's edit.
    pub(super) fn is_plain(&self, of: usize) -> bool {
        let saw_none = |number: usize| self.edits[number].seen[of] == 0;
        self.standing(of).len() == 1 || self.arrived(of).into_iter().all(saw_none)
    }

    /// The delete that has arrived.
    pub(super) fn delete(&self) -> Option<&Edit> {
        self.edits.iter().find(|edit| edit.has_arrived && edit.sort == Sort::Delete)
    }

    /// Whether an edit in what `delete` had seen replaced the first value of a part, beside `restore`.
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

    /// Whether the part is another behind it.
    pub(super) fn sets(&self, of: usize) -> bool {
        self.sort == Sort::Of(of) || self.restored[of]
    }
}
