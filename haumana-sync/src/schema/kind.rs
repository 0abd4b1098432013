//! One kind of record.

use super::{Field, Merge};
use crate::id::KindNumber;
use crate::record::Value;
use crate::time::UnixMillis;
use std::borrow::Cow;

/// What becomes of the keys that a kind does not name. They are kept byte for byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownKeys {
    /// The later edit wins.
    #[default]
    Later,
    /// A value beats none, then the smaller bytes win.
    Smallest,
}

/// What the content hash of a record is of. Devices that hold no versions compare by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentHash {
    /// The stored content, byte for byte.
    #[default]
    Stored,
    /// The fields with these numbers, absent ones as what they count as: texts first, then
    /// switches. A frozen list: a field that is declared later is not in it.
    Fields(Vec<u16>),
}

/// A kind of record: its name and number, and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    pub(super) number: KindNumber,
    pub(super) name: Cow<'static, str>,
    pub(super) fields: Vec<Field>,
    pub(super) id_key: Cow<'static, str>,
    pub(super) unknown: Field,
    pub(super) content_hash: ContentHash,
}

impl Kind {
    /// Declares a kind without fields. Numbers up to 2 are the library's own.
    pub fn new(number: u8, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            number: KindNumber::new(number),
            name: name.into(),
            fields: Vec::new(),
            id_key: Cow::Borrowed("id"),
            unknown: Field::unknown(Merge::Later),
            content_hash: ContentHash::Stored,
        }
    }

    /// Adds a field. Fields are stored in the order in which they are added.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Sets the key of the record's id in exports.
    #[must_use]
    pub fn id_key(self, id_key: impl Into<Cow<'static, str>>) -> Self {
        Self { id_key: id_key.into(), ..self }
    }

    /// Sets what becomes of keys that the kind does not name.
    #[must_use]
    pub fn unknown_keys(self, unknown: UnknownKeys) -> Self {
        let merge = match unknown {
            UnknownKeys::Later => Merge::Later,
            UnknownKeys::Smallest => Merge::Least,
        };
        Self { unknown: Field::unknown(merge), ..self }
    }

    /// Sets what the content hash is of.
    #[must_use]
    pub fn content_hash(self, content_hash: ContentHash) -> Self {
        Self { content_hash, ..self }
    }

    /// Returns what the content hash is of.
    pub fn hashed(&self) -> &ContentHash {
        &self.content_hash
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

    /// Returns the field `name`; keys that the kind does not name share one answer, with an empty
    /// name.
    pub fn named(&self, name: &str) -> &Field {
        self.fields.iter().find(|field| field.name == name).unwrap_or(&self.unknown)
    }

    /// Returns the fields that can be edited: all but those whose policy is [`Merge::Fixed`].
    pub fn editable(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.merge != Merge::Fixed)
    }

    /// Returns the values of a record that is made at `edited_at` and of which nothing was said.
    pub fn defaults(&self, edited_at: UnixMillis) -> Vec<Value> {
        self.fields.iter().map(|field| field.default_at(edited_at)).collect()
    }
}
