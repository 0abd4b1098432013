//! A user's actions on a record: create, edit, delete.
//!
//! These are functions of a [`Local`] alone. [`Replica`](crate::Replica) reads and writes the
//! storage around them; apps call it.

use crate::content::{
    Content, base_text, builds_on_earlier, check, has_parts, is_counter, is_mark_of_making, joined,
    read_value, write_value,
};
use crate::flaw::{Flaw, Reason};
use crate::groups::{has_groups, is_creation_time};
use crate::record::{Earlier, Local, Pending, Removal, Touch};
use haumana_sync::id::Key;
use haumana_sync::json::JsonText;
use haumana_sync::limits;
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, Kind, Merge};
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// LIMIT: how many earlier changes of one field are kept.
const EARLIER: usize = 8;

/// Why an edit cannot be made.
///
/// [`Replica`](crate::Replica) returns both as an [`Error`](crate::Error).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such record, or it is deleted.
    NotFound,
    /// A field cannot hold the value.
    Invalid(Flaw),
}

impl From<Flaw> for EditError {
    fn from(flaw: Flaw) -> Self {
        Self::Invalid(flaw)
    }
}

impl Local {
    /// Makes a new record.
    ///
    /// A field for the creation time gets `now`, unless a value is given.
    ///
    /// # Errors
    ///
    /// [`EditError::Invalid`] if the fields do not make a record.
    pub fn create(
        key: Key,
        kind: &Arc<Kind>,
        mut fields: BTreeMap<String, Value>,
        now: UnixMillis,
    ) -> Result<Self, EditError> {
        let is_unsaid = |name: &str| fields.get(name).is_none_or(Value::is_null);
        let times = kind.fields().iter().filter(|field| is_creation_time(field));
        let times: Vec<&str> = times.map(Field::name).filter(|name| is_unsaid(name)).collect();
        fields.extend(times.iter().map(|name| ((*name).to_owned(), Value::Text(now.to_string()))));
        fields.retain(|_, value| !value.is_null());
        if !has_groups(kind) && !kind.fields().iter().any(is_mark_of_making) {
            // Only the fields show that this push makes the record, so it sets all of them.
            let is_said = |field: &&Field| !field.default_at(now).is_null();
            for field in kind.fields().iter().filter(is_said) {
                let name = field.name().to_owned();
                fields.entry(name).or_insert_with(|| field.default_at(now));
            }
        }
        // A record without fields is made by setting its first field to the default.
        if let (true, Some(first)) = (fields.is_empty(), kind.fields().first()) {
            fields.insert(first.name().to_owned(), first.default_at(now));
        }
        let mut mandatory = kind.fields().iter().filter(|field| field.is_mandatory());
        if let Some(field) = mandatory.find(|field| !fields.contains_key(field.name())) {
            return Err(Flaw::of_field(kind, field.name(), Reason::Missing).into());
        }
        let mut local = Self::new(key);
        local.touch(kind, fields, now)?;
        let flaw = || Flaw::of_kind(kind.name(), Reason::Missing);
        local.content(kind).is_some().then_some(local).ok_or_else(|| flaw().into())
    }

    /// Sets fields. Each named field counts as touched, even if it keeps its value.
    ///
    /// The time of the edit is `now`. If the clock was set back, it is a millisecond after the last
    /// edit of the record.
    ///
    /// # Errors
    ///
    /// [`EditError`]. Then nothing has changed.
    pub fn edit(
        &mut self,
        kind: &Arc<Kind>,
        fields: BTreeMap<String, Value>,
        now: UnixMillis,
    ) -> Result<(), EditError> {
        if self.content(kind).is_none() {
            return Err(EditError::NotFound);
        }
        let is_fixed = |name: &str| kind.named(name).policy() == Merge::Fixed;
        if let Some(name) = fields.keys().find(|name| is_fixed(name)) {
            return Err(Flaw::of_field(kind, name, Reason::Fixed).into());
        }
        self.touch(kind, fields, now)
    }

    fn touch(
        &mut self,
        kind: &Arc<Kind>,
        fields: BTreeMap<String, Value>,
        now: UnixMillis,
    ) -> Result<(), EditError> {
        fields.iter().try_for_each(|(name, value)| check(kind, name, value))?;
        self.take_up_offer(kind);
        let at = self.pending.next_time(now);
        let agreed = self.base_content(kind);
        for (name, value) in fields {
            let value = kind.named(&name).normal(value);
            let flaw = || Flaw::of_field(kind, &name, Reason::WrongType);
            let value = write_value(&value).ok_or_else(flaw)?;
            let old = self.pending.touches.get(&name);
            let value = counted(kind, &name, old, value);
            let mut earlier = old.map(|old| old.before_the_next(kind, &name)).unwrap_or_default();
            let touch = match old.filter(|old| !self.has_seen(agreed.as_ref(), &name, old)) {
                Some(old) => Touch { value, at, acked: None, earlier, ..old.clone() },
                None => {
                    let agreed = agreed.as_ref().filter(|_| has_parts(kind, &name));
                    let seen = agreed.zip(old).zip(earlier.last());
                    let seen = seen.and_then(|((agreed, old), last)| {
                        self.seen_of_earlier(agreed, &name, old, last)
                    });
                    earlier.extend(seen);
                    Touch {
                        value,
                        at,
                        base: self.seen_version(),
                        before: agreed.map(|agreed| base_text(&agreed.get(&name))),
                        sent: old.is_some_and(|old| old.sent),
                        acked: None,
                        sent_at: old.and_then(|old| old.sent_at),
                        earlier: last_of(earlier),
                    }
                }
            };
            self.pending.touches.insert(name, touch);
        }
        self.pending.clear_refusal();
        Ok(())
    }

    /// Whether the user of a touched field sees the server's value of it. A touched short field
    /// hides it.
    fn has_seen(&self, agreed: Option<&Content>, name: &str, touch: &Touch) -> bool {
        let merged = agreed.and_then(|agreed| self.merged(agreed, name, touch));
        merged.is_some_and(|merged| merged.is_clean)
    }

    /// What the user has seen of `last`, a change that was sent: its merge with the version that
    /// this device has since. `old` is the pending change, which is `last` or made after it.
    ///
    /// The next change stands on this. If it takes back what `last` added, that is no difference to
    /// the server's version, which does not have it yet.
    fn seen_of_earlier(
        &self,
        agreed: &Content,
        name: &str,
        old: &Touch,
        last: &Earlier,
    ) -> Option<Earlier> {
        let base = self.seen_version();
        if last.base != old.base || base == old.base {
            return None;
        }
        let shown = self.merged(agreed, name, old)?;
        let seen = if old.is_sent() {
            shown
        } else {
            let sent = Touch { value: last.value.clone(), earlier: Vec::new(), ..old.clone() };
            let seen = self.merged(agreed, name, &sent).filter(|seen| seen.is_clean)?;
            // If the server has answered `last` and its version has not come, `shown` may be without
            // what `last` added. Its user has not taken that back.
            let mut with_last = agreed.clone();
            with_last.set(name, seen.value.clone());
            let on_last = vec![Earlier { is_answered: true, ..last.clone() }];
            let made_on = Touch { earlier: on_last, ..old.clone() };
            let again = self.merged(&with_last, name, &made_on)?;
            if again.value != shown.value {
                return None;
            }
            seen
        };
        let value = write_value(&seen.value)?;
        Some(Earlier { value, base, ..last.clone() })
    }

    /// The version that the user sees. A delete on the server is hidden while edits are pending.
    fn seen_version(&self) -> Option<Version> {
        let agreed = self.agreed.as_ref()?;
        match (&agreed.value, self.pending.touches.values().next()) {
            (None, Some(touch)) => touch.base,
            _ => Some(agreed.version),
        }
    }

    /// Deletes the record. Edits that never left the device are dropped.
    ///
    /// Edits that were sent are settled first, so they are in the server's history.
    ///
    /// # Errors
    ///
    /// [`EditError::NotFound`] if there is none.
    pub fn delete(&mut self, kind: &Arc<Kind>, now: UnixMillis) -> Result<(), EditError> {
        if self.content(kind).is_none() {
            return Err(EditError::NotFound);
        }
        let (at, base) = (self.pending.next_time(now), self.seen_version());
        let was_sent = self.pending.touches.values().any(|touch| touch.sent);
        // The server would refuse it again, and the delete would wait for ever.
        let is_refused = self.pending.refused.is_some();
        self.pending.clear_refusal();
        self.pending
            .touches
            .retain(|_, touch| touch.sent && !(is_refused && touch.acked.is_none()));
        self.pending.touches.values_mut().for_each(Touch::go_back);
        let is_known = self.agreed.as_ref().is_some_and(|agreed| agreed.value.is_some());
        if is_known || was_sent || !self.pending.offers.is_empty() {
            self.pending.removal = Some(Removal { at, base, is_offered: false });
        } else {
            self.pending = Pending::default();
        }
        Ok(())
    }
}

impl Touch {
    /// The changes that must be sent before a newer change of the field.
    ///
    /// LIMIT: for a field without parts, one change, since earlier ones were sent with it. For a
    /// field that merges by its parts, and for a counter, the last [`EARLIER`], and no more than a
    /// record may hold.
    fn before_the_next(&self, kind: &Kind, name: &str) -> Vec<Earlier> {
        // In a group, the server takes a later change of a device as based on its earlier change.
        let builds = builds_on_earlier(kind, name);
        if has_groups(kind) && !builds {
            return Vec::new();
        }
        if !self.is_sent() {
            return self.earlier.clone();
        }
        let (value, at, base) = (self.value.clone(), self.at, self.base);
        let last = Earlier { value, at, base, is_answered: self.acked.is_some() };
        if !builds {
            return vec![last];
        }
        let mut earlier = self.earlier.clone();
        earlier.push(last);
        last_of(earlier)
    }

    /// Returns to the change that was sent, if the current one was never sent.
    fn go_back(&mut self) {
        let is_sent = self.is_sent();
        let earlier = self.earlier.pop_if(|earlier| !is_sent && !earlier.is_answered);
        if let Some(Earlier { value, at, base, .. }) = earlier {
            (self.value, self.at, self.base, self.sent_at) = (value, at, base, Some(at));
        }
    }
}

impl Pending {
    /// A time after every earlier touch, so that all changes differ.
    fn next_time(&self, now: UnixMillis) -> UnixMillis {
        let touched = self.touches.values().map(|touch| touch.at);
        let removed = self.removal.iter().map(|removal| removal.at);
        let last = touched.chain(removed).chain(self.answered_at).max();
        last.map_or(now, |last| now.max(last.plus_ms(1)))
    }
}

/// The last [`EARLIER`] changes that a record can hold together.
fn last_of(mut earlier: Vec<Earlier>) -> Vec<Earlier> {
    let mut bytes = 0;
    let fits = |earlier: &&Earlier| {
        bytes += earlier.value.as_str().len();
        bytes <= limits::RECORD_BYTES
    };
    let kept = earlier.iter().rev().take(EARLIER).take_while(fits).count();
    earlier.drain(..earlier.len() - kept);
    earlier
}

/// What is sent for a counter: the count that was to be sent, plus the new count. Any other field
/// is sent as it is.
fn counted(kind: &Kind, name: &str, old: Option<&Touch>, value: JsonText) -> JsonText {
    let old = old.filter(|_| is_counter(kind, name));
    let both = old.and_then(|old| {
        let [old, new] = [&old.value, &value].map(|json| read_value(kind, name, json));
        write_value(&joined(&old?, &new?))
    });
    both.unwrap_or(value)
}
