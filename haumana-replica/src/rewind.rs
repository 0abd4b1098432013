//! The account on the server as it was at an earlier time.

use crate::error::{Error, ErrorKind, Result};
use crate::replica::Replica;
use crate::storage::Unanswered;
use crate::transport::{Call, Transport};
use haumana_sync::engine::RewindMode;
use haumana_sync::time::UnixMillis;
use serde::Deserialize;

/// What a rewind came to.
///
/// Show the counts of a [`RewindMode::DryRun`] to the person before you rewind in earnest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewound {
    /// Records with other content.
    pub changed: usize,
    /// Records that are deleted.
    pub deleted: usize,
    /// Records that are there again.
    pub restored: usize,
    /// Records that stay as they are, because what they were is in no history, or cannot be taken.
    pub kept: usize,
    /// The time to rewind to if this was a mistake.
    ///
    /// It is a time as the wire has it: [`UnixMillis::parse`] reads it.
    pub before: String,
    /// Whether the request was seen before.
    #[serde(default, rename = "repeated")]
    pub is_repeated: bool,
    /// What became of each, as far as the server names them.
    pub records: Vec<RewoundRecord>,
}

/// What became of one record.
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
    /// Makes all records of the account on the server what they were at a time, as edits: the next
    /// sync brings them, and merges what is pending here. The same again, before the server has
    /// answered, is the same request.
    ///
    /// It changes the account for all of its devices. Sync first, so that the person decides on
    /// what the server has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PastRetention`] if the time is past the retention; [`ErrorKind::Invalid`] if it is
    /// in the future; [`ErrorKind::NoAccount`], or what the transport fails with.
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
