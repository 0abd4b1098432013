//! The engine's notes in the head about the whole account: small facts that a request must know
//! without reading a record.
//!
//! Stored as a JSON object in [`Head::notes`]; an empty text is the default. Keys that this program
//! does not know are refused as a newer format, so that an older program never drops them.

use crate::engine::commit::retained::Retained;
use crate::engine::edit::slot::Slot;
use crate::engine::push::devices::DeviceNote;
use crate::engine::{Error, Result};
use crate::store::{Head, HeadState, Revision, Stamp, UNKNOWN_FLOOR, Version};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The notes of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Notes {
    /// What a dialect keeps.
    #[serde(rename = "given", skip_serializing_if = "Slot::is_empty")]
    pub slot: Slot,
    /// The devices of new clients that pushed last, the newest at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceNote>,
    /// The largest version of the epoch before the last erasure. New records start above it.
    #[serde(skip_serializing_if = "is_zero")]
    pub floor: Version,
    /// Hashes of the requests that erased the account, the newest at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erasures: Vec<u64>,
    /// What an import has put into the account so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedCounts>,
    /// When the account was imported. Earlier notes were deleted by the erasure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported_at: Option<UnixMillis>,
    /// How many inbox entries are open; `None` if not counted yet, as in accounts of version 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<u64>,
    /// How much history the account holds.
    #[serde(skip_serializing_if = "Retained::is_empty")]
    pub history: Retained,
    /// The last revision that changed a record, if only commits of notes followed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<u64>,
    /// History that was superseded before this was removed to make room for newer history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shed: Option<UnixMillis>,
    /// Hashes of the requests that rewound the account, the newest at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewinds: Vec<u64>,
    /// The stamp of the last commit that wrote a record without a new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restamped: Option<Stamp>,
    /// Whether a record was met that cannot be read. Then no device can compare digests.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_aside: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How many entries of each list of an export are in the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportedCounts {
    #[serde(rename = "p")]
    pub pieces: usize,
    #[serde(rename = "s")]
    pub sessions: usize,
    #[serde(rename = "h")]
    pub history: usize,
    #[serde(rename = "c")]
    pub conflicts: usize,
    #[serde(rename = "t")]
    pub tombstones: usize,
    #[serde(rename = "r", default, skip_serializing_if = "is_none")]
    pub records: usize,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// How many requests to erase are remembered.
const ERASURES: usize = 16;

/// How many requests to rewind are remembered.
const REWINDS: usize = 16;

impl Notes {
    /// Remembers a request to erase.
    #[must_use]
    pub(crate) fn with_erasure(mut self, name: u64) -> Self {
        self.erasures.push(name);
        let surplus = self.erasures.len().saturating_sub(ERASURES);
        self.erasures.drain(..surplus);
        self
    }

    /// Remembers a request to rewind.
    #[must_use]
    pub(crate) fn with_rewind(mut self, name: u64) -> Self {
        self.rewinds.push(name);
        let surplus = self.rewinds.len().saturating_sub(REWINDS);
        self.rewinds.drain(..surplus);
        self
    }

    /// Reads the notes of a head. Without a head they are empty.
    pub(crate) fn of(head: Option<&Head>) -> Result<Self> {
        let Some(head) = head else { return Ok(Self::default()) };
        let mut notes = match head.notes.as_str() {
            "" => Self::default(),
            text => serde_json::from_str(text).map_err(|_| Error::newer_format())?,
        };
        // The marker of version 0.1 does not contain the largest version.
        if head.state == HeadState::Erased && notes.floor == 0 {
            notes.floor = UNKNOWN_FLOOR;
        }
        Ok(notes)
    }

    /// Writes them; the default is an empty text.
    pub(crate) fn to_text(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        // Numbers and strings, written to memory, cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The revision up to which a device must have read, to have every record of `head`.
pub(crate) fn last_change(head: &Head) -> Revision {
    let notes = Notes::of(Some(head)).unwrap_or_default();
    notes.quiet_since.map_or(head.revision, Revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_an_empty_text_and_anything_else_comes_back() {
        let notes = Notes { floor: 7, quiet_since: Some(3), ..Notes::default() };

        let back: Notes = serde_json::from_str(&notes.to_text()).unwrap();

        assert_eq!(notes, back);
        assert_eq!("", Notes::default().to_text());
    }

    #[test]
    fn notes_of_a_newer_program_are_refused() {
        assert!(serde_json::from_str::<Notes>(r#"{"island":"Maui"}"#).is_err());
    }
}
