//! A session as the engine works on it: the envelope, opened.

use super::meta::{FORMAT, Meta, Touch};
use super::record::{parse, to_json};
use crate::digest::Digest;
use crate::engine::Error;
use crate::id::{Key, RecordId};
use crate::record::{Session, SessionGroup};
use crate::store::{Envelope, Revision, Stamp, Version};
use crate::time::UnixMillis;

/// A session, opened. Of a tombstone, `session` is `None`.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    pub id: RecordId,
    /// 0: there is none yet.
    pub version: Version,
    pub modified_at: UnixMillis,
    pub session: Option<Session>,
    pub meta: Meta,
}

impl SessionRecord {
    pub fn open(envelope: &Envelope) -> Result<Self, Error> {
        if FORMAT < envelope.format {
            return Err(Error::newer_format());
        }
        let session: Option<Session> = match envelope.deleted {
            true => None,
            false => Some(parse(&envelope.content)?),
        };
        let (id, version, modified_at) = (envelope.key.id, envelope.version, envelope.modified_at);
        let mut record = Self { id, version, modified_at, session, meta: parse(&envelope.meta)? };
        if record.is_of_version_0_1() {
            record.touch_all();
        }
        Ok(record)
    }

    pub fn none(id: RecordId, now: UnixMillis) -> Self {
        Self { id, version: 0, modified_at: now, session: None, meta: Meta::default() }
    }

    pub fn key(&self) -> Key {
        Key::session(self.id)
    }

    /// Whether the group has the value of that hash, or had it at version `since` or later. Of a
    /// tombstone the last value counts.
    pub fn has_had(&self, group: &SessionGroup, hash: u64, since: Version) -> bool {
        let name = group.name();
        let last = || self.meta.last.get(name).copied();
        let current = self.session.as_ref().map(|session| group.hash(session)).or_else(last);
        let past = self.meta.past.get(name).map(Vec::as_slice).unwrap_or_default();
        let ends = past.iter().skip(1).map(|next| next.version);
        let ends = ends.chain([self.meta.touch(name).version]);
        let mut known = past.iter().zip(ends).filter(|(_, end)| since < *end);
        current == Some(hash) || known.any(|(past, _)| past.hash == hash)
    }

    /// Closes it; the commit fills in revision and stamp.
    pub fn close(&self) -> Envelope {
        let content = self.session.as_ref().map_or_else(|| "{}".to_owned(), Session::to_json);
        let hash = match self.session {
            Some(_) => Digest::of([content.as_bytes()]),
            None => Digest::default(),
        };
        Envelope {
            key: self.key(),
            version: self.version,
            revision: Revision(0),
            stamp: Stamp(0),
            modified_at: self.modified_at,
            deleted: self.session.is_none(),
            hash,
            format: FORMAT,
            content,
            meta: to_json(&self.meta),
        }
    }

    /// Version 0.1 did not remember which version changed which group. A record that this code has
    /// raised has at least one touch.
    fn is_of_version_0_1(&self) -> bool {
        self.meta.touched.is_empty() && self.meta.created.version < self.version
    }

    /// Every group counts as changed by the current version, and by nobody in particular.
    fn touch_all(&mut self) {
        let (version, at) = (self.version, self.modified_at);
        let touch = Touch { version, edited_at: at, claimed_at: at, device: None };
        let groups = self.session.as_ref().map(Session::groups).unwrap_or_default();
        let touched = groups.iter().map(|group| (group.name().to_owned(), touch.clone()));
        self.meta.touched = touched.collect();
    }
}
