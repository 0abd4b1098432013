//! A record as the engine works on it: the envelope, opened.

use super::meta::{FORMAT, Meta};
use crate::digest::Digest;
use crate::engine::Error;
use crate::id::{Key, RecordId};
use crate::record::{Content, Value};
use crate::schema::{Field, Kind, Schema};
use crate::store::{Envelope, HistoryEntry, HistoryKey, Revision, Stamp, Version};
use crate::time::UnixMillis;
use std::sync::Arc;

/// A record, opened. Of a tombstone, `content` is `None`.
#[derive(Clone, Debug)]
pub struct Record {
    pub kind: Arc<Kind>,
    pub id: RecordId,
    pub version: Version,
    pub modified_at: UnixMillis,
    pub content: Option<Content>,
    pub meta: Meta,
}

impl Record {
    /// Opens `envelope` under its kind in `schema`.
    pub fn open(envelope: &Envelope, schema: &Schema) -> Result<Self, Error> {
        if FORMAT < envelope.format {
            return Err(Error::newer_format());
        }
        let kind = schema.kind(envelope.key.kind).ok_or_else(Error::corrupt)?;
        let content = match envelope.deleted {
            true => None,
            false => Some(Content::parse(kind, &envelope.content).ok_or_else(Error::corrupt)?),
        };
        Ok(Self {
            kind: kind.clone(),
            id: envelope.key.id,
            version: envelope.version,
            modified_at: envelope.modified_at,
            content,
            meta: parse(&envelope.meta)?,
        })
    }

    pub fn key(&self) -> Key {
        Key { kind: self.kind.number(), id: self.id }
    }

    /// Returns what the kind says of the field `name`.
    pub fn field(&self, name: &str) -> &Field {
        self.kind.named(name)
    }

    /// The hash of the field's current value; of a tombstone, of its last.
    pub fn hash(&self, name: &str) -> u64 {
        let field = self.field(name);
        match &self.content {
            Some(content) => field.hash(&content.get(name)),
            None => {
                let nothing = || field.hash(&Value::Null);
                self.meta.last.get(name).copied().unwrap_or_else(nothing)
            }
        }
    }

    /// Closes it; the commit fills in revision and stamp.
    pub fn close(&self) -> Envelope {
        let content = self.content.as_ref().map_or_else(|| "{}".to_owned(), Content::to_json);
        let hash = self.content.as_ref().map(|fields| fields.content_hash(self.id, &content));
        Envelope {
            key: self.key(),
            version: self.version,
            revision: Revision(0),
            stamp: Stamp(0),
            modified_at: self.modified_at,
            deleted: self.content.is_none(),
            hash: hash.unwrap_or(Digest(0)),
            format: FORMAT,
            content,
            meta: to_json(&self.meta),
        }
    }
}

/// What history remembers of a version beside its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HistoryMeta {
    /// When the version was committed, or the push came.
    pub at: UnixMillis,
    /// Which device made it, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Which fields it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Of a side: which fields lost, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<(String, crate::merge::Reason)>,
    /// Whether the version is a tombstone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Whether the version that an entry of the history keeps is a tombstone; it has no content.
pub fn is_of_tombstone(entry: &HistoryEntry) -> bool {
    let meta: Result<HistoryMeta, Error> = parse(&entry.meta);
    meta.is_ok_and(|meta| meta.deleted)
}

/// The history entry of a version that is being superseded.
pub fn superseded(
    old: &Envelope,
    device: Option<String>,
    changed: Vec<String>,
    now: UnixMillis,
) -> HistoryEntry {
    let meta = HistoryMeta {
        at: old.modified_at,
        device,
        changed,
        lost: Vec::new(),
        deleted: old.deleted,
    };
    HistoryEntry {
        key: HistoryKey { key: old.key, version: old.version, side: 0 },
        at: now,
        content: old.content.clone(),
        meta: to_json(&meta),
    }
}

/// Parses what this library stored.
pub fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| Error::corrupt())
}

/// Writes what this library stores.
pub fn to_json(value: &impl serde::Serialize) -> String {
    // Maps with string keys, numbers and strings into memory: nothing that can fail.
    serde_json::to_string(value).unwrap_or_default()
}
