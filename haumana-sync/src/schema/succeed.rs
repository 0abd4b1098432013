//! Which schema may follow another one on the same data.

use super::{Element, Field, FieldType, Kind, Schema, SchemaError};
use std::collections::BTreeMap;

impl Schema {
    /// Checks that records written under `old` can be read and written under this schema.
    ///
    /// Kinds and fields may be added. Limits and policies may change. A record that exceeds a
    /// lowered limit stays as it is until an edit makes it fit. A field that is no longer declared
    /// becomes a key that its kind does not name; its values are kept.
    ///
    /// ```
    /// use haumana_sync::schema::{Field, FieldType, Kind, Schema};
    ///
    /// let title = |max| Field::new(1, "title", FieldType::text(max));
    /// let old = Schema::new([Kind::new(3, "song").field(title(100))])?;
    /// let lyrics = Field::new(2, "lyrics", FieldType::lines(10_000));
    /// let grown = Kind::new(3, "song").field(title(200)).field(lyrics);
    /// let new = Schema::new([grown])?;
    ///
    /// assert!(new.succeed(&old).is_ok());
    /// // A field's number is never given to another one.
    /// let renamed = Kind::new(3, "song").field(Field::new(1, "name", FieldType::text(100)));
    /// assert!(Schema::new([renamed])?.succeed(&old).is_err());
    /// # Ok::<(), haumana_sync::schema::SchemaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SchemaError`] names the kind and the field of a change that is not allowed: a kind is
    /// gone, or it has another number, groups, id key or content hash; a field has another number,
    /// name or type.
    pub fn succeed(&self, old: &Schema) -> Result<(), SchemaError> {
        for before in old.kinds() {
            let flaw = |message: &str| Err(SchemaError::new(message).in_kind(before.name()));
            let Some(now) = self.named(before.name()) else {
                return flaw("records of this kind are stored, and the schema no longer has it");
            };
            if now.number() != before.number() {
                return flaw("a kind keeps its number");
            }
            if now.id_name() != before.id_name() || now.hashed() != before.hashed() {
                return flaw("a kind keeps the key of its id and what its content hash is of");
            }
            if grouped(before) != grouped(now) {
                return flaw("a kind keeps its groups: records remember them as one");
            }
            check_fields(before, now).map_err(|error| error.in_kind(before.name()))?;
        }
        Ok(())
    }
}

/// The groups: the name of each, and its fields.
fn grouped(kind: &Kind) -> BTreeMap<&str, Vec<&str>> {
    kind.groups().iter().map(|group| (group.name(), kind.fields_of(group.name()))).collect()
}

fn check_fields(before: &Kind, now: &Kind) -> Result<(), SchemaError> {
    for old in before.fields() {
        let flaw = |message: &str| Err(SchemaError::new(message).in_field(old.name()));
        if let Some(other) = now.fields().iter().find(|field| field.number() == old.number())
            && other.name() != old.name()
        {
            return flaw("its number belongs to another field now; numbers are never used again");
        }
        let Some(field) = now.fields().iter().find(|field| field.name() == old.name()) else {
            continue;
        };
        if field.number() != old.number() {
            return flaw("a field keeps its number");
        }
        if !is_same_type(old, field) {
            return flaw("a field keeps its type");
        }
    }
    Ok(())
}

/// Limits and words may change. The type of the values may not.
fn is_same_type(old: &Field, new: &Field) -> bool {
    let element = |field: &Field| -> Option<Element> {
        match field.field_type() {
            FieldType::List { of, .. } | FieldType::Set { of, .. } => Some(*of),
            _ => None,
        }
    };
    old.field_type().name() == new.field_type().name() && element(old) == element(new)
}
