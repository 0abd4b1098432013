//! What new clients send to the inbox and the history, and what they read from them.

use super::{BadRequest, quoted};
use crate::engine::inbox::write_conflict;
use crate::engine::{Asked, Conflict, ConflictPlace, Restored};
use crate::id::RecordId;
use crate::json::read_small;
use crate::limits;
use crate::schema::Schema;
use crate::store::Version;
use crate::time::UnixMillis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The body of `POST /conflicts/{id}`.
///
/// `{"resolution": "keep"}`, `{"resolution": "restore"}` or `{"resolution": "set", "value": …}`,
/// each with `base` if the client knows it.
#[derive(Clone, Copy, Debug)]
pub struct ResolveRequest<'a> {
    /// How the conflict is closed.
    pub resolution: ResolveWith<'a>,
    /// The version of the record that the person saw.
    pub base: Option<Version>,
}

/// How a conflict is to be closed.
#[derive(Clone, Copy, Debug)]
pub enum ResolveWith<'a> {
    /// Leave the record as it is.
    Keep,
    /// Restore the lost value.
    Restore,
    /// Set this value.
    Set(&'a RawValue),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResolveBody<'a> {
    #[serde(borrow)]
    resolution: Cow<'a, str>,
    #[serde(default)]
    base: Option<Version>,
    // The conflict's own id identifies a repeat.
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
}

/// The keys of a body that closes a conflict, for people.
const RESOLVE: &str = "resolution is keep, restore or set, value goes with set and with nothing else, \
                       base is a version or null, and requestId a text of 1 to 64 characters";

/// Reads a key that is present, even if its value is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> ResolveRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`BadRequest`] if it is no such body. Only `set` has a value.
    pub fn from_json(body: &'a [u8]) -> Result<Self, BadRequest> {
        let body: ResolveBody<'a> = read_small(body).map_err(|bad| bad.expecting(RESOLVE))?;
        if body.request_id.is_some_and(|id| !is_request_id(&id)) {
            return Err(BadRequest::Expected(RESOLVE));
        }
        let resolution = match (body.resolution.as_ref(), body.value) {
            ("keep", None) => ResolveWith::Keep,
            ("restore", None) => ResolveWith::Restore,
            ("set", Some(value)) => ResolveWith::Set(value),
            _ => return Err(BadRequest::Expected(RESOLVE)),
        };
        Ok(Self { resolution, base: body.base })
    }
}

impl ResolveWith<'_> {
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
#[serde(rename_all = "camelCase")]
struct RestoreBody<'a> {
    version: Version,
    #[serde(default)]
    base: Option<Version>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
}

/// The keys of a body that restores a version, for people.
const RESTORE: &str = "version is the version to restore, base a version or null, and requestId a text \
                       of 1 to 64 characters";

/// Reads the body of `POST /pieces/{id}/restore`: which version, and by what name a repeat is
/// recognised.
///
/// # Errors
///
/// [`BadRequest`] if it names no version, or has an invalid `requestId`.
pub fn restore_request(body: &[u8]) -> Result<(Version, Asked), BadRequest> {
    let body: RestoreBody<'_> = read_small(body).map_err(|bad| bad.expecting(RESTORE))?;
    let request_id = body.request_id.map(Cow::into_owned);
    if request_id.as_deref().is_some_and(|id| !is_request_id(id)) {
        return Err(BadRequest::Expected(RESTORE));
    }
    Ok((body.version, Asked { base: body.base, request_id }))
}

/// Whether this is a valid name of a request.
///
/// It has 1 to [`limits::REQUEST_ID_CHARS`] characters, and no control characters.
pub fn is_request_id(id: &str) -> bool {
    (1..=limits::REQUEST_ID_CHARS).contains(&id.chars().count())
        && !id.chars().any(char::is_control)
}

/// Writes the reply to `POST /pieces/{id}/restore`.
pub fn restored_json(restored: Restored) -> Vec<u8> {
    let unchanged = if restored.is_unchanged { r#","unchanged":true"# } else { "" };
    format!(r#"{{"version":{}{unchanged}}}"#, restored.version).into_bytes()
}

/// Writes a page of the inbox.
pub fn conflicts_json(
    schema: &Schema,
    conflicts: &[Conflict],
    next: Option<ConflictPlace>,
) -> Vec<u8> {
    let mut out = String::from(r#"{"conflicts":["#);
    super::comma_separated(&mut out, conflicts, |out, one| write_conflict(out, schema, one));
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

/// Writes a place of the inbox as an opaque text.
///
/// It stays valid for any time, also over a restart.
pub fn place_token((at, id): ConflictPlace) -> String {
    let mut bytes = vec![PLACE_FORMAT];
    bytes.extend(at.0.to_be_bytes());
    bytes.extend(id.bits().to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the text that [`place_token`] wrote; `None` for any other text.
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
        let read = |body: &str| {
            ResolveRequest::from_json(body.as_bytes()).map(|request| request.resolution.as_str())
        };

        assert_eq!(Ok("set"), read(r#"{"resolution":"set","value":null}"#));
        assert_eq!(Ok("keep"), read(r#"{"resolution":"keep"}"#));
        for body in
            [r#"{"resolution":"set"}"#, r#"{"resolution":"keep","value":1}"#, "{}", "[\"keep\"]"]
        {
            assert_eq!(Err(BadRequest::Expected(RESOLVE)), read(body), "{body}");
        }
    }
}
