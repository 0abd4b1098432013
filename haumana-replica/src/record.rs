//! One record on this device: what was last agreed with the server, and what its user did since.
//!
//! This is the state that a [`Storage`](crate::storage::Storage) keeps for each record. Apps see a
//! [`View`](crate::View) instead.
//!
//! ```text
//!  agreed    what the server said last: version, content
//!  pending   touches: fields that its user edited, each with its time and the version seen
//!            removal: a delete
//!            offers:  what was agreed with a server of another past
//! ```

use crate::content::{Content, base_value, create, is_counter, put, read_value};
use haumana_sync::id::Key;
use haumana_sync::json::JsonText;
use haumana_sync::merge::{Base, Side, merge_field};
use haumana_sync::record::{Counter, Value};
use haumana_sync::schema::{FieldType, Kind};
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
/// It is replaced whole by each reply that names the record.
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
///
/// It goes once the server has answered exactly this value and time, and this device holds a
/// version in which the answer is.
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
    /// The changes before this one that were on their way, oldest first. They are sent again before
    /// this one: by that the server tells this device from a copy of it, and knows what its user
    /// edited. Of a field without parts that is one, until the server has answered for it.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
}

/// A change of one field as it was sent. One that comes again is known by all of this.
///
/// All of it is sent again as it was. A server that has seen it answers that nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The value.
    pub value: JsonText,
    /// When it was touched.
    pub at: UnixMillis,
    /// The version that its user saw.
    pub base: Option<Version>,
    /// Whether the server has answered for it. It took part in a merge, so what its user typed next is
    /// an edit of this value and not of the server's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_answered: bool,
}

/// Reads what earlier versions of this crate kept: one change, or none.
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
    // The values are raw JSON, which an untagged enum would not get through.
    from.deserialize_any(OneOrMore)
}

/// A record as it was agreed with a server of another past.
///
/// It is no edit of the user: the server takes it only where it has lost something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The fields; `None` for a tombstone.
    pub value: Option<String>,
    /// When that was committed, by the server of then.
    pub at: UnixMillis,
}

impl Offer {
    pub(crate) fn of(agreed: &Agreed) -> Self {
        Self { value: agreed.value.clone(), at: agreed.modified_at }
    }
}

impl Touch {
    /// Whether the change, as it is now, was on its way.
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
    /// Whether it is of a time before the server's: it may not delete what was brought back.
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
    /// The delete; fields that were on their way before it are settled first.
    pub removal: Option<Removal>,
    /// The last living content, where the server has deleted the record since.
    pub whole: Option<String>,
    /// The record as it was agreed with servers of another past, oldest first; usually one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// Why the server refused it. It is not sent again until it is edited, or by the next sync if the
    /// reason may have passed.
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

impl Pending {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        let is_settled = self.touches.is_empty() && self.removal.is_none();
        is_settled && self.offers.is_empty() && self.answered_at.is_none()
    }

    /// Whether its user waits for the server.
    ///
    /// A field that is answered and not yet delivered does not count.
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
        let earlier = self.touches.values_mut().map(|touch| std::mem::take(&mut touch.earlier));
        earlier.filter(|earlier| !earlier.is_empty()).count() != 0
    }

    /// Remembers that what is to be sent was on its way; returns whether that is new.
    pub(crate) fn mark_sent(&mut self) -> bool {
        let open = self.touches.values_mut().filter(|touch| touch.acked.is_none());
        let unsent = open.filter(|touch| !touch.is_sent());
        let marked = unsent.map(|touch| (touch.sent, touch.sent_at) = (true, Some(touch.at)));
        marked.count() != 0
    }
}

impl Local {
    /// A record of which nothing is known.
    pub fn new(key: Key) -> Self {
        Self { key, agreed: None, pending: Pending::default() }
    }

    /// Whether nothing is known of the record; a storage keeps none such.
    pub fn is_nothing(&self) -> bool {
        self.agreed.is_none() && self.pending.is_empty()
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
    pub(crate) fn merged(&self, agreed: &Content, name: &str, touch: &Touch) -> Option<Merged> {
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
        // What its user types is the later edit.
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
    /// Whether all of both sides is in it.
    pub(crate) is_clean: bool,
}
