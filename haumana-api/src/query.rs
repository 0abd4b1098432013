//! Query parameters, read strictly: a misspelt one is an error and not a silent default.
//!
//! Each call that takes parameters has a struct of them, with `deny_unknown_fields`. A typing error
//! such as `?limt=10` would otherwise answer a page of 50, and nobody would notice. Calls that take
//! no parameters do not look at the query.

use crate::error::Failure;
use crate::limits::{DEFAULT_LIST_ENTRIES, LIST_ENTRIES};
use axum::extract::Query;
use axum::http::Uri;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// `GET /conflicts?limit=&after=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConflictsQuery {
    pub(crate) limit: Option<u32>,
    /// `next` of the page before. It is opaque to clients.
    pub(crate) after: Option<String>,
}

/// `GET /live?after=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveQuery {
    /// The revision that the client knows.
    pub(crate) after: Option<u64>,
}

/// `GET /records/{kind}/{id}/history?limit=&before=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    pub(crate) limit: Option<u32>,
    /// Only versions below this one; 0 is refused, as no version is below 1.
    pub(crate) before: Option<u32>,
}

/// `GET /users/{me}/export?page=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportQuery {
    /// `first`, or `next` of the page before.
    pub(crate) page: Option<String>,
}

/// `DELETE /users/{me}?requestId=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct EraseQuery {
    /// A name for this request, by which a late copy of it is recognised.
    pub(crate) request_id: Option<String>,
}

/// Reads the query of a request.
///
/// # Errors
///
/// 400 `invalid_request`. The message names no parameter: the query may hold anything.
pub(crate) fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Failure> {
    let query = Query::<T>::try_from_uri(uri).map_err(|_| Failure::BadQuery)?;
    Ok(query.0)
}

/// How many entries of a list are wanted.
///
/// # Errors
///
/// 400 if it is 0 or more than [`LIST_ENTRIES`].
pub(crate) fn list_limit(limit: Option<u32>) -> Result<usize, Failure> {
    let limit = limit.map_or(DEFAULT_LIST_ENTRIES, |limit| limit as usize);
    if (1..=LIST_ENTRIES).contains(&limit) { Ok(limit) } else { Err(Failure::BadQuery) }
}
