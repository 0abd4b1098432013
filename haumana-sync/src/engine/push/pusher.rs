//! The device that pushes: which life its bases are of, and which of its own changes it knows.

use crate::digest::Digest;
use crate::engine::commit::notes::Notes;
use crate::engine::edit::Doubt;
use crate::engine::edit::meta::{Claim, Touch};
use crate::engine::edit::record::Record;
use crate::engine::pull::cursor::Cursor;
use crate::engine::push::devices::Shown;
use crate::id::{Key, UserId};
use crate::record::{Content, Counter, Value};
use crate::schema::{FieldType, Kind};
use crate::store::{Generation, Head};
use crate::time::UnixMillis;
use std::borrow::Cow;
use std::collections::HashSet;

/// The life of the account that the bases of a request are of. Two lives may give the same version
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// This life, as the cursor shows.
    Here,
    /// Unknown, since there is no cursor that can be read. Only the numbers are compared.
    Unsaid,
    /// Another life.
    Other,
}

impl Life {
    /// Returns the life that a cursor of `user` is of.
    pub(crate) fn of(
        cursor: Option<Cursor>,
        user: &UserId,
        head: Option<&Head>,
        generation: Generation,
    ) -> Self {
        match (cursor.filter(|cursor| cursor.is_of(user)), head) {
            (None, _) => Life::Unsaid,
            (Some(cursor), Some(head)) if cursor.fits(user, head, generation) => Life::Here,
            // Also a cursor from the future: a backup was restored without a new generation.
            (Some(_), _) => Life::Other,
        }
    }
}

/// Whether a pushing device can know a change that has its own name.
///
/// Two installations may have one name, if a folder was copied or restored. To the server, a device
/// that has not seen the reply to its own change looks the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// The request contains that change too, so its device made it.
    Told,
    /// It may be the device's own change, whose reply was lost, or that of another installation
    /// with the name.
    Unsure,
    /// The device has shown that it saw the reply, so it would name a newer base. The change was
    /// made by another installation.
    Elsewhere,
}

/// The device that made the pushes of a request.
#[derive(Debug)]
pub(crate) struct Pusher<'a> {
    /// The name of the device.
    pub device: &'a str,
    /// The life of the bases.
    pub life: Life,
    /// The device has seen the replies to what it pushed before this time.
    pub confirmed_before: UnixMillis,
    /// Whether this request shows that it has seen the replies to all pushes under its name, also
    /// by another installation.
    knows_all: bool,
    /// The changes that this request contains.
    told: HashSet<(Key, Digest)>,
}

impl<'a> Pusher<'a> {
    /// `shown` is what the request shows, on the head that was read.
    pub(crate) fn new(
        device: &'a str,
        life: Life,
        shown: &Shown,
        notes: &Notes,
        head: Option<&Head>,
    ) -> Self {
        let confirmed_before = shown.confirmed_before(notes, head);
        let knows_all = shown.knows_all(notes, head);
        Self { device, life, confirmed_before, knows_all, told: HashSet::new() }
    }

    /// Remembers that the request contains a change.
    pub(crate) fn tell(
        &mut self,
        (key, kind): (Key, &Kind),
        name: &str,
        claimed_at: UnixMillis,
        value: &Value,
    ) {
        let said = self.said(kind, name, value);
        self.told.insert((key, change(name, claimed_at, &said)));
    }

    /// The part of a value that is the device's own word: of a counter, only what it has counted
    /// itself.
    fn said<'v>(&self, kind: &Kind, name: &str, value: &'v Value) -> Cow<'v, Value> {
        match kind.unit(name).field_type() {
            Some(FieldType::Counter) => {
                Cow::Owned(Counter::of(value).only(|device| device == self.device).to_value())
            }
            _ => Cow::Borrowed(value),
        }
    }

    /// What is known of the change that gave the field `name` its current value, and that has the
    /// device's name.
    pub(crate) fn own(&self, record: &Record, name: &str, touch: &Touch) -> Own {
        let value = record.content.as_ref().map_or(Value::Null, |content| content.unit(name));
        let said = self.said(&record.kind, name, &value);
        let is_told = self.told.contains(&(record.key(), change(name, touch.claimed_at, &said)));
        match self.came_at(record, name, touch) {
            _ if is_told => Own::Told,
            Some(at) if at < self.confirmed_before => Own::Elsewhere,
            _ if self.is_unsaid(record, name, touch) => Own::Told,
            _ => Own::Unsure,
        }
    }

    /// Whether a field has its default because the device made the record without setting it. That
    /// is nobody's edit.
    pub(crate) fn is_unsaid(&self, record: &Record, name: &str, touch: &Touch) -> bool {
        !record.meta.touched.contains_key(name)
            && record.content.as_ref().is_some_and(|content| is_new(content, name))
            && self.came_at(record, name, touch).is_none()
    }

    /// What is known of the counts under the device's name on a counter. Each device has its own
    /// counts beside those of others. So it does not matter who made the last change.
    pub(crate) fn counted(
        &self,
        record: &Record,
        name: &str,
        (claim, pushed): (&Claim, &Value),
    ) -> Doubt {
        let value = record.content.as_ref().map_or(Value::Null, |content| content.unit(name));
        let said = self.said(&record.kind, name, &value);
        let claims = || record.meta.claims.iter().filter(|known| known.of == claim.of);
        let is_told = |at| self.told.contains(&(record.key(), change(name, at, &said)));
        let is_same = || *self.said(&record.kind, name, pushed) == *said;
        let is_again = |known: &Claim| known.claimed_at == claim.claimed_at && is_same();
        if claims().any(|known| is_told(known.claimed_at) || is_again(known)) {
            return Doubt::Own;
        }
        match claims().map(|known| known.at).max() {
            None => Doubt::None,
            // A push that waited for another one's answer may have an older base, or none.
            Some(_) if self.knows_all && claim.base.is_none() => Doubt::None,
            Some(at) if at < self.confirmed_before && !self.knows_all => Doubt::Apart,
            Some(_) => Doubt::Replaced,
        }
    }

    /// As [`Pusher::own`], of the creation of the record.
    pub(crate) fn own_creation(&self, record: &Record) -> Own {
        let created = &record.meta.created;
        let known = record.kind.unit_names();
        let mut names = known.filter(|name| !record.meta.touched.contains_key(*name));
        let said = |name: &&str| self.came_at(record, name, created).is_some();
        match names.find(said) {
            Some(name) => self.own(record, name, created),
            None => Own::Unsure,
        }
    }

    /// When the change arrived, if that is remembered.
    fn came_at(&self, record: &Record, name: &str, touch: &Touch) -> Option<UnixMillis> {
        let of = Claim::of(Some(self.device), name);
        let mut claims = record.meta.claims.iter();
        claims.find(|claim| claim.of == of && claim.claimed_at == touch.claimed_at).map(|c| c.at)
    }
}

fn change(name: &str, claimed_at: UnixMillis, value: &Value) -> Digest {
    let place = format!("{name}\0{}\0", claimed_at.0);
    let (tag, bytes) = value.canonical();
    Digest::of([place.as_bytes(), &[tag], bytes])
}

/// Whether a new record has this value although nobody set it.
fn is_new(content: &Content, name: &str) -> bool {
    Content::new(content.kind(), UnixMillis(0)).is_same(content, name)
}
