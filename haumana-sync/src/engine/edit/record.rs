//! A record as the engine works on it: the envelope, opened.

use crate::digest::Digest;
use crate::engine::Error;
use crate::engine::edit::meta::{FORMAT, Meta, Touch};
use crate::id::{Key, RecordId};
use crate::record::{Content, Value};
use crate::schema::{Kind, Schema, Unit};
use crate::store::{Envelope, HistoryEntry, HistoryKey, Revision, Stamp, Version};
use crate::time::UnixMillis;
use std::sync::Arc;

/// A record, opened. For a tombstone, `content` is `None`.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its kind.
    pub kind: Arc<Kind>,
    /// Its id.
    pub id: RecordId,
    /// Its version; 0 if there is none yet.
    pub version: Version,
    /// When the version was committed.
    pub modified_at: UnixMillis,
    /// Its content; `None` for a tombstone.
    pub content: Option<Content>,
    /// What is kept beside it.
    pub meta: Meta,
}

impl Record {
    /// Opens `envelope` under its kind in `schema`.
    pub fn open(envelope: &Envelope, schema: &Schema) -> Result<Self, Error> {
        if envelope.is_unreadable() {
            return Err(Error::unreadable());
        }
        if FORMAT < envelope.format {
            return Err(Error::newer_format());
        }
        let kind = schema.kind(envelope.key.kind).ok_or_else(Error::unreadable)?;
        let meta: Meta = parse(&envelope.meta)?;
        let content = match envelope.deleted {
            true => None,
            false => {
                let made_at = meta.created.edited_at;
                let content = Content::parse_made_at(kind, &envelope.content, made_at);
                let mut content = content.ok_or_else(Error::unreadable)?;
                content.fill();
                Some(content)
            }
        };
        let mut record = Self {
            kind: kind.clone(),
            id: envelope.key.id,
            version: envelope.version,
            modified_at: envelope.modified_at,
            content,
            meta,
        };
        let has_touches = !record.meta.touched.is_empty();
        if kind.had_no_touches() && !has_touches && record.meta.created.version < record.version {
            record.touch_all();
        }
        Ok(record)
    }

    /// In a record of version 0.1, every field counts as changed by the current version, by no
    /// known device.
    fn touch_all(&mut self) {
        let (version, at) = (self.version, self.modified_at);
        let touch = Touch { version, edited_at: at, claimed_at: at, device: None };
        let names = self.content.iter().flat_map(Content::names);
        let touched = names.map(|name| (name.to_owned(), touch.clone()));
        self.meta.touched = touched.collect();
    }

    /// Whether the unit `name` has the value with that hash, or had it at version `since` or later.
    /// For a tombstone the last value counts.
    pub fn has_had(&self, name: &str, hash: u64, since: Version) -> bool {
        let last = || self.meta.last.get(name).copied();
        let content = self.content.as_ref();
        let current =
            content.map(|content| self.unit(name).hash(&content.unit(name))).or_else(last);
        let past = self.meta.past.get(name).map(Vec::as_slice).unwrap_or_default();
        let ends = past.iter().skip(1).map(|next| next.version);
        let ends = ends.chain([self.meta.touch(name).version]);
        let mut known = past.iter().zip(ends).filter(|(_, end)| since < *end);
        current == Some(hash) || known.any(|(past, _)| past.hash == hash && !past.is_gone)
    }

    /// Returns its key.
    pub fn key(&self) -> Key {
        Key { kind: self.kind.number(), id: self.id }
    }

    /// Returns the unit `name` of its kind.
    pub fn unit(&self, name: &str) -> Unit<'_> {
        self.kind.unit(name)
    }

    /// The hash of the current value of `name`; for a tombstone, of its last value.
    pub fn hash(&self, name: &str) -> u64 {
        let unit = self.unit(name);
        match &self.content {
            Some(content) => unit.hash(&content.unit(name)),
            None => {
                let nothing = || unit.hash(&Value::Null);
                self.meta.last.get(name).copied().unwrap_or_else(nothing)
            }
        }
    }

    /// Returns the stored form. The commit fills in revision and stamp.
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
            hash: hash.unwrap_or(Digest::from_bits(0)),
            format: FORMAT,
            content,
            meta: to_json(&self.meta),
        }
    }
}

/// What the history keeps of a version beside its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct HistoryMeta {
    /// When the version was committed, or the push arrived.
    pub at: UnixMillis,
    /// The device that made it, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Which fields it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// For a side: the fields that lost, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<(String, crate::merge::Reason)>,
    /// Whether the version is a tombstone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Whether only values that wait in the inbox are left of the version.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// Whether a history entry has the whole content of a version. A tombstone has not, and an entry of
/// which only losing values are left has not.
pub(crate) fn is_whole(entry: &HistoryEntry) -> bool {
    let meta: Result<HistoryMeta, Error> = parse(&entry.meta);
    meta.is_ok_and(|meta| entry.key.side == 0 && !meta.deleted && !meta.partial)
}

/// Whether a history entry is of a version that is a delete.
pub(crate) fn is_tombstone(entry: &HistoryEntry) -> bool {
    let meta: Result<HistoryMeta, Error> = parse(&entry.meta);
    entry.key.side == 0 && meta.is_ok_and(|meta| meta.deleted)
}

/// Whether only losing values are left of the version of an entry.
pub(crate) fn is_partial(entry: &HistoryEntry) -> bool {
    // Almost no entry is partial.
    entry.meta.contains(r#""partial":true"#)
        && parse::<HistoryMeta>(&entry.meta).is_ok_and(|meta| meta.partial)
}

/// The history entry of a version that is being superseded.
pub(crate) fn superseded(
    old: &Envelope,
    device: Option<String>,
    changed: Vec<String>,
    now: UnixMillis,
) -> HistoryEntry {
    let meta = HistoryMeta {
        at: old.modified_at,
        device,
        changed,
        deleted: old.deleted,
        ..HistoryMeta::default()
    };
    HistoryEntry {
        key: HistoryKey { key: old.key, version: old.version, side: 0 },
        at: now,
        content: old.content.clone(),
        meta: to_json(&meta),
    }
}

/// Parses text that this library stored: an object. A list would be read as an object without keys.
pub(crate) fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    match text.starts_with('{') {
        true => serde_json::from_str(text).map_err(|_| Error::unreadable()),
        false => Err(Error::unreadable()),
    }
}

/// Writes what this library stores.
pub(crate) fn to_json(value: &impl serde::Serialize) -> String {
    // Maps with string keys, numbers and strings, written to memory, cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}
