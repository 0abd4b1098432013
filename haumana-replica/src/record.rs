//! One record on this device: what was last agreed with the server, and what its user did since.
//!
//! A [`Storage`](crate::storage::Storage) keeps this state for each record. Apps see a
//! [`View`](crate::View) instead.
//!
//! ```text
//!  agreed    what the server said last: version, content
//!  pending   touches: fields that its user edited, each with its time and the version seen
//!            removal: a delete
//!            offers:  what was agreed with a server of another past
//! ```

use crate::content::{Content, base_value, create, is_counter, joined, put, read_value};
use haumana_sync::id::Key;
use haumana_sync::json::JsonText;
use haumana_sync::merge::{Base, Side, merge_field};
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind};
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What the server and this device last agreed on.
///
/// Each reply with the record replaces it as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The version, at least 1.
    pub version: Version,
    /// When that version was committed, by the server.
    pub modified_at: UnixMillis,
    /// The fields as the server sent them; `None` for a tombstone.
    pub value: Option<String>,
    /// The number of the full listing in which the server last named the record.
    pub mark: u64,
}

/// One field that its user touched and the server has not settled.
///
/// It is removed once the server has answered exactly this value and time, and this device has a
/// version that contains the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// Its value now, even if it equals the previous value.
    pub value: JsonText,
    /// When it was touched last. It grows with every touch of the record.
    pub at: UnixMillis,
    /// The version that its user saw; `None` if the server never had the record.
    pub base: Option<Version>,
    /// The value at `base`, for a field that merges by its parts: lines as text, a list or a set as
    /// JSON.
    pub before: Option<String>,
    /// Whether a value of this field was ever sent to the server.
    pub sent: bool,
    /// The version with the server's answer, until this device has that version.
    pub acked: Option<Version>,
    /// The time of the change that was sent last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<UnixMillis>,
    /// The earlier changes that were sent, oldest first. They are sent again before this one. So
    /// the server can distinguish this device from a copy of it, and knows what its user edited. A
    /// field without parts has at most one, until the server has answered it.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
}

/// A change of one field as it was sent. The server recognises a repeat by all of these parts.
///
/// So all of it is sent again unchanged. A server that has seen it answers that nothing has
/// changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The value.
    pub value: JsonText,
    /// When it was touched.
    pub at: UnixMillis,
    /// The version that its user saw.
    pub base: Option<Version>,
    /// Whether the server has answered it. It took part in a merge. So the user's next edit is an
    /// edit of this value, not of the server's value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_answered: bool,
}

/// Reads the form of earlier versions of this crate: one change, or none.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Earlier>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<Earlier>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a change, or a list of them")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(vec![Earlier::deserialize(MapAccessDeserializer::new(map))?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }
    // The values are raw JSON, which an untagged enum cannot read.
    from.deserialize_any(OneOrMore)
}

/// A record as it was agreed with a server that had another past.
///
/// It is no edit of the user. The server accepts it only if it has lost something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The fields; `None` for a tombstone.
    pub value: Option<String>,
    /// When that was committed, by the clock of that server.
    pub at: UnixMillis,
    /// The version with the server's answer, until this device has that version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked: Option<Version>,
}

impl Offer {
    pub(crate) fn of(agreed: &Agreed) -> Self {
        Self { value: agreed.value.clone(), at: agreed.modified_at, acked: None }
    }
}

impl Touch {
    /// Whether the current change was sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent_at == Some(self.at)
    }
}

/// A delete that the server has not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When it was deleted.
    pub at: UnixMillis,
    /// The version that its user saw.
    pub base: Option<Version>,
    /// Whether it is from a time before the server's restore. Then it must not delete a record that
    /// was brought back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_offered: bool,
}

/// What is pending for one record.
///
/// It serializes as JSON, which later versions of this crate read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The touched fields.
    pub touches: BTreeMap<String, Touch>,
    /// The delete. Fields that were sent before it are settled first.
    pub removal: Option<Removal>,
    /// The last content, if the server has deleted the record since.
    pub whole: Option<String>,
    /// The record as it was agreed with servers of another past, oldest first. Usually there is at
    /// most one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// Why the server refused it. It is not sent again until it is edited. If the reason may have
    /// passed, the next sync sends it again.
    pub refused: Option<String>,
    /// The server's message for people, which names the field; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The latest time of an edit that the server has answered without a new version. Later edits
    /// on the same version get a later time, even if the clock was set back. The server orders a
    /// device's edits of one version by these times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<UnixMillis>,
}

/// A record and what is pending for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The record's key.
    pub key: Key,
    /// What was agreed; `None` if the server has never confirmed the record.
    pub agreed: Option<Agreed>,
    /// What is pending.
    pub pending: Pending,
}

impl Pending {
    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        let is_settled = self.touches.is_empty() && self.removal.is_none();
        is_settled && self.offers.is_empty() && self.answered_at.is_none()
    }

    /// Whether an edit of it waits for the server.
    ///
    /// A field that is answered, but not received yet, does not count.
    pub fn is_open(&self) -> bool {
        let is_edited = self.touches.values().any(|touch| touch.acked.is_none());
        is_edited || self.removal.is_some() || self.open_offers().next().is_some()
    }

    /// Whether there is something to send now.
    pub fn is_due(&self) -> bool {
        let deletes = self.removal.is_some() && self.touches.is_empty();
        let sets = self.touches.values().any(|touch| touch.acked.is_none());
        self.refused.is_none() && (deletes || sets || self.open_offers().next().is_some())
    }

    /// The offers that the server has not answered, oldest first.
    pub(crate) fn open_offers(&self) -> impl DoubleEndedIterator<Item = &Offer> {
        self.offers.iter().filter(|offer| offer.acked.is_none())
    }

    /// Marks an edit that the server refused to be sent again.
    pub(crate) fn clear_refusal(&mut self) {
        (self.refused, self.explanation) = (None, None);
    }

    /// Gives up a delete of another past, because the record was brought back since.
    pub(crate) fn renounce_delete(&mut self) {
        if let Some(removal) = &mut self.removal {
            (removal.base, removal.is_offered) = (None, true);
        }
    }

    /// Forgets the earlier changes that were replaced since they were sent. Returns whether there
    /// were any.
    pub(crate) fn forget_earlier(&mut self) -> bool {
        let earlier = self.touches.values_mut().map(|touch| std::mem::take(&mut touch.earlier));
        earlier.filter(|earlier| !earlier.is_empty()).count() != 0
    }

    /// Marks the pending edits as sent. Returns whether that changed anything.
    pub(crate) fn mark_sent(&mut self) -> bool {
        let open = self.touches.values_mut().filter(|touch| touch.acked.is_none());
        let unsent = open.filter(|touch| !touch.is_sent());
        let marked = unsent.map(|touch| (touch.sent, touch.sent_at) = (true, Some(touch.at)));
        marked.count() != 0
    }
}

impl Local {
    /// A record without any state.
    pub fn new(key: Key) -> Self {
        Self { key, agreed: None, pending: Pending::default() }
    }

    /// Whether it has no state. A storage does not keep such a record.
    pub fn is_nothing(&self) -> bool {
        self.agreed.is_none() && self.pending.is_empty()
    }

    pub(crate) fn version(&self) -> Option<Version> {
        self.agreed.as_ref().map(|agreed| agreed.version)
    }

    /// The last content that was agreed.
    pub(crate) fn base_content(&self, kind: &Arc<Kind>) -> Option<Content> {
        let pending = &self.pending;
        let text = match &self.agreed {
            Some(agreed) => agreed.value.as_deref().or(pending.whole.as_deref()),
            None => pending.offers.iter().rev().find_map(|offer| offer.value.as_deref()),
        };
        Content::parse(kind, text?)
    }

    /// The record as its user sees it: the agreed state, with pending edits on top; `None` if it is
    /// deleted.
    ///
    /// Fields with parts are merged as the server will merge them. So the edits of others are
    /// visible meanwhile.
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
        self.join_offered_counts(&mut content);
        Some(content)
    }

    /// Adds what was counted in another past. The server will add it, too, or has added it to a
    /// version that has not come. So the next count of this device must be more.
    fn join_offered_counts(&self, content: &mut Content) {
        let kind = content.kind().clone();
        let offers = self.pending.offers.iter().filter_map(|offer| offer.value.as_deref());
        for offered in offers.filter_map(|text| Content::parse(&kind, text)) {
            let names = kind.fields().iter().map(Field::name);
            let counters = names.filter(|name| is_counter(&kind, name));
            for name in counters.filter(|name| !offered.get(name).is_null()) {
                content.set(name, joined(&content.get(name), &offered.get(name)));
            }
        }
    }

    /// A touched field with parts, merged with the server's value; `None` if the server's value has
    /// not changed.
    pub(crate) fn merged(&self, agreed: &Content, name: &str, touch: &Touch) -> Option<Merged> {
        let kind = agreed.kind();
        let field = kind.named(name);
        let pushed = read_value(kind, name, &touch.value)?;
        if is_counter(kind, name) {
            return Some(Merged { value: joined(&agreed.get(name), &pushed), is_clean: false });
        }
        if !field.field_type().needs_base() || touch.base == self.version() {
            return None;
        }
        let before = match touch.earlier.iter().rfind(|earlier| earlier.is_answered) {
            Some(earlier) => read_value(kind, name, &earlier.value)?,
            None => base_value(kind, name, touch.before.as_deref()?),
        };
        let mut server = agreed.get(name);
        if let (FieldType::Lines { .. }, Value::Null) = (field.field_type(), &server) {
            server = Value::Text(String::new());
        }
        let added_since = BTreeMap::new();
        let base = Base::Moved { value: Some(&before), added_since: &added_since };
        // The user's own edit counts as the later one.
        let (earlier, later) = (UnixMillis(0), UnixMillis(1));
        let sides = [(&server, earlier), (&pushed, later)];
        let [server, pushed] = sides.map(|(value, edited_at)| Side { value, edited_at });
        let merged = merge_field(field, base, server, pushed);
        Some(Merged { value: merged.value, is_clean: merged.lost.is_none() })
    }
}

/// A touched field as the server will merge it.
pub(crate) struct Merged {
    pub(crate) value: Value,
    /// Whether it contains all edits of both sides.
    pub(crate) is_clean: bool,
}
