//! One record on this device: what was last agreed with the server, and what its user did since.

use crate::content::{Content, can_hold, is_long, write_value};
use crate::offer::Offer;
use haumana_sync::id::{Key, KindNumber};
use haumana_sync::json::JsonText;
use haumana_sync::limits;
use haumana_sync::record::Value;
use haumana_sync::store::Version;
use haumana_sync::text::{Later, TextMerge, merge_text};
use haumana_sync::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// A long text as it was at `base`.
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
    fn before_the_next(&self, kind: KindNumber) -> Option<Earlier> {
        // Of a session the server takes a later change of a device for one on its earlier one.
        if kind == KindNumber::SESSION {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// There is no such record, or it is deleted.
    NotFound,
    /// A field cannot hold the value.
    Invalid,
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
    pub(crate) fn base_content(&self) -> Option<Content> {
        let pending = &self.pending;
        let text = match &self.agreed {
            Some(agreed) => agreed.value.as_deref().or(pending.whole.as_deref()),
            None => pending.offers.iter().rev().find_map(|offer| offer.value.as_deref()),
        };
        Content::parse(self.key.kind, text?)
    }

    /// What its user sees: what was agreed with what is pending over it; `None` if it is deleted.
    ///
    /// Long texts are merged as the server will, so that what others wrote is not hidden meanwhile.
    pub fn content(&self) -> Option<Content> {
        if self.pending.removal.is_some() {
            return None;
        }
        self.content_before_removal()
    }

    pub(crate) fn content_before_removal(&self) -> Option<Content> {
        let touches = &self.pending.touches;
        let Some(mut content) = self.base_content() else {
            let fields = touches.iter().map(|(name, touch)| (name.as_str(), &touch.value));
            return Content::create(self.key.kind, fields);
        };
        for (name, touch) in touches {
            match self.merged(&content, name, touch) {
                Some(TextMerge::Clean(text) | TextMerge::Clash(text)) => {
                    let text = write_value(&Value::Text(text));
                    content.set(name, text.as_ref().unwrap_or(&touch.value));
                }
                None => content.set(name, &touch.value),
            }
        }
        Some(content)
    }

    /// A touched long text merged with what the server has of it; `None` if that has not moved.
    fn merged(&self, agreed: &Content, name: &str, touch: &Touch) -> Option<TextMerge> {
        if !is_long(self.key.kind, name) || touch.base == self.version() {
            return None;
        }
        let pushed: String = serde_json::from_str(touch.value.as_str()).ok()?;
        let server = agreed.get(name);
        let (before, server) = (touch.before.as_deref()?, server.as_text().unwrap_or_default());
        Some(merge_text(before, server, &pushed, Later::Pushed, limits::LONG_TEXT_BYTES))
    }

    /// Makes a new record.
    ///
    /// # Errors
    ///
    /// [`EditError::Invalid`] if the fields make none.
    pub fn create(
        key: Key,
        mut fields: BTreeMap<String, Value>,
        now: UnixMillis,
    ) -> Result<Self, EditError> {
        fields.entry("createdAt".to_owned()).or_insert_with(|| Value::Text(now.to_string()));
        let mut local = Self::new(key);
        local.touch(fields, now)?;
        local.content().is_some().then_some(local).ok_or(EditError::Invalid)
    }

    /// Sets fields; every one that is named counts as touched, also if it keeps its value.
    ///
    /// # Errors
    ///
    /// [`EditError`]; nothing has changed then.
    pub fn edit(
        &mut self,
        fields: BTreeMap<String, Value>,
        now: UnixMillis,
    ) -> Result<(), EditError> {
        if self.content().is_none() {
            return Err(EditError::NotFound);
        }
        self.touch(fields, now)
    }

    fn touch(&mut self, fields: BTreeMap<String, Value>, now: UnixMillis) -> Result<(), EditError> {
        let kind = self.key.kind;
        if fields.iter().any(|(name, value)| !can_hold(kind, name, value)) {
            return Err(EditError::Invalid);
        }
        self.take_up_offer();
        let at = self.pending.next_time(now);
        let agreed = self.base_content();
        for (name, value) in fields {
            let value = write_value(&value).ok_or(EditError::Invalid)?;
            let old = self.pending.touches.get(&name);
            let earlier = old.and_then(|old| old.before_the_next(kind));
            let touch = match old.filter(|old| !self.has_seen(agreed.as_ref(), &name, old)) {
                Some(old) => Touch { value, at, acked: None, earlier, ..old.clone() },
                None => Touch {
                    value,
                    at,
                    base: self.seen_version(),
                    before: agreed
                        .as_ref()
                        .filter(|_| is_long(kind, &name))
                        .map(|agreed| agreed.get(&name).as_text().unwrap_or_default().to_owned()),
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
        matches!(merged, Some(TextMerge::Clean(_)))
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
    pub fn delete(&mut self, now: UnixMillis) -> Result<(), EditError> {
        if self.content().is_none() {
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
