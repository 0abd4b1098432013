//! The values of indexed fields, in the form and order that storages keep.

use crate::content::Content;
use crate::kinds::{Kinds, indexed};
use crate::record::Local;
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind};
use haumana_sync::time::UnixMillis;
use std::cmp::Ordering;
use std::ops::{Bound, RangeBounds};

/// The value of an indexed field. Values are ordered: no value, then numbers, then text.
///
/// A storage keeps the order of [`Ord`], in any form.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum IndexValue {
    /// There is no value.
    Absent,
    /// A whole number, a flag (0 or 1), or a time in milliseconds since 1970.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text, ordered by its bytes in UTF-8. An id is text in its printed form.
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
            // A field has numbers of one type, but a bound may be of the other.
            (Self::Integer(a), Self::Real(b)) => (*a as f64).total_cmp(b).then(Ordering::Less),
            (Self::Real(a), Self::Integer(b)) => a.total_cmp(&(*b as f64)).then(Ordering::Greater),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }
}

/// The index entries of one record: for each indexed field its number and value. They replace the
/// earlier entries of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntries {
    /// The record.
    pub key: Key,
    /// The fields; empty if its user does not see the record.
    pub fields: Vec<(u16, IndexValue)>,
}

/// A range of values of one field, in an index. [`IndexValue::Absent`] is only in the range from
/// itself to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRange {
    /// Where it begins.
    pub from: Bound<IndexValue>,
    /// Where it ends.
    pub to: Bound<IndexValue>,
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

/// A Rust value that an indexed field can be compared with.
///
/// It is for [`Filter`](crate::Filter). Implement it for a type of your own that a field
/// stores as text or as a number.
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

/// A bound as the field's values are kept: a number may be of another type of Rust's.
pub(crate) fn as_field(field: &Field, bound: Bound<IndexValue>) -> Bound<IndexValue> {
    bound.map(|value| match (field.field_type(), value) {
        (FieldType::Number, IndexValue::Integer(number)) => IndexValue::Real(number as f64),
        (FieldType::Integer, IndexValue::Real(number)) if is_whole(number) => {
            IndexValue::Integer(number as i64)
        }
        (_, value) => value,
    })
}

/// Whether a field's values can be compared with a bound: text is of no use beside numbers.
pub(crate) fn fits(field: &Field, bound: &Bound<IndexValue>) -> bool {
    use FieldType::{Flag, Integer, Number, Time};
    match (bound, field.field_type()) {
        (Bound::Unbounded, _) | (Bound::Included(IndexValue::Absent), _) => true,
        (Bound::Excluded(IndexValue::Absent), _) => true,
        (Bound::Included(value) | Bound::Excluded(value), field_type) => match value {
            IndexValue::Integer(_) => matches!(field_type, Flag | Integer | Number | Time),
            IndexValue::Real(_) => matches!(field_type, Integer | Number),
            _ => !matches!(field_type, Flag | Integer | Number | Time),
        },
    }
}

/// Whether a number is whole, and `i64` has it exactly.
fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < (1_i64 << f64::MANTISSA_DIGITS) as f64
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
