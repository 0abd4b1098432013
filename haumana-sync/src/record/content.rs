//! The content of one record of any kind.
//!
//! An app that uses [`Record`](super::Record) or the replica does not need this module. It is for
//! code that handles records of any schema: a dialect, a tool, an importer.

use super::Value;
use crate::digest::Digest;
use crate::id::RecordId;
use crate::json::JsonText;
use crate::schema::{ContentHash, Field, FieldType, Kind};
use crate::time::UnixMillis;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The content of one record, without its id, owner and version.
///
/// Serializes to the stored form: first the fields that are there, in the order of the kind, then
/// the keys that the kind does not name. A stored value that its field cannot hold is kept under
/// the field's name, byte for byte, until a fitting value replaces it. Until then the field reads
/// as its default.
///
/// ```
/// use haumana_sync::record::{Content, Value};
/// use haumana_sync::schema::{Field, FieldType, Kind, Schema};
/// use haumana_sync::time::UnixMillis;
///
/// let title = Field::new(1, "title", FieldType::text(100)).required("");
/// let schema = Schema::new([Kind::new(3, "song").field(title)])?;
/// let kind = &schema.kinds()[0];
///
/// // A newer app has stored a key that this schema does not have.
/// let mut content = Content::parse(kind, r#"{"title":"Hula","tempo":1.50}"#).unwrap();
/// content.set("title", Value::Text("Hiʻilawe".to_owned()));
///
/// assert_eq!(r#"{"title":"Hiʻilawe","tempo":1.50}"#, content.to_json());
/// assert_eq!("", Content::new(kind, UnixMillis(0)).text("title").unwrap());
/// # Ok::<(), haumana_sync::schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    kind: Arc<Kind>,
    /// One for each field of the kind.
    values: Vec<Value>,
    /// Keys that the kind does not name, and values that their fields cannot hold.
    unknown: BTreeMap<String, JsonText>,
}

impl Content {
    /// Makes the content of a record that is created at `edited_at` and sets no field.
    ///
    /// Every field has its default; see [`Kind::defaults`].
    pub fn new(kind: &Arc<Kind>, edited_at: UnixMillis) -> Self {
        Self { kind: kind.clone(), values: kind.defaults(edited_at), unknown: BTreeMap::new() }
    }

    /// Reads the stored form; `None` if `json` is not a stored record.
    ///
    /// A value may no longer fit its field, because the schema changed or somebody edited the data
    /// by hand. That is no error: the value is kept, and the field reads as its default. Reserved
    /// keys are dropped.
    pub fn parse(kind: &Arc<Kind>, json: &str) -> Option<Self> {
        Self::parse_made_at(kind, json, UnixMillis(0))
    }

    /// Whether this is a JSON object, so that a reply can hold it.
    pub(crate) fn is_object(json: &str) -> bool {
        json.starts_with('{') && serde_json::from_str::<IgnoredAny>(json).is_ok()
    }

    /// As [`Content::parse`], of a record that was made at `made_at`. A field that its kind has
    /// gained since, and whose default is the time of creation, gets that time.
    pub(crate) fn parse_made_at(kind: &Arc<Kind>, json: &str, made_at: UnixMillis) -> Option<Self> {
        // Nearly always every value fits its field, so the content is parsed only once.
        Self::parse_as(Stored { kind, made_at, is_fitting: true }, json)
            .or_else(|| Self::parse_as(Stored { kind, made_at, is_fitting: false }, json))
    }

    fn parse_as(stored: Stored<'_>, json: &str) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let content = stored.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(content)
    }

    /// Returns the kind of the record.
    pub fn kind(&self) -> &Arc<Kind> {
        &self.kind
    }

    /// Returns the value of the field `name`.
    ///
    /// A key that the kind does not name is returned as [`Value::Json`]. A value that is not there
    /// is returned as [`Value::Null`].
    pub fn get(&self, name: &str) -> Value {
        match self.kind.place(name) {
            Some(at) => self.values.get(at).cloned().unwrap_or(Value::Null),
            None => self.unknown.get(name).cloned().map_or(Value::Null, Value::Json),
        }
    }

    /// Returns the text of the field `name`, if it has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(self.kind.place(name)?)?.as_text()
    }

    /// Puts `value` into the field `name`, if the field can hold a value of that type. Otherwise it
    /// changes nothing, and neither does a reserved key.
    ///
    /// It does not check limits, since a stored value may exceed a limit that was lowered. Call
    /// [`Field::check`] before.
    pub fn set(&mut self, name: &str, value: Value) {
        let Some(at) = self.kind.place(name) else {
            return self.set_unknown(name, value);
        };
        let (Some(field), Some(slot)) = (self.kind.fields().get(at), self.values.get_mut(at))
        else {
            return;
        };
        let fits = field.check(&value) != Err(crate::schema::FieldError::Invalid);
        if fits {
            *slot = field.normal(value);
            self.unknown.remove(name);
        }
    }

    fn set_unknown(&mut self, name: &str, value: Value) {
        match value {
            _ if self.kind.reserved_key(name).is_some() => {}
            Value::Json(json) => {
                self.unknown.insert(name.to_owned(), json);
            }
            _ => {
                self.unknown.remove(name);
            }
        }
    }

    /// Keeps a value that its field cannot hold, as [`Content::parse`] does. The field reads as its
    /// default.
    pub(crate) fn keep_misfit(&mut self, name: &str, value: JsonText) {
        if self.kind.place(name).is_some() {
            self.unknown.insert(name.to_owned(), value);
        }
    }

    /// Whether a field of the unit `name` has a stored value that it cannot hold.
    pub(crate) fn has_misfit(&self, name: &str) -> bool {
        let is_misfit =
            |field| self.kind.place(field).is_some() && self.unknown.contains_key(field);
        match self.kind.group_named(name) {
            _ if self.unknown.is_empty() => false,
            None => is_misfit(name),
            Some(group) => group.fields().any(is_misfit),
        }
    }

    /// Returns the value of the unit `name`: a group's value has the values of all its fields.
    ///
    /// For a field that is in no group, it equals [`Content::get`].
    pub fn unit(&self, name: &str) -> Value {
        match self.kind.group_named(name) {
            None => self.get(name),
            Some(group) => group.value(|field| self.get(field)),
        }
    }

    /// Sets the unit `name` to a value that [`Content::unit`] returned.
    pub fn set_unit(&mut self, name: &str, value: Value) {
        let kind = self.kind.clone();
        let Some(group) = kind.group_named(name) else { return self.set(name, value) };
        for field in group.fields() {
            let value = match &value {
                Value::Group(group) => group.get(field).clone(),
                _ => Value::Null,
            };
            self.set(field, value);
        }
    }

    /// Sets each absent field whose default is another field's value.
    pub(crate) fn fill(&mut self) {
        let kind = self.kind.clone();
        for field in kind.fields() {
            if let Some(other) = field.same_as().filter(|_| self.get(field.name()).is_null()) {
                self.set(field.name(), self.get(other));
            }
        }
    }

    /// Whether the unit `name` has the same value in `other`.
    pub fn is_same(&self, other: &Content, name: &str) -> bool {
        if let Some(group) = self.kind.group_named(name) {
            return group.fields().all(|field| self.get(field) == other.get(field));
        }
        match self.kind.place(name) {
            Some(at) => self.values.get(at) == other.values.get(at),
            None => self.unknown.get(name) == other.unknown.get(name),
        }
    }

    /// Returns the names of the units that can be edited, then of its unknown keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kind.unit_names().chain(self.unknown_names())
    }

    /// Returns the names of all fields of its kind, then of its unknown keys.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        self.kind.fields().iter().map(Field::name).chain(self.unknown_names())
    }

    /// Returns the names of its unknown keys.
    pub fn unknown_names(&self) -> impl Iterator<Item = &str> {
        let names = self.unknown.keys().map(String::as_str);
        names.filter(|name| self.kind.place(name).is_none())
    }

    /// Returns the stored form.
    pub fn to_json(&self) -> String {
        // A map of strings, booleans and raw JSON, written to memory, cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the content hash of the record that has this id.
    ///
    /// `stored` is what [`Content::to_json`] returned; the caller has it already. Equal hashes mean
    /// equal content under the kind's equality; see [`ContentHash`].
    pub fn content_hash(&self, id: RecordId, stored: &str) -> Digest {
        match self.kind.hashed() {
            ContentHash::Stored => Digest::of([stored.as_bytes()]),
            ContentHash::Fields(numbers) => self.hash_of_fields(id, numbers),
        }
    }

    fn hash_of_fields(&self, id: RecordId, numbers: &[u16]) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(id.bits().to_be_bytes());
        let fields = || {
            let all = self.kind.fields().iter().zip(&self.values);
            all.filter(|(field, _)| numbers.contains(&field.number()))
        };
        for (field, value) in fields().filter(|(field, _)| field.field_type().is_text()) {
            let text = field.text_or_absent(value);
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        for (_, value) in fields().filter(|(field, _)| *field.field_type() == FieldType::Flag) {
            hasher.update([u8::from(*value == Value::Flag(true))]);
        }
        Digest::finish(hasher)
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.kind.fields().iter().zip(&self.values) {
            match self.unknown.get(field.name()) {
                Some(misfit) => map.serialize_entry(field.name(), misfit)?,
                None if value.is_null() => {}
                None => map.serialize_entry(field.name(), value)?,
            }
        }
        for name in self.unknown_names() {
            map.serialize_entry(name, &self.unknown.get(name))?;
        }
        map.end()
    }
}

fn is_of_type(field: &Field, raw: &RawValue) -> bool {
    match field.field_type() {
        FieldType::Text { .. } | FieldType::Lines { .. } => raw.get().starts_with('"'),
        FieldType::Flag => matches!(raw.get(), "true" | "false"),
        _ => field.read_stored(raw).is_some(),
    }
}

/// The fields of a kind that some clients know. These clients know no other fields.
///
/// Every record that is sent to such a client is checked, so make this value once, not for each
/// record.
///
/// ```
/// use haumana_sync::record::KnownFields;
/// use haumana_sync::repertoire::session_kind;
///
/// let known = KnownFields::of(session_kind(), |name| name == "startedAt");
/// assert!(known.fits(r#"{"startedAt":"2026-11-22T00:00:00.000Z"}"#));
/// assert!(!known.fits(r#"{"startedAt":7}"#));
/// assert!(!known.fits("{}"));
/// ```
///
/// The dialect of the first app needs it: its phones stop reading a reply at the first value of a
/// wrong type.
#[derive(Debug)]
pub struct KnownFields {
    kind: Arc<Kind>,
    /// For each field of the kind.
    is_known: Vec<bool>,
    /// For each field of the kind, whether it is known and a stored record always has it.
    is_needed: Vec<bool>,
}

impl KnownFields {
    /// The fields of a kind for whose names `knows` returns `true`.
    pub fn of(kind: &Arc<Kind>, knows: impl Fn(&str) -> bool) -> Self {
        let fields = kind.fields();
        let is_known: Vec<bool> = fields.iter().map(|field| knows(field.name())).collect();
        let known = fields.iter().zip(&is_known);
        let is_needed = known.map(|(field, is_known)| *is_known && field.is_required()).collect();
        Self { kind: kind.clone(), is_known, is_needed }
    }

    /// Whether these clients can read a stored record. Each field that they know must have its
    /// type. The fields that a stored record always has must be there. It reads `json` once,
    /// without a copy.
    pub fn fits(&self, json: &str) -> bool {
        let mut reader = serde_json::Deserializer::from_str(json);
        reader.deserialize_map(self).is_ok_and(|fits| fits) && reader.end().is_ok()
    }
}

impl<'de> Visitor<'de> for &KnownFields {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stored {}", self.kind.name())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let (mut is_missing, mut is_good) = (self.is_needed.clone(), true);
        while let Some(place) = map.next_key_seed(PlaceOf(&self.kind))? {
            let place = place.filter(|at| self.is_known.get(*at) == Some(&true));
            let Some(field) = place.and_then(|at| self.kind.fields().get(at)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            is_good &= is_of_type(field, map.next_value()?);
            place.and_then(|at| is_missing.get_mut(at)).into_iter().for_each(|one| *one = false);
        }
        Ok(is_good && !is_missing.contains(&true))
    }
}

/// Reads a name as the place of its field.
struct PlaceOf<'k>(&'k Kind);

impl<'de> DeserializeSeed<'de> for PlaceOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for PlaceOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.place(name))
    }
}

/// Reads the stored form, which this library wrote, perhaps under an earlier schema.
struct Stored<'k> {
    kind: &'k Arc<Kind>,
    made_at: UnixMillis,
    /// Whether values that their fields cannot hold are an error.
    is_fitting: bool,
}

impl<'de> DeserializeSeed<'de> for Stored<'_> {
    type Value = Content;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Stored<'_> {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stored {}", self.kind.name())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut content = Content::new(self.kind, self.made_at);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let place = self.kind.place(&name);
            if place.is_none() && self.kind.reserved_key(&name).is_some() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let field = place.and_then(|at| self.kind.fields().get(at));
            let value = match field.map(Field::field_type) {
                Some(FieldType::Text { .. } | FieldType::Lines { .. }) if self.is_fitting => {
                    Ok(Value::Text(map.next_value()?))
                }
                Some(FieldType::Flag) if self.is_fitting => Ok(Value::Flag(map.next_value()?)),
                _ => {
                    let raw = map.next_value::<&'de RawValue>()?;
                    field.and_then(|field| field.read_stored(raw)).ok_or(raw)
                }
            };
            match (value, place.and_then(|at| content.values.get_mut(at))) {
                (Ok(value), Some(slot)) => *slot = value,
                (Err(raw), _) => {
                    let json = JsonText::new(raw).ok_or_else(|| A::Error::custom("json"))?;
                    content.unknown.insert(name.into_owned(), json);
                }
                // A value was read for a field, and every field has a place.
                (Ok(_), None) => {}
            }
        }
        Ok(content)
    }
}
