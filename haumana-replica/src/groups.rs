//! Fields that move together, and fields that a record must have.

use haumana_sync::schema::{Field, FieldType, Kind, Merge};

/// Whether fields of the kind move together. If the server may not have such a record, the whole
/// record is pushed. A later change of a device replaces its earlier one.
pub(crate) fn has_groups(kind: &Kind) -> bool {
    !kind.groups().is_empty()
}

/// The fields that are decided together with `name`, including it.
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

/// Whether a field holds the creation time of its record.
pub(crate) fn is_creation_time(field: &Field) -> bool {
    let is_time = *field.field_type() == FieldType::Time;
    field.is_edit_time() || is_time && field.same_as().is_some()
}
