//! The history of a piece, as a person reads it, and the way back.

use crate::content::read_value;
use crate::error::{Error, ErrorKind, Result};
use crate::replica::Replica;
use crate::storage::Unanswered;
use crate::transport::{Call, Transport};
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use serde::{Deserialize, Deserializer};

/// Versions of a piece, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// The versions.
    pub versions: Vec<PieceVersion>,
    /// The `before` of the next page; `None` if nothing older is retained.
    pub next: Option<Version>,
}

/// One version of a piece, and what it took over from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceVersion {
    /// The version.
    pub version: Version,
    /// When it was committed, by the server.
    pub at: UnixMillis,
    /// Which device made it, where known.
    pub device: Option<String>,
    /// Whether it is a tombstone.
    pub is_deleted: bool,
    /// The fields that it changed.
    pub changed: Vec<Changed>,
    /// What was pushed and lost while this was the version.
    pub lost: Vec<Lost>,
}

/// A field that a version changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The field.
    pub field: String,
    /// The value that it had before; `None` if that is past its retention.
    pub earlier: Option<Value>,
}

/// A pushed value that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The field.
    pub field: String,
    /// What was pushed.
    pub value: Value,
    /// Why it lost, as a word of the protocol. Servers to come may know more of them.
    pub reason: String,
    /// When it was pushed.
    pub at: UnixMillis,
    /// Which device pushed it, where known.
    pub device: Option<String>,
}

impl Replica {
    /// Asks the server for versions of a piece, newest first: those below `before` (`None`: from
    /// the current one on), at most `limit`, which is 1 to 200. The piece may be deleted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the server never had the piece; [`ErrorKind::NoAccount`], or
    /// what the transport fails with.
    pub async fn history(
        &self,
        transport: &dyn Transport,
        id: RecordId,
        before: Option<Version>,
        limit: usize,
    ) -> Result<HistoryPage> {
        let body = self.ask(transport, Call::History { id, before, limit }).await?;
        let page = serde_json::from_slice::<PageBody>(&body).ok();
        page.and_then(PageBody::read).ok_or_else(|| Error::new("history", ErrorKind::Protocol))
    }

    /// Makes the content of an earlier version the piece's content again, on the server; also of a
    /// deleted piece. It comes with the next sync, here as on every other device. Returns the
    /// version after.
    ///
    /// It is an edit of the version that this device holds: what others have changed since is merged
    /// with it. The same again before the server has answered, after a restart as well, is the same
    /// request and takes no later edit back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the piece or the version never was;
    /// [`ErrorKind::PastRetention`] if its content is gone; [`ErrorKind::NoAccount`], or what the
    /// transport fails with.
    pub async fn restore(
        &self,
        transport: &dyn Transport,
        id: RecordId,
        version: Version,
    ) -> Result<Version> {
        let what = format!("restore {id} {version}");
        let call = |asked: Unanswered| {
            let Unanswered { base, request_id, .. } = asked;
            Call::Restore { id, version, base, request_id }
        };
        let body = self.ask_once(transport, what, Some(Key::piece(id)), call).await?;
        let restored = serde_json::from_slice::<RestoredBody>(&body).ok();
        let version = restored.map(|restored| restored.version);
        version.ok_or_else(|| Error::new("restore", ErrorKind::Protocol))
    }
}

#[derive(Deserialize)]
struct RestoredBody {
    version: Version,
}

#[derive(Deserialize)]
struct PageBody {
    versions: Vec<VersionBody>,
    next: Option<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionBody {
    version: Version,
    at: String,
    device_id: Option<String>,
    deleted: bool,
    changed: Vec<ChangedBody>,
    lost: Vec<LostBody>,
}

#[derive(Deserialize)]
struct ChangedBody {
    field: String,
    /// `null` is a value; an absent one is past its retention.
    #[serde(default, deserialize_with = "present")]
    earlier: Option<JsonText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LostBody {
    field: String,
    value: JsonText,
    reason: String,
    at: String,
    device_id: Option<String>,
}

/// Reads a key that is there, also if it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonText>, D::Error> {
    JsonText::deserialize(deserializer).map(Some)
}

impl PageBody {
    fn read(self) -> Option<HistoryPage> {
        let versions = self.versions.into_iter().map(VersionBody::read).collect::<Option<_>>()?;
        Some(HistoryPage { versions, next: self.next })
    }
}

impl VersionBody {
    fn read(self) -> Option<PieceVersion> {
        Some(PieceVersion {
            version: self.version,
            at: UnixMillis::parse(&self.at)?,
            device: self.device_id,
            is_deleted: self.deleted,
            changed: self.changed.into_iter().map(ChangedBody::read).collect::<Option<_>>()?,
            lost: self.lost.into_iter().map(LostBody::read).collect::<Option<_>>()?,
        })
    }
}

impl ChangedBody {
    fn read(self) -> Option<Changed> {
        let earlier = match &self.earlier {
            Some(json) => Some(read_value(KindNumber::PIECE, &self.field, json)?),
            None => None,
        };
        Some(Changed { earlier, field: self.field })
    }
}

impl LostBody {
    fn read(self) -> Option<Lost> {
        Some(Lost {
            value: read_value(KindNumber::PIECE, &self.field, &self.value)?,
            field: self.field,
            reason: self.reason,
            at: UnixMillis::parse(&self.at)?,
            device: self.device_id,
        })
    }
}
