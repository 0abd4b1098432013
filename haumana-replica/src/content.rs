//! The fields of one record, piece or session, as one thing.

use haumana_sync::id::{KindNumber, RecordId};
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::repertoire::{
    EndedAtSource, FieldClass, PIECE_FIELDS, Piece, Session, field_spec,
};
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;

/// The known fields of a session.
const SESSION_FIELDS: [&str; 5] = ["pieceId", "startedAt", "endedAt", "endedAtSource", "createdAt"];

/// The content of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Of a piece.
    Piece(Piece),
    /// Of a session.
    Session(Session),
}

impl Content {
    /// Reads the form in which the server delivers records, which is the form that is stored.
    pub fn parse(kind: KindNumber, text: &str) -> Option<Self> {
        match kind {
            KindNumber::PIECE => serde_json::from_str(text).ok().map(Self::Piece),
            KindNumber::SESSION => serde_json::from_str(text).ok().map(Self::Session),
            _ => None,
        }
    }

    /// Makes a record of fields, as the server makes one of a push without a base.
    pub(crate) fn create<'a>(
        kind: KindNumber,
        fields: impl Iterator<Item = (&'a str, &'a JsonText)>,
    ) -> Option<Self> {
        let fields: BTreeMap<&str, &JsonText> = fields.collect();
        let text = |name: &str| serde_json::from_str::<String>(fields.get(name)?.as_str()).ok();
        let time = |name: &str| UnixMillis::parse(&text(name)?);
        let mut content = match kind {
            KindNumber::PIECE => Self::Piece(Piece::new(time("createdAt")?)),
            KindNumber::SESSION => Self::Session(Session {
                piece_id: RecordId::parse(&text("pieceId")?)?,
                started_at: time("startedAt")?,
                ended_at: None,
                ended_at_source: None,
                created_at: time("createdAt").or(time("startedAt"))?,
                unknown: BTreeMap::new(),
            }),
            _ => return None,
        };
        for (name, value) in fields {
            content.set(name, value);
        }
        Some(content)
    }

    /// Puts a value into a field, if it is of a type that the field can hold.
    pub(crate) fn set(&mut self, name: &str, value: &JsonText) {
        let Some(value) = read_value(self.kind(), name, value) else { return };
        let time = || value.as_text().and_then(UnixMillis::parse);
        match self {
            Self::Piece(piece) if name == "createdAt" => {
                piece.created_at = time().unwrap_or(piece.created_at);
            }
            Self::Piece(piece) => piece.set(name, value),
            Self::Session(session) => match name {
                "pieceId" => {
                    let id = value.as_text().and_then(RecordId::parse);
                    session.piece_id = id.unwrap_or(session.piece_id);
                }
                "startedAt" => session.started_at = time().unwrap_or(session.started_at),
                "createdAt" => session.created_at = time().unwrap_or(session.created_at),
                "endedAt" if value.is_null() => session.ended_at = None,
                "endedAt" => session.ended_at = time().or(session.ended_at),
                "endedAtSource" if value.is_null() => session.ended_at_source = None,
                "endedAtSource" => {
                    let source = value.as_text().and_then(EndedAtSource::from_name);
                    session.ended_at_source = source.or(session.ended_at_source);
                }
                name => match value {
                    Value::Json(json) => {
                        session.unknown.insert(name.to_owned(), json);
                    }
                    // What is no JSON of its own clears the key: it is null.
                    _ => {
                        session.unknown.remove(name);
                    }
                },
            },
        }
    }

    /// Returns the value of a field.
    pub fn get(&self, name: &str) -> Value {
        let time = |at: UnixMillis| Value::Text(at.to_string());
        match self {
            Self::Piece(piece) if name == "createdAt" => time(piece.created_at),
            Self::Piece(piece) => piece.get(name),
            Self::Session(session) => match name {
                "pieceId" => Value::Text(session.piece_id.to_string()),
                "startedAt" => time(session.started_at),
                "createdAt" => time(session.created_at),
                "endedAt" => session.ended_at.map_or(Value::Null, time),
                "endedAtSource" => session
                    .ended_at_source
                    .map_or(Value::Null, |source| Value::Text(source.as_str().to_owned())),
                name => session.unknown.get(name).cloned().map_or(Value::Null, Value::Json),
            },
        }
    }

    /// Returns the names of all fields that it can have or has.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Piece(piece) => piece.names().chain(["createdAt"]).collect(),
            Self::Session(session) => {
                let unknown = session.unknown.keys().map(String::as_str);
                SESSION_FIELDS.into_iter().chain(unknown).collect()
            }
        }
    }

    /// Returns the stored form: the bytes that the server delivers for the same content.
    pub fn to_json(&self) -> String {
        let text = match self {
            Self::Piece(piece) => serde_json::to_string(piece),
            Self::Session(session) => serde_json::to_string(session),
        };
        // Maps of strings, booleans and raw JSON into memory have nothing that can fail.
        text.unwrap_or_default()
    }

    fn kind(&self) -> KindNumber {
        match self {
            Self::Piece(_) => KindNumber::PIECE,
            Self::Session(_) => KindNumber::SESSION,
        }
    }
}

/// Writes a value as JSON.
pub(crate) fn write_value(value: &Value) -> Option<JsonText> {
    JsonText::parse(&serde_json::to_string(value).ok()?)
}

/// Whether a field is merged by line.
pub(crate) fn is_long(kind: KindNumber, name: &str) -> bool {
    kind == KindNumber::PIECE && field_spec(name).class == FieldClass::Long
}

/// Whether a field can hold a value; the server would refuse what cannot be held.
pub(crate) fn can_hold(kind: KindNumber, name: &str, value: &Value) -> bool {
    let is_time = || value.as_text().and_then(UnixMillis::parse).is_some();
    match (kind, name) {
        (_, "createdAt") => is_time(),
        (KindNumber::PIECE, name) => field_spec(name).check(value).is_ok(),
        (KindNumber::SESSION, "startedAt") => is_time(),
        (KindNumber::SESSION, "endedAt") => value.is_null() || is_time(),
        (KindNumber::SESSION, "pieceId") => value.as_text().and_then(RecordId::parse).is_some(),
        (KindNumber::SESSION, "endedAtSource") => {
            value.is_null() || value.as_text().and_then(EndedAtSource::from_name).is_some()
        }
        (KindNumber::SESSION, _) => matches!(value, Value::Json(_) | Value::Null),
        _ => false,
    }
}

/// Reads a value of JSON; `None` if the field holds no such thing.
pub(crate) fn read_value(kind: KindNumber, name: &str, value: &JsonText) -> Option<Value> {
    let is_known = match kind {
        KindNumber::PIECE => {
            name == "createdAt" || PIECE_FIELDS.iter().any(|spec| spec.name == name)
        }
        _ => SESSION_FIELDS.contains(&name),
    };
    let text = value.as_str();
    match text {
        "null" => Some(Value::Null),
        "true" | "false" if is_known => Some(Value::Flag(text == "true")),
        text if is_known => serde_json::from_str(text).ok().map(Value::Text),
        _ => Some(Value::Json(value.clone())),
    }
}
