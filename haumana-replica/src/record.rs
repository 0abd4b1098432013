//! One record on this device: what was last agreed with the server, and what its user did since.

use crate::content::{Content, can_hold, is_long, write_value};
use haumana_sync::id::Key;
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
}

/// A delete that the server has not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When it was deleted.
    pub at: UnixMillis,
    /// The version that its user saw.
    pub base: Option<Version>,
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
        self.touches.is_empty() && self.removal.is_none() && self.answered_at.is_none()
    }

    /// Whether its user waits for the server.
    pub fn is_open(&self) -> bool {
        self.removal.is_some() || self.touches.values().any(|touch| touch.acked.is_none())
    }

    /// Whether something of it is to be sent now.
    pub fn is_due(&self) -> bool {
        let deletes = self.removal.is_some() && self.touches.is_empty();
        let sets = self.touches.values().any(|touch| touch.acked.is_none());
        self.refused.is_none() && (deletes || sets)
    }

    /// What the server refused is to be sent again.
    pub(crate) fn clear_refusal(&mut self) {
        (self.refused, self.explanation) = (None, None);
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
        let agreed = self.agreed.as_ref().and_then(|agreed| agreed.value.as_deref());
        Content::parse(self.key.kind, agreed.or(self.pending.whole.as_deref())?)
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
        let at = self.pending.next_time(now);
        let agreed = self.base_content();
        for (name, value) in fields {
            let value = write_value(&value).ok_or(EditError::Invalid)?;
            let old = self.pending.touches.get(&name);
            let touch = match old.filter(|old| !self.has_seen(agreed.as_ref(), &name, old)) {
                Some(old) => Touch { value, at, acked: None, ..old.clone() },
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
        let is_known = self.agreed.as_ref().is_some_and(|agreed| agreed.value.is_some());
        if is_known || was_sent {
            self.pending.removal = Some(Removal { at, base });
        } else {
            self.pending = Pending::default();
        }
        Ok(())
    }
}
