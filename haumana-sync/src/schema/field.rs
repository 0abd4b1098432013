//! One field of a kind: its name, its type, its limits, and when two of its values are equal.
//!
//! A declaration begins with number, name and type. What follows is only what differs from the
//! usual field: it is optional, and the later edit wins.

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
///
/// The engine turns it into a [`Refusal`](crate::engine::Refusal) of that one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// It has the wrong type, or it is null and the field does not accept null.
    Invalid,
    /// It exceeds the field's limit.
    TooLarge,
}

/// One field of a [`Kind`](crate::schema::Kind).
///
/// | a new record that does not set the field | declared by |
/// |---|---|
/// | is without it | nothing: fields are optional |
/// | has a value | [`Field::required`], [`Field::required_flag`], [`Field::default_value`] |
/// | has the time of its creation | [`Field::required_edit_time`] |
/// | has what another field has | [`Field::required_as`] |
/// | is refused | [`Field::mandatory`] |
///
/// ```
/// use haumana_sync::schema::{Field, FieldType, Merge};
///
/// let rating = Field::new(4, "rating", FieldType::Integer).merge(Merge::Greatest).indexed();
///
/// assert_eq!(("rating", 4), (rating.name(), rating.number()));
/// assert!(!rating.is_required(), "a record may be without a rating");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub(super) number: u16,
    pub(super) name: Cow<'static, str>,
    pub(super) field_type: FieldType,
    pub(super) merge: Merge,
    pub(super) default: FieldDefault,
    pub(super) equality: Equality,
    /// Whether its text is hashed as text and not as JSON.
    pub(crate) has_text_hash: bool,
    pub(super) indexed: bool,
}

/// The value of a field in a new record that does not set the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum FieldDefault {
    /// No value: the field may be absent.
    #[default]
    Absent,
    /// This value. The field is never absent.
    Value(Value),
    /// The time at which the record was created. The field is never absent.
    EditTime,
    /// There is no default: a record that is created without the field is refused.
    Mandatory,
    /// The value of another field. The field is never absent.
    SameAs(Cow<'static, str>),
}

/// Which differences between two values are ignored when they are compared.
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
    /// Declares an optional field with the policy [`Merge::Later`].
    ///
    /// The `number` is unique in its kind. Stores keep it: never change it, and never use it for
    /// another field.
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

    /// The field that represents every key that a kind does not name.
    pub(super) fn unknown(merge: Merge) -> Self {
        Self { merge, ..Self::new(0, "", FieldType::Json) }
    }

    /// Sets the merge policy: which of two concurrent edits stays.
    ///
    /// A [`FieldType`] that merges by its parts takes no policy. A policy may be changed later. It
    /// applies to merges from then on.
    #[must_use]
    pub fn merge(self, merge: Merge) -> Self {
        Self { merge, ..self }
    }

    /// Makes the field required, with a text as the default: no record is without the field.
    ///
    /// `null` is then refused as the wrong type. Records that were stored before the field was
    /// declared read as if they had the default.
    #[must_use]
    pub fn required(self, default: &str) -> Self {
        self.default_value(Value::Text(default.to_owned()))
    }

    /// Makes the field required, with a flag as the default; see [`Field::required`].
    #[must_use]
    pub fn required_flag(self, default: bool) -> Self {
        self.default_value(Value::Flag(default))
    }

    /// Makes the field required, with a default of any type; see [`Field::required`].
    #[must_use]
    pub fn default_value(self, default: Value) -> Self {
        let default = FieldDefault::Value(self.normal(default));
        Self { default, ..self }
    }

    /// Makes the field required; see [`Field::required`]. The default is the time of the edit that
    /// creates the record.
    #[must_use]
    pub fn required_edit_time(self) -> Self {
        Self { default: FieldDefault::EditTime, ..self }
    }

    /// Makes the field mandatory: a record that is created without it is refused. If empty text
    /// counts as absent, the field refuses empty text, too.
    ///
    /// Do not make a new field mandatory while devices with an older app are in use. The server
    /// would refuse every record that they create.
    #[must_use]
    pub fn mandatory(self) -> Self {
        Self { default: FieldDefault::Mandatory, ..self }
    }

    /// Makes the field required; see [`Field::required`]. The default is the value of the field
    /// `other`.
    #[must_use]
    pub fn required_as(self, other: impl Into<Cow<'static, str>>) -> Self {
        Self { default: FieldDefault::SameAs(other.into()), ..self }
    }

    /// Ignores white space at both ends when values are compared.
    ///
    /// The stored text keeps its white space. An edit that only adds a blank at an end is no edit.
    #[must_use]
    pub fn trimmed(self) -> Self {
        Self { equality: Equality { trimmed: true, ..self.equality }, ..self }
    }

    /// Treats empty text as an absent value.
    #[must_use]
    pub fn empty_is_absent(self) -> Self {
        Self { equality: Equality { empty_is_absent: true, ..self.equality }, ..self }
    }

    /// Treats an absent value as `text`.
    #[must_use]
    pub fn absent_is(self, text: &str) -> Self {
        let absent_is = Some(Value::Text(text.to_owned()));
        Self { equality: Equality { absent_is, ..self.equality }, ..self }
    }

    /// Lets replicas keep an index of the field, to find records by its value. It changes nothing
    /// that is stored on the server or sent.
    ///
    /// Texts by lines, lists, sets, counters and JSON cannot be indexed; see
    /// [`FieldType::is_ordered`].
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

    /// Returns its type.
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

    /// Whether its default is the time at which the record was created.
    pub fn is_edit_time(&self) -> bool {
        self.default == FieldDefault::EditTime
    }

    /// Whether it holds the time of the record's creation, and nobody can edit it.
    pub(crate) fn is_fixed_edit_time(&self) -> bool {
        self.is_edit_time() && self.merge == Merge::Fixed
    }

    /// Whether a record that is created without it is refused.
    pub fn is_mandatory(&self) -> bool {
        self.default == FieldDefault::Mandatory
    }

    /// Returns the name of the field whose value is its default.
    pub fn same_as(&self) -> Option<&str> {
        match &self.default {
            FieldDefault::SameAs(other) => Some(other),
            _ => None,
        }
    }

    /// Whether it is the time at which the record was created.
    pub(crate) fn is_creation(&self) -> bool {
        self.is_edit_time() || (self.field_type == FieldType::Time && self.same_as().is_some())
    }

    /// Returns its value in a record that is created at `edited_at` and does not set it.
    ///
    /// A default that is the value of another field is [`Value::Null`] here; the caller fills it
    /// in.
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

    /// Reads a value from JSON; `None` if the field cannot hold values of that type.
    ///
    /// It looks at the type only. [`Field::check`] looks at limits and words. [`Field::normal`]
    /// brings the value into the form that is stored.
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

    /// Reads a stored value; `None` if the field cannot hold it. A value that exceeds a limit which
    /// was lowered later is still read.
    pub(crate) fn read_stored(&self, raw: &RawValue) -> Option<Value> {
        let value = self.read(raw)?;
        (self.check(&value) != Err(FieldError::Invalid)).then_some(value)
    }

    /// Returns the text of a value. For an absent value, this is the text that it counts as.
    pub(crate) fn text_or_absent<'a>(&'a self, value: &'a Value) -> &'a str {
        let absent = || self.equality.absent_is.as_ref().and_then(Value::as_text);
        let text = value.as_text();
        let text = text.filter(|text| !(text.is_empty() && self.equality.empty_is_absent));
        text.or_else(absent).unwrap_or_default()
    }

    /// Whether the value counts as absent.
    pub(crate) fn is_absent(&self, value: &Value) -> bool {
        let is_empty = value.as_text().is_some_and(str::is_empty);
        value.is_null() || (is_empty && self.equality.empty_is_absent)
    }

    /// Returns why the field cannot hold a value, for people: `is not a time`.
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

    /// Checks whether the field can hold a value.
    ///
    /// ```
    /// use haumana_sync::record::Value;
    /// use haumana_sync::schema::{Field, FieldError, FieldType};
    ///
    /// let title = Field::new(1, "title", FieldType::text(5)).required("");
    /// let check = |text: &str| title.check(&Value::Text(text.to_owned()));
    ///
    /// assert_eq!(Ok(()), check("Hiʻil"), "characters are counted, not bytes");
    /// assert_eq!(Err(FieldError::TooLarge), check("Hiʻilawe"));
    /// assert_eq!(Err(FieldError::Invalid), title.check(&Value::Null), "the field is required");
    /// ```
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the field cannot hold it.
    pub fn check(&self, value: &Value) -> Result<(), FieldError> {
        match (&self.field_type, value) {
            (_, Value::Null) => valid(!self.is_required()),
            (_, value) if self.is_mandatory() && self.is_absent(value) => Err(FieldError::Invalid),
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

    /// Returns the value in its normal form, so that equal values have equal bytes: times in UTC with
    /// three digits, ids in upper case, whole numbers without an exponent, sets in order.
    ///
    /// A value that cannot be read as the field's type is returned unchanged.
    ///
    /// ```
    /// use haumana_sync::record::Value;
    /// use haumana_sync::schema::{Field, FieldType};
    ///
    /// let at = Field::new(1, "at", FieldType::Time);
    /// let normal = at.normal(Value::Text("2026-11-28T12:00:00-10:00".to_owned()));
    ///
    /// assert_eq!(Some("2026-11-28T22:00:00.000Z"), normal.as_text());
    /// ```
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

    /// Returns the hash of a value. Values that the field treats as equal have the same hash.
    ///
    /// Records keep hashes of earlier values. With them they recognise a value that comes again.
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
            let is_large = |(added, removed): &(u64, u64)| TOTAL < *added || TOTAL < *removed;
            within(entries.len() <= limits::COUNTER_DEVICES && !entries.values().any(is_large))
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

/// The greatest total of a device on a counter. Clients read it as a signed 64-bit number.
pub(crate) const TOTAL: u64 = i64::MAX.unsigned_abs();

/// The totals that each device has added to a counter and removed from it.
pub(crate) type Entries = BTreeMap<String, (u64, u64)>;

/// The elements of a list or a set; empty for any other value.
pub(crate) fn elements(value: &Value) -> Vec<String> {
    let json = if let Value::Json(json) = value { json.as_str() } else { "[]" };
    serde_json::from_str(json).unwrap_or_default()
}

/// The entries of a counter; empty for any other value.
pub(crate) fn entries(value: &Value) -> Entries {
    let json = if let Value::Json(json) = value { json.as_str() } else { "{}" };
    serde_json::from_str(json).unwrap_or_default()
}

/// A value as JSON in its normal form.
pub(crate) fn json(value: &impl serde::Serialize) -> Value {
    // Strings, numbers and maps with string keys, written to memory, cannot fail.
    let raw = serde_json::value::to_raw_value(value).ok();
    raw.and_then(|raw| JsonText::new(&raw)).map_or(Value::Null, Value::Json)
}
