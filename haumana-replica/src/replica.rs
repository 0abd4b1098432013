//! A person's records on one device: what an app calls.
//!
//! A replica is a small state machine on a [`Storage`]. It keeps what was last agreed with the
//! server, and what its user has done since. Nothing here needs a network, except calls that take a
//! [`Transport`](crate::transport::Transport).

use crate::again::Again;
use crate::content::Content;
use crate::edit::EditError;
use crate::error::{Error, ErrorKind, Result};
use crate::feed::{Cause, Feed};
use crate::flaw::Flaw;
use crate::index::entries;
use crate::kinds::Kinds;
use crate::record::Local;
use crate::status::{Following, Phase, Status};
use crate::storage::{Batch, OpenCount, State, Storage};
use crate::unstored::Unstored;
use haumana_sync::engine::{Clock, Random};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::limits;
use haumana_sync::record::{Counter, Value};
use haumana_sync::schema::{FieldType, Kind, Schema};
use haumana_sync::store::Version;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{Mutex, MutexGuard, watch};

/// The settings of a replica. [`ReplicaConfig::usual`] fits every host of this project. Then set
/// the fields that differ.
///
/// ```
/// let mut config = haumana_replica::ReplicaConfig::usual();
/// config.push_bytes = 500_000;
/// ```
///
/// Smaller requests suit a network that breaks often, since an interrupted request is sent again as
/// a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaConfig {
    /// The most records of a page that is pulled, at least 1. Usually [`limits::PAGE_RECORDS`], the
    /// most that a server sends.
    pub page_records: usize,
    /// The most pushes of one request, at least 1. Usually [`limits::PUSHES`], the most that a
    /// server accepts.
    pub push_records: usize,
    /// The most bytes of pushes in one request; a single larger push is sent alone. Usually
    /// 3,000,000. A server publishes its limit in `GET /limits`.
    pub push_bytes: usize,
}

impl ReplicaConfig {
    /// Full pages, and requests small enough for every host.
    pub fn usual() -> Self {
        let (page_records, push_records) = (limits::PAGE_RECORDS, limits::PUSHES);
        Self { page_records, push_records, push_bytes: 3_000_000 }
    }
}

/// A record as its user sees it: the last agreed state, with pending edits on top.
///
/// If the user edited a text and a sync brought another edit of it, the text is shown merged, as
/// the server will merge it. So the text on the screen does not jump back and forth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The record's key.
    pub key: Key,
    /// Its fields.
    pub content: Content,
    /// The version that was last agreed; `None` if the server has never confirmed it.
    ///
    /// It is the version on the server. Pending edits do not count.
    pub version: Option<Version>,
    /// Whether an edit of it waits for the server.
    ///
    /// A refused edit waits, too.
    pub is_pending: bool,
    /// Why the server refused the last edit, if it did: a stable code.
    ///
    /// The codes are those of [`Refusal::code`](haumana_sync::engine::Refusal::code); later servers
    /// may have more. The edit is not sent again until the record is edited. If the reason may have
    /// passed (`quota_exceeded` and `unreadable`), the next sync sends it again.
    pub refused: Option<String>,
    /// The reason as a message for people. It names the field.
    pub explanation: Option<String>,
}

/// What to do with the local records of an account that was erased on the server.
///
/// An account is erased on purpose, perhaps on another device. So the app asks the person, and
/// nothing is sent before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Forget them on this device, too.
    Forget,
    /// Upload them as new records.
    ///
    /// The server treats them as created now. Their history is gone.
    UploadAsNew,
}

/// A person's records on one device, with or without a server.
///
/// An edit is in the local storage when the call returns. Each account has its own records: an edit
/// that was made under one account is sent only as that account.
///
/// All methods take `&self`. Share a replica between tasks in an [`Arc`]. Calls about records wait
/// for each other. None of them waits for the network: the replica is not locked while a request is
/// under way, so its user can edit during a sync.
///
/// | without a network | with a server |
/// |---|---|
/// | [`add`](Replica::add), [`get`](Replica::get), [`list`](Replica::list), [`edit`](Replica::edit), [`delete`](Replica::delete) | [`sync`](Replica::sync), [`follow_with`](Replica::follow_with) |
/// | [`changes`](Replica::changes), [`watch`](Replica::watch), [`status`](Replica::status) | [`conflicts`](Replica::conflicts), [`resolve`](Replica::resolve) |
/// | [`sign_in`](Replica::sign_in), [`sign_out`](Replica::sign_out) | [`history`](Replica::history), [`restore`](Replica::restore), [`rewind`](Replica::rewind) |
/// | [`start_over`](Replica::start_over), [`settle_erasure`](Replica::settle_erasure) | [`export`](Replica::export), [`import`](Replica::import), [`erase`](Replica::erase) |
///
/// One process opens one replica on one storage. If two programs of a device need the same records,
/// each has its own replica and storage: they are two devices.
#[derive(Debug)]
pub struct Replica {
    inner: Mutex<Inner>,
    status: watch::Sender<Status>,
    pub(crate) feed: Feed,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// Whether a sync is under way.
    pub(crate) is_syncing: AtomicBool,
    /// Held while `follow` runs.
    pub(crate) following: Mutex<()>,
    /// The account that is followed, or was followed last.
    pub(crate) followed: std::sync::Mutex<Option<UserId>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) storage: Box<dyn Storage>,
    pub(crate) kinds: Kinds,
    pub(crate) account: Option<UserId>,
    pub(crate) device: String,
    pub(crate) config: ReplicaConfig,
    /// How many records of the account are open, once that was counted. If each edit counted them
    /// again, a thousand edits would need a million reads.
    pub(crate) open: Option<OpenCount>,
    /// Marks for which the storage had no space.
    pub(crate) unstored: Unstored,
    /// Which refused records have been tried again.
    pub(crate) again: Again,
    /// The account for which the server has just answered a probe. The answer is good for the next
    /// request only: by the one after it, a backup of the server may have been restored.
    pub(crate) probed: Option<UserId>,
}

impl Replica {
    pub(crate) fn new(inner: Inner, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let status = watch::Sender::new(Status { phase: Phase::NeedsSignIn, ..Status::default() });
        let feed = Feed::new();
        let inner = Mutex::new(inner);
        let (is_syncing, following) = (AtomicBool::new(false), Mutex::new(()));
        let followed = std::sync::Mutex::new(None);
        Self { inner, status, feed, clock, random, is_syncing, following, followed }
    }

    /// Returns the id of this device on the server. It changes if it turns out that two
    /// installations use the same id.
    ///
    /// It is random, and says nothing about the machine. Histories and conflicts name it as
    /// `device`.
    pub async fn device(&self) -> String {
        self.lock().await.device.clone()
    }

    /// Signs `account` in: from now on its records are read and edited.
    ///
    /// Records of another account stay on the device, hidden, with their pending edits. Nothing is
    /// verified here: the transport proves to the server who the account is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`].
    pub async fn sign_in(&self, account: UserId) -> Result<()> {
        let mut inner = self.lock().await;
        let State { is_erased, open_conflicts, .. } = inner.storage.state(account.as_str()).await?;
        inner.account = Some(account);
        (inner.open, inner.again) = (None, Again::default());
        let phase = if is_erased { Phase::Erased } else { Phase::Idle };
        let status = Status { phase, open_conflicts, ..Status::default() };
        self.publish(&mut inner, |shown| *shown = status).await?;
        self.feed.tell(Vec::new(), Cause::Account);
        Ok(())
    }

    /// Signs the account out. Its records and pending edits stay until it signs in again.
    ///
    /// A sync that is under way ends after the reply that it waits for. That reply is stored for
    /// the account that began the sync. [`Replica::follow_with`] ends at once.
    pub async fn sign_out(&self) {
        self.lock().await.account = None;
        self.status.send_replace(Status { phase: Phase::NeedsSignIn, ..Status::default() });
        self.feed.tell(Vec::new(), Cause::Account);
    }

    /// The kind with that number, if the schema has it.
    pub(crate) async fn declared(&self, op: &'static str, kind: KindNumber) -> Result<Arc<Kind>> {
        self.lock().await.declared(op, kind)
    }

    /// Returns a receiver of the status, which can be awaited.
    ///
    /// ```
    /// # use haumana_replica::Replica;
    /// # async fn show(replica: &Replica) {
    /// let mut status = replica.watch();
    /// while status.changed().await.is_ok() {
    ///     println!("{} edits wait", status.borrow().pending);
    /// }
    /// # }
    /// ```
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Returns the status.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// assert_eq!(0, replica.status().pending);
    ///
    /// replica.add(&Song::default()).await?;
    ///
    /// assert_eq!(1, replica.status().pending);
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Adds a record of the kind with that name. For a counter give a whole number, or its entries.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// use haumana_sync::record::Value;
    /// use std::collections::BTreeMap;
    ///
    /// // `year` is a key that the kind does not name, which takes JSON.
    /// let fields = [("title", Value::from("Hiʻilawe")), ("year", Value::from(1902))];
    /// let fields = BTreeMap::from(fields.map(|(name, value)| (name.to_owned(), value)));
    /// let id = replica.create("song", fields).await?;
    ///
    /// let song: Song = replica.get(id).await?.ok_or("there is no such song")?;
    /// assert_eq!("Hiʻilawe", song.title);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] names the kind, the field and the reason ([`Error::flaw`]): a field is
    /// missing or cannot hold its value, or the schema has no such kind.
    pub async fn create(&self, kind: &str, fields: BTreeMap<String, Value>) -> Result<RecordId> {
        let id = new_id(self.random.as_ref());
        let mut inner = self.lock().await;
        let account = inner.account("add")?;
        let kind = inner.declared_kind("add", kind)?;
        let key = Key { kind: kind.number(), id };
        let fields = count(&kind, &inner.device, None, fields);
        let local = Local::create(key, &kind, fields, self.clock.now());
        let local = local.map_err(|error| edit_error("add", error))?;
        inner.write_edit(&account, None, local).await?;
        self.publish(&mut inner, |_| {}).await?;
        self.feed.tell(vec![key], Cause::Edit);
        Ok(id)
    }

    /// Sets fields of a record. Each named field counts as edited, even if its value stays the
    /// same. For a counter give the whole number that it should reach, or its entries.
    ///
    /// Use it if an app has no Rust type for a kind. The server decides each field separately. So
    /// name only the fields that the person edited.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// use haumana_sync::record::Value;
    /// use std::collections::BTreeMap;
    ///
    /// let fields = |title: &str| BTreeMap::from([("title".into(), Value::Text(title.into()))]);
    /// let id = replica.create("song", fields("Hiilawe")).await?;
    /// replica.set(Song::key(id), fields("Hiʻilawe")).await?;
    ///
    /// let view = replica.record(Song::key(id)).await?.ok_or("there is no such record")?;
    /// assert_eq!(Some("Hiʻilawe"), view.content.text("title"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], or [`ErrorKind::Invalid`], which names the kind, the field and the
    /// reason.
    pub async fn set(&self, key: Key, fields: BTreeMap<String, Value>) -> Result<()> {
        let now = self.clock.now();
        self.change("edit", key, |kind, device, local| {
            let content = local.content(kind).ok_or(EditError::NotFound)?;
            local.edit(kind, count(kind, device, Some(&content), fields), now)
        })
        .await
    }

    /// Deletes a record.
    ///
    /// The record is gone here at once. The kind decides what happens to a concurrent edit by
    /// another device, see [`Deletes`](haumana_sync::schema::Deletes). Edits of the record that
    /// never left this device are dropped: call [`Replica::lost_by_delete`] before, to get their
    /// fields.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// let id = replica.add(&Song::default()).await?;
    ///
    /// replica.delete(Song::key(id)).await?;
    ///
    /// assert_eq!(None, replica.get::<Song>(id).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`].
    pub async fn delete(&self, key: Key) -> Result<()> {
        let now = self.clock.now();
        self.change("delete", key, |kind, _, local| local.delete(kind, now)).await
    }

    pub(crate) async fn change(
        &self,
        op: &'static str,
        key: Key,
        change: impl FnOnce(&Arc<Kind>, &str, &mut Local) -> Result<(), EditError>,
    ) -> Result<()> {
        let mut inner = self.lock().await;
        let account = inner.account(op)?;
        let kind = inner.declared(op, key.kind)?;
        let found = inner.read(&account, &[key]).await?.into_iter().flatten().next();
        let old = found.ok_or_else(|| Error::new(op, ErrorKind::NotFound))?;
        let mut local = old.clone();
        change(&kind, &inner.device, &mut local).map_err(|error| edit_error(op, error))?;
        if local == old {
            return Ok(());
        }
        inner.write_edit(&account, Some(&old), local).await?;
        self.publish(&mut inner, |_| {}).await?;
        self.feed.tell(vec![key], Cause::Edit);
        Ok(())
    }

    /// Returns a record as its user sees it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// let id = replica.add(&Song { title: "Hiʻilawe".into(), ..Song::default() }).await?;
    ///
    /// let view = replica.record(Song::key(id)).await?.ok_or("there is no such record")?;
    ///
    /// assert!(view.is_pending, "the server does not have it yet");
    /// assert_eq!(None, view.version, "nor has it confirmed a version");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoAccount`] or [`ErrorKind::Storage`]; [`ErrorKind::Invalid`] if the schema does
    /// not have the kind.
    pub async fn record(&self, key: Key) -> Result<Option<View>> {
        let mut inner = self.lock().await;
        let account = inner.account("get")?;
        let kind = inner.declared("get", key.kind)?;
        let found = inner.storage.read(&account, &[key]).await?;
        Ok(found.into_iter().flatten().find_map(|local| view(local, &kind)))
    }

    /// Lists the records of a kind as their user sees them, by id.
    ///
    /// All of them are read from the storage. If the list is long or sorted by a field, declare an
    /// index and call [`Replica::records_where`].
    ///
    /// # Errors
    ///
    /// As [`Replica::record`].
    pub async fn records(&self, kind: KindNumber) -> Result<Vec<View>> {
        let mut inner = self.lock().await;
        let account = inner.account("list")?;
        let kind = inner.declared("list", kind)?;
        let locals = inner.storage.list(&account, kind.number()).await?;
        Ok(locals.into_iter().filter_map(|local| view(local, &kind)).collect())
    }

    /// Returns the schema of the records.
    ///
    /// Records of other kinds may be in the storage. They are kept and synced, but no call returns
    /// them.
    pub async fn schema(&self) -> Schema {
        self.lock().await.kinds.schema().clone()
    }

    /// Forgets the cursor, so that the next sync compares everything. Edits are kept.
    ///
    /// An app rarely needs it: a device that has missed something detects it by the digest of a
    /// reply, and starts over by itself. Use it for a button, for a person who doubts what the
    /// screen shows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoAccount`] or [`ErrorKind::Storage`].
    pub async fn start_over(&self) -> Result<()> {
        let mut inner = self.lock().await;
        let account = inner.account("start over")?;
        let mut state = inner.storage.state(&account).await?;
        state.probe = state.cursor.take().or(state.probe);
        inner.write(&account, Batch { state: Some(state), ..Batch::default() }).await
    }

    /// Decides what to do with the local records of an account that was erased on the server.
    ///
    /// The device takes a new id, so the server does not treat late requests of the old id as its
    /// own. Call this after [`Phase::Erased`](crate::Phase::Erased) or [`ErrorKind::Erased`]. In
    /// any other state it does nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoAccount`] or [`ErrorKind::Storage`].
    pub async fn settle_erasure(&self, erasure: Erasure) -> Result<()> {
        let mut inner = self.lock().await;
        let account = inner.account("settle erasure")?;
        let state = inner.storage.state(&account).await?;
        if !state.is_erased {
            return Ok(());
        }
        inner.renew_device(self.random.as_ref()).await?;
        match erasure {
            Erasure::Forget => {
                inner.open = None;
                inner.storage.forget(&account).await?;
                inner.unstored.drop_account(&account);
            }
            Erasure::UploadAsNew => {
                let kinds = inner.kinds.clone();
                let mut records = Vec::new();
                for kind in kinds.all() {
                    let mut of_kind = inner.storage.list(&account, kind.number()).await?;
                    of_kind.iter_mut().for_each(|local| local.upload_as_new(kind));
                    records.extend(of_kind);
                }
                let state = Some(State { mark: state.mark, ..State::default() });
                let indexed = entries(&kinds, &records);
                inner
                    .write(&account, Batch { state, records, indexed, ..Batch::default() })
                    .await?;
            }
        }
        self.publish(&mut inner, |status| {
            (status.phase, status.open_conflicts) = (Phase::Idle, None);
        })
        .await?;
        self.feed.tell(Vec::new(), Cause::Account);
        Ok(())
    }

    pub(crate) async fn account(&self, op: &'static str) -> Result<UserId> {
        self.lock().await.account.clone().ok_or_else(|| Error::new(op, ErrorKind::NoAccount))
    }

    pub(crate) async fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().await
    }

    /// Sets how the device learns of other devices' edits.
    pub(crate) fn show_following(&self, following: Following) {
        self.status.send_if_modified(|status| {
            let before = std::mem::replace(&mut status.following, following);
            before != following
        });
    }

    /// Changes the status, and notifies its watchers if it is different.
    pub(crate) async fn publish(
        &self,
        inner: &mut Inner,
        change: impl FnOnce(&mut Status),
    ) -> Result<()> {
        let open = inner.count_open().await?;
        self.status.send_if_modified(|status| {
            let before = *status;
            change(status);
            status.pending = open.pending;
            status.refused = open.refused;
            *status != before
        });
        Ok(())
    }
}

impl Inner {
    pub(crate) fn account(&self, op: &'static str) -> Result<String> {
        let account = self.account.as_ref().map(|account| account.as_str().to_owned());
        account.ok_or_else(|| Error::new(op, ErrorKind::NoAccount))
    }

    /// The kind with that number, if the schema has it.
    pub(crate) fn declared(&self, op: &'static str, kind: KindNumber) -> Result<Arc<Kind>> {
        let found = self.kinds.schema().kind(kind).cloned();
        let name = || {
            self.kinds
                .kind(kind)
                .map_or_else(|| kind.code().into_owned(), |stray| stray.name().to_owned())
        };
        found.ok_or_else(|| self.no_such_kind(op, &name()))
    }

    /// The kind with that name, if the schema has it.
    pub(crate) fn declared_kind(&self, op: &'static str, name: &str) -> Result<Arc<Kind>> {
        let found = self.kinds.schema().named(name).cloned();
        found.ok_or_else(|| self.no_such_kind(op, name))
    }

    fn no_such_kind(&self, op: &'static str, name: &str) -> Error {
        let known = self.kinds.schema().kinds().iter().map(|kind| kind.name().to_owned());
        Error::new(op, ErrorKind::Invalid).flawed(Flaw::no_such_kind(name, known))
    }

    pub(crate) async fn renew_device(&mut self, random: &dyn Random) -> Result<()> {
        let fresh = new_device(random);
        self.storage.set_device(&fresh).await?;
        self.device = fresh;
        Ok(())
    }

    pub(crate) async fn count_open(&mut self) -> Result<OpenCount> {
        let account = self.account("status")?;
        let open = match self.open {
            Some(open) => open,
            None => self.storage.count_open(&account).await?,
        };
        self.open = Some(open);
        Ok(open)
    }

    /// Writes a batch that may open or close any number of records.
    pub(crate) async fn write(&mut self, account: &str, batch: Batch) -> Result<()> {
        self.open = None;
        self.store(account, batch).await
    }

    /// Writes a batch. The records contain what the storage had no space for, so those marks are
    /// dropped.
    pub(crate) async fn store(&mut self, account: &str, batch: Batch) -> Result<()> {
        let keys: Vec<Key> = batch.records.iter().map(|local| local.key).collect();
        self.storage.write(account, batch).await?;
        keys.into_iter().for_each(|key| self.unstored.drop_key(account, key));
        Ok(())
    }

    /// Reads records, including the marks for which the storage had no space.
    pub(crate) async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>> {
        let mut found = self.storage.read(account, keys).await?;
        found.iter_mut().flatten().for_each(|local| self.unstored.complete(account, local));
        Ok(found)
    }

    /// Writes what a person did to one record of the current account.
    pub(crate) async fn write_edit(
        &mut self,
        account: &str,
        old: Option<&Local>,
        new: Local,
    ) -> Result<()> {
        let indexed = entries(&self.kinds, std::slice::from_ref(&new));
        let (before, after) = (old.map_or(OpenCount::default(), open_count), open_count(&new));
        let open = self.open.take();
        self.store(account, Batch::edit(new, indexed)).await?;
        self.open = open.map(|open| OpenCount {
            pending: open.pending + after.pending - before.pending,
            refused: open.refused + after.refused - before.refused,
        });
        Ok(())
    }
}

/// What one record adds to the count.
fn open_count(local: &Local) -> OpenCount {
    let is_open = local.pending.is_open();
    let is_refused = is_open && local.pending.refused.is_some();
    OpenCount { pending: usize::from(is_open), refused: usize::from(is_refused) }
}

/// Turns the values of counters into what is sent: a number to reach becomes the count of this
/// device.
pub(crate) fn count(
    kind: &Kind,
    device: &str,
    seen: Option<&Content>,
    mut fields: BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    let counters = kind.fields().iter().filter(|field| *field.field_type() == FieldType::Counter);
    for field in counters {
        let Some(value) = fields.get_mut(field.name()) else { continue };
        let Value::Json(json) = &value else { continue };
        let Ok(reach) = json.as_str().parse::<i64>() else { continue };
        let before = seen.map(|seen| Counter::of(&seen.get(field.name()))).unwrap_or_default();
        let mut own = before.only(|of| of == device);
        let by = reach.saturating_sub(before.sum());
        own.add(device, by);
        *value = if seen.is_none() && by == 0 { Value::Null } else { own.to_value() };
    }
    fields
}

pub(crate) fn view(local: Local, kind: &Arc<Kind>) -> Option<View> {
    Some(View {
        key: local.key,
        content: local.content(kind)?,
        version: local.version(),
        is_pending: local.pending.is_open(),
        refused: local.pending.refused,
        explanation: local.pending.explanation,
    })
}

/// A new id of an installation, different from all others.
pub(crate) fn new_device(random: &dyn Random) -> String {
    format!("{:016x}{:016x}", random.next_u64(), random.next_u64())
}

/// A random UUID, version 4.
fn new_id(random: &dyn Random) -> RecordId {
    let bits = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    let bits = bits & !(0xF << 76) | 0x4 << 76;
    RecordId::from_bits(bits & !(0x3 << 62) | 0x2 << 62)
}

fn edit_error(op: &'static str, error: EditError) -> Error {
    match error {
        EditError::NotFound => Error::new(op, ErrorKind::NotFound),
        EditError::Invalid(flaw) => Error::new(op, ErrorKind::Invalid).flawed(flaw),
    }
}
