//! Who pushes: which life their bases are of, and which of their device's changes they know.

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

/// Which life of the account the bases of a request are of. Versions of two lives may have one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// This one: the cursor says so.
    Here,
    /// Not known, since there is no cursor that can be read; the numbers have to do.
    Unsaid,
    /// Another one.
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
            // Also a cursor from the future: a backup was restored, and nobody said so.
            (Some(_), _) => Life::Other,
        }
    }
}

/// Whether a device that pushes can know of a change that bears its own name.
///
/// Two installations may have one name: a folder was copied or put back. A device that has not seen
/// the reply to its change looks just like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// The request holds that change too, so its device made it.
    Told,
    /// It may be the device's, whose reply was lost, or another installation's of the same name.
    Unsure,
    /// The device has shown that it saw the reply, so it would name a newer base. This is another
    /// installation.
    Elsewhere,
}

/// Whose pushes a request holds.
#[derive(Debug)]
pub(crate) struct Pusher<'a> {
    /// The name of the device.
    pub device: &'a str,
    /// What the bases are of.
    pub life: Life,
    /// The device has seen the replies to what it pushed before this.
    pub confirmed_before: UnixMillis,
    /// Whether this request shows that it has seen them all, and those of any other installation of its
    /// name.
    knows_all: bool,
    /// The changes that this request holds.
    told: HashSet<(Key, Digest)>,
}

impl<'a> Pusher<'a> {
    /// `shown` is what its request shows, on the head that was read.
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

    /// Remembers that the request holds a change.
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

    /// What the device says by a value: of a counter only what it has counted itself.
    fn said<'v>(&self, kind: &Kind, name: &str, value: &'v Value) -> Cow<'v, Value> {
        match kind.unit(name).field_type() {
            Some(FieldType::Counter) => {
                Cow::Owned(Counter::of(value).only(|device| device == self.device).to_value())
            }
            _ => Cow::Borrowed(value),
        }
    }

    /// What is known of a change that bears the device's name, by which the field `name` has its
    /// present value.
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

    /// Whether a field has its default, and its device, which made the record, has not set it. That
    /// is nobody's edit.
    pub(crate) fn is_unsaid(&self, record: &Record, name: &str, touch: &Touch) -> bool {
        !record.meta.touched.contains_key(name)
            && record.content.as_ref().is_some_and(|content| is_new(content, name))
            && self.came_at(record, name, touch).is_none()
    }

    /// What is known of what the device's name has counted on a counter. Each device's own counts stand
    /// beside those of others, so it does not matter whose change was the last.
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
            // What waited while another change was answered may stand on an older base, or on none.
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

    /// When the change came, where that is remembered.
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

/// Whether a new record has this value without anybody context it.
fn is_new(content: &Content, name: &str) -> bool {
    Content::new(content.kind(), UnixMillis(0)).is_same(content, name)
}
