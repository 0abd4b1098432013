//! Fields that are decided together, and the unit that a merge decides.
//!
//! Use a group where a mixture of two edits would be wrong: a time with its zone, an amount with
//! its currency, an end with the word of who set it.

use super::{Field, FieldType, Kind, Merge};
use crate::value::{GroupValue, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Fields of a kind that move together: all of them get their values from one of two concurrent
/// edits.
///
/// A record remembers a group under the name of its leading field.
///
/// ```
/// use haumana_sync::schema::{Field, FieldType, Group, Kind, Schema};
///
/// let price = Kind::new(3, "price")
///     .field(Field::new(1, "amount", FieldType::Integer))
///     .field(Field::new(2, "currency", FieldType::text(3)))
///     .group(Group::new("amount", ["amount", "currency"]));
///
/// assert!(Schema::new([price]).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub(super) name: Cow<'static, str>,
    /// In the order in which they are compared.
    pub(super) fields: Vec<Cow<'static, str>>,
    pub(super) merge: Merge,
    pub(crate) has_text_hash: bool,
}

impl Group {
    /// Declares a group of `fields`, one of which is its `leading` field. Without a policy the
    /// later edit wins.
    ///
    /// [`Merge::Greatest`] and [`Merge::Least`] first compare whether the leading field has a
    /// value. Then they compare the fields, in the order given here.
    ///
    /// A group has two fields or more. None of them merges by parts, has a policy of its own, or is
    /// in another group.
    pub fn new<N: Into<Cow<'static, str>>>(
        leading: impl Into<Cow<'static, str>>,
        fields: impl IntoIterator<Item = N>,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        Self { name: leading.into(), fields, merge: Merge::Later, has_text_hash: false }
    }

    /// Sets the merge policy for concurrent edits.
    #[must_use]
    pub fn merge(self, merge: Merge) -> Self {
        Self { merge, ..self }
    }

    /// Returns the name of its leading field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names of its fields, in the order in which they are compared.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(AsRef::as_ref)
    }

    /// Returns its merge policy.
    pub fn policy(&self) -> Merge {
        self.merge
    }

    /// Makes the group's value from the values of its fields. If all are absent, it is
    /// [`Value::Null`].
    pub(crate) fn value(&self, get: impl Fn(&str) -> Value) -> Value {
        let values = self.fields().map(|name| (name.to_owned(), get(name)));
        GroupValue::make(values.collect(), self.has_text_hash)
    }

    /// Makes the group's value from those of some fields, and from a value of the group that has
    /// the others.
    pub(crate) fn completed(&self, parts: &BTreeMap<String, Value>, rest: &Value) -> Value {
        self.value(|name| match (parts.get(name), rest) {
            (Some(value), _) => value.clone(),
            (None, Value::Group(rest)) => rest.get(name).clone(),
            (None, _) => Value::Null,
        })
    }
}

/// What a merge decides as one: a field, or a group of fields.
///
/// A record remembers by unit, not by field, who changed what.
#[derive(Clone, Copy, Debug)]
pub enum Unit<'k> {
    /// A field that is in no group.
    Field(&'k Field),
    /// A group of a kind.
    Group(&'k Group, &'k Kind),
}

impl<'k> From<&'k Field> for Unit<'k> {
    fn from(field: &'k Field) -> Self {
        Unit::Field(field)
    }
}

impl<'k> Unit<'k> {
    /// Returns the name under which a record remembers it. It is empty for a key that the kind does
    /// not name.
    pub fn name(&self) -> &'k str {
        match self {
            Unit::Field(field) => field.name(),
            Unit::Group(group, _) => group.name(),
        }
    }

    /// Returns its merge policy.
    pub fn policy(&self) -> Merge {
        match self {
            Unit::Field(field) => field.policy(),
            Unit::Group(group, _) => group.policy(),
        }
    }

    /// Returns the type of the field; `None` for a group.
    pub fn field_type(&self) -> Option<&'k FieldType> {
        match self {
            Unit::Field(field) => Some(field.field_type()),
            Unit::Group(..) => None,
        }
    }

    /// Whether the engine reads the value of the base. For a counter the value shows what two
    /// installations with the same name have counted; the merge itself does not need it.
    pub(crate) fn needs_base(&self) -> bool {
        self.field_type().is_some_and(FieldType::is_structural)
    }

    /// Returns the hash of a value. Values that count as equal have the same hash.
    pub fn hash(&self, value: &Value) -> u64 {
        match self {
            Unit::Field(field) => field.hash(value),
            Unit::Group(..) => value.hash(),
        }
    }
}
