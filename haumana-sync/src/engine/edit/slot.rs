//! What a dialect keeps beside a record or an account.

use crate::engine::edit::packed::{self, Packed};
use crate::json::JsonText;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

/// What a dialect keeps beside a record or an account, as JSON. It has hashes and numbers, no
/// content. The engine stores it and never reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(Option<JsonText>);

impl Slot {
    /// Makes a slot that holds `value`.
    pub fn of(value: &impl Serialize) -> Self {
        Self(JsonText::of(value))
    }

    /// Reads its value; `None` if it is empty or has another form.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.0.as_ref()?.as_str()).ok()
    }

    /// Makes a slot that holds a list. Long lists are packed.
    pub fn of_list<T: Packed + Serialize>(list: &[T]) -> Self {
        Self::of(&List(list))
    }

    /// Reads its list; `None` if it is empty or has another form.
    pub fn read_list<T: Packed + DeserializeOwned>(&self) -> Option<Vec<T>> {
        let mut text = serde_json::Deserializer::from_str(self.0.as_ref()?.as_str());
        packed::deserialize(&mut text).ok()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

struct List<'a, T>(&'a [T]);

impl<T: Packed + Serialize> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        packed::serialize(self.0, serializer)
    }
}
