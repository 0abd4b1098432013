//! Rewinds the account on the server to an earlier time.

use crate::error::{Error, ErrorKind, Result};
use crate::replica::Replica;
use crate::storage::Unanswered;
use crate::transport::{Call, Transport};
use haumana_sync::engine::RewindMode;
use haumana_sync::time::UnixMillis;
use serde::Deserialize;

/// The outcome of a rewind.
///
/// Show the counts of a [`RewindMode::DryRun`] to the person before the real rewind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewound {
    /// Records whose content changed.
    pub changed: usize,
    /// Records that were deleted.
    pub deleted: usize,
    /// Records that were restored after a delete.
    pub restored: usize,
    /// Records that stay as they are, because their earlier content is in no history, or cannot be
    /// accepted.
    pub kept: usize,
    /// The time to rewind to, to undo this rewind.
    ///
    /// It has the form of the wire: [`UnixMillis::parse`] reads it.
    pub before: String,
    /// Whether the request was seen before.
    #[serde(default, rename = "repeated")]
    pub is_repeated: bool,
    /// The outcome for each record that the server lists.
    pub records: Vec<RewoundRecord>,
}

/// The outcome for one record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RewoundRecord {
    /// The name of its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// `changed`, `deleted`, `restored` or `kept`.
    pub outcome: String,
    /// Why it was kept.
    #[serde(default)]
    pub code: Option<String>,
}

impl Replica {
    /// Rewinds all records of the account on the server to a time, by edits. The next sync brings
    /// these edits, and merges what is pending here. If the call is repeated before the server has
    /// answered, it is the same request.
    ///
    /// It changes the account for all of its devices. Sync first, so that the person decides about
    /// the server's current records.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PastRetention`] if the time is past the retention; [`ErrorKind::Invalid`] if it
    /// is in the future; [`ErrorKind::NoAccount`], or an error of the transport.
    pub async fn rewind(
        &self,
        transport: &dyn Transport,
        to: UnixMillis,
        mode: RewindMode,
    ) -> Result<Rewound> {
        let call = |asked: Unanswered| Call::Rewind { to, mode, request_id: asked.request_id };
        let what = match mode {
            RewindMode::Write => format!("rewind {to}"),
            RewindMode::DryRun => format!("rewind {to}, dry run"),
        };
        let body = self.ask_once(transport, what, None, call).await?;
        serde_json::from_slice(&body).map_err(|_| Error::new("rewind", ErrorKind::Protocol))
    }
}
