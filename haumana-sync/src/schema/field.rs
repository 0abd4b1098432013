//! One field of a kind: its name, what it may hold, and when two values count as equal.

use super::{Element, FieldType, Merge};
use crate::id::RecordId;
use crate::json::JsonText;
use crate::limits;
use crate::time::UnixMillis;
use crate::value::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Why a value was refused for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// It has the wrong type, or is null where null is not taken.
    Invalid,
    /// It exceeds the field's limit.
    TooLarge,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub(super) number: u16,
    pub(super) name: Cow<'static, str>,
    pub(super) field_type: FieldType,
    pub(super) merge: Merge,
    pub(super) default: FieldDefault,
    pub(super) equality: Equality,
    /// Whether hashes of its text are of the text and not of its JSON.
    pub(crate) has_text_hash: bool,
    pub(super) indexed: bool,
}

/// What a new record has where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum FieldDefault {
    /// Nothing: the field may be absent.
    #[default]
    Absent,
    /// This value; the field is never absent.
    Value(Value),
    /// The time at which the record was made; the field is never absent.
    EditTime,
    /// None: a record that is made without it is refused.
    Mandatory,
    /// The value of another field; the field is never absent.
    SameAs(Cow<'static, str>),
}

/// Which differences between two values do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Equality {
    /// White space at both ends.
    pub(super) trimmed: bool,
    /// Empty text against an absent value.
    pub(super) empty_is_absent: bool,
    /// An absent value against this one.
    pub(super) absent_is: Option<Value>,
}

impl Field {
    /// Declares an optional field. Its `number` is unique in its kind and never used again.
    pub fn new(number: u16, name: impl Into<Cow<'static, str>>, field_type: FieldType) -> Self {
        Self {
            number,
            name: name.into(),
            field_type,
            merge: Merge::Later,
            default: FieldDefault::Absent,
            equality: Equality::default(),
            has_text_hash: false,
            indexed: false,
        }
    }

    /// What stands for every key that a kind does not name.
    pub(super) fn unknown(merge: Merge) -> Self {
        Self { merge, ..Self::new(0, "", FieldType::Json) }
    }

    /// Sets what becomes of concurrent edits.
    #[must_use]
    pub fn merge(self, merge: Merge) -> Self {
        Self { merge, ..self }
    }

    /// Says that every record has the field, and which text it has where none was given.
    #[must_use]
    pub fn required(self, default: &str) -> Self {
        self.default_value(Value::Text(default.to_owned()))
    }

    /// As [`Field::required`], of a switch.
    #[must_use]
    pub fn required_flag(self, default: bool) -> Self {
        self.default_value(Value::Flag(default))
    }

    /// As [`Field::required`], of any type.
    #[must_use]
    pub fn default_value(self, default: Value) -> Self {
        let default = FieldDefault::Value(self.normal(default));
        Self { default, ..self }
    }

    /// As [`Field::required`], of a time: where none is given, it is that of the edit that makes the
    /// record.
    #[must_use]
    pub fn required_edit_time(self) -> Self {
        Self { default: FieldDefault::EditTime, ..self }
    }

    /// Says that every record has the field, and that one which is made without it is refused.
    #[must_use]
    pub fn mandatory(self) -> Self {
        Self { default: FieldDefault::Mandatory, ..self }
    }

    /// As [`Field::required`]: where nothing was said it has the value of the field `other`.
    #[must_use]
    pub fn required_as(self, other: impl Into<Cow<'static, str>>) -> Self {
        Self { default: FieldDefault::SameAs(other.into()), ..self }
    }

    /// Says that white space at both ends makes no difference.
    #[must_use]
    pub fn trimmed(self) -> Self {
        Self { equality: Equality { trimmed: true, ..self.equality }, ..self }
    }

    /// Says that empty text counts as none.
    #[must_use]
    pub fn empty_is_absent(self) -> Self {
        Self { equality: Equality { empty_is_absent: true, ..self.equality }, ..self }
    }

    /// Says that an absent value counts as `text`.
    #[must_use]
    pub fn absent_is(self, text: &str) -> Self {
        let absent_is = Some(Value::Text(text.to_owned()));
        Self { equality: Equality { absent_is, ..self.equality }, ..self }
    }

    /// Says that replicas keep an index of it, so that records can be found by its value. Nothing
    /// that is stored or sent depends on it.
    #[must_use]
    pub fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    /// Returns its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Returns its name on the wire; empty for a key that the kind does not name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it holds.
    pub fn field_type(&self) -> &FieldType {
        &self.field_type
    }

    /// Returns its merge policy.
    pub fn policy(&self) -> Merge {
        self.merge
    }

    /// Whether a stored record always has it.
    pub fn is_required(&self) -> bool {
        self.default != FieldDefault::Absent
    }

    /// Whether a record that says nothing has the time at which it was made.
    pub fn is_edit_time(&self) -> bool {
        self.default == FieldDefault::EditTime
    }

    /// Whether a record that is made without it is refused.
    pub fn is_mandatory(&self) -> bool {
        self.default == FieldDefault::Mandatory
    }

    /// Returns the field whose value it has where nothing was said.
    pub fn same_as(&self) -> Option<&str> {
        match &self.default {
            FieldDefault::SameAs(other) => Some(other),
            _ => None,
        }
    }

    /// Whether it says when a record was made.
    pub(crate) fn is_creation(&self) -> bool {
        self.is_edit_time() || (self.field_type == FieldType::Time && self.same_as().is_some())
    }

    /// Returns what a record that is made at `edited_at` has where nothing was said.
    pub fn default_at(&self, edited_at: UnixMillis) -> Value {
        match &self.default {
            FieldDefault::Absent | FieldDefault::Mandatory | FieldDefault::SameAs(_) => Value::Null,
            FieldDefault::Value(value) => value.clone(),
            FieldDefault::EditTime => Value::Text(edited_at.to_string()),
        }
    }

    /// Whether replicas keep an index of it.
    pub fn is_indexed(&self) -> bool {
        self.indexed
    }

    /// Whether the kind declares it.
    pub fn is_declared(&self) -> bool {
        !self.name.is_empty()
    }

    /// Reads a value as JSON has it; `None` if the field cannot hold values of that type.
    pub fn read(&self, raw: &RawValue) -> Option<Value> {
        let text = raw.get();
        match &self.field_type {
            _ if text == "null" => Some(Value::Null),
            FieldType::Flag => serde_json::from_str(text).ok().map(Value::Flag),
            field_type if field_type.is_text() => serde_json::from_str(text).ok().map(Value::Text),
            _ => {
                let value = JsonText::new(raw).map(Value::Json)?;
                (self.check(&value) != Err(FieldError::Invalid)).then_some(value)
            }
        }
    }

    /// Reads a value that is stored; `None` if the field cannot hold it. A limit that was lowered
    /// since is no reason.
    pub(crate) fn read_stored(&self, raw: &RawValue) -> Option<Value> {
        let value = self.read(raw)?;
        (self.check(&value) != Err(FieldError::Invalid)).then_some(value)
    }

    /// Returns the text of a value, of an absent one what it counts as.
    pub(crate) fn text_or_absent<'a>(&'a self, value: &'a Value) -> &'a str {
        let absent = || self.equality.absent_is.as_ref().and_then(Value::as_text);
        let text = value.as_text();
        let text = text.filter(|text| !(text.is_empty() && self.equality.empty_is_absent));
        text.or_else(absent).unwrap_or_default()
    }

    /// Says of what it holds, for people: `is not a time`.
    pub fn expectation(&self) -> Cow<'static, str> {
        Cow::Borrowed(match &self.field_type {
            FieldType::Text { .. } | FieldType::Lines { .. } => "is not text",
            FieldType::Flag => "is not true or false",
            FieldType::Integer => "is not a whole number",
            FieldType::Number => "is not a number",
            FieldType::Time => "is not a time",
            FieldType::Id => "is not a UUID",
            FieldType::Enum { words, .. } => {
                return Cow::Owned(format!("is not one of {}", words.join(", ")));
            }
            FieldType::Json => "cannot be kept",
            FieldType::List { .. } => "is not a list, or one of its values is none",
            FieldType::Set { .. } => "is not a set, or one of its values is none",
            FieldType::Counter => "is not a counter",
        })
    }

    /// Checks a value that somebody wants to put here.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the field cannot hold it.
    pub fn check(&self, value: &Value) -> Result<(), FieldError> {
        match (&self.field_type, value) {
            (_, Value::Null) => valid(!self.is_required()),
            (FieldType::Flag, Value::Flag(_)) => Ok(()),
            (FieldType::Text { max_chars }, Value::Text(text)) => {
                within(text.len() <= *max_chars || text.chars().count() <= *max_chars)
            }
            (FieldType::Lines { max_bytes }, Value::Text(text)) => within(text.len() <= *max_bytes),
            (FieldType::Time, Value::Text(text)) => valid(UnixMillis::parse(text).is_some()),
            (FieldType::Id, Value::Text(text)) => valid(RecordId::parse(text).is_some()),
            (FieldType::Enum { words, open }, Value::Text(text)) => {
                valid(*open || words.contains(text))?;
                within(text.chars().count() <= limits::WORD_CHARS)
            }
            (field_type, Value::Json(json)) => check_json(field_type, json.as_str()),
            _ => Err(FieldError::Invalid),
        }
    }

    /// Returns the value in this library's spelling, so that equal values are equal: times in UTC
    /// with three digits, ids in upper case, whole numbers without an exponent, sets in order.
    pub fn normal(&self, value: Value) -> Value {
        let normal = match (&self.field_type, &value) {
            (FieldType::Time, Value::Text(text)) => {
                UnixMillis::parse(text).map(|at| Value::Text(at.to_string()))
            }
            (FieldType::Id, Value::Text(text)) => {
                RecordId::parse(text).map(|id| Value::Text(id.to_string()))
            }
            (FieldType::Integer, Value::Json(text)) => {
                serde_json::from_str::<i64>(text.as_str()).ok().map(|number| json(&number))
            }
            (FieldType::List { of, .. }, Value::Json(text)) => {
                read_elements(*of, text.as_str()).map(|elements| json(&elements))
            }
            (FieldType::Set { of, .. }, Value::Json(text)) => {
                let elements = read_elements(*of, text.as_str());
                elements.map(|elements| json(&elements.into_iter().collect::<BTreeSet<String>>()))
            }
            (FieldType::Counter, Value::Json(text)) => {
                serde_json::from_str::<Entries>(text.as_str()).ok().map(|entries| json(&entries))
            }
            _ => None,
        };
        normal.unwrap_or(value)
    }

    /// Returns the hash of a value under the field's equality: values that count as equal have one.
    pub fn hash(&self, value: &Value) -> u64 {
        match value {
            Value::Text(text) if self.equality.trimmed => {
                self.hash_exactly(&Value::Text(text.trim().to_owned()))
            }
            Value::Text(text) if self.equality.empty_is_absent && text.is_empty() => {
                self.absent_hash()
            }
            Value::Null => self.absent_hash(),
            other => self.hash_exactly(other),
        }
    }

    fn absent_hash(&self) -> u64 {
        self.equality
            .absent_is
            .as_ref()
            .map_or(Value::Null.hash(), |value| self.hash_exactly(value))
    }

    /// A value hashes the same whether its field is declared or not.
    fn hash_exactly(&self, value: &Value) -> u64 {
        match value {
            Value::Text(_) | Value::Flag(_) if !self.has_text_hash => json(value).hash(),
            value => value.hash(),
        }
    }
}

fn valid(is_valid: bool) -> Result<(), FieldError> {
    if is_valid { Ok(()) } else { Err(FieldError::Invalid) }
}

fn within(is_within: bool) -> Result<(), FieldError> {
    if is_within { Ok(()) } else { Err(FieldError::TooLarge) }
}

fn check_json(field_type: &FieldType, text: &str) -> Result<(), FieldError> {
    match field_type {
        FieldType::Json => within(text.len() <= limits::RECORD_BYTES),
        FieldType::Integer => valid(serde_json::from_str::<i64>(text).is_ok()),
        FieldType::Number => {
            valid(text.starts_with(|first: char| first == '-' || first.is_ascii_digit()))
        }
        FieldType::List { of, max } | FieldType::Set { of, max } => {
            let elements = read_elements(*of, text).ok_or(FieldError::Invalid)?;
            let is_long = |text: &String| Element::TEXT_CHARS < text.chars().count();
            within(elements.len() <= *max && !elements.iter().any(is_long))
        }
        FieldType::Counter => {
            let entries: Entries = serde_json::from_str(text).map_err(|_| FieldError::Invalid)?;
            valid(entries.keys().all(|device| is_device(device)))?;
            within(entries.len() <= limits::COUNTER_DEVICES)
        }
        _ => Err(FieldError::Invalid),
    }
}

fn read_elements(of: Element, text: &str) -> Option<Vec<String>> {
    let elements: Vec<String> = serde_json::from_str(text).ok()?;
    match of {
        Element::Text => Some(elements),
        Element::Id => elements.iter().map(|id| Some(RecordId::parse(id)?.to_string())).collect(),
    }
}

fn is_device(name: &str) -> bool {
    let n_chars = name.chars().count();
    (1..=limits::DEVICE_ID_CHARS).contains(&n_chars) && !name.chars().any(char::is_control)
}

/// What each device has added to a counter, and what it has taken away.
pub(crate) type Entries = BTreeMap<String, (u64, u64)>;

/// The elements of a list or a set; none of what is neither.
pub(crate) fn elements(value: &Value) -> Vec<String> {
    let json = if let Value::Json(json) = value { json.as_str() } else { "[]" };
    serde_json::from_str(json).unwrap_or_default()
}

/// The entries of a counter; none of what is none.
pub(crate) fn entries(value: &Value) -> Entries {
    let json = if let Value::Json(json) = value { json.as_str() } else { "{}" };
    serde_json::from_str(json).unwrap_or_default()
}

/// A value as JSON of this library's own spelling.
pub(crate) fn json(value: &impl serde::Serialize) -> Value {
    // Strings, numbers and maps with string keys into memory: nothing that can fail.
    let raw = serde_json::value::to_raw_value(value).ok();
    raw.and_then(|raw| JsonText::new(&raw)).map_or(Value::Null, Value::Json)
}
