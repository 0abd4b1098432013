//! One record as the app sends it.
//!
//! # What is checked
//!
//! The order is: size, shape, id, owner, number, times, fields. The first error refuses the record,
//! under the id that the phone knows.
//!
//! # What is missing
//!
//! The app leaves out empty fields. So an optional field that was not sent is empty. A required
//! field that was not sent is untouched, and never an edit. A key that this library does not know
//! is kept unchanged; null clears it.

use super::WireVersion;
use crate::keys::{FieldClass, FieldSpec, PIECE_FIELDS, field_spec};
use haumana_sync::digest::Digest;
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::json::JsonText;
use haumana_sync::limits;
use haumana_sync::record::{BESIDE_KEY, FieldError, Value};
use haumana_sync::repertoire::{EndedAtSource, Piece, Session};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::{Refusal, Rejected, is_oversized};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A piece as the app sent it, checked.
///
/// It distinguishes fields that were sent from fields that were not; a plain piece cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPiece {
    /// The id of the piece.
    pub id: RecordId,
    /// Its content. Fields that were not sent have the value of a new piece.
    pub piece: Piece,
    /// Required fields that were not sent: untouched.
    pub untouched: Vec<&'static str>,
    /// Unknown keys that were sent as null: cleared.
    pub cleared: Vec<String>,
    /// The number, which contains the base.
    pub version: WireVersion,
    /// `locallyModified`.
    pub flagged: bool,
    /// When it was edited, by the phone's clock.
    pub modified_at: Option<UnixMillis>,
    /// Whether it has its own `lastSyncedAt`.
    pub was_synced: bool,
    /// Hash of the content; see [`Piece::app_digest`].
    pub digest: Digest,
}

/// A session as the app sent it, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSession {
    /// The id of the session.
    pub id: RecordId,
    /// Its content.
    pub session: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdOnly<'a> {
    #[serde(borrow, alias = "sessionId")]
    piece_id: Option<Cow<'a, str>>,
}

/// The JSON of a record, before it is checked.
///
/// It is the same for pieces and sessions; each uses its part.
#[derive(Default)]
struct Raw {
    id: Option<String>,
    user: Option<String>,
    values: Vec<(&'static FieldSpec, Value)>,
    unknown: BTreeMap<String, Option<JsonText>>,
    times: Vec<(&'static str, String)>,
    version: Option<u64>,
    flagged: bool,
    piece_id: Option<String>,
    source: Option<String>,
}

/// The longest id that a reply repeats.
///
/// A longer one is cut, so no body is repeated as a whole.
const ECHO_BYTES: usize = 128;

fn reject(id: &str, refusal: Refusal, message: impl Into<String>) -> Rejected {
    let mut end = id.len().min(ECHO_BYTES);
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    Rejected { id: id[..end].to_owned(), refusal, message: message.into() }
}

/// Reads the outer shape of a record. If that fails, the id is found by a second, lenient read.
///
/// Records that are too large are refused before they are parsed.
fn read_raw(json: &RawValue, kind: RecordShape) -> Result<(String, Raw), Rejected> {
    let mut deserializer = serde_json::Deserializer::from_str(json.get());
    let refused = |refusal: Refusal, message: String| {
        let id = serde_json::from_str::<IdOnly>(json.get()).ok().and_then(|only| only.piece_id);
        reject(&id.unwrap_or_default(), refusal, message)
    };
    if !json.get().starts_with('{') {
        return Err(reject("", Refusal::InvalidField, NO_RECORD));
    }
    if is_oversized(json, 1) {
        return Err(refused(Refusal::TooLarge, "the record is too large".to_owned()));
    }
    let raw = kind.deserialize(&mut deserializer);
    let raw = raw.map_err(|error| refused(Refusal::InvalidField, plain(&error)))?;
    let Some(id) = raw.id.clone() else {
        return Err(reject("", Refusal::InvalidId, "the id is missing"));
    };
    Ok((id, raw))
}

/// The error without the place in the text, which means nothing to the caller.
///
/// Messages of the JSON reader may quote what was sent. So only messages of this module are
/// returned.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let known = text.strip_suffix(&format!(" at line {} column {}", error.line(), error.column()));
    let message = known.unwrap_or(&text);
    if error.is_data() && message.starts_with(OURS) {
        return message[OURS.len()..].to_owned();
    }
    NO_RECORD.to_owned()
}

const NO_RECORD: &str = "the record is not an object of the right shape";

/// Marks messages of this module, which quote nothing of what was sent.
const OURS: &str = "haumana: ";

/// A record without an owner belongs to the token's user.
fn check_owner(id: &str, raw: &Raw, user: &UserId) -> Result<(), Rejected> {
    match raw.user.as_deref() {
        None | Some("") => Ok(()),
        Some(owner) if owner == user.as_str() => Ok(()),
        Some(_) => Err(reject(id, Refusal::WrongUser, "the record belongs to another user")),
    }
}

impl AppPiece {
    /// Reads and checks one piece.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the id as it was sent.
    pub fn read(json: &RawValue, user: &UserId) -> Result<Self, Rejected> {
        let (sent_id, raw) = read_raw(json, RecordShape::Piece)?;
        let id = RecordId::parse(&sent_id)
            .ok_or_else(|| reject(&sent_id, Refusal::InvalidId, "pieceId is not a UUID"))?;
        check_owner(&sent_id, &raw, user)?;
        let refuse = |refusal, message: String| reject(&sent_id, refusal, message);

        let version = WireVersion(raw.version.unwrap_or(1));
        if !version.is_plausible() {
            let message = "version is not a number that this server gave";
            return Err(refuse(Refusal::InvalidField, message.to_owned()));
        }
        let time = |name: &'static str| match find_time(&raw.times, name) {
            None => Ok(None),
            Some(text) => UnixMillis::parse(text)
                .map(Some)
                .ok_or_else(|| refuse(Refusal::InvalidField, format!("{name} is not a time"))),
        };
        let was_synced = find_time(&raw.times, "lastSyncedAt").is_some();
        let (created_at, modified_at) = (time("createdAt")?, time("modifiedAt")?);

        let mut piece = Piece::new(created_at.or(modified_at).unwrap_or_default());
        let is_sent = |spec: &&FieldSpec| raw.values.iter().any(|(sent, _)| sent == spec);
        let missing = PIECE_FIELDS.iter().filter(|spec| spec.required && !is_sent(spec));
        let mut untouched: Vec<&'static str> = missing.map(|spec| spec.name).collect();
        for (spec, value) in raw.values {
            spec.check(&value).map_err(|error| field_refusal(&refuse, spec.name, error))?;
            piece.set(spec.name, value);
        }
        let mut cleared = Vec::new();
        for (name, value) in raw.unknown {
            if limits::UNKNOWN_KEY_BYTES < name.len() {
                let message = "the name of an unknown key is too long";
                return Err(refuse(Refusal::TooLarge, message.to_owned()));
            }
            match value {
                None => cleared.push(name),
                Some(json) => {
                    piece.unknown.insert(name, json);
                }
            }
        }
        let digest = piece.app_digest(id);
        if created_at.is_none() {
            untouched.push("createdAt");
        }
        Ok(Self {
            id,
            piece,
            untouched,
            cleared,
            version,
            flagged: raw.flagged,
            modified_at,
            was_synced,
            digest,
        })
    }

    /// Whether the request contains the field `name`.
    ///
    /// A field that it does not contain is never an edit.
    pub fn touches(&self, name: &str) -> bool {
        let is_unknown = field_spec(name).name.is_empty();
        let is_sent = self.piece.unknown.contains_key(name)
            || self.cleared.iter().any(|cleared| cleared == name);
        if is_unknown { is_sent } else { !self.untouched.contains(&name) }
    }
}

fn find_time<'a>(times: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    times.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str())
}

fn field_refusal(
    refuse: &impl Fn(Refusal, String) -> Rejected,
    name: &str,
    error: FieldError,
) -> Rejected {
    match error {
        FieldError::Invalid => refuse(Refusal::InvalidField, format!("{name} has the wrong type")),
        FieldError::TooLarge => refuse(Refusal::TooLarge, format!("{name} is too long")),
    }
}

impl AppSession {
    /// Reads and checks one session.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the id as it was sent.
    pub fn read(json: &RawValue, user: &UserId) -> Result<Self, Rejected> {
        let (sent_id, raw) = read_raw(json, RecordShape::Session)?;
        let id = RecordId::parse(&sent_id)
            .ok_or_else(|| reject(&sent_id, Refusal::InvalidId, "sessionId is not a UUID"))?;
        check_owner(&sent_id, &raw, user)?;
        let refuse = |message: &str| reject(&sent_id, Refusal::InvalidField, message);

        let time = |name: &'static str| match find_time(&raw.times, name) {
            None => Ok(None),
            Some(text) => UnixMillis::parse(text)
                .map(Some)
                .ok_or_else(|| refuse(&format!("{name} is not a time"))),
        };
        let piece_id = raw.piece_id.as_deref().and_then(RecordId::parse);
        let piece_id = piece_id.ok_or_else(|| refuse("pieceId is missing or not a UUID"))?;
        let started_at = time("startedAt")?.ok_or_else(|| refuse("startedAt is missing"))?;
        let ended_at_source = match raw.source.as_deref() {
            None => None,
            Some(name) => Some(
                EndedAtSource::from_name(name)
                    .ok_or_else(|| refuse("endedAtSource is manual, automatic or estimated"))?,
            ),
        };
        let unknown = raw.unknown.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let session = Session {
            piece_id,
            started_at,
            ended_at: time("endedAt")?,
            ended_at_source,
            // The chosen value must be the same when the push is repeated.
            created_at: time("createdAt")?.unwrap_or(started_at),
            unknown: unknown.collect(),
        };
        let has_long_key =
            session.unknown.keys().any(|name| limits::UNKNOWN_KEY_BYTES < name.len());
        if has_long_key || limits::RECORD_BYTES < session.to_json().len() {
            return Err(reject(&sent_id, Refusal::TooLarge, "the session is too large"));
        }
        Ok(Self { id, session })
    }
}

/// The meaning of the keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RecordShape {
    Piece,
    Session,
}

impl RecordShape {
    fn deserialize<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordShape {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut raw = Raw::default();
        while let Some(name) = map.next_key::<Name>()? {
            match self {
                RecordShape::Piece => read_piece_key(&mut raw, name.0, &mut map)?,
                RecordShape::Session => read_session_key(&mut raw, name.0, &mut map)?,
            }
        }
        Ok(raw)
    }
}

fn read_piece_key<'de, A: MapAccess<'de>>(
    raw: &mut Raw,
    name: Cow<'de, str>,
    map: &mut A,
) -> Result<(), A::Error> {
    match name.as_ref() {
        "pieceId" => raw.id = value(map, "pieceId")?,
        "userId" => raw.user = value(map, "userId")?,
        "version" => raw.version = value(map, "version")?,
        "sessionId" | "syncedAt" | BESIDE_KEY => {
            map.next_value::<IgnoredAny>()?;
        }
        "locallyModified" => {
            raw.flagged = value::<A, bool>(map, "locallyModified")?.unwrap_or_default();
        }
        name @ ("createdAt" | "modifiedAt" | "lastSyncedAt") => {
            let name = ["createdAt", "modifiedAt", "lastSyncedAt"]
                .into_iter()
                .find(|known| *known == name)
                .unwrap_or_default();
            if let Some(text) = value(map, name)? {
                raw.times.push((name, text));
            }
        }
        _ => match PIECE_FIELDS.iter().find(|spec| spec.name == name) {
            Some(spec) if spec.class == FieldClass::Flag => {
                let flag = value(map, spec.name)?.map_or(Value::Null, Value::Flag);
                raw.values.push((spec, flag));
            }
            Some(spec) => {
                let text = value(map, spec.name)?.map_or(Value::Null, Value::Text);
                raw.values.push((spec, text));
            }
            None => read_unknown_key(raw, name, map)?,
        },
    }
    Ok(())
}

/// Keys that a reply added are ignored when they come back.
fn read_session_key<'de, A: MapAccess<'de>>(
    raw: &mut Raw,
    name: Cow<'de, str>,
    map: &mut A,
) -> Result<(), A::Error> {
    match name.as_ref() {
        "sessionId" => raw.id = value(map, "sessionId")?,
        "userId" => raw.user = value(map, "userId")?,
        "pieceId" => raw.piece_id = value(map, "pieceId")?,
        "endedAtSource" => raw.source = value(map, "endedAtSource")?,
        // The earlier backend or this one added these to a reply, and they come back.
        "version" | "modifiedAt" | "lastSyncedAt" | "syncedAt" | "locallyModified" | BESIDE_KEY => {
            map.next_value::<IgnoredAny>()?;
        }
        name @ ("startedAt" | "endedAt" | "createdAt") => {
            let name = ["startedAt", "endedAt", "createdAt"]
                .into_iter()
                .find(|known| *known == name)
                .unwrap_or_default();
            if let Some(text) = value(map, name)? {
                raw.times.push((name, text));
            }
        }
        _ => read_unknown_key(raw, name, map)?,
    }
    Ok(())
}

/// It is kept as text, so numbers keep their digits.
fn read_unknown_key<'de, A: MapAccess<'de>>(
    raw: &mut Raw,
    name: Cow<'de, str>,
    map: &mut A,
) -> Result<(), A::Error> {
    let value: Box<RawValue> = map.next_value()?;
    let kept = match value.get() {
        "null" => None,
        _ => Some(JsonText::new(&value).ok_or_else(|| {
            A::Error::custom(format!("{OURS}the value of an unknown key cannot be kept"))
        })?),
    };
    raw.unknown.insert(name.into_owned(), kept);
    Ok(())
}

fn value<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    name: &'static str,
) -> Result<Option<T>, A::Error> {
    let wrong = |_| A::Error::custom(format!("{OURS}{name} has the wrong type"));
    map.next_value().map_err(wrong)
}

/// A key. It is borrowed if it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}
