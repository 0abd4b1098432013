//! Reading replies under the app's strict rules: anything that the app could not decode is an
//! error.
//!
//! The app's decoder gives up on the whole reply if one key is missing, or if one time has another
//! form. So a single odd record could keep a phone from syncing for ever (G7). The decoder here is
//! as strict, and was written from the protocol.
//!
//! It is stricter in one way: a duplicate key is an error.

use super::content::Content;
use super::ledger::Seen;
use haumana_sync::id::RecordId;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use std::fmt;

/// A piece of a reply.
///
/// Two fields are not on the wire. The checks fill them in, and the phone stores them.
#[derive(Clone, Debug)]
pub struct ReplyPiece {
    /// Its id.
    pub id: RecordId,
    /// Its owner.
    pub user: String,
    /// Its fields.
    pub content: Content,
    /// When it was made.
    pub created_ms: i64,
    /// When its version was committed.
    pub modified_ms: i64,
    /// The number that carries the base.
    pub version: u64,
    /// Which edits are in it; not on the wire, filled in by the ledger.
    pub seen: Seen,
    /// The life in which its version was made; not on the wire, filled in by the ledger.
    pub life: u32,
}

/// A reply to `POST /pieces`.
///
/// `updated` acknowledges pushes; `server` has copies for the phone.
#[derive(Clone, Debug)]
pub struct Reply {
    /// `serverPieces`.
    pub server: Vec<ReplyPiece>,
    /// `updatedPieces`.
    pub updated: Vec<ReplyPiece>,
    /// `rejectedPieces`: id as sent, and code.
    pub rejected: Vec<(String, String)>,
    /// `syncedAt`, in whole seconds.
    pub synced_secs: i64,
}

/// A session of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplySession {
    /// Its id.
    pub id: RecordId,
    /// Its owner.
    pub user: String,
    /// The piece.
    pub piece: RecordId,
    /// When it began.
    pub started_ms: i64,
    /// When it ended, if known.
    pub ended_ms: Option<i64>,
}

/// A reply to `POST /sessions`.
#[derive(Clone, Debug)]
pub struct SessionReply {
    /// `uploadedSessions`.
    pub uploaded: Vec<RecordId>,
    /// `serverSessions`.
    pub server: Vec<ReplySession>,
    /// `rejectedSessions`: the codes.
    pub rejected: Vec<String>,
}

/// The error is for the story of a run.
type Decoded<T> = Result<T, String>;

/// Decodes a reply to `POST /pieces`.
///
/// `uploadedPieces` must name the same pieces as `updatedPieces`, in the same order.
///
/// # Errors
///
/// What the app could not decode.
pub fn decode(body: &[u8]) -> Decoded<Reply> {
    let json = lenient(&String::from_utf8_lossy(body))?;
    let json = object(&json)?;
    let pieces = |name: &str| list(json, name)?.iter().map(piece).collect::<Decoded<Vec<_>>>();
    let (server, updated) = (pieces("serverPieces")?, pieces("updatedPieces")?);
    let uploaded = ids(json, "uploadedPieces")?;
    if uploaded != updated.iter().map(|piece| piece.id).collect::<Vec<_>>() {
        return Err("uploadedPieces names other pieces than updatedPieces".to_owned());
    }
    let synced_ms = time(json, "syncedAt")?;
    if synced_ms % 1000 != 0 {
        return Err("syncedAt is not a whole second".to_owned());
    }
    let rejected = rejected(json, "rejectedPieces", "pieceId")?;
    Ok(Reply { server, updated, rejected, synced_secs: synced_ms / 1000 })
}

/// The depth of the objects that the server writes: the reply, and the records in its lists. Deeper
/// objects are users' values.
const WRITTEN_DEPTH: usize = 3;

/// Reads JSON in which some numbers may not fit the reader. Such a number becomes null.
///
/// # Errors
///
/// What is wrong with it. That includes a duplicate key in an object that the server writes.
pub fn lenient(text: &str) -> Decoded<Json> {
    read(text, 1)
}

/// Recursive by depth. Objects below those that the server writes are users' values, and may hold
/// anything.
fn read(text: &str, depth: usize) -> Decoded<Json> {
    let wrong = |error: serde_json::Error| error.to_string();
    Ok(match text.trim_start().as_bytes().first() {
        Some(b'{') => {
            let all: Members<'_> = serde_json::from_str(text).map_err(wrong)?;
            let mut object = Map::new();
            for (name, raw) in all.0 {
                let value = read(raw.get(), depth + 1)?;
                if object.insert(name.clone(), value).is_some() && depth <= WRITTEN_DEPTH {
                    return Err(format!("{name} stands twice"));
                }
            }
            Json::Object(object)
        }
        Some(b'[') => {
            let all: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let values = all.into_iter().map(|raw| read(raw.get(), depth + 1));
            Json::Array(values.collect::<Decoded<_>>()?)
        }
        Some(b'-' | b'0'..=b'9') => serde_json::from_str(text).unwrap_or(Json::Null),
        _ => serde_json::from_str(text).map_err(wrong)?,
    })
}

/// Decodes a reply to `POST /sessions`.
///
/// # Errors
///
/// What the app could not decode.
pub fn decode_sessions(body: &[u8]) -> Decoded<SessionReply> {
    let json = lenient(&String::from_utf8_lossy(body))?;
    let json = object(&json)?;
    time(json, "syncedAt")?;
    let server = list(json, "serverSessions")?.iter().map(session).collect::<Decoded<Vec<_>>>()?;
    let rejected = rejected(json, "rejectedSessions", "sessionId")?;
    let codes = rejected.into_iter().map(|(_, code)| code).collect();
    Ok(SessionReply { uploaded: ids(json, "uploadedSessions")?, server, rejected: codes })
}

/// The members of an object in their order, including duplicates.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn piece(json: &Json) -> Decoded<ReplyPiece> {
    let json = object(json)?;
    let version = json.get("version").and_then(Json::as_i64).ok_or("version is no integer")?;
    json.get("locallyModified").and_then(Json::as_bool).ok_or("locallyModified is no boolean")?;
    Ok(ReplyPiece {
        id: id(text(json, "pieceId")?)?,
        user: text(json, "userId")?.to_owned(),
        content: Content::read(json)?,
        created_ms: time(json, "createdAt")?,
        modified_ms: time(json, "modifiedAt")?,
        version: u64::try_from(version).map_err(|_| "version is negative")?,
        seen: Seen::default(),
        life: 0,
    })
}

fn session(json: &Json) -> Decoded<ReplySession> {
    let json = object(json)?;
    time(json, "createdAt")?;
    let ended = json.get("endedAt").filter(|value| !value.is_null());
    if let Some(source) = json.get("endedAtSource").filter(|value| !value.is_null()) {
        source.as_str().ok_or("endedAtSource is no text")?;
    }
    Ok(ReplySession {
        id: id(text(json, "sessionId")?)?,
        user: text(json, "userId")?.to_owned(),
        piece: id(text(json, "pieceId")?)?,
        started_ms: time(json, "startedAt")?,
        ended_ms: ended.map(|_| time(json, "endedAt")).transpose()?,
    })
}

/// The list may be missing. Its entries must have a code and a message.
fn rejected(json: &Map<String, Json>, name: &str, id_name: &str) -> Decoded<Vec<(String, String)>> {
    let Some(entries) = json.get(name) else { return Ok(Vec::new()) };
    let entries = entries.as_array().ok_or_else(|| format!("{name} is no list"))?;
    let read = |entry: &Json| {
        let entry = object(entry)?;
        text(entry, "message")?;
        Ok((text(entry, id_name)?.to_owned(), text(entry, "code")?.to_owned()))
    };
    entries.iter().map(read).collect()
}

fn object(json: &Json) -> Decoded<&Map<String, Json>> {
    json.as_object().ok_or_else(|| "an object is missing".to_owned())
}

fn list<'a>(json: &'a Map<String, Json>, name: &str) -> Decoded<&'a Vec<Json>> {
    json.get(name).and_then(Json::as_array).ok_or_else(|| format!("{name} is no list"))
}

fn text<'a>(json: &'a Map<String, Json>, name: &str) -> Decoded<&'a str> {
    json.get(name).and_then(Json::as_str).ok_or_else(|| format!("{name} is no text"))
}

fn ids(json: &Map<String, Json>, name: &str) -> Decoded<Vec<RecordId>> {
    let entries = list(json, name)?.iter();
    entries.map(|entry| id(entry.as_str().ok_or("an id is no text")?)).collect()
}

/// The app compares ids as strings, in upper case.
fn id(text: &str) -> Decoded<RecordId> {
    let id = RecordId::parse(text).ok_or_else(|| format!("{text} is no UUID"))?;
    let is_upper = !text.bytes().any(|byte| byte.is_ascii_lowercase());
    is_upper.then_some(id).ok_or_else(|| format!("{text} is in lower case"))
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` and nothing else, in milliseconds.
fn time(json: &Map<String, Json>, name: &str) -> Decoded<i64> {
    let text = text(json, name)?;
    let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    if !shape.eq(*b"0000-00-00T00:00:00.000Z") {
        return Err(format!("{name} is {text}, which the app does not read"));
    }
    let at =
        haumana_sync::time::UnixMillis::parse(text).ok_or_else(|| format!("{text} is no time"))?;
    Ok(at.0)
}
