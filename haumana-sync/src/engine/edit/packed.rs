//! Packs long lists of numbers that a record remembers, into two fifths of their size as JSON.
//!
//! A record that is edited every day remembers hundreds of hashes, versions and times. They are
//! read and written with every edit, so their size is most of the cost of an edit. Short lists stay
//! JSON, which people can read. Lists that were stored before packing existed stay JSON until they
//! are written again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// Lists with fewer entries stay JSON.
const PACKED_FROM: usize = 64;

/// A row of an ordinary list is shorter than this.
const ROW_BYTES: usize = 64;

/// LIMIT: memory is reserved for at most this many entries before the first is read, whatever
/// length the list claims.
const MOST_AT_ONCE: usize = 1024;

/// The form of the packed text. Another form gets another letter.
const FORM: char = 'a';

/// An entry of a list that is packed when it is long.
pub trait Packed: Sized {
    /// The entry as numbers that are small if entries are alike: versions and times are differences
    /// from the entry before.
    type Row: Serialize + DeserializeOwned;

    /// Returns the row of an entry that follows `before`.
    fn to_row(&self, before: Option<&Self>) -> Self::Row;

    /// Makes the entry from a row; `None` if no entry has such a row.
    fn of_row(row: Self::Row, before: Option<&Self>) -> Option<Self>;
}

/// A list as it is stored: `#[serde(with = "packed")]` of a field.
pub(crate) fn serialize<T: Packed + Serialize, S: Serializer>(
    list: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if list.len() < PACKED_FROM {
        return serializer.collect_seq(list);
    }
    let mut room = vec![0; list.len() * ROW_BYTES];
    // It is written in place while it fits. A list that grows byte by byte takes twice as long.
    let mut longer = Vec::new();
    let bytes = match postcard::to_slice(&Rows(list), &mut room) {
        Ok(bytes) => &*bytes,
        Err(postcard::Error::SerializeBufferFull) => {
            longer = postcard::to_extend(&Rows(list), longer).map_err(S::Error::custom)?;
            longer.as_slice()
        }
        Err(error) => return Err(S::Error::custom(error)),
    };
    let mut text = String::with_capacity(1 + bytes.len().div_ceil(3) * 4);
    text.push(FORM);
    STANDARD_NO_PAD.encode_string(bytes, &mut text);
    serializer.serialize_str(&text)
}

/// Reads a list, packed or not.
pub(crate) fn deserialize<'de, T: Packed + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(ListVisitor(PhantomData))
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Packed + Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or a packed one")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(list)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        unpacked(text).ok_or_else(|| E::custom("no packed list"))
    }
}

fn unpacked<T: Packed>(text: &str) -> Option<Vec<T>> {
    let bytes = STANDARD_NO_PAD.decode(text.strip_prefix(FORM)?).ok()?;
    postcard::from_bytes(&bytes).ok().map(|Entries(list)| list)
}

/// A list as its rows. Each row is made when it is written.
struct Rows<'a, T>(&'a [T]);

impl<T: Packed> Serialize for Rows<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let before = std::iter::once(None).chain(self.0.iter().map(Some));
        serializer
            .collect_seq(self.0.iter().zip(before).map(|(entry, before)| entry.to_row(before)))
    }
}

/// A list that is read from rows. Each row becomes an entry when it is read.
struct Entries<T>(Vec<T>);

impl<'de, T: Packed> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowsVisitor(PhantomData)).map(Self)
    }
}

struct RowsVisitor<T>(PhantomData<T>);

impl<'de, T: Packed> Visitor<'de> for RowsVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows of a packed list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Vec<T>, A::Error> {
        // The claimed length may be wrong, so it reserves no memory beyond this limit.
        let length = rows.size_hint().unwrap_or_default().min(MOST_AT_ONCE);
        let mut list: Vec<T> = Vec::with_capacity(length);
        while let Some(row) = rows.next_element()? {
            let entry = T::of_row(row, list.last());
            list.push(entry.ok_or_else(|| serde::de::Error::custom("no row of the list"))?);
        }
        Ok(list)
    }
}

/// Lists by name: `#[serde(with = "packed::by_name")]` of a field.
pub(crate) mod by_name {
    use super::{Deserialize, Deserializer, Packed, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(crate) fn serialize<T: Packed + Serialize, S: Serializer>(
        lists: &BTreeMap<String, Vec<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(lists.iter().map(|(name, list)| (name, List(list))))
    }

    pub(crate) fn deserialize<'de, T, D>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Vec<T>>, D::Error>
    where
        T: Packed + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let lists = BTreeMap::<String, Owned<T>>::deserialize(deserializer)?;
        Ok(lists.into_iter().map(|(name, list)| (name, list.0)).collect())
    }

    struct List<'a, T>(&'a [T]);

    impl<T: Packed + Serialize> Serialize for List<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            super::serialize(self.0, serializer)
        }
    }

    struct Owned<T>(Vec<T>);

    impl<'de, T: Packed + Deserialize<'de>> Deserialize<'de> for Owned<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            super::deserialize(deserializer).map(Self)
        }
    }
}

/// Returns the difference from the number of the entry before.
pub fn step(number: i64, before: Option<i64>) -> i64 {
    number.wrapping_sub(before.unwrap_or_default())
}

/// Returns the number with this difference from that of the entry before.
pub fn stepped(step: i64, before: Option<i64>) -> i64 {
    before.unwrap_or_default().wrapping_add(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::edit::meta::{Claim, Past, Seen};
    use crate::time::UnixMillis;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(bound(
        deserialize = "T: Packed + Deserialize<'de>",
        serialize = "T: Packed + Serialize"
    ))]
    struct Kept<T>(#[serde(with = "super")] Vec<T>);

    fn pasts() -> impl Strategy<Value = Vec<Past>> {
        let past = (any::<u32>(), any::<u64>(), any::<i64>(), any::<bool>());
        let past = past.prop_map(|(version, hash, until, is_gone)| Past {
            version,
            hash,
            until: UnixMillis(until),
            is_gone,
        });
        prop::collection::vec(past, 0..100)
    }

    fn seens() -> impl Strategy<Value = Vec<Seen>> {
        let seen = (any::<u64>(), any::<i64>());
        let seen = seen.prop_map(|(hash, at)| Seen { hash, at: UnixMillis(at) });
        prop::collection::vec(seen, 0..100)
    }

    fn claims() -> impl Strategy<Value = Vec<Claim>> {
        let claim = (any::<u64>(), any::<Option<u32>>(), any::<i64>(), any::<i64>());
        let claim = claim.prop_map(|(of, base, claimed_at, at)| Claim {
            of,
            base,
            claimed_at: UnixMillis(claimed_at),
            at: UnixMillis(at),
        });
        prop::collection::vec(claim, 0..100)
    }

    fn comes_back<T>(list: Vec<T>)
    where
        T: Packed + Serialize + DeserializeOwned + PartialEq + fmt::Debug,
    {
        let kept = Kept(list);
        let text = serde_json::to_string(&kept).unwrap();

        assert_eq!(kept.0.len() < PACKED_FROM, text.starts_with('['));
        assert_eq!(kept, serde_json::from_str(&text).unwrap());
        if PACKED_FROM <= kept.0.len() {
            assert_eq!(packed_at_once(&kept.0), text, "the rows as one list of serde's");
        }
        // As it was stored before lists were packed.
        let plain = serde_json::to_string(&kept.0).unwrap();
        assert_eq!(kept, serde_json::from_str(&plain).unwrap());
    }

    fn packed_at_once<T: Packed>(list: &[T]) -> String {
        let before = std::iter::once(None).chain(list.iter().map(Some));
        let rows: Vec<T::Row> =
            list.iter().zip(before).map(|(it, before)| it.to_row(before)).collect();
        let bytes = postcard::to_allocvec(&rows).unwrap();
        format!("\"{FORM}{}\"", STANDARD_NO_PAD.encode(bytes))
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wide(String);

    impl Packed for Wide {
        type Row = String;

        fn to_row(&self, _: Option<&Self>) -> String {
            self.0.clone()
        }

        fn of_row(row: String, _: Option<&Self>) -> Option<Self> {
            Some(Self(row))
        }
    }

    #[test]
    fn rows_that_are_longer_than_usual_come_back() {
        comes_back((0..100).map(|n| Wide("a".repeat(3 * n))).collect());
    }

    proptest! {
        #[test]
        fn every_list_comes_back(pasts in pasts(), seens in seens(), claims in claims()) {
            comes_back(pasts);
            comes_back(seens);
            comes_back(claims);
        }

        #[test]
        fn what_is_no_packed_list_is_refused(text in "a?[A-Za-z0-9+/]{0,60}") {
            // Some are lists by chance. None panics or reserves the memory that it claims.
            let read: Result<Kept<Past>, _> = serde_json::from_value(text.clone().into());
            prop_assert!(text.starts_with('a') || read.is_err());
        }
    }

    #[test]
    fn a_list_that_names_more_entries_than_it_has_is_refused() {
        // The length of a list comes first: here 2^32 - 1.
        let text =
            format!("{FORM}{}", STANDARD_NO_PAD.encode([0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2]));

        assert!(serde_json::from_value::<Kept<Past>>(text.into()).is_err());
    }

    #[test]
    fn two_hundred_earlier_values_take_two_fifths_of_their_room() {
        let past = |n: u32| Past {
            version: 7 * n,
            hash: crate::digest::Digest::of([n.to_be_bytes().as_slice()]).short(),
            until: UnixMillis(1_790_000_000_000 + 3_600_123 * i64::from(n)),
            is_gone: false,
        };
        let pasts: Vec<Past> = (1..=200).map(past).collect();

        let plain = serde_json::to_string(&pasts).unwrap();
        let packed = serde_json::to_string(&Kept(pasts)).unwrap();

        assert!(5 * packed.len() <= 2 * plain.len(), "{} of {}", packed.len(), plain.len());
    }
}
