//! Typed records: a Rust struct as a kind of record.
//!
//! With typed records an app works with its own types. The derive writes [`Record`]. [`FieldValue`]
//! lists which Rust types fields can have.
//!
//! | Rust type | field type, unless the declaration names one |
//! |---|---|
//! | `String`, `Option<String>` | text of 4,096 characters |
//! | `bool` | flag |
//! | `i64`, `i32`, `u32` | integer |
//! | `f64` | number |
//! | `UnixMillis` | time |
//! | `JsonText` | any JSON |
//! | `Option<RecordId>` | id |
//! | `Vec`, `BTreeSet` of `String` or `RecordId` | list, set of 1,000 elements |
//!
//! A `String`, a `bool`, a number and an `UnixMillis` without `Option` are required fields. Their
//! defaults are the empty text, `false`, zero, and the time of the edit that creates the record.
//! All others are optional. An empty list or set counts as absent.

use super::{Content, Value};
use crate::id::{Key, KindNumber, RecordId};
use crate::json::JsonText;
use crate::schema::{Element, Field, FieldType, Kind, elements, json};
use crate::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// The most characters of a text whose declaration names no limit.
const TEXT_CHARS: usize = 4_096;
/// The most values of a list or a set whose declaration names no limit.
const ELEMENTS: usize = 1_000;

/// A Rust type whose values are records of one kind.
///
/// Derive it with the feature `derive`, or write its three functions by hand.
///
/// A struct is a view of a record. Fields that a newer app has added are not in the struct. They
/// survive an edit through it, because a replica pushes only what differs.
///
/// # Examples
///
#[cfg_attr(feature = "derive", doc = "```")]
#[cfg_attr(not(feature = "derive"), doc = "```ignore")]
/// use haumana_sync::id::RecordId;
/// use haumana_sync::schema::Schema;
/// use haumana_sync::Record;
///
/// #[derive(Default, Record)]
/// #[record(kind = "setlist", number = 3)]
/// struct Setlist {
///     title: String,
///     #[record(lines)]
///     notes: Option<String>,
///     #[record(list)]
///     pieces: Vec<RecordId>,
///     #[record(counter)]
///     performed: i64,
/// }
///
/// let schema = Schema::new([Setlist::kind()])?;
///
/// assert_eq!(Some(4), schema.named("setlist").map(|kind| kind.fields().len()));
/// # Ok::<(), haumana_sync::schema::SchemaError>(())
/// ```
pub trait Record: Sized {
    /// The kind's name.
    ///
    /// The wire sends it as `kind`. It never changes.
    const KIND: &'static str;
    /// The kind's number.
    ///
    /// The number of an app's own kind is 3 to 250. A number is never used for another kind.
    const NUMBER: u8;

    /// Returns the declaration of the kind, for a schema.
    fn kind() -> Kind;

    /// Reads a record. A value that its field cannot hold is read as if it were absent.
    ///
    /// So a record that another app has written can always be read. The app decides what an absent
    /// value means.
    fn from_content(content: &Content) -> Self;

    /// Returns the value of each field. [`Value::Null`] is an absent value. The value of a counter
    /// is the number that it has reached.
    fn to_fields(&self) -> BTreeMap<String, Value>;

    /// Names the record of this kind with the id `id`.
    fn key(id: RecordId) -> Key {
        Key { kind: KindNumber::new(Self::NUMBER), id }
    }
}

/// A Rust type that a field of a [`Record`] can have.
///
/// Implement it for a type of your own, for instance an enum that is stored as text: choose the
/// field type, say what an absent value is read as, and convert in both directions.
#[diagnostic::on_unimplemented(
    message = "a field of a record cannot be a `{Self}`",
    label = "not the type of a field",
    note = "there are String, bool, i64, i32, u32, f64, UnixMillis, JsonText, Option of these, \
            Option<RecordId>, Vec and BTreeSet of String or RecordId"
)]
pub trait FieldValue: Sized {
    /// Returns the field type, unless the declaration names one.
    fn field_type() -> FieldType;

    /// Declares the default of the field.
    #[must_use]
    fn with_default(field: Field) -> Field {
        field
    }

    /// Returns what an absent value is read as.
    fn absent() -> Self;

    /// Reads a value; `None` if this type cannot hold it.
    ///
    /// Such a value is read as if it were absent.
    fn from_value(value: &Value) -> Option<Self>;

    /// Returns the value.
    fn to_value(&self) -> Value;
}

/// A type that can be declared as `lines` or `words`.
#[diagnostic::on_unimplemented(
    message = "`lines` and `words` are for String and Option<String>, not for `{Self}`"
)]
pub trait TextValue: FieldValue {}
impl TextValue for String {}
impl TextValue for Option<String> {}

/// A type that can be declared as `time`.
#[diagnostic::on_unimplemented(
    message = "`time` is for UnixMillis, Option<UnixMillis> and Option<String>, not for `{Self}`"
)]
pub trait TimeValue: FieldValue {}
impl TimeValue for UnixMillis {}
impl TimeValue for Option<UnixMillis> {}
impl TimeValue for Option<String> {}

/// A type that can be declared as `id`.
#[diagnostic::on_unimplemented(
    message = "`id` is for Option<RecordId> and Option<String>, not for `{Self}`"
)]
pub trait IdValue: FieldValue {}
impl IdValue for Option<RecordId> {}
impl IdValue for Option<String> {}

/// A type that can be declared as `list`.
#[diagnostic::on_unimplemented(
    message = "`list` is for Vec<String> and Vec<RecordId>, not for `{Self}`"
)]
pub trait ListValue: FieldValue {
    /// The type of its elements.
    const OF: Element;
}

/// A type that can be declared as `set`.
#[diagnostic::on_unimplemented(
    message = "`set` is for BTreeSet<String> and BTreeSet<RecordId>, not for `{Self}`"
)]
pub trait SetValue: FieldValue {
    /// The type of its elements.
    const OF: Element;
}

/// A type that can be declared as `counter`.
#[diagnostic::on_unimplemented(message = "`counter` is for i64, not for `{Self}`")]
pub trait CounterValue: FieldValue {}
impl CounterValue for i64 {}

/// The Rust type of an element of a list or a set.
///
/// Elements are stored as text. A set has the order of the Rust type, also on the wire.
#[diagnostic::on_unimplemented(
    message = "a list or a set is of String or RecordId, not of `{Self}`"
)]
pub trait ElementValue: Sized + Ord {
    /// The element's type in the schema.
    const OF: Element;
    /// Reads an element.
    fn from_text(text: String) -> Option<Self>;
    /// Returns the element as text.
    fn to_text(&self) -> String;
}

impl ElementValue for String {
    const OF: Element = Element::Text;

    fn from_text(text: String) -> Option<Self> {
        Some(text)
    }

    fn to_text(&self) -> String {
        self.clone()
    }
}

impl ElementValue for RecordId {
    const OF: Element = Element::Id;

    fn from_text(text: String) -> Option<Self> {
        RecordId::parse(&text)
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl FieldValue for String {
    fn field_type() -> FieldType {
        FieldType::text(TEXT_CHARS)
    }

    fn with_default(field: Field) -> Field {
        // The weakest word of a closed enum, which cannot be empty.
        let first = match field.field_type() {
            FieldType::Enum { words, open: false } => words.first().cloned(),
            _ => None,
        };
        field.required(&first.unwrap_or_default())
    }

    fn absent() -> Self {
        String::new()
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_text().map(str::to_owned)
    }

    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
}

impl FieldValue for bool {
    fn field_type() -> FieldType {
        FieldType::Flag
    }

    fn with_default(field: Field) -> Field {
        field.required_flag(false)
    }

    fn absent() -> Self {
        false
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Flag(flag) = value { Some(*flag) } else { None }
    }

    fn to_value(&self) -> Value {
        Value::Flag(*self)
    }
}

/// A time that is not optional has the time of the edit that creates the record, unless the app
/// sets it. The beginning of 1970 counts as not set.
impl FieldValue for UnixMillis {
    fn field_type() -> FieldType {
        FieldType::Time
    }

    fn with_default(field: Field) -> Field {
        field.required_edit_time()
    }

    fn absent() -> Self {
        UnixMillis(0)
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_text().and_then(UnixMillis::parse)
    }

    fn to_value(&self) -> Value {
        if *self == UnixMillis(0) { Value::Null } else { Value::Text(self.to_string()) }
    }
}

impl FieldValue for Option<RecordId> {
    fn field_type() -> FieldType {
        FieldType::Id
    }

    fn absent() -> Self {
        None
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_text().and_then(RecordId::parse).map(Some)
    }

    fn to_value(&self) -> Value {
        self.map_or(Value::Null, |id| Value::Text(id.to_string()))
    }
}

impl FieldValue for JsonText {
    fn field_type() -> FieldType {
        FieldType::Json
    }

    fn absent() -> Self {
        match json(&serde_json::Value::Null) {
            Value::Json(null) => null,
            // INVARIANT: `null` is JSON that every reader takes.
            _ => unreachable!("null is JSON"),
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Json(json) = value { Some(json.clone()) } else { None }
    }

    fn to_value(&self) -> Value {
        if self.as_str() == "null" { Value::Null } else { Value::Json(self.clone()) }
    }
}

macro_rules! numbers {
    ($($number:ty, $field_type:expr, $zero:literal;)*) => { $(
        impl FieldValue for $number {
            fn field_type() -> FieldType {
                $field_type
            }

            fn with_default(field: Field) -> Field {
                field.default_value(json(&$zero))
            }

            fn absent() -> Self {
                $zero
            }

            fn from_value(value: &Value) -> Option<Self> {
                let Value::Json(json) = value else { return None };
                serde_json::from_str(json.as_str()).ok()
            }

            fn to_value(&self) -> Value {
                json(self)
            }
        }
    )* };
}

numbers! {
    i64, FieldType::Integer, 0;
    i32, FieldType::Integer, 0;
    u32, FieldType::Integer, 0;
    f64, FieldType::Number, 0.0;
}

macro_rules! optional {
    ($($inner:ty)*) => { $(
        impl FieldValue for Option<$inner> {
            fn field_type() -> FieldType {
                <$inner>::field_type()
            }

            fn absent() -> Self {
                None
            }

            fn from_value(value: &Value) -> Option<Self> {
                <$inner>::from_value(value).map(Some)
            }

            fn to_value(&self) -> Value {
                self.as_ref().map_or(Value::Null, FieldValue::to_value)
            }
        }
    )* };
}

optional!(String bool UnixMillis JsonText i64 i32 u32 f64);

impl<E: ElementValue> ListValue for Vec<E> {
    const OF: Element = E::OF;
}

impl<E: ElementValue> SetValue for BTreeSet<E> {
    const OF: Element = E::OF;
}

impl<E: ElementValue> FieldValue for Vec<E> {
    fn field_type() -> FieldType {
        FieldType::List { of: E::OF, max: ELEMENTS }
    }

    fn absent() -> Self {
        Vec::new()
    }

    fn from_value(value: &Value) -> Option<Self> {
        elements(value).into_iter().map(E::from_text).collect()
    }

    fn to_value(&self) -> Value {
        let texts: Vec<String> = self.iter().map(E::to_text).collect();
        if texts.is_empty() { Value::Null } else { json(&texts) }
    }
}

impl<E: ElementValue> FieldValue for BTreeSet<E> {
    fn field_type() -> FieldType {
        FieldType::Set { of: E::OF, max: ELEMENTS }
    }

    fn absent() -> Self {
        BTreeSet::new()
    }

    fn from_value(value: &Value) -> Option<Self> {
        elements(value).into_iter().map(E::from_text).collect()
    }

    fn to_value(&self) -> Value {
        let texts: BTreeSet<String> = self.iter().map(E::to_text).collect();
        if texts.is_empty() { Value::Null } else { json(&texts) }
    }
}

/// Functions for derived code. They are not part of the public interface.
#[doc(hidden)]
pub mod derived {
    use crate::record::{Content, Counter, Value};
    use crate::schema::{FieldType, json};

    /// A list or a set of at most `limit` elements.
    pub fn limited(field_type: FieldType, limit: usize) -> FieldType {
        match field_type {
            FieldType::List { of, .. } => FieldType::List { of, max: limit },
            FieldType::Set { of, .. } => FieldType::Set { of, max: limit },
            other => other,
        }
    }

    /// Reads a field.
    pub fn read<T: super::FieldValue>(content: &Content, name: &str) -> T {
        T::from_value(&content.get(name)).unwrap_or_else(T::absent)
    }

    /// Reads the number that a counter has reached.
    pub fn read_counter(content: &Content, name: &str) -> i64 {
        Counter::of(&content.get(name)).sum()
    }

    /// Writes a number.
    pub fn write_counter(number: i64) -> Value {
        json(&number)
    }

    /// A number as the value of a field.
    pub fn number(number: f64) -> Value {
        json(&number)
    }

    /// A whole number as the value of a field.
    pub fn integer(number: i64) -> Value {
        json(&number)
    }
}
