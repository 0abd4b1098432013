//! Finding records by the value of an indexed field.

use crate::content::Content;
use crate::error::{Error, ErrorKind, Result};
use crate::flaw::{Flaw, Reason};
use crate::kinds::{Kinds, indexed};
use crate::record::Local;
use crate::replica::{Replica, View, view};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::{Record, Value};
use haumana_sync::schema::{Field, FieldType, Kind};
use haumana_sync::time::UnixMillis;
use std::cmp::Ordering;
use std::ops::{Bound, RangeBounds};

/// The value of an indexed field, as storages order it: nothing, then numbers, then text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum IndexValue {
    /// There is no value.
    Absent,
    /// A whole number, a flag (0 or 1), or a time in milliseconds since 1970.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text, ordered by its bytes in UTF-8; an id as it is printed.
    Text(String),
}

impl Eq for IndexValue {}

impl PartialOrd for IndexValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IndexValue {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |value: &Self| match value {
            Self::Absent => 0,
            Self::Integer(_) | Self::Real(_) => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            // One field has numbers of one sort; this only makes the order whole.
            (Self::Integer(a), Self::Real(b)) => (*a as f64).total_cmp(b).then(Ordering::Less),
            (Self::Real(a), Self::Integer(b)) => a.total_cmp(&(*b as f64)).then(Ordering::Greater),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }
}

/// The index entries of one record: for each indexed field its number and value. They replace those
/// that it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntries {
    /// The record.
    pub key: Key,
    /// The fields; none if its user does not see the record.
    pub fields: Vec<(u16, IndexValue)>,
}

/// A range of values of one field, in an index. [`IndexValue::Absent`] is in no range but the one
/// from itself to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRange {
    /// Where it begins.
    pub from: Bound<IndexValue>,
    /// Where it ends.
    pub to: Bound<IndexValue>,
}

/// A Rust value that an indexed field can be compared with.
pub trait Indexable {
    /// Returns it as indexes have it.
    fn to_index(&self) -> IndexValue;
}

macro_rules! indexable {
    ($($rust:ty, $value:ident => $index:expr;)*) => { $(
        impl Indexable for $rust {
            fn to_index(&self) -> IndexValue {
                let $value = self;
                $index
            }
        }
    )* };
}

indexable! {
    bool, flag => IndexValue::Integer(i64::from(*flag));
    i64, number => IndexValue::Integer(*number);
    i32, number => IndexValue::Integer(i64::from(*number));
    u32, number => IndexValue::Integer(i64::from(*number));
    f64, number => IndexValue::Real(*number);
    &str, text => IndexValue::Text((*text).to_owned());
    String, text => IndexValue::Text(text.clone());
    UnixMillis, at => IndexValue::Integer(at.0);
    RecordId, id => IndexValue::Text(id.to_string());
}

/// Which records are looked for: those whose field has a value in a range.
///
/// # Examples
///
/// ```
/// use haumana_replica::Filter;
///
/// let good = Filter::range("rating", 4..);
/// let mine = Filter::equals("leader", "Kai");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    field: String,
    range: IndexRange,
}

impl IndexRange {
    /// Whether `value` is in it.
    pub fn contains(&self, value: &IndexValue) -> bool {
        let absent = Bound::Included(&IndexValue::Absent);
        let bounds = (self.from.as_ref(), self.to.as_ref());
        if *value == IndexValue::Absent {
            return bounds == (absent, absent);
        }
        RangeBounds::contains(&bounds, value)
    }
}

impl Filter {
    /// Records whose `field` has a value in `range`. One without a value is in no range.
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
    pub fn absent(field: impl Into<String>) -> Self {
        Self::exactly(field.into(), IndexValue::Absent)
    }

    fn exactly(field: String, value: IndexValue) -> Self {
        let range = IndexRange { from: Bound::Included(value.clone()), to: Bound::Included(value) };
        Self { field, range }
    }
}

impl Replica {
    /// Returns the records of type `T` that `filter` finds in an index, by the field's value and then
    /// by id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the field is not indexed, or the schema does not have the type;
    /// [`ErrorKind::NoAccount`] or [`ErrorKind::Storage`].
    pub async fn list_where<T: Record>(&self, filter: Filter) -> Result<Vec<(RecordId, T)>> {
        let found = self.records_where(T::KIND, filter).await?;
        Ok(found.iter().map(|view| (view.key.id, T::from_content(&view.content))).collect())
    }

    /// As [`Replica::list_where`], of a kind by its name.
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
        let found = inner.storage.find(&account, number, field.number(), &filter.range).await?;
        let keys: Vec<Key> = found.into_iter().map(|id| Key { kind: number, id }).collect();
        let locals = inner.storage.read(&account, &keys).await?;
        Ok(locals.into_iter().flatten().filter_map(|local| view(local, &kind)).collect())
    }
}

/// The index entries of records as their user sees them, of kinds that have indexed fields.
pub(crate) fn entries(kinds: &Kinds, locals: &[Local]) -> Vec<IndexEntries> {
    let of_kind = |local: &Local| {
        let kind = kinds.kind(local.key.kind)?;
        let is_indexed = kind.fields().iter().any(Field::is_indexed);
        is_indexed.then(|| entries_of(kind, local.key, local.content(kind).as_ref()))
    };
    locals.iter().filter_map(of_kind).collect()
}

fn entries_of(kind: &Kind, key: Key, content: Option<&Content>) -> IndexEntries {
    let fields = content.map_or_else(Vec::new, |content| {
        let fields = kind.fields().iter().filter(|field| field.is_indexed());
        fields
            .map(|field| (field.number(), index_value(field, &content.get(field.name()))))
            .collect()
    });
    debug_assert!(fields.is_empty() || fields.len() == indexed(kind).len());
    IndexEntries { key, fields }
}

fn index_value(field: &Field, value: &Value) -> IndexValue {
    let found = match (field.field_type(), value) {
        (FieldType::Flag, Value::Flag(flag)) => Some(IndexValue::Integer(i64::from(*flag))),
        (FieldType::Integer, Value::Json(json)) => {
            json.as_str().parse().ok().map(IndexValue::Integer)
        }
        (FieldType::Number, Value::Json(json)) => json.as_str().parse().ok().map(IndexValue::Real),
        (FieldType::Time, Value::Text(text)) => {
            UnixMillis::parse(text).map(|at| IndexValue::Integer(at.0))
        }
        (_, Value::Text(text)) => Some(IndexValue::Text(text.clone())),
        _ => None,
    };
    found.unwrap_or(IndexValue::Absent)
}
