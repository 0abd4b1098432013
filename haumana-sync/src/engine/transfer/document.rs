//! An export as the body of an import.

use super::export::EXPORT_VERSION;
use crate::json::{BadRequest, Outline, read_object};
use crate::limits;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The body of `POST /users/{me}/import`: an export, or one page of it.
///
/// The entries are read one by one, so the document is in memory only once.
///
/// The document may name another user than the one who imports it, because a person may have
/// changed the way of signing in. A record in it may name either of the two. A record that names a
/// third user is refused as [`Refusal::WrongUser`](crate::engine::Refusal::WrongUser).
#[derive(Debug)]
pub struct ImportRequest<'a> {
    /// The user that the export is of, if it says so.
    pub owner: Option<String>,
    /// Live pieces.
    pub pieces: Vec<&'a RawValue>,
    /// Live sessions.
    pub sessions: Vec<&'a RawValue>,
    /// Superseded versions, and pushes of which a part lost.
    pub history: Vec<&'a RawValue>,
    /// The inbox.
    pub conflicts: Vec<&'a RawValue>,
    /// Deleted records.
    pub tombstones: Vec<&'a RawValue>,
    /// Live records of kinds that have no list of their own.
    pub records: Vec<&'a RawValue>,
    /// Whether another page follows.
    pub has_next: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    export_version: Cow<'a, str>,
    #[serde(borrow, default)]
    user: Option<Owner<'a>>,
    #[serde(borrow)]
    pieces: Vec<&'a RawValue>,
    #[serde(borrow)]
    practice_sessions: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    history: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    conflicts: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    tombstones: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    records: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    next: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Owner<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

/// What a body is, for people.
const SHAPE: &str = "it is a page of an export, and exportVersion is 1.0";

impl<'a> ImportRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`BadRequest`] if it is no export, or not of the form [`EXPORT_VERSION`].
    pub fn from_json(body: &'a [u8]) -> Result<Self, BadRequest> {
        let outline = Outline::of_records(limits::IMPORT_ENTRIES);
        let body: Body<'a> = read_object(body, outline).map_err(|bad| bad.expecting(SHAPE))?;
        if body.export_version != EXPORT_VERSION {
            return Err(BadRequest::Expected(SHAPE));
        }
        let owner = body.user.and_then(|user| user.id).map(Cow::into_owned);
        Ok(Self {
            owner: owner.filter(|id| !id.is_empty()),
            pieces: body.pieces,
            sessions: body.practice_sessions,
            history: body.history,
            conflicts: body.conflicts,
            tombstones: body.tombstones,
            records: body.records,
            has_next: body.next.is_some(),
        })
    }
}
