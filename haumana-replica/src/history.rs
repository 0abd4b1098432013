//! The history of a record, for people, and how to restore it.
//!
//! The history is on the server. It has every version, and every value that lost, for the server's
//! retention time, usually 90 days.

use crate::content::shown_value;
use crate::error::{Error, ErrorKind, Result};
use crate::replica::Replica;
use crate::storage::Unanswered;
use crate::transport::{Call, Transport};
use haumana_sync::id::Key;
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::schema::Kind;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use serde::{Deserialize, Deserializer};

/// Versions of a record, newest first.
///
/// A page may hold fewer versions than `limit` although more follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// The versions.
    pub versions: Vec<RecordVersion>,
    /// The `before` of the next page; `None` if nothing older is retained.
    pub next: Option<Version>,
}

/// One version of a record, and its changes from the version before.
///
/// The current version is the first one of the first page, even if no older version is retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordVersion {
    /// The version.
    pub version: Version,
    /// When it was committed, by the server.
    pub at: UnixMillis,
    /// The device that made it, if known.
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
    ///
    /// [`Value::Null`] means that the field had no value.
    pub earlier: Option<Value>,
}

/// A pushed value that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The field.
    pub field: String,
    /// The pushed value.
    pub value: Value,
    /// Why it lost, as a word of the protocol. Later servers may have more words.
    pub reason: String,
    /// When it was pushed.
    pub at: UnixMillis,
    /// The device that pushed it, if known.
    pub device: Option<String>,
}

impl Replica {
    /// Reads versions of a record from the server, newest first: at most `limit` (1 to 200) of
    /// those below `before` (`None`: beginning with the current one). The record may be deleted.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone, server, .. } = devices().await;
    /// let id = phone.add(&Song { title: "Hiilawe".into(), ..Song::default() }).await?;
    /// phone.sync(&server).await?;
    /// phone.edit(id, |song: &mut Song| song.title = "Hiʻilawe".into()).await?;
    /// phone.sync(&server).await?;
    ///
    /// let page = phone.history(&server, Song::key(id), None, 10).await?;
    ///
    /// let versions: Vec<u32> = page.versions.iter().map(|version| version.version).collect();
    /// assert_eq!([2, 1], versions[..]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the server never had the record; [`ErrorKind::Invalid`] if the
    /// schema has no such kind; [`ErrorKind::NoAccount`], or an error of the transport.
    pub async fn history(
        &self,
        transport: &dyn Transport,
        key: Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<HistoryPage> {
        let declared = self.declared("history", key.kind).await?;
        let kind = declared.name().to_owned();
        let call = Call::History { kind, id: key.id, before, limit };
        let body = self.ask(transport, call).await?;
        let page = serde_json::from_slice::<PageBody>(&body).ok();
        page.and_then(|page| page.read(&declared))
            .ok_or_else(|| Error::new("history", ErrorKind::Protocol))
    }

    /// Makes the content of an earlier version the record's content again, on the server. It also
    /// works for a deleted record. The change comes with the next sync, here and on every other
    /// device. Returns the new version.
    ///
    /// It is an edit of the version on this device: what others have changed since is merged. If
    /// the call is repeated before the server has answered, even after a restart, it is the same
    /// request and undoes no later edit.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone, server, .. } = devices().await;
    /// # let id = phone.add(&Song { title: "Hiʻilawe".into(), ..Song::default() }).await?;
    /// # phone.sync(&server).await?;
    /// phone.delete(Song::key(id)).await?;
    /// phone.sync(&server).await?;
    ///
    /// phone.restore(&server, Song::key(id), 1).await?;
    /// phone.sync(&server).await?;
    ///
    /// assert!(phone.get::<Song>(id).await?.is_some(), "it is there again");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the record or the version never existed;
    /// [`ErrorKind::PastRetention`] if its content is gone; [`ErrorKind::NoAccount`], or an error
    /// of the transport.
    pub async fn restore(
        &self,
        transport: &dyn Transport,
        key: Key,
        version: Version,
    ) -> Result<Version> {
        let kind = self.declared("restore", key.kind).await?.name().to_owned();
        let id = key.id;
        let what = format!("restore {id} {version}");
        let call = |asked: Unanswered| {
            let Unanswered { base, request_id, .. } = asked;
            Call::Restore { kind, id, version, base, request_id }
        };
        let body = self.ask_once(transport, what, Some(key), call).await?;
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
    /// `null` is a value. An absent value is past its retention.
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

/// Reads a key that is present, even if its value is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonText>, D::Error> {
    JsonText::deserialize(deserializer).map(Some)
}

impl PageBody {
    fn read(self, kind: &Kind) -> Option<HistoryPage> {
        let versions = self.versions.into_iter();
        let versions = versions.map(|version| version.read(kind)).collect::<Option<_>>()?;
        Some(HistoryPage { versions, next: self.next })
    }
}

impl VersionBody {
    fn read(self, kind: &Kind) -> Option<RecordVersion> {
        Some(RecordVersion {
            version: self.version,
            at: UnixMillis::parse(&self.at)?,
            device: self.device_id,
            is_deleted: self.deleted,
            changed: self.changed.into_iter().map(|changed| changed.read(kind)).collect(),
            lost: self.lost.into_iter().map(|lost| lost.read(kind)).collect::<Option<_>>()?,
        })
    }
}

impl ChangedBody {
    fn read(self, kind: &Kind) -> Changed {
        let earlier = self.earlier.as_ref().map(|json| shown_value(kind, &self.field, json));
        Changed { earlier, field: self.field }
    }
}

impl LostBody {
    fn read(self, kind: &Kind) -> Option<Lost> {
        Some(Lost {
            value: shown_value(kind, &self.field, &self.value),
            field: self.field,
            reason: self.reason,
            at: UnixMillis::parse(&self.at)?,
            device: self.device_id,
        })
    }
}
