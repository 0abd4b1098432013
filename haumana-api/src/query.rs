//! Query parameters, read strictly: a misspelt one is an error and not a silent default.

use crate::error::Failure;
use crate::limits::{DEFAULT_LIST_ENTRIES, LIST_ENTRIES};
use axum::extract::Query;
use axum::http::Uri;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConflictsQuery {
    pub(crate) limit: Option<u32>,
    pub(crate) after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveQuery {
    pub(crate) after: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    pub(crate) limit: Option<u32>,
    pub(crate) before: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportQuery {
    pub(crate) page: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct EraseQuery {
    pub(crate) request_id: Option<String>,
}

/// Reads the query of a request.
pub(crate) fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Failure> {
    let query = Query::<T>::try_from_uri(uri).map_err(|_| Failure::BadQuery)?;
    Ok(query.0)
}

/// How many entries of a list are wanted.
pub(crate) fn list_limit(limit: Option<u32>) -> Result<usize, Failure> {
    let limit = limit.map_or(DEFAULT_LIST_ENTRIES, |limit| limit as usize);
    if (1..=LIST_ENTRIES).contains(&limit) { Ok(limit) } else { Err(Failure::BadQuery) }
}
