//! One practice of one piece.

use super::session_kind;
use crate::id::RecordId;
use crate::json::JsonText;
use crate::record::{Content, Value};
use crate::time::UnixMillis;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The source of a session's end time, from the weakest to the strongest.
///
/// If two devices end one session, the stronger source wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndedAtSource {
    /// A guess.
    Estimated,
    /// The app detected it.
    Automatic,
    /// The student entered it.
    Manual,
}

impl EndedAtSource {
    /// Returns the name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            EndedAtSource::Estimated => "estimated",
            EndedAtSource::Automatic => "automatic",
            EndedAtSource::Manual => "manual",
        }
    }

    /// Returns the source of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Estimated, Self::Automatic, Self::Manual];
        all.into_iter().find(|source| source.as_str() == name)
    }
}

/// The content of one session, without its id, owner and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The piece that was practised.
    pub piece_id: RecordId,
    /// When it began.
    pub started_at: UnixMillis,
    /// When it ended, if known.
    pub ended_at: Option<UnixMillis>,
    /// The source of the end time.
    pub ended_at_source: Option<EndedAtSource>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Keys that this library does not know.
    pub unknown: BTreeMap<String, JsonText>,
}

impl Session {
    /// Returns it as the content of a record.
    pub fn content(&self) -> Content {
        let text = |text: String| Value::Text(text);
        let mut content = Content::new(session_kind(), self.created_at);
        content.set("pieceId", text(self.piece_id.to_string()));
        content.set("startedAt", text(self.started_at.to_string()));
        content.set("createdAt", text(self.created_at.to_string()));
        if let Some(at) = self.ended_at {
            content.set("endedAt", text(at.to_string()));
        }
        if let Some(source) = self.ended_at_source {
            content.set("endedAtSource", text(source.as_str().to_owned()));
        }
        for (name, json) in &self.unknown {
            content.set(name, Value::Json(json.clone()));
        }
        content
    }

    /// Returns the stored form.
    pub fn to_json(&self) -> String {
        // A map of strings and raw JSON, written to memory, cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pieceId", &self.piece_id)?;
        map.serialize_entry("startedAt", &self.started_at.to_string())?;
        if let Some(at) = self.ended_at {
            map.serialize_entry("endedAt", &at.to_string())?;
        }
        if let Some(source) = self.ended_at_source {
            map.serialize_entry("endedAtSource", source.as_str())?;
        }
        map.serialize_entry("createdAt", &self.created_at.to_string())?;
        for (name, value) in &self.unknown {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StoredSession)
    }
}

/// Reads the stored form, which this library wrote.
struct StoredSession;

impl<'de> Visitor<'de> for StoredSession {
    type Value = Session;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored session")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Session, A::Error> {
        let (mut piece_id, mut started_at, mut created_at) = (None, None, None);
        let (mut ended_at, mut ended_at_source) = (None, None);
        let mut unknown = BTreeMap::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match name.as_ref() {
                "pieceId" => piece_id = Some(map.next_value()?),
                "startedAt" => started_at = Some(time(&mut map)?),
                "endedAt" => ended_at = Some(time(&mut map)?),
                "createdAt" => created_at = Some(time(&mut map)?),
                "endedAtSource" => {
                    let source = EndedAtSource::from_name(&map.next_value::<Cow<'de, str>>()?);
                    ended_at_source = Some(source.ok_or_else(|| A::Error::custom("source"))?);
                }
                // Version 0.1 stored it as an unknown key.
                name if session_kind().reserved_key(name).is_some() => {
                    map.next_value::<IgnoredAny>()?;
                }
                name => {
                    let raw: Box<RawValue> = map.next_value()?;
                    let value = JsonText::new(&raw).ok_or_else(|| A::Error::custom("json"))?;
                    unknown.insert(name.to_owned(), value);
                }
            }
        }
        Ok(Session {
            piece_id: piece_id.ok_or_else(|| A::Error::missing_field("pieceId"))?,
            started_at: started_at.ok_or_else(|| A::Error::missing_field("startedAt"))?,
            ended_at,
            ended_at_source,
            created_at: created_at.ok_or_else(|| A::Error::missing_field("createdAt"))?,
            unknown,
        })
    }
}

fn time<'de, A: MapAccess<'de>>(map: &mut A) -> Result<UnixMillis, A::Error> {
    let text: Cow<'de, str> = map.next_value()?;
    UnixMillis::parse(&text).ok_or_else(|| A::Error::custom("time"))
}
