//! Who and what: user ids, record ids, kinds and keys.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// A user: the verified subject of a token.
///
/// There is deliberately no `From<String>`: a user id from a request body is a claim, and the only
/// way to make a `UserId` says that somebody has checked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// The longest user id, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Makes a user id from a principal that the caller has verified.
    ///
    /// Returns `None` if it is empty, longer than [`UserId::MAX_BYTES`] or holds control
    /// characters.
    pub fn verified_by_caller(subject: impl Into<String>) -> Option<Self> {
        let subject = subject.into();
        let fits = !subject.is_empty() && subject.len() <= Self::MAX_BYTES;
        (fits && !subject.chars().any(char::is_control)).then_some(Self(subject))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    /// Shows no more than that there is one, so that logs stay free of personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(..)")
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One oli or mele of the repertoire.
    Piece,
    /// One practice of one piece.
    Session,
    /// One value that lost and waits for a person; never sent to devices as a record.
    Conflict,
}

impl Kind {
    /// Every kind, in the order of the stream.
    pub const ALL: [Kind; 3] = [Kind::Piece, Kind::Session, Kind::Conflict];

    /// Returns the kind's name on the wire and in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Piece => "piece",
            Kind::Session => "session",
            Kind::Conflict => "conflict",
        }
    }

    /// Returns the kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A record's id: a UUID, equal whatever its case, printed in upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId(u128);

impl RecordId {
    /// Makes an id from its 128 bits.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Returns the id's 128 bits.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// Parses the hyphenated form of a UUID in any case; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        // `Uuid::try_parse` also takes braces, URNs and forms without hyphens; an app that compares
        // strings would not know its own piece in what we print for those.
        let hyphenated = text.len() == 36;
        let id = Uuid::try_parse(text).ok().filter(|_| hyphenated)?;
        Some(Self(id.as_u128()))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = Uuid::encode_buffer();
        f.write_str(Uuid::from_u128(self.0).hyphenated().encode_upper(&mut buffer))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for RecordId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a UUID")
    }
}

/// Names one record of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub id: RecordId,
}

impl Key {
    /// Names a piece.
    pub fn piece(id: RecordId) -> Self {
        Self { kind: Kind::Piece, id }
    }

    /// Names a session.
    pub fn session(id: RecordId) -> Self {
        Self { kind: Kind::Session, id }
    }

    /// Names a conflict.
    pub fn conflict(id: RecordId) -> Self {
        Self { kind: Kind::Conflict, id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_equal_whatever_their_case_and_print_in_upper_case() {
        let lower = RecordId::parse("5eed0000-0000-4000-8000-00000000000a").unwrap();
        let upper = RecordId::parse("5EED0000-0000-4000-8000-00000000000A").unwrap();

        assert_eq!(lower, upper);
        assert_eq!("5EED0000-0000-4000-8000-00000000000A", lower.to_string());
    }

    #[test]
    fn what_is_not_a_hyphenated_uuid_is_refused() {
        let refused = [
            "",
            "x",
            "5EED000000004000800000000000000A",
            "{5EED0000-0000-4000-8000-00000000000A}",
            "urn:uuid:5EED0000-0000-4000-8000-00000000000A",
            " 5EED0000-0000-4000-8000-00000000000A",
        ];

        for text in refused {
            assert_eq!(None, RecordId::parse(text), "{text:?} must be refused");
        }
    }
}
