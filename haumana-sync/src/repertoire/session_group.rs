//! The groups of a session: fields that are decided together.

use super::Session;
use crate::record::Value;

/// Fields of a session that move together, so that no merge makes an end or a start that nobody
/// said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionGroup {
    /// Which practice it is: `createdAt`, `pieceId` and `startedAt`.
    Frame,
    /// `endedAt` and `endedAtSource`.
    End,
    /// A key that this library does not know.
    Unknown(String),
}

impl SessionGroup {
    /// Returns the group that the field `name` is in.
    pub fn of(name: &str) -> Self {
        match name {
            "createdAt" | "pieceId" | "startedAt" => Self::Frame,
            "endedAt" | "endedAtSource" => Self::End,
            name => Self::Unknown(name.to_owned()),
        }
    }

    /// Returns the name under which the engine remembers the group: one of its fields.
    pub fn name(&self) -> &str {
        match self {
            Self::Frame => "startedAt",
            Self::End => "endedAt",
            Self::Unknown(name) => name,
        }
    }

    /// Returns the names of its fields.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::Frame => vec!["createdAt", "pieceId", "startedAt"],
            Self::End => vec!["endedAt", "endedAtSource"],
            Self::Unknown(name) => vec![name],
        }
    }

    /// Whether `session` has no value in the group.
    pub fn is_empty(&self, session: &Session) -> bool {
        match self {
            Self::Frame => false,
            Self::End => session.ended_at.is_none() && session.ended_at_source.is_none(),
            Self::Unknown(name) => !session.unknown.contains_key(name),
        }
    }

    /// Whether two sessions have the same value in the group.
    pub fn is_same(&self, a: &Session, b: &Session) -> bool {
        match self {
            Self::Frame => {
                let frame =
                    |session: &Session| (session.created_at, session.piece_id, session.started_at);
                frame(a) == frame(b)
            }
            Self::End => (a.ended_at, a.ended_at_source) == (b.ended_at, b.ended_at_source),
            Self::Unknown(name) => a.unknown.get(name) == b.unknown.get(name),
        }
    }

    /// Gives `to` the value that `from` has in the group.
    pub fn copy(&self, from: &Session, to: &mut Session) {
        match self {
            Self::Frame => {
                to.created_at = from.created_at;
                to.piece_id = from.piece_id;
                to.started_at = from.started_at;
            }
            Self::End => {
                to.ended_at = from.ended_at;
                to.ended_at_source = from.ended_at_source;
            }
            Self::Unknown(name) => match from.unknown.get(name) {
                Some(value) => {
                    to.unknown.insert(name.clone(), value.clone());
                }
                None => {
                    to.unknown.remove(name);
                }
            },
        }
    }

    /// Returns a hash of the value that `session` has in the group.
    pub fn hash(&self, session: &Session) -> u64 {
        let value = match self {
            _ if self.is_empty(session) => Value::Null,
            Self::Frame => {
                let Session { created_at, piece_id, started_at, .. } = session;
                Value::Text(format!("{created_at} {piece_id} {started_at}"))
            }
            Self::End => {
                let at = session.ended_at.map(|at| at.to_string()).unwrap_or_default();
                let source = session.ended_at_source.map(|source| source.as_str());
                Value::Text(format!("{at} {}", source.unwrap_or_default()))
            }
            Self::Unknown(name) => {
                session.unknown.get(name).cloned().map_or(Value::Null, Value::Json)
            }
        };
        value.hash()
    }
}

impl Session {
    /// Returns its groups: those of the known fields, then its unknown keys.
    pub fn groups(&self) -> Vec<SessionGroup> {
        let unknown = self.unknown.keys().cloned().map(SessionGroup::Unknown);
        [SessionGroup::Frame, SessionGroup::End].into_iter().chain(unknown).collect()
    }
}
