//! A store in memory: the model that other stores are compared with.

use super::backend::{Decision, check_batch, cut_between_versions, decide};
use super::{
    After, Batch, BatchLimits, Envelope, ErasedLives, Error, ErrorKind, Head, HeadState,
    HistoryEntry, HistoryKey, HistoryPart, IndexEntry, Operate, Page, Result, ScanPlace, Store,
    SweepPlace, Swept, UserPage, Version, Wiped, erased_life, erased_user,
};
use crate::digest::Digest;
use crate::id::{Key, KindNumber, UserId};
use crate::time::UnixMillis;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Hashes in memory need no key.
const NO_KEY: [u8; 32] = [0; 32];

/// Keeps everything in memory, until the process ends.
///
/// It is for tests, and it is the executable model of the contract: other stores are compared with
/// it.
///
/// One lock holds all users, so calls run one after the other. It has no limit: a process that
/// keeps real data in it grows until it ends.
///
/// ```
/// use haumana_sync::conformance::sample::{next_batch, piece, record, user};
/// use haumana_sync::store::MemoryStore;
/// use haumana_sync::Store;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (store, kai) = (MemoryStore::new(), user("kai"));
/// let hula = next_batch(None, vec![record(piece(1), 1, "Hula")], Vec::new());
/// store.commit(&kai, None, &hula).await?;
///
/// assert_eq!(Some(hula.head), store.head(&kai).await?);
/// assert_eq!(None, store.head(&user("uka")).await?, "users are apart");
/// # Ok::<(), haumana_sync::store::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    users: Mutex<HashMap<UserId, Partition>>,
    /// Lives of accounts that were erased. Backups do not contain it, and a restore does not change
    /// it.
    journal: Mutex<Journal>,
    /// The text of the schema.
    schema: Mutex<Option<String>>,
    limits: BatchLimits,
}

#[derive(Debug, Default)]
struct Journal {
    lives: HashSet<Digest>,
    /// For each erased user, the largest version of what was erased.
    floors: HashMap<Digest, Version>,
}

impl Journal {
    fn note(&mut self, user: &UserId, head: &Head) {
        self.lives.insert(erased_life(&NO_KEY, user, head.epoch));
        let floor = self.floors.entry(erased_user(&NO_KEY, user)).or_default();
        *floor = head.max_version.max(*floor);
    }

    fn read(&self) -> ErasedLives {
        ErasedLives::new(NO_KEY, self.lives.clone()).with_floors(self.floors.clone())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        let limits = BatchLimits { items: 10_000, bytes: 64 << 20 };
        Self {
            users: Mutex::default(),
            journal: Mutex::default(),
            schema: Mutex::default(),
            limits,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Partition {
    head: Option<Head>,
    records: BTreeMap<Key, Envelope>,
    /// The change feed: the current envelopes by (revision, key).
    stream: BTreeMap<(u64, Key), ()>,
    history: BTreeMap<HistoryKey, HistoryEntry>,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest size of a batch. With small limits the store is a model of stores whose
    /// transactions are small.
    #[must_use]
    pub fn with_limits(self, limits: BatchLimits) -> Self {
        Self { limits, ..self }
    }

    /// Returns a copy of everything, as a backup would hold it.
    ///
    /// The journal of erasures is not in it, as in a real backup. So [`Operate::replay_erasures`]
    /// can find accounts that a restore brought back.
    pub fn snapshot(&self) -> Self {
        let (users, schema) = (self.lock().clone(), self.schema().clone());
        let (users, schema) = (Mutex::new(users), Mutex::new(schema));
        Self { users, journal: Mutex::default(), schema, limits: self.limits }
    }

    /// Replaces everything with what `backup` holds.
    ///
    /// An engine on it must then begin another [`Generation`](super::Generation), as after every
    /// restore.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, store, kai, .. } = example();
    /// let backup = store.snapshot();
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    ///
    /// store.restore(&backup);
    ///
    /// assert!(engine.pull(&kai, None, 10, 1 << 20).await?.changes.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn restore(&self, backup: &MemoryStore) {
        let (users, schema) = (backup.lock().clone(), backup.schema().clone());
        *self.lock() = users;
        *self.schema() = schema;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Partition>> {
        // A panic while the lock was held cannot leave half a commit, because no operation in a
        // commit panics.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schema(&self) -> MutexGuard<'_, Option<String>> {
        self.schema.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, user: &UserId, look: impl FnOnce(&Partition) -> T) -> T {
        let users = self.lock();
        match users.get(user) {
            Some(partition) => look(partition),
            None => look(&Partition::default()),
        }
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    fn batch_limits(&self) -> BatchLimits {
        self.limits
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        Ok(self.with(user, |partition| partition.head.clone()))
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        let find = |partition: &Partition| {
            keys.iter().map(|key| partition.records.get(key).cloned()).collect()
        };
        Ok(self.with(user, find))
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        let list = |partition: &Partition| {
            let of_kind = partition.records.values().filter(|record| record.key.kind == kind);
            of_kind.map(IndexEntry::of).collect()
        };
        Ok(self.with(user, list))
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        Ok(self.with(user, |partition| partition.changes(after, limit)))
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        let find = |partition: &Partition| {
            keys.iter().map(|key| partition.history.get(key).cloned()).collect()
        };
        Ok(self.with(user, find))
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        Ok(self.with(user, |partition| partition.history_of(key, before, limit)))
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        check_batch(self.batch_limits(), user, expected, batch)?;
        let mut users = self.lock();
        let partition = users.entry(user.clone()).or_default();
        match decide(partition.head.as_ref(), expected, batch) {
            Decision::Write => partition.apply(batch),
            Decision::Done => {}
            Decision::Conflict => return Err(Error::new("commit", ErrorKind::Conflict)),
        }
        Ok(())
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        if let Some(partition) = self.lock().get_mut(user) {
            partition.history.retain(|_, entry| before <= entry.at);
        }
        Ok(())
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        if let Some(partition) = self.lock().get_mut(user) {
            let head = partition.head.take();
            if let Some(head) = &head {
                self.journal().note(user, head);
            }
            *partition = Partition { head, ..Partition::default() };
        }
        Ok(Wiped::Now)
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        Ok(self.journal().floors.get(&erased_user(&NO_KEY, user)).copied())
    }
}

#[async_trait::async_trait]
impl Operate for MemoryStore {
    /// It does all work in one step if `limit` allows, so it gives no place to go on from.
    async fn sweep(
        &self,
        before: UnixMillis,
        _place: Option<&SweepPlace>,
        limit: usize,
    ) -> Result<Swept> {
        let mut left = limit.max(1);
        for partition in self.lock().values_mut() {
            partition.history.retain(|_, entry| {
                let is_kept = before <= entry.at || left == 0;
                left -= usize::from(!is_kept);
                is_kept
            });
        }
        // If the limit was reached, there may be more.
        let next = (left == 0).then(|| SweepPlace("again".to_owned()));
        Ok(Swept { deleted: limit.max(1) - left, next })
    }

    async fn replay_erasures(&self) -> Result<usize> {
        let mut users = self.lock();
        let erased = self.journal().read();
        let mut found = 0;
        for (user, partition) in users.iter_mut() {
            let Some(head) = partition.head.as_ref() else { continue };
            let Some(next) = erased.head_to_erase(user, head) else { continue };
            found += usize::from(head.state != HeadState::Erasing);
            *partition = Partition { head: Some(next), ..Partition::default() };
        }
        Ok(found)
    }

    async fn erasing(&self, limit: usize) -> Result<Vec<UserId>> {
        let users = self.lock();
        let is_erasing = |partition: &Partition| {
            partition.head.as_ref().is_some_and(|head| head.state == HeadState::Erasing)
        };
        let found = users.iter().filter(|(_, partition)| is_erasing(partition));
        Ok(found.map(|(user, _)| user.clone()).take(limit).collect())
    }

    async fn users(&self, place: Option<&ScanPlace>, limit: usize) -> Result<UserPage> {
        let all = self.lock();
        let with_head = all.iter().filter(|(_, partition)| partition.head.is_some());
        let mut users: Vec<&UserId> = with_head.map(|(user, _)| user).collect();
        users.sort_unstable();
        let behind = place.map_or("", |place| place.0.as_str());
        let mut left = users.into_iter().filter(|user| behind < user.as_str());
        let users: Vec<UserId> = left.by_ref().take(limit.max(1)).cloned().collect();
        let last = users.last().filter(|_| left.next().is_some());
        let next = last.map(|user| ScanPlace(user.as_str().to_owned()));
        Ok(UserPage { users, next })
    }

    async fn user_history(
        &self,
        user: &UserId,
        place: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<HistoryPart> {
        let behind = match place {
            None => None,
            // No store gave this place, so nothing follows it.
            Some(place) => match serde_json::from_str::<HistoryKey>(&place.0) {
                Ok(key) => Some(key),
                Err(_) => return Ok(HistoryPart { entries: Vec::new(), next: None }),
            },
        };
        Ok(self.with(user, |partition| {
            let values = partition.history.iter();
            let mut left = values.filter(|(key, _)| behind.is_none_or(|behind| behind < **key));
            let entries = left.by_ref().take(limit.max(1)).map(|(_, entry)| entry.clone());
            let entries: Vec<HistoryEntry> = entries.collect();
            let last = entries.last().filter(|_| left.next().is_some());
            let next = last.and_then(|last| serde_json::to_string(&last.key).ok()).map(ScanPlace);
            HistoryPart { entries, next }
        }))
    }

    async fn kept_schema(&self) -> Result<Option<String>> {
        Ok(self.schema().clone())
    }

    async fn keep_schema(&self, expected: Option<&str>, next: &str) -> Result<()> {
        let mut kept = self.schema();
        if kept.as_deref() != expected && kept.as_deref() != Some(next) {
            return Err(Error::new("keep_schema", ErrorKind::Conflict));
        }
        *kept = Some(next.to_owned());
        Ok(())
    }
}

impl Partition {
    fn apply(&mut self, batch: &Batch) {
        for record in &batch.records {
            if let Some(old) = self.records.insert(record.key, record.clone()) {
                self.stream.remove(&(old.revision.0, old.key));
            }
            self.stream.insert((record.revision.0, record.key), ());
        }
        for entry in &batch.history {
            self.history.insert(entry.key, entry.clone());
        }
        self.head = Some(batch.head.clone());
    }

    fn changes(&self, after: After, limit: usize) -> Page {
        let is_after = |(revision, key): &(u64, Key)| match after {
            After::Start => true,
            After::Place(place) => match place.within {
                None => place.revision.0 < *revision,
                Some(within) => (place.revision.0, within) < (*revision, *key),
            },
            After::Stamp(stamp) => self.records.get(key).is_some_and(|record| stamp < record.stamp),
        };
        let first = match after {
            After::Place(place) => place.revision.0,
            After::Start | After::Stamp(_) => 0,
        };
        let smallest = Key { kind: KindNumber::new(0), id: crate::id::RecordId::from_bits(0) };
        let mut due =
            self.stream.range((first, smallest)..).map(|(at, ())| at).filter(|at| is_after(at));
        let records = due.by_ref().take(limit).filter_map(|(_, key)| self.records.get(key));
        let records = records.cloned().collect();
        Page { head: self.head.clone(), records, more: due.next().is_some() }
    }

    fn history_of(&self, key: &Key, before: Option<Version>, limit: usize) -> Vec<HistoryEntry> {
        let bound = before.unwrap_or(Version::MAX);
        let of_key = |entry: &&HistoryEntry| entry.key.key == *key && entry.key.version < bound;
        let mut found: Vec<&HistoryEntry> = self.history.values().filter(of_key).collect();
        found.sort_by_key(|entry| (std::cmp::Reverse(entry.key.version), entry.key.side));
        let mut page: Vec<HistoryEntry> =
            found.into_iter().take(limit.saturating_add(1)).cloned().collect();
        cut_between_versions(&mut page, limit);
        page
    }
}
