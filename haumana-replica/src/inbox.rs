//! The inbox: values that lost, for people, and how to close a conflict.
//!
//! The inbox is on the server, so these calls need a network. The number of open entries is known
//! without a network, from the last sync
//! ([`Status::open_conflicts`](crate::Status::open_conflicts)).

use crate::content::shown_value;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::Kinds;
use crate::replica::Replica;
use crate::storage::Unanswered;
use crate::transport::{Call, Transport};
use haumana_sync::engine::Resolution;
use haumana_sync::id::{Key, RecordId};
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use serde::Deserialize;

/// A value that lost and is still open.
///
/// Show `kept` and `lost` beside each other, with the field's name and the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its id.
    pub id: RecordId,
    /// The record.
    pub key: Key,
    /// The field; `None` if a delete was involved.
    pub field: Option<String>,
    /// The field's value now.
    pub kept: Value,
    /// The value that lost; null if it is past its retention.
    pub lost: Value,
    /// The version that the push was based on, if known.
    pub base: Option<Version>,
    /// Why it lost, as a word of the protocol. Later servers may have more words.
    ///
    /// The words are those of [`Reason`](haumana_sync::merge::Reason), in `snake_case`.
    pub reason: String,
    /// When it lost.
    pub at: UnixMillis,
    /// The device whose push led to the conflict, if known.
    pub device: Option<String>,
}

/// Open conflicts, newest first.
///
/// An entry that is closed between two pages is not on a later page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictPage {
    /// The conflicts.
    pub conflicts: Vec<Conflict>,
    /// Where the next page starts; `None` if this is the last.
    pub next: Option<String>,
}

impl Replica {
    /// Reads open conflicts from the server, newest first: at most `limit` (1 to 200) behind
    /// `after` (`None`: from the newest on). Conflicts of kinds that this device has never received
    /// are left out.
    ///
    /// A person looks at the newest first. Show one page, and read the next one when they have seen
    /// it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone, ipad, server } = devices().await;
    /// # let id = phone.add(&Song { title: "Hiilawe".into(), ..Song::default() }).await?;
    /// # phone.sync(&server).await?;
    /// # ipad.sync(&server).await?;
    /// // Both devices change the title. The later edit is shown, and the other one is in the inbox.
    /// phone.edit(id, |song: &mut Song| song.title = "Hiʻilawe".into()).await?;
    /// # std::thread::sleep(std::time::Duration::from_millis(2));
    /// ipad.edit(id, |song: &mut Song| song.title = "HIILAWE".into()).await?;
    /// phone.sync(&server).await?;
    /// ipad.sync(&server).await?;
    ///
    /// let page = ipad.conflicts(&server, None, 10).await?;
    ///
    /// assert_eq!(Some("title"), page.conflicts[0].field.as_deref());
    /// assert_eq!("Hiʻilawe", page.conflicts[0].lost.as_text().unwrap_or_default());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoAccount`], or an error of the transport.
    pub async fn conflicts(
        &self,
        transport: &dyn Transport,
        after: Option<String>,
        limit: usize,
    ) -> Result<ConflictPage> {
        let body = self.ask(transport, Call::Conflicts { after, limit }).await?;
        let page = serde_json::from_slice::<PageBody>(&body).ok();
        let kinds = self.lock().await.kinds.clone();
        page.and_then(|page| page.read(&kinds))
            .ok_or_else(|| Error::new("conflicts", ErrorKind::Protocol))
    }

    /// Closes a conflict on the server. The change comes with the next sync, here and on every
    /// other device. Repeating the call changes nothing.
    ///
    /// `about` is the conflict's record. Its version on this device is the one that the person saw;
    /// what others have changed since is merged with the resolution. With `None` the server's
    /// version counts.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone, ipad, server } = devices().await;
    /// use haumana_sync::engine::Resolution;
    ///
    /// # let id = phone.add(&Song { title: "Hiilawe".into(), ..Song::default() }).await?;
    /// # phone.sync(&server).await?;
    /// # ipad.sync(&server).await?;
    /// # phone.edit(id, |song: &mut Song| song.title = "Hiʻilawe".into()).await?;
    /// # std::thread::sleep(std::time::Duration::from_millis(2));
    /// # ipad.edit(id, |song: &mut Song| song.title = "HIILAWE".into()).await?;
    /// # phone.sync(&server).await?;
    /// # ipad.sync(&server).await?;
    /// let conflict = &ipad.conflicts(&server, None, 1).await?.conflicts[0];
    /// ipad.resolve(&server, conflict.id, Some(conflict.key), Resolution::Restore).await?;
    /// ipad.sync(&server).await?;
    ///
    /// let song: Song = ipad.get(id).await?.ok_or("there is no such song")?;
    /// assert_eq!("Hiʻilawe", song.title, "the value that had lost is back");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::ConflictClosed`] if it was closed in another way;
    /// [`ErrorKind::PastRetention`] if the lost value is gone; [`ErrorKind::Invalid`] if the field
    /// cannot hold the value; or an error of the transport.
    pub async fn resolve(
        &self,
        transport: &dyn Transport,
        id: RecordId,
        about: Option<Key>,
        resolution: Resolution,
    ) -> Result<()> {
        let what = format!("resolve {id} {resolution:?}");
        let call = |asked: Unanswered| {
            let Unanswered { base, request_id, .. } = asked;
            Call::Resolve { id, resolution, base, request_id }
        };
        self.ask_once(transport, what, about, call).await.map(drop)
    }

    pub(crate) async fn ask(&self, transport: &dyn Transport, call: Call) -> Result<Vec<u8>> {
        let account = self.account(call.name()).await?;
        transport.call(&account, &call).await
    }
}

#[derive(Deserialize)]
struct PageBody {
    conflicts: Vec<ConflictBody>,
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConflictBody {
    conflict_id: String,
    kind: String,
    id: String,
    field: Option<String>,
    kept: Option<JsonText>,
    lost: Option<JsonText>,
    base: Option<Version>,
    reason: String,
    at: String,
    device_id: Option<String>,
}

impl PageBody {
    fn read(self, kinds: &Kinds) -> Option<ConflictPage> {
        let known = self.conflicts.into_iter().filter(|body| kinds.named(&body.kind).is_some());
        let conflicts = known.map(|body| body.read(kinds)).collect::<Option<_>>()?;
        Some(ConflictPage { conflicts, next: self.next })
    }
}

impl ConflictBody {
    fn read(self, kinds: &Kinds) -> Option<Conflict> {
        let kind = kinds.named(&self.kind)?;
        let key = Key { kind: kind.number(), id: RecordId::parse(&self.id)? };
        let field = self.field.as_deref().unwrap_or_default();
        let value = |json: Option<JsonText>| match json {
            Some(json) => shown_value(kind, field, &json),
            None => Value::Null,
        };
        Some(Conflict {
            id: RecordId::parse(&self.conflict_id)?,
            key,
            kept: value(self.kept),
            lost: value(self.lost),
            field: self.field,
            base: self.base,
            reason: self.reason,
            at: UnixMillis::parse(&self.at)?,
            device: self.device_id,
        })
    }
}
