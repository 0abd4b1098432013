//! What new clients send to and read from the inbox and the history.

use super::sync::write_conflict;
use super::{BadRequest, quoted, read_object};
use crate::engine::{Conflict, ConflictPlace};
use crate::id::RecordId;
use crate::store::Version;
use crate::time::UnixMillis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The body of `POST /conflicts/{id}`.
#[derive(Clone, Copy, Debug)]
pub enum ResolveRequest<'a> {
    /// Leave the record as it is.
    Keep,
    /// Put the lost value back.
    Restore,
    /// Put this value.
    Set(&'a RawValue),
}

#[derive(Deserialize)]
struct ResolveBody<'a> {
    #[serde(borrow)]
    resolution: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
}

/// Reads a key that is there, also if it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> ResolveRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`BadRequest`] if it is none; a value belongs to `set` and to nothing else.
    pub fn from_json(body: &'a [u8]) -> Result<Self, BadRequest> {
        let body: ResolveBody<'a> = read_object(body)?;
        match (body.resolution.as_ref(), body.value) {
            ("keep", None) => Ok(Self::Keep),
            ("restore", None) => Ok(Self::Restore),
            ("set", Some(value)) => Ok(Self::Set(value)),
            _ => Err(BadRequest::Shape),
        }
    }

    /// Returns its name on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Restore => "restore",
            Self::Set(_) => "set",
        }
    }
}

#[derive(Deserialize)]
struct RestoreBody {
    version: Version,
}

/// Reads the body of `POST /pieces/{id}/restore`: which version.
///
/// # Errors
///
/// [`BadRequest`] if it names none.
pub fn restore_request(body: &[u8]) -> Result<Version, BadRequest> {
    read_object::<RestoreBody>(body).map(|body| body.version)
}

/// Writes a page of the inbox.
pub fn conflicts_json(conflicts: &[Conflict], next: Option<ConflictPlace>) -> Vec<u8> {
    let mut out = String::from(r#"{"conflicts":["#);
    super::comma_separated(&mut out, conflicts, write_conflict);
    out.push(']');
    if let Some(next) = next {
        // Writing into a String cannot fail.
        let _ = write!(out, r#","next":{}"#, quoted(&place_token(next)));
    }
    out.push('}');
    out.into_bytes()
}

/// Places of version 0.1 count whole seconds.
const PLACE_FORMAT_SECS: u8 = 1;
const PLACE_FORMAT: u8 = 2;

/// Writes a place of the inbox as a word without meaning to clients.
pub fn place_token((at, id): ConflictPlace) -> String {
    let mut bytes = vec![PLACE_FORMAT];
    bytes.extend(at.0.to_be_bytes());
    bytes.extend(id.bits().to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`place_token`] wrote; `None` for anything else.
pub fn read_place(token: &str) -> Option<ConflictPlace> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (format, rest) = bytes.split_first()?;
    let (at, id) = rest.split_first_chunk::<8>()?;
    let id = RecordId::from_bits(u128::from_be_bytes(id.try_into().ok()?));
    let at = i64::from_be_bytes(*at);
    match *format {
        PLACE_FORMAT => Some((UnixMillis(at), id)),
        PLACE_FORMAT_SECS => Some((UnixMillis(at.checked_mul(1000)?), id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let place = (UnixMillis(1_750_000_000_123), RecordId::from_bits(42));

        assert_eq!(Some(place), read_place(&place_token(place)));
        for text in ["", "x", "AAAA", "=", &place_token(place)[1..]] {
            assert_eq!(None, read_place(text), "{text:?}");
        }
    }

    #[test]
    fn a_value_belongs_to_set_and_may_be_null() {
        let read =
            |body: &str| ResolveRequest::from_json(body.as_bytes()).map(|request| request.as_str());

        assert_eq!(Ok("set"), read(r#"{"resolution":"set","value":null}"#));
        assert_eq!(Ok("keep"), read(r#"{"resolution":"keep"}"#));
        for body in
            [r#"{"resolution":"set"}"#, r#"{"resolution":"keep","value":1}"#, "{}", "[\"keep\"]"]
        {
            assert_eq!(Err(BadRequest::Shape), read(body), "{body}");
        }
    }
}
