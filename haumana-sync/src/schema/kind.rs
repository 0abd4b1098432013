//! One kind of record.
//!
//! A kind has a name on the wire and a number in stores and cursors. Neither ever changes. The rest
//! may grow.

use super::{Field, Group, Merge, Unit};
use crate::id::KindNumber;
use crate::limits::BESIDE_KEY;
use crate::time::UnixMillis;
use crate::value::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The merge policy of keys that a kind does not name. Their values are kept byte for byte.
///
/// A newer app may send keys that this schema does not have yet. They are stored, merged by this
/// policy, and returned; a later schema may declare them as fields.
///
/// The only check is that such a value is JSON that every reader takes; see
/// [`JsonText`](crate::json::JsonText). The value counts towards the size of the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownKeys {
    /// The later edit wins.
    #[default]
    Later,
    /// A value beats no value. Of two values the one with the smaller bytes wins.
    ///
    /// It needs no times, so devices that send no edit times agree on it, too.
    Smallest,
}

/// Which of two concurrent changes wins if one deletes the record and the other edits it.
///
/// A delete without a concurrent edit always deletes. Under `LoseToEdits`, an edit whose device had
/// seen the delete brings the record back.
///
/// ```
/// use haumana_sync::schema::{Deletes, Field, FieldType, Kind};
///
/// let receipt = Kind::new(3, "receipt")
///     .field(Field::new(1, "total", FieldType::Integer))
///     .deletes(Deletes::Stick);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deletes {
    /// The edit wins and the record stays.
    ///
    /// The inbox says that a delete lost, so a person can delete the record after all.
    #[default]
    LoseToEdits,
    /// The delete wins, whatever its device had seen. The record stays deleted until somebody
    /// restores it. The edit goes to the inbox or the history.
    ///
    /// Use it for records that are written once, or that must not come back because some device was
    /// offline.
    Stick,
}

/// A key that is never content. On the wire it holds the id, the version or a time of a record,
/// beside the fields. If content could have that key, a reply would contain the key twice.
///
/// Every kind reserves `userId`, `version`, `modifiedAt` and `_haumana`; the kinds of the first app
/// reserve more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedKey<'k>(pub &'k str);

impl std::fmt::Display for ReservedKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not content and cannot be set", self.0)
    }
}

/// The keys that are reserved in every kind.
const RESERVED_KEYS: [&str; 4] = ["userId", "version", "modifiedAt", BESIDE_KEY];

/// What the content hash of a record covers. Devices that know no versions compare records by it.
///
/// Apps whose devices keep versions leave this alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentHash {
    /// The stored content, byte for byte.
    #[default]
    Stored,
    /// The fields with these numbers: texts first, then flags. An absent field is hashed as the
    /// value that it counts as. The list is frozen: a field that is declared later is not added to
    /// it.
    Fields(Vec<u16>),
}

/// A kind of record: its name, its number, and its fields.
///
/// A kind has at most [`FIELDS`](crate::limits::FIELDS) fields.
/// [`Schema::new`](crate::schema::Schema::new) checks numbers and names; the functions here do not.
///
/// ```
/// use haumana_sync::schema::{Field, FieldType, Kind, Merge};
///
/// let recipe = Kind::new(3, "recipe")
///     .field(Field::new(1, "title", FieldType::text(200)).required("").trimmed())
///     .field(Field::new(2, "steps", FieldType::lines(50_000)))
///     .field(Field::new(3, "difficulty", FieldType::one_of(["easy", "hard"])).merge(Merge::Greatest));
///
/// assert_eq!(Some(3), recipe.fields().last().map(|field| field.number()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    pub(super) number: KindNumber,
    pub(super) name: Cow<'static, str>,
    pub(super) fields: Vec<Field>,
    pub(super) groups: Vec<Group>,
    pub(super) deletes: Deletes,
    pub(super) id_key: Cow<'static, str>,
    pub(super) unknown: Field,
    pub(super) content_hash: ContentHash,
    /// Keys that are reserved in this kind, in addition to those that are reserved in all kinds.
    pub(crate) reserved: &'static [&'static str],
    /// The name of the separate list that exports have for this kind, and the key that they add to
    /// each record.
    pub(crate) export_list: Option<(&'static str, &'static str)>,
    /// Whether version 0.1 stored its records without saying which version changed which field.
    pub(crate) had_no_touches: bool,
}

impl Kind {
    /// Declares a kind without fields.
    ///
    /// The number of an app's own kind is 3 to 250. Numbers up to 2 are reserved for this library.
    /// Stores keep the number: never change it, and never use it for another kind.
    ///
    /// The name has 1 to 64 letters, digits and `_`, and begins with a letter. It is a key of JSON
    /// and a word of the command line.
    pub fn new(number: u8, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            number: KindNumber::new(number),
            name: name.into(),
            fields: Vec::new(),
            groups: Vec::new(),
            deletes: Deletes::LoseToEdits,
            id_key: Cow::Borrowed("id"),
            unknown: Field::unknown(Merge::Later),
            content_hash: ContentHash::Stored,
            reserved: &[],
            export_list: None,
            had_no_touches: false,
        }
    }

    /// Adds a field. Fields are stored in the order in which they are added.
    ///
    /// Add new fields at the end. If the order changes, each record's content is rewritten when the
    /// record is next edited; nothing else happens.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Adds a group of fields that are decided together.
    ///
    /// A group may not be added to a kind that has records, because they remember each of its
    /// fields separately.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// Sets whether an edit or a concurrent delete wins.
    ///
    /// It may change later. It applies to deletes and edits from then on.
    #[must_use]
    pub fn deletes(self, deletes: Deletes) -> Self {
        Self { deletes, ..self }
    }

    /// Sets the key of the record's id in exports.
    ///
    /// The wire always says `id`.
    #[must_use]
    pub fn id_key(self, id_key: impl Into<Cow<'static, str>>) -> Self {
        Self { id_key: id_key.into(), ..self }
    }

    /// Sets the merge policy of keys that the kind does not name.
    #[must_use]
    pub fn unknown_keys(self, unknown: UnknownKeys) -> Self {
        let merge = match unknown {
            UnknownKeys::Later => Merge::Later,
            UnknownKeys::Smallest => Merge::Least,
        };
        Self { unknown: Field::unknown(merge), ..self }
    }

    /// Sets what the content hash covers.
    #[must_use]
    pub fn content_hash(self, content_hash: ContentHash) -> Self {
        Self { content_hash, ..self }
    }

    /// Returns what the content hash covers.
    pub fn hashed(&self) -> &ContentHash {
        &self.content_hash
    }

    /// Whether devices that hold no versions compare its records by their content.
    pub(crate) fn is_compared(&self) -> bool {
        matches!(self.content_hash, ContentHash::Fields(_))
    }

    /// Returns the key of the record's id in exports.
    pub fn id_name(&self) -> &str {
        &self.id_key
    }

    /// Returns its number.
    pub fn number(&self) -> KindNumber {
        self.number
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its fields, in the order in which they are stored.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns the place of the field `name`.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Returns the field `name`. For every key that the kind does not name, this is one shared
    /// field with an empty name.
    ///
    /// So a caller merges a key from a newer app with the same code as a field.
    pub fn named(&self, name: &str) -> &Field {
        self.fields.iter().find(|field| field.name == name).unwrap_or(&self.unknown)
    }

    /// Returns the groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns the group that is remembered under `name`.
    pub(crate) fn group_named(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Returns the unit that is remembered under `name`. Keys that the kind does not name share
    /// one.
    pub fn unit(&self, name: &str) -> Unit<'_> {
        match self.group_named(name) {
            Some(group) => Unit::Group(group, self),
            None => Unit::Field(self.named(name)),
        }
    }

    /// Reads a value of the unit `name`. The value of a group is an object of its fields.
    pub fn read_unit(&self, name: &str, raw: &RawValue) -> Option<Value> {
        let Some(group) = self.group_named(name) else { return self.named(name).read(raw) };
        if raw.get() == "null" {
            return Some(Value::Null);
        }
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).ok()?;
        let mut values = BTreeMap::new();
        for (name, raw) in fields {
            let field = self.named(&name);
            let value = field.read(raw).filter(|_| group.fields().any(|known| known == name))?;
            values.insert(name, field.normal(value));
        }
        Some(group.value(|name| values.get(name).cloned().unwrap_or(Value::Null)))
    }

    /// Returns the name of the unit that the field `name` belongs to.
    pub fn unit_of<'a>(&'a self, name: &'a str) -> &'a str {
        let group = self.groups.iter().find(|group| group.fields().any(|field| field == name));
        group.map_or(name, Group::name)
    }

    /// Returns the fields of the unit `name`, sorted by name.
    pub fn fields_of<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let Some(group) = self.group_named(name) else { return vec![name] };
        let mut fields: Vec<&str> = group.fields().collect();
        fields.sort_unstable();
        fields
    }

    /// Returns the names of the units that can be edited.
    pub fn unit_names(&self) -> impl Iterator<Item = &str> {
        let is_first = |name: &&str| self.groups.is_empty() || self.unit_of(name) == *name;
        let names = self.fields.iter().map(Field::name).filter(is_first);
        names.filter(|name| self.unit(name).policy() != Merge::Fixed)
    }

    /// Returns which wins if a delete and an edit did not know of each other.
    pub fn delete_policy(&self) -> Deletes {
        self.deletes
    }

    /// Returns the reserved key of that name; `None` if a record may have it as a key.
    pub fn reserved_key(&self, name: &str) -> Option<ReservedKey<'_>> {
        self.reserved_keys().find(|key| key.0 == name)
    }

    /// Returns the keys that are never content.
    pub fn reserved_keys(&self) -> impl Iterator<Item = ReservedKey<'_>> {
        RESERVED_KEYS.iter().chain(self.reserved).map(|name| ReservedKey(name))
    }

    /// Returns the name of the separate list in which exports hold its records; `None` if they are
    /// in the common list.
    pub(crate) fn own_list(&self) -> Option<&'static str> {
        self.export_list.map(|(list, _)| list)
    }

    /// Returns what exports add to each record of a separate list.
    pub(crate) fn exported_beside(&self) -> &'static str {
        self.export_list.map_or("", |(_, beside)| beside)
    }

    /// Whether version 0.1 stored its records without saying which version changed which field.
    pub(crate) fn had_no_touches(&self) -> bool {
        self.had_no_touches
    }

    /// Returns the field that says when a record was made, if it has one.
    pub(crate) fn creation_field(&self) -> Option<&Field> {
        let made = self.fields.iter().find(|field| field.is_fixed_edit_time());
        made.or_else(|| self.fields.iter().find(|field| field.is_creation()))
    }

    /// Whether it has mandatory fields. A record that lacks one is only a part of a record.
    pub(crate) fn has_mandatory(&self) -> bool {
        self.fields.iter().any(Field::is_mandatory)
    }

    /// Returns the first mandatory field that a new record does not set. `is_said` returns whether
    /// the record sets a field.
    ///
    /// The engine refuses such a record as
    /// [`Refusal::InvalidField`](crate::engine::Refusal::InvalidField).
    pub fn missing(&self, is_said: impl Fn(&str) -> bool) -> Option<&Field> {
        self.fields.iter().find(|field| field.is_mandatory() && !is_said(field.name()))
    }

    /// Returns the fields that can be edited: all but those whose policy is [`Merge::Fixed`].
    pub fn editable(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.merge != Merge::Fixed)
    }

    /// Returns the values of a record that is created at `edited_at` and sets no field.
    pub fn defaults(&self, edited_at: UnixMillis) -> Vec<Value> {
        self.fields.iter().map(|field| field.default_at(edited_at)).collect()
    }
}
