//! What a dialect keeps beside a record or an account.

use crate::json::JsonText;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a dialect keeps beside a record or an account, as JSON: hashes and numbers, no content. The
/// engine stores it and never reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(Option<JsonText>);

impl Slot {
    /// Makes a slot that holds `value`.
    pub fn of(value: &impl Serialize) -> Self {
        Self(JsonText::of(value))
    }

    /// Reads what it holds; `None` if that is nothing, or something else.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.0.as_ref()?.as_str()).ok()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}
