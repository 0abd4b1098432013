//! Notes about new clients' devices: to which of its own pushes each device has seen the reply.
//!
//! A device is known by a name that it gave itself. If a folder was copied or restored, it has the
//! name of another installation, and an older cursor. See ADR 0019.

use crate::digest::Digest;
use crate::engine::Engine;
use crate::engine::commit::notes::{Notes, last_change};
use crate::engine::commit::trail::Trail;
use crate::engine::pull::cursor::Cursor;
use crate::id::UserId;
use crate::store::{Head, HeadState, Revision};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// LIMIT: devices of one account that have a note. Those that pushed last are kept.
const DEVICES: usize = 64;

/// The note about one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceNote {
    /// Hash of its name.
    #[serde(rename = "d")]
    of: u64,
    /// The last commit of one of its pushes.
    #[serde(rename = "p")]
    pushed: Revision,
    /// The newest place at which its cursor has been seen.
    #[serde(rename = "c")]
    held: Revision,
    /// Since when it has not shown that it knows the outcome of its pushes; `None` if it knows all.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    since: Option<UnixMillis>,
}

/// What a request shows about its device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    of: u64,
    /// The device knows everything up to here.
    to: Option<Revision>,
    /// Whether the device had reached the end of the change feed there. A device that is still
    /// reading may be behind its earlier place, because it started over after its digest differed.
    is_settled: bool,
    /// When the request arrived.
    at: UnixMillis,
}

impl Shown {
    /// Reads what a cursor of this life shows. Without a cursor it shows nothing.
    pub(crate) fn of(device: &str, cursor: Option<Cursor>, at: UnixMillis) -> Self {
        let place = cursor.map(|cursor| cursor.place);
        let is_settled = place.is_some_and(|place| place.within.is_none());
        let to = place.map(|place| match place.within {
            None => place.revision,
            Some(_) => Revision(place.revision.0.saturating_sub(1)),
        });
        Self { of: hash(device), to, is_settled, at }
    }

    /// Whether the device has been seen further on. Then its folder was copied or restored.
    pub(crate) fn is_copy(&self, notes: &Notes) -> bool {
        let held = self.note(notes).map_or(Revision(0), |note| note.held);
        self.is_settled && self.to.is_some_and(|to| to < held)
    }

    /// Whether the request shows for the first time that the device knows the outcome of its
    /// pushes.
    pub(crate) fn confirms(&self, notes: &Notes) -> bool {
        self.note(notes).is_some_and(|note| note.since.is_some() && self.has_seen(note))
    }

    /// The device knows the outcome of what it pushed before this time.
    pub(crate) fn confirmed_before(&self, notes: &Notes, head: Option<&Head>) -> UnixMillis {
        match self.note(notes) {
            Some(note) if self.has_seen(note) => self.at,
            Some(note) => note.since.unwrap_or(self.at),
            None if self.is_at(head) => self.at,
            None => UnixMillis(i64::MIN),
        }
    }

    /// Whether this request shows that the device knows the outcome of all pushes under its name.
    pub(crate) fn knows_all(&self, notes: &Notes, head: Option<&Head>) -> bool {
        self.note(notes).map_or(self.is_at(head), |note| self.has_seen(note))
    }

    /// Notes what the request shows, and the push that is committed as `pushed`, if there is one.
    pub(crate) fn write(&self, notes: &mut Notes, head: Option<&Head>, pushed: Option<Revision>) {
        let old = self.note(notes).copied();
        let mut note = old.unwrap_or(DeviceNote {
            of: self.of,
            pushed: Revision(0),
            held: Revision(0),
            // It may have pushed before it had a note, or after its note was dropped.
            since: (!self.is_at(head)).then_some(UnixMillis(0)),
        });
        if let Some(to) = self.to.filter(|_| self.is_settled) {
            note.held = note.held.max(to);
        }
        if old.is_some() && self.has_seen(&note) {
            note.since = None;
        }
        if let Some(pushed) = pushed {
            note.pushed = pushed;
            note.since = Some(note.since.map_or(self.at, |since| since.min(self.at)));
        }
        notes.devices.retain(|old| old.of != self.of);
        notes.devices.push(note);
        let surplus = notes.devices.len().saturating_sub(DEVICES);
        notes.devices.drain(..surplus);
    }

    fn note<'n>(&self, notes: &'n Notes) -> Option<&'n DeviceNote> {
        notes.devices.iter().find(|note| note.of == self.of)
    }

    fn has_seen(&self, note: &DeviceNote) -> bool {
        self.to.is_some_and(|to| note.pushed <= to)
    }

    fn is_at(&self, head: Option<&Head>) -> bool {
        head.is_none_or(|head| self.to.is_some_and(|to| last_change(head) <= to))
    }
}

fn hash(device: &str) -> u64 {
    Digest::of([device.as_bytes()]).short()
}

impl Engine {
    /// Notes what a request without a push shows, once after each push. The commit changes only the
    /// head. If the commit fails, the request goes on; the next request shows the same.
    pub(crate) async fn note_shown(&self, user: &UserId, shown: Shown, trail: &mut Trail) {
        let head = trail.head.as_ref().filter(|head| head.state == HeadState::Active);
        let Some(head) = head else { return };
        let Ok(mut notes) = Notes::of(Some(head)) else { return };
        shown.write(&mut notes, Some(head), None);
        if let Some(batch) = self.commit_notes(user, Some(head), &notes).await {
            trail.add(batch);
        }
    }
}
