//! The records of a phone's request, if they can be records.
//!
//! A body of many megabytes may be a list of millions of numbers. These are counted and dropped
//! while the body is read, so they cost no memory. The reply names only some of them.

use haumana_sync::limits;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// The fewest bytes of a record that names its id: `{"pieceId":"…"}`.
///
/// An entry that is shorter cannot have a UUID as its id.
const RECORD_LEAST_BYTES: usize = 50;

/// The records of a phone's request. Entries that are too short for an id can be no records. Of
/// these only the first [`limits::REFUSALS`] are kept, so that the reply can name some.
#[derive(Debug, Default)]
pub(super) struct Entries<'a>(pub(super) Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of records")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries<'de>, A::Error> {
                let (mut kept, mut n_short) = (Vec::new(), 0);
                while let Some(entry) = seq.next_element::<&RawValue>()? {
                    let is_short = entry.get().len() < RECORD_LEAST_BYTES;
                    n_short += usize::from(is_short);
                    if !is_short || n_short <= limits::REFUSALS {
                        kept.push(entry);
                    }
                }
                Ok(Entries(kept))
            }
        }
        deserializer.deserialize_seq(EntriesVisitor)
    }
}
