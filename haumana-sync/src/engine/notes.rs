//! What the engine notes in the head about the whole account: small things that a request must know
//! without reading any record.
//!
//! Stored as a JSON object in [`Head::notes`]; an empty text is the default. Keys that this program
//! does not know are refused as a newer format, so that an older program never drops them.

use super::{Error, Result};
use crate::store::Head;
use serde::{Deserialize, Serialize};

/// The notes of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Notes {}

impl Notes {
    /// Reads the notes of a head; without a head there are none.
    pub fn of(head: Option<&Head>) -> Result<Self> {
        match head.map(|head| head.notes.as_str()) {
            None | Some("") => Ok(Self::default()),
            Some(text) => serde_json::from_str(text).map_err(|_| Error::newer_format()),
        }
    }

    /// Writes them; the default is an empty text.
    pub fn to_text(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        // Numbers and strings into memory: nothing that can fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}
