//! Fields that move together, and fields that a record cannot be without.

use haumana_sync::schema::{Field, FieldType, Kind, Merge};

/// Whether fields of the kind move together. Such a record is pushed whole where its server may not
/// have it, and a later change of a device replaces its earlier one.
pub(crate) fn has_groups(kind: &Kind) -> bool {
    !kind.groups().is_empty()
}

/// The fields that are decided together with one, itself included.
pub(crate) fn decided_with<'k>(kind: &'k Kind, name: &'k str) -> Vec<&'k str> {
    kind.fields_of(kind.unit_of(name))
}

/// The fields that the server needs with every push that may make the record.
pub(crate) fn required(kind: &Kind) -> Vec<&str> {
    let is_needed = |field: &&Field| {
        field.policy() == Merge::Fixed || field.is_mandatory() || field.same_as().is_some()
    };
    kind.fields().iter().filter(is_needed).map(Field::name).collect()
}

/// Whether a field says when its record was made.
pub(crate) fn is_creation_time(field: &Field) -> bool {
    let is_time = *field.field_type() == FieldType::Time;
    field.is_edit_time() || is_time && field.same_as().is_some()
}
