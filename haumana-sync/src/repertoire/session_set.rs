//! Fields of a session that somebody sets.

use super::session_kind;
use super::{EndedAtSource, Session, SessionGroup};
use crate::id::RecordId;
use crate::json::JsonText;
use crate::limits;
use crate::record::Value;
use crate::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// Why fields of a session cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFlaw {
    /// Whether something exceeds its limit; otherwise a field is missing or has the wrong type.
    pub is_too_large: bool,
    /// What is wrong, for people; names the field, and holds nothing of what was sent.
    pub message: &'static str,
}

/// Some fields of a session, checked. An absent one is untouched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSet {
    piece_id: Option<RecordId>,
    started_at: Option<UnixMillis>,
    created_at: Option<UnixMillis>,
    /// The inner `None` clears.
    ended_at: Option<Option<UnixMillis>>,
    ended_at_source: Option<Option<EndedAtSource>>,
    unknown: BTreeMap<String, Option<JsonText>>,
}

impl SessionSet {
    /// Reads the fields that a new client sets. [`Value::Null`] clears an end and unknown keys.
    ///
    /// # Errors
    ///
    /// [`SessionFlaw`] names the field that cannot be set.
    pub fn read(fields: &BTreeMap<String, Value>) -> Result<Self, SessionFlaw> {
        let mut set = Self::default();
        for (name, value) in fields {
            set.read_field(name, value)?;
        }
        let bytes = |(name, json): (&String, &Option<JsonText>)| {
            name.len() + json.as_ref().map_or(0, |json| json.as_str().len())
        };
        if limits::RECORD_BYTES < set.unknown.iter().map(bytes).sum() {
            return Err(too_large("the unknown keys are too large"));
        }
        Ok(set)
    }

    /// Everything that a phone says of a session. What it does not say is untouched.
    pub fn of(session: &Session) -> Self {
        let has_end = !SessionGroup::End.is_empty(session);
        let unknown = session.unknown.iter();
        Self {
            piece_id: Some(session.piece_id),
            started_at: Some(session.started_at),
            created_at: Some(session.created_at),
            ended_at: has_end.then_some(session.ended_at),
            ended_at_source: has_end.then_some(session.ended_at_source),
            unknown: unknown.map(|(name, json)| (name.clone(), Some(json.clone()))).collect(),
        }
    }

    /// Checks that it makes a session where there is none.
    ///
    /// # Errors
    ///
    /// [`SessionFlaw`] names the field that is missing.
    pub fn check_whole(&self) -> Result<(), SessionFlaw> {
        match (self.piece_id, self.started_at) {
            (None, _) => Err(invalid("pieceId is missing")),
            (_, None) => Err(invalid("startedAt is missing")),
            _ => Ok(()),
        }
    }

    /// Returns the groups that it sets a field of.
    pub fn groups(&self) -> BTreeSet<SessionGroup> {
        let frame = self.piece_id.is_some() || self.started_at.is_some();
        let frame = (frame || self.created_at.is_some()).then_some(SessionGroup::Frame);
        let end = self.ended_at.is_some() || self.ended_at_source.is_some();
        let end = end.then_some(SessionGroup::End);
        let unknown = self.unknown.keys().cloned().map(SessionGroup::Unknown);
        frame.into_iter().chain(end).chain(unknown).collect()
    }

    /// Makes a session of it alone. Without `createdAt` it was made when it started.
    ///
    /// Returns `None` if it is not whole.
    pub fn make(&self) -> Option<Session> {
        let (piece_id, started_at) = (self.piece_id?, self.started_at?);
        let mut session = Session {
            piece_id,
            started_at,
            ended_at: None,
            ended_at_source: None,
            created_at: self.created_at.unwrap_or(started_at),
            unknown: BTreeMap::new(),
        };
        for group in self.groups() {
            self.put(&group, None, &mut session);
        }
        Some(session)
    }

    /// Puts what it sets of `group` into `to`; the group's other fields are those of `base`.
    ///
    /// Returns `false`, and leaves `to` as it is, if they are needed and there is no `base`.
    pub fn put(&self, group: &SessionGroup, base: Option<&Session>, to: &mut Session) -> bool {
        if let Some(base) = base {
            group.copy(base, to);
        } else if !self.stands_alone(group) {
            return false;
        }
        match group {
            SessionGroup::Frame => {
                to.piece_id = self.piece_id.unwrap_or(to.piece_id);
                to.started_at = self.started_at.unwrap_or(to.started_at);
                let made_at = if base.is_some() { to.created_at } else { to.started_at };
                to.created_at = self.created_at.unwrap_or(made_at);
            }
            SessionGroup::End => {
                let base = base.map(|base| (base.ended_at, base.ended_at_source));
                let (at, source) = base.unwrap_or_default();
                to.ended_at = self.ended_at.unwrap_or(at);
                to.ended_at_source = self.ended_at_source.unwrap_or(source);
            }
            SessionGroup::Unknown(name) => match self.unknown.get(name).cloned().flatten() {
                Some(json) => {
                    to.unknown.insert(name.clone(), json);
                }
                None => {
                    to.unknown.remove(name);
                }
            },
        }
        true
    }

    /// Whether what it sets of `group` is the group's whole value. A whole session says by what it
    /// leaves out that there is nothing.
    fn stands_alone(&self, group: &SessionGroup) -> bool {
        let is_whole = self.check_whole().is_ok();
        match group {
            SessionGroup::Frame => is_whole,
            SessionGroup::End => {
                is_whole || (self.ended_at.is_some() && self.ended_at_source.is_some())
            }
            SessionGroup::Unknown(_) => true,
        }
    }

    fn read_field(&mut self, name: &str, value: &Value) -> Result<(), SessionFlaw> {
        let time = || value.as_text().and_then(UnixMillis::parse);
        match name {
            "pieceId" => {
                let id = value.as_text().and_then(RecordId::parse);
                self.piece_id = Some(id.ok_or(invalid("pieceId is not a UUID"))?);
            }
            "startedAt" => {
                self.started_at = Some(time().ok_or(invalid("startedAt is not a time"))?);
            }
            "createdAt" => {
                self.created_at = Some(time().ok_or(invalid("createdAt is not a time"))?);
            }
            "endedAt" if value.is_null() => self.ended_at = Some(None),
            "endedAt" => {
                self.ended_at = Some(Some(time().ok_or(invalid("endedAt is not a time"))?));
            }
            "endedAtSource" if value.is_null() => self.ended_at_source = Some(None),
            "endedAtSource" => {
                let source = value.as_text().and_then(EndedAtSource::from_name);
                let message = "endedAtSource is manual, automatic or estimated";
                self.ended_at_source = Some(Some(source.ok_or(invalid(message))?));
            }
            name => self.read_unknown(name, value)?,
        }
        Ok(())
    }

    fn read_unknown(&mut self, name: &str, value: &Value) -> Result<(), SessionFlaw> {
        if session_kind().reserved_key(name).is_some() {
            return Err(invalid("the key is not content and cannot be set"));
        }
        if limits::UNKNOWN_KEY_BYTES < name.len() {
            return Err(too_large("the name of an unknown key is too long"));
        }
        let kept = match value {
            Value::Null => None,
            Value::Json(json) => Some(json.clone()),
            _ => return Err(invalid("the value of an unknown key cannot be kept")),
        };
        self.unknown.insert(name.to_owned(), kept);
        Ok(())
    }
}

fn invalid(message: &'static str) -> SessionFlaw {
    SessionFlaw { is_too_large: false, message }
}

fn too_large(message: &'static str) -> SessionFlaw {
    SessionFlaw { is_too_large: true, message }
}
