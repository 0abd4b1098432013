//! One record on this device: what was last agreed with the server, and what its user did since.

use crate::content::{
    Content, base_text, base_value, check, create, has_parts, is_counter, is_mark_of_making, put,
    read_value, write_value,
};
use crate::flaw::{Flaw, Reason};
use crate::groups::{has_groups, is_creation_time};
use crate::offer::Offer;
use haumana_sync::id::Key;
use haumana_sync::json::JsonText;
use haumana_sync::merge::{Base, Side, merge_field};
use haumana_sync::record::{Counter, Value};
use haumana_sync::schema::{Field, FieldType, Kind, Merge};
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the server and this device last agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The version, at least 1.
    pub version: Version,
    /// When that version was committed, by the server.
    pub modified_at: UnixMillis,
    /// The fields as they were delivered; `None` for a tombstone.
    pub value: Option<String>,
    /// In which listing of everything the server last named the record.
    pub mark: u64,
}

/// One field that its user touched and the server has not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// Its value now; also if it is what it was before.
    pub value: JsonText,
    /// When it was touched last; grows with every touch of the record.
    pub at: UnixMillis,
    /// The version that its user saw; `None` if the server never had the record.
    pub base: Option<Version>,
    /// The value at `base`, of a field that is merged by its parts: lines as they are, a list or a set
    /// as JSON.
    pub before: Option<String>,
    /// Whether a value of this field was ever on its way to the server.
    pub sent: bool,
    /// The version in which the server answered for it, while this device does not hold that yet.
    pub acked: Option<Version>,
    /// The time of the change that was on its way last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<UnixMillis>,
    /// The change before this one, if it was on its way and the server has not answered for it. It is
    /// sent again before this one: by that the server tells this device from a copy of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
}

/// A change of one field as it was sent. One that comes again is known by all of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The value.
    pub value: JsonText,
    /// When it was touched.
    pub at: UnixMillis,
    /// The version that its user saw.
    pub base: Option<Version>,
}

impl Touch {
    /// Whether the change, as it is now, was on its way.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent_at == Some(self.at)
    }

    /// What a newer change of the field is to be sent after.
    ///
    /// LIMIT: one change of each field; what was sent before that came with it.
    fn before_the_next(&self, kind: &Kind, name: &str) -> Option<Earlier> {
        // Of fields that move together the server takes a later change of a device for one on its earlier one.
        // The totals of a counter say what was said before.
        if has_groups(kind) || is_counter(kind, name) {
            return None;
        }
        if self.is_sent() {
            return Some(Earlier { value: self.value.clone(), at: self.at, base: self.base });
        }
        self.earlier.clone()
    }

    /// Goes back to the change that was on its way, if this one never was.
    fn go_back(&mut self) {
        let is_sent = self.is_sent();
        if let Some(Earlier { value, at, base }) = self.earlier.take_if(|_| !is_sent) {
            (self.value, self.at, self.base, self.sent_at) = (value, at, base, Some(at));
        }
    }
}

/// A delete that the server has not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When it was deleted.
    pub at: UnixMillis,
    /// The version that its user saw.
    pub base: Option<Version>,
    /// Whether it is of a time before the server's: it may not delete what was brought back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_offered: bool,
}

/// What is pending for one record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The touched fields.
    pub touches: BTreeMap<String, Touch>,
    /// The delete; fields that were on their way before it are settled first.
    pub removal: Option<Removal>,
    /// The last living content, where the server has deleted the record since.
    pub whole: Option<String>,
    /// The record as it was agreed with servers of another past, oldest first; usually one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// Why the server refused it; it is not sent again until it is edited.
    pub refused: Option<String>,
    /// The same in the server's words for people, which name the field; `None` if it gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The latest time of an edit that the server has answered for without a new version. What is
    /// edited on the same version comes after it, also where the clock was set back: by their times
    /// the server tells which of a device's edits of one version came first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<UnixMillis>,
}

/// A record and what is pending for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Which record.
    pub key: Key,
    /// What was agreed; `None` if the server has never confirmed the record.
    pub agreed: Option<Agreed>,
    /// What is pending.
    pub pending: Pending,
}

/// Why an edit cannot be made.
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

impl Pending {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        let is_settled = self.touches.is_empty() && self.removal.is_none();
        is_settled && self.offers.is_empty() && self.answered_at.is_none()
    }

    /// Whether its user waits for the server.
    pub fn is_open(&self) -> bool {
        let is_edited = self.touches.values().any(|touch| touch.acked.is_none());
        is_edited || self.removal.is_some() || !self.offers.is_empty()
    }

    /// Whether something of it is to be sent now.
    pub fn is_due(&self) -> bool {
        let deletes = self.removal.is_some() && self.touches.is_empty();
        let sets = self.touches.values().any(|touch| touch.acked.is_none());
        self.refused.is_none() && (deletes || sets || !self.offers.is_empty())
    }

    /// What the server refused is to be sent again.
    pub(crate) fn clear_refusal(&mut self) {
        (self.refused, self.explanation) = (None, None);
    }

    /// A delete of another past deletes nothing that was brought back since.
    pub(crate) fn renounce_delete(&mut self) {
        if let Some(removal) = &mut self.removal {
            (removal.base, removal.is_offered) = (None, true);
        }
    }

    /// Gives up what was replaced since it was sent; returns whether there was any.
    pub(crate) fn forget_earlier(&mut self) -> bool {
        let earlier = self.touches.values_mut().map(|touch| touch.earlier.take());
        earlier.filter(Option::is_some).count() != 0
    }

    /// Remembers that what is to be sent was on its way; returns whether that is new.
    pub(crate) fn mark_sent(&mut self) -> bool {
        let open = self.touches.values_mut().filter(|touch| touch.acked.is_none());
        let unsent = open.filter(|touch| !touch.is_sent());
        let marked = unsent.map(|touch| (touch.sent, touch.sent_at) = (true, Some(touch.at)));
        marked.count() != 0
    }

    /// A time after every earlier touch, so that no two changes are the same change.
    fn next_time(&self, now: UnixMillis) -> UnixMillis {
        let touched = self.touches.values().map(|touch| touch.at);
        let removed = self.removal.iter().map(|removal| removal.at);
        let last = touched.chain(removed).chain(self.answered_at).max();
        last.map_or(now, |last| now.max(last.plus_ms(1)))
    }
}

impl Local {
    /// A record of which nothing is known.
    pub fn new(key: Key) -> Self {
        Self { key, agreed: None, pending: Pending::default() }
    }

    pub(crate) fn version(&self) -> Option<Version> {
        self.agreed.as_ref().map(|agreed| agreed.version)
    }

    /// The last living content that was agreed.
    pub(crate) fn base_content(&self, kind: &Arc<Kind>) -> Option<Content> {
        let pending = &self.pending;
        let text = match &self.agreed {
            Some(agreed) => agreed.value.as_deref().or(pending.whole.as_deref()),
            None => pending.offers.iter().rev().find_map(|offer| offer.value.as_deref()),
        };
        Content::parse(kind, text?)
    }

    /// What its user sees: what was agreed with what is pending over it; `None` if it is deleted.
    ///
    /// Fields with parts are merged as the server will, so that what others wrote is not hidden
    /// meanwhile.
    pub fn content(&self, kind: &Arc<Kind>) -> Option<Content> {
        if self.pending.removal.is_some() {
            return None;
        }
        self.content_before_removal(kind)
    }

    pub(crate) fn content_before_removal(&self, kind: &Arc<Kind>) -> Option<Content> {
        let touches = &self.pending.touches;
        let Some(mut content) = self.base_content(kind) else {
            let fields = touches.iter().map(|(name, touch)| (name.as_str(), &touch.value));
            let made_at = touches.values().map(|touch| touch.at).min().unwrap_or_default();
            return create(kind, fields, made_at);
        };
        for (name, touch) in touches {
            match self.merged(&content, name, touch) {
                Some(merged) => content.set(name, merged.value),
                None => put(&mut content, name, &touch.value),
            }
        }
        Some(content)
    }

    /// A touched field with parts, merged with what the server has of it; `None` if that has not
    /// moved.
    fn merged(&self, agreed: &Content, name: &str, touch: &Touch) -> Option<Merged> {
        let kind = agreed.kind();
        let field = kind.named(name);
        let pushed = read_value(kind, name, &touch.value)?;
        if is_counter(kind, name) {
            let mut joined = Counter::of(&agreed.get(name));
            joined.join(&Counter::of(&pushed));
            return Some(Merged { value: joined.to_value(), is_clean: false });
        }
        if !field.field_type().needs_base() || touch.base == self.version() {
            return None;
        }
        let before = base_value(kind, name, touch.before.as_deref()?);
        let mut server = agreed.get(name);
        if let (FieldType::Lines { .. }, Value::Null) = (field.field_type(), &server) {
            server = Value::Text(String::new());
        }
        let added_since = BTreeMap::new();
        let base = Base::Moved { value: Some(&before), added_since: &added_since };
        // What its user types is the later edit.
        let (earlier, later) = (UnixMillis(0), UnixMillis(1));
        let sides = [(&server, earlier), (&pushed, later)];
        let [server, pushed] = sides.map(|(value, edited_at)| Side { value, edited_at });
        let merged = merge_field(field, base, server, pushed);
        Some(Merged { value: merged.value, is_clean: merged.lost.is_none() })
    }

    /// Makes a new record.
    ///
    /// # Errors
    ///
    /// [`EditError::Invalid`] if the fields make none.
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
            // Nothing else tells the push that makes the record from later ones: it says all.
            let is_said = |field: &&Field| !field.default_at(now).is_null();
            for field in kind.fields().iter().filter(is_said) {
                let name = field.name().to_owned();
                fields.entry(name).or_insert_with(|| field.default_at(now));
            }
            if let (true, Some(first)) = (fields.is_empty(), kind.fields().first()) {
                fields.insert(first.name().to_owned(), Value::Null);
            }
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

    /// Sets fields; every one that is named counts as touched, also if it keeps its value.
    ///
    /// # Errors
    ///
    /// [`EditError`]; nothing has changed then.
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
            let earlier = old.and_then(|old| old.before_the_next(kind, &name));
            let touch = match old.filter(|old| !self.has_seen(agreed.as_ref(), &name, old)) {
                Some(old) => Touch { value, at, acked: None, earlier, ..old.clone() },
                None => Touch {
                    value,
                    at,
                    base: self.seen_version(),
                    before: agreed
                        .as_ref()
                        .filter(|_| has_parts(kind, &name))
                        .map(|agreed| base_text(&agreed.get(&name))),
                    sent: old.is_some_and(|old| old.sent),
                    acked: None,
                    sent_at: old.and_then(|old| old.sent_at),
                    earlier,
                },
            };
            self.pending.touches.insert(name, touch);
        }
        self.pending.clear_refusal();
        Ok(())
    }

    /// Whether the user of a touched field sees what the server has of it: a short one hides it.
    fn has_seen(&self, agreed: Option<&Content>, name: &str, touch: &Touch) -> bool {
        let merged = agreed.and_then(|agreed| self.merged(agreed, name, touch));
        merged.is_some_and(|merged| merged.is_clean)
    }

    /// The version that the user sees. A delete is hidden as long as edits are pending.
    fn seen_version(&self) -> Option<Version> {
        let agreed = self.agreed.as_ref()?;
        match (&agreed.value, self.pending.touches.values().next()) {
            (None, Some(touch)) => touch.base,
            _ => Some(agreed.version),
        }
    }

    /// Deletes the record. Edits that never left the device go with it.
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
        // What the server refused it would refuse again, and the delete would wait for ever.
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

/// A touched field as the server will merge it.
struct Merged {
    value: Value,
    /// Whether all of both sides is in it.
    is_clean: bool,
}

/// What is to be sent of a counter: what was to be sent, and what is new. Any other field is sent as
/// it is now.
fn counted(kind: &Kind, name: &str, old: Option<&Touch>, value: JsonText) -> JsonText {
    let counter = |json: &JsonText| Some(Counter::of(&read_value(kind, name, json)?));
    let old = old.filter(|_| is_counter(kind, name)).and_then(|old| counter(&old.value));
    let joined = old.and_then(|mut old| {
        old.join(&counter(&value)?);
        write_value(&old.to_value())
    });
    joined.unwrap_or(value)
}
