//! Finding records by the value of an indexed field.
//!
//! An index exists only on the device. Declare it with
//! [`Field::indexed`](haumana_sync::schema::Field::indexed). An updated app makes the index when it
//! opens.

use crate::error::{Error, ErrorKind, Result};
use crate::flaw::{Flaw, Reason};
use crate::index::{IndexRange, IndexValue, Indexable, as_field, fits};
use crate::replica::{Replica, View, view};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Record;
use std::ops::{Bound, RangeBounds};

/// The records to look for: those whose field has a value in a range.
///
/// # Examples
///
/// ```
/// use haumana_replica::Filter;
///
/// let good = Filter::range("rating", 4..);
/// let mine = Filter::equals("leader", "Kai");
/// ```
///
/// The range is of one field. If there are two conditions, use the one that fewer records meet, and
/// check the other condition on the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    field: String,
    range: IndexRange,
}

impl Filter {
    /// Records whose `field` has a value in `range`. A record without a value is in no range.
    ///
    /// Numbers, times and flags are ordered by value, texts by their bytes.
    pub fn range<V: Indexable>(field: impl Into<String>, range: impl RangeBounds<V>) -> Self {
        let from = match range.start_bound().map(Indexable::to_index) {
            Bound::Unbounded => Bound::Excluded(IndexValue::Absent),
            bound => bound,
        };
        let to = range.end_bound().map(Indexable::to_index);
        Self { field: field.into(), range: IndexRange { from, to } }
    }

    /// Records whose `field` has this value.
    pub fn equals(field: impl Into<String>, value: impl Indexable) -> Self {
        Self::exactly(field.into(), value.to_index())
    }

    /// Records whose `field` has no value.
    ///
    /// No range contains such records, so this is the only way to find them.
    pub fn absent(field: impl Into<String>) -> Self {
        Self::exactly(field.into(), IndexValue::Absent)
    }

    fn exactly(field: String, value: IndexValue) -> Self {
        let range = IndexRange { from: Bound::Included(value.clone()), to: Bound::Included(value) };
        Self { field, range }
    }
}

impl Replica {
    /// Returns the records of type `T` that match `filter`, by the field's value and then by id.
    /// The field must have an index.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// use haumana_replica::Filter;
    ///
    /// for title in ["Hiʻilawe", "Aloha ʻOe", "Kaulana Nā Pua"] {
    ///     replica.add(&Song { title: title.into(), ..Song::default() }).await?;
    /// }
    ///
    /// // The title is declared with `indexed`. The result is sorted by it.
    /// let found = replica.list_where::<Song>(Filter::range("title", ..="I")).await?;
    ///
    /// let titles: Vec<&str> = found.iter().map(|(_, song)| song.title.as_str()).collect();
    /// assert_eq!(["Aloha ʻOe", "Hiʻilawe"], titles[..]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the field is not indexed, if it cannot hold a value of the filter
    /// ([`Reason::WrongType`]), or if the schema does not have the type; [`ErrorKind::NoAccount`]
    /// or [`ErrorKind::Storage`].
    pub async fn list_where<T: Record>(&self, filter: Filter) -> Result<Vec<(RecordId, T)>> {
        let found = self.records_where(T::KIND, filter).await?;
        Ok(found.iter().map(|view| (view.key.id, T::from_content(&view.content))).collect())
    }

    /// As [`Replica::list_where`], for a kind by its name.
    ///
    /// # Errors
    ///
    /// As [`Replica::list_where`].
    pub async fn records_where(&self, kind: &str, filter: Filter) -> Result<Vec<View>> {
        let mut inner = self.lock().await;
        let account = inner.account("find")?;
        let kind = inner.declared_kind("find", kind)?;
        let field = kind.named(&filter.field);
        if !field.is_indexed() {
            let reason = if field.is_declared() { Reason::NotIndexed } else { Reason::NoSuchField };
            let flaw = Flaw::of_field(&kind, &filter.field, reason);
            return Err(Error::new("find", ErrorKind::Invalid).flawed(flaw));
        }
        let number = kind.number();
        let IndexRange { from, to } = filter.range;
        if !fits(field, &from) || !fits(field, &to) {
            let flaw = Flaw::of_field(&kind, &filter.field, Reason::WrongType);
            return Err(Error::new("find", ErrorKind::Invalid).flawed(flaw));
        }
        let range = IndexRange { from: as_field(field, from), to: as_field(field, to) };
        let found = inner.storage.find(&account, number, field.number(), &range).await?;
        let keys: Vec<Key> = found.into_iter().map(|id| Key { kind: number, id }).collect();
        let locals = inner.storage.read(&account, &keys).await?;
        Ok(locals.into_iter().flatten().filter_map(|local| view(local, &kind)).collect())
    }
}
