//! The rules that every schema keeps.

use super::{Field, FieldType, Kind, Merge, Schema, SchemaError};
use crate::id::KindNumber;
use crate::limits;
use crate::time::UnixMillis;
use std::collections::BTreeSet;

/// Keys that the wire writes beside a record's fields.
const RESERVED: [&str; 7] =
    ["_haumana", "id", "userId", "version", "modifiedAt", "kind", "deleted"];

/// The longest name of a kind or a field, in bytes.
const NAME_BYTES: usize = 64;

pub(super) fn check_all(kinds: &[Kind]) -> Result<(), SchemaError> {
    if Schema::KINDS < kinds.len() {
        return Err(SchemaError::new(format!("there are more than {} kinds", Schema::KINDS)));
    }
    let (mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new());
    for kind in kinds {
        let flaw = |message: &str| Err(SchemaError::new(message).in_kind(kind.name()));
        if !numbers.insert(kind.number()) {
            return flaw("another kind has its number");
        }
        if !names.insert(kind.name()) {
            return flaw("another kind has its name");
        }
        if KindNumber::LAST < kind.number().get() {
            return flaw("the number of a kind is 3 to 250");
        }
        if kind.number().is_inbox() || kind.name() == "conflict" {
            return flaw("the library keeps its inbox under this number and name");
        }
        check_kind(kind).map_err(|error| error.in_kind(kind.name()))?;
    }
    Ok(())
}

fn check_kind(kind: &Kind) -> Result<(), SchemaError> {
    check_name(kind.name())?;
    if limits::FIELDS < kind.fields.len() {
        return Err(SchemaError::new(format!("there are more than {} fields", limits::FIELDS)));
    }
    let (mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new());
    for field in &kind.fields {
        let flaw = |message: &str| Err(SchemaError::new(message).in_field(field.name()));
        if field.number() == 0 {
            return flaw("numbers of fields begin at 1");
        }
        if !numbers.insert(field.number()) {
            return flaw("another field has its number");
        }
        if !names.insert(field.name()) {
            return flaw("another field has its name");
        }
        check_field(kind, field).map_err(|error| error.in_field(field.name()))?;
    }
    check_groups(kind)
}

fn check_groups(kind: &Kind) -> Result<(), SchemaError> {
    let mut grouped = BTreeSet::new();
    for group in &kind.groups {
        let flaw = |message: &str| Err(SchemaError::new(message).in_field(group.name()));
        if !group.fields().any(|name| name == group.name()) {
            return flaw("a group leads with one of its fields");
        }
        if group.fields.len() < 2 {
            return flaw("a group has at least two fields");
        }
        for name in group.fields() {
            let flaw = |message: &str| Err(SchemaError::new(message).in_field(name));
            let Some(field) = kind.fields.iter().find(|field| field.name() == name) else {
                return flaw("a group is of fields that the kind has");
            };
            if !grouped.insert(name) {
                return flaw("the field is in two groups, or in one twice");
            }
            if field.field_type().is_structural() {
                return flaw("a field that is merged by its parts moves alone");
            }
            if field.policy() != Merge::Later {
                return flaw("the group's policy decides; the field takes none");
            }
        }
    }
    Ok(())
}

fn check_field(kind: &Kind, field: &Field) -> Result<(), SchemaError> {
    check_name(field.name())?;
    if RESERVED.contains(&field.name()) || field.name() == kind.id_key {
        return Err(SchemaError::new("the name is reserved: it stands beside a record's fields"));
    }
    let field_type = field.field_type();
    if let Some((limit, most)) = field_type.limit()
        && !(1..=most).contains(&limit)
    {
        return Err(SchemaError::new(format!("the limit is not between 1 and {most}")));
    }
    if field_type.is_structural() && field.policy() != Merge::Later {
        let message = format!("{} is merged by its parts; it takes no policy", field_type.name());
        return Err(SchemaError::new(message));
    }
    if field.is_indexed() && !field_type.is_ordered() {
        return Err(SchemaError::new(format!("{} cannot be indexed", field_type.name())));
    }
    check_words(field_type)?;
    if let Some(other) = field.same_as() {
        let other = kind.fields.iter().find(|known| known.name() == other);
        let fits = other.is_some_and(|other| {
            other.field_type() == field.field_type()
                && other.is_required()
                && other.same_as().is_none()
        });
        if !fits {
            return Err(SchemaError::new(
                "its default is the value of a required field of the same type",
            ));
        }
    }
    let has_value = !field.is_mandatory() && field.same_as().is_none();
    if field.is_required() && has_value && field.check(&field.default_at(UnixMillis(0))).is_err() {
        return Err(SchemaError::new("the field cannot hold its default"));
    }
    Ok(())
}

fn check_words(field_type: &FieldType) -> Result<(), SchemaError> {
    let FieldType::Enum { words, open } = field_type else { return Ok(()) };
    if words.is_empty() && !open {
        return Err(SchemaError::new("an enum that is not open has at least one word"));
    }
    let distinct: BTreeSet<&String> = words.iter().collect();
    if distinct.len() != words.len() {
        return Err(SchemaError::new("a word occurs twice"));
    }
    let is_long = |word: &String| word.is_empty() || limits::WORD_CHARS < word.chars().count();
    if words.iter().any(is_long) {
        return Err(SchemaError::new(format!("a word has 1 to {} characters", limits::WORD_CHARS)));
    }
    Ok(())
}

/// A name consists of ASCII letters, digits and `_`, and begins with a letter. Names are used as
/// keys of JSON, as columns and as flags.
fn check_name(name: &str) -> Result<(), SchemaError> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let fits = name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
    if begins && fits && name.len() <= NAME_BYTES {
        return Ok(());
    }
    let message = format!("a name has 1 to {NAME_BYTES} letters, digits and _, a letter first");
    Err(SchemaError::new(message))
}
