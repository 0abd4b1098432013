//! What only these two kinds keep from version 0.1: stored hashes, reserved keys, lists of exports.

use crate::schema::{Field, Group, Kind};

impl Field {
    /// Keeps the hashes that version 0.1 stored for the fields of a piece.
    #[must_use]
    pub(super) fn with_text_hash(mut self) -> Self {
        self.has_text_hash = true;
        self
    }
}

impl Group {
    /// Keeps the hashes that version 0.1 stored for the groups of a session. Use it only for fields
    /// whose values contain no blanks.
    #[must_use]
    pub(super) fn with_text_hash(mut self) -> Self {
        self.has_text_hash = true;
        self
    }
}

impl Kind {
    /// Reserves keys in addition to those that are reserved in every kind.
    #[must_use]
    pub(super) fn reserving(mut self, reserved: &'static [&'static str]) -> Self {
        self.reserved = reserved;
        self
    }

    /// Sets the separate list in exports for its records, and what exports write beside each.
    #[must_use]
    pub(super) fn exported_as(mut self, list: &'static str, beside: &'static str) -> Self {
        self.export_list = Some((list, beside));
        self
    }

    /// Says that version 0.1 did not remember which version changed which field.
    #[must_use]
    pub(super) fn without_touches_in_0_1(mut self) -> Self {
        self.had_no_touches = true;
        self
    }
}
