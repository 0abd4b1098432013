//! Query parameters, read strictly: a misspelt one is an error and not a silent default.
//!
//! Each call with parameters has a struct of them, with `deny_unknown_fields`. Otherwise a typing
//! error such as `?limt=10` would answer a page of 50, and nobody would notice. Calls without
//! parameters do not look at the query.

use crate::error::Failure;
use crate::limits::{DEFAULT_LIST_ENTRIES, LIST_ENTRIES};
use axum::extract::Query;
use axum::http::Uri;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The parameters that one call takes.
pub(crate) trait Parameters: DeserializeOwned {
    /// Each of them with what it holds, for people.
    const TAKEN: &'static str;

    /// Refuses a query.
    fn refused() -> Failure {
        Failure::BadQuery(Self::TAKEN)
    }
}

/// `GET /conflicts?limit=&after=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConflictsQuery {
    pub(crate) limit: Option<u32>,
    /// `next` of the page before. It is opaque to clients.
    pub(crate) after: Option<String>,
}

impl Parameters for ConflictsQuery {
    const TAKEN: &'static str = "limit (1 to 200), and after (next of the page before)";
}

/// `GET /live?after=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveQuery {
    /// The revision that the client knows.
    pub(crate) after: Option<u64>,
}

impl Parameters for LiveQuery {
    const TAKEN: &'static str = "after (the revision that the client has)";
}

/// `GET /records/{kind}/{id}/history?limit=&before=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    pub(crate) limit: Option<u32>,
    /// Only versions below this one; 0 is refused, as no version is below 1.
    pub(crate) before: Option<u32>,
}

impl Parameters for HistoryQuery {
    const TAKEN: &'static str = "limit (1 to 200), and before (a version)";
}

/// `GET /users/{me}/export?page=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportQuery {
    /// `first`, or `next` of the page before.
    pub(crate) page: Option<String>,
}

impl Parameters for ExportQuery {
    const TAKEN: &'static str = "page (first, or next of the page before)";
}

/// `DELETE /users/{me}?requestId=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct EraseQuery {
    /// A name for this request. A late copy of the request is recognised by it.
    pub(crate) request_id: Option<String>,
}

impl Parameters for EraseQuery {
    const TAKEN: &'static str = "requestId (1 to 64 characters)";
}

/// Reads the query of a request.
///
/// # Errors
///
/// 400 `invalid_request`. The message says what the call takes and nothing of what was sent: the
/// query may hold anything.
pub(crate) fn read<T: Parameters>(uri: &Uri) -> Result<T, Failure> {
    let query = Query::<T>::try_from_uri(uri).map_err(|_| T::refused())?;
    Ok(query.0)
}

/// How many entries of a list the client wants.
///
/// # Errors
///
/// 400 if it is 0 or more than [`LIST_ENTRIES`].
pub(crate) fn list_limit<T: Parameters>(limit: Option<u32>) -> Result<usize, Failure> {
    let limit = limit.map_or(DEFAULT_LIST_ENTRIES, |limit| limit as usize);
    if (1..=LIST_ENTRIES).contains(&limit) { Ok(limit) } else { Err(T::refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_sync::limits::REQUEST_ID_CHARS;

    #[test]
    fn what_is_said_of_a_limit_is_the_limit() {
        let entries = format!("limit (1 to {LIST_ENTRIES})");
        for taken in [ConflictsQuery::TAKEN, HistoryQuery::TAKEN] {
            assert!(taken.contains(&entries), "{taken}");
        }
        assert!(EraseQuery::TAKEN.contains(&format!("1 to {REQUEST_ID_CHARS} ")));
    }
}
