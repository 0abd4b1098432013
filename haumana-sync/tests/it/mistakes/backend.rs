//! A backend with transactions, locks and steps, and with one mistake; without one it keeps every
//! law.

use super::list::Mistake;
use haumana_sync::Store;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::backend::{Decision, check_batch, decide};
use haumana_sync::store::{
    After, Batch, BatchLimits, Envelope, Epoch, Error, ErrorKind, Head, HistoryEntry, HistoryKey,
    IndexEntry, Page, Result, Version, Wiped,
};
use haumana_sync::time::UnixMillis;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::task::yield_now;

/// How long a step takes that blocks.
const BLOCKED: Duration = Duration::from_micros(50);

/// Keeps everything in memory, in steps between which others get in.
#[derive(Debug)]
pub(crate) struct Backend {
    mistake: Option<Mistake>,
    /// A step takes the time of a small write to a file, and others get in only on other threads.
    blocks: bool,
    users: Arc<Mutex<HashMap<String, Account>>>,
    /// Who is locked in this handle, if handles on one storage have a lock each.
    locked: Option<Mutex<HashSet<String>>>,
    /// The answers of a cache or a copy, for backends that have one.
    stale: Mutex<HashMap<String, (Account, u32)>>,
}

#[derive(Clone, Debug, Default)]
struct Account {
    is_locked: bool,
    is_half_written: bool,
    head: Option<Head>,
    records: BTreeMap<Key, Envelope>,
    /// Places in the stream that records had before.
    ghosts: Vec<Envelope>,
    history: BTreeMap<HistoryKey, HistoryEntry>,
    /// The order of writing, by key.
    written: HashMap<Key, u64>,
}

/// An account's lock; released when it is dropped, unless somebody forgets.
struct Lock<'a> {
    backend: &'a Backend,
    name: String,
    leaks: bool,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if !self.leaks {
            self.backend.set_locked(&self.name, false);
        }
    }
}

/// What a commit had written before it was dropped.
struct KeptHalf<'a> {
    backend: &'a Backend,
    name: &'a str,
    half: &'a [Envelope],
}

impl Drop for KeptHalf<'_> {
    fn drop(&mut self) {
        self.backend.put_records(self.name, self.half);
    }
}

impl Backend {
    /// Makes an empty backend.
    pub(crate) fn new(mistake: Option<Mistake>) -> Self {
        let blocks = mistake.is_some_and(Mistake::blocks);
        let (users, stale) = (Arc::default(), Mutex::default());
        Self { mistake, blocks, users, locked: None, stale }
    }

    /// Makes an empty backend without mistakes, whose calls never yield.
    pub(crate) fn blocking() -> Self {
        Self { blocks: true, ..Self::new(None) }
    }

    /// Makes two handles on one empty storage, whose calls never yield. The lock is where the data
    /// is, or there is one in each handle.
    pub(crate) fn two_handles(locks_each: bool) -> (Self, Self) {
        let open = |users| {
            let locked = locks_each.then(Mutex::default);
            Self { users, locked, ..Self::blocking() }
        };
        let users = Arc::default();
        (open(Arc::clone(&users)), open(users))
    }

    /// Between two steps of a call.
    async fn step(&self) {
        if self.blocks {
            std::thread::sleep(BLOCKED);
        } else {
            yield_now().await;
        }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        self.users.lock().unwrap()
    }

    fn account<T>(&self, name: &str, look: impl FnOnce(&mut Account) -> T) -> T {
        look(self.users().entry(name.to_owned()).or_default())
    }

    fn name(&self, user: &UserId) -> String {
        let name = user.as_str();
        if self.has(Mistake::UsersWithoutCase) {
            return name.to_lowercase();
        }
        if self.has(Mistake::UsersAreCut) {
            return name.chars().take(64).collect();
        }
        name.to_owned()
    }

    /// Locks or unlocks the account, and returns whether it was locked.
    fn set_locked(&self, name: &str, locks: bool) -> bool {
        match &self.locked {
            None => self.account(name, |account| std::mem::replace(&mut account.is_locked, locks)),
            Some(locked) if locks => !locked.lock().unwrap().insert(name.to_owned()),
            Some(locked) => locked.lock().unwrap().remove(name),
        }
    }

    /// Waits for the account's lock.
    async fn lock(&self, user: &UserId, leaks: Mistake) -> Lock<'_> {
        let name = self.name(user);
        for tries in 0.. {
            if !self.set_locked(&name, true) {
                break;
            }
            // Who waits for what never comes must not keep a processor busy, nor for ever.
            assert!(tries < 60_000, "the lock is never released");
            match tries {
                _ if self.blocks => self.step().await,
                0..50 => self.step().await,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        Lock { backend: self, name, leaks: self.has(leaks) }
    }

    /// What a reader sees now, or saw before.
    fn snapshot(&self, user: &UserId) -> Account {
        let name = self.name(user);
        let now = self.users().get(&name).cloned().unwrap_or_default();
        if !self.has(Mistake::StaleReads) {
            return now;
        }
        let mut stale = self.stale.lock().unwrap();
        let kept = stale.entry(name).or_insert_with(|| (now.clone(), 0));
        kept.1 += 1;
        if kept.1.is_multiple_of(2) {
            kept.0 = now;
        }
        kept.0.clone()
    }

    fn is_same(&self, one: &Head, other: &Head) -> bool {
        let (epoch, revision, commit) =
            (one.epoch == other.epoch, one.revision == other.revision, one.commit == other.commit);
        match self.mistake {
            Some(Mistake::ComparedByRevision) => revision,
            Some(Mistake::ComparedWithoutCommit) => epoch && revision,
            Some(Mistake::ComparedWithoutEpoch) => revision && commit,
            Some(Mistake::ComparedAsAWhole) => one == other,
            _ => one.is_same(other),
        }
    }

    fn decide(&self, stored: Option<&Head>, expected: Option<&Head>, batch: &Batch) -> Decision {
        let is_repeat = stored.is_some_and(|head| head.is_same(&batch.head));
        match self.mistake {
            Some(Mistake::NotCompared) => Decision::Write,
            Some(Mistake::RepeatConflicts) if is_repeat => Decision::Conflict,
            Some(Mistake::FirstCommitReplaces) if expected.is_none() && !is_repeat => {
                Decision::Write
            }
            Some(
                Mistake::ComparedByRevision
                | Mistake::ComparedWithoutCommit
                | Mistake::ComparedWithoutEpoch
                | Mistake::ComparedAsAWhole,
            ) if !is_repeat => match (stored, expected) {
                (Some(head), Some(expected)) if self.is_same(head, expected) => Decision::Write,
                (None, None) => Decision::Write,
                _ => Decision::Conflict,
            },
            _ => decide(stored, expected, batch),
        }
    }

    /// The mistakes that are made when a batch is written.
    fn written(&self, mut batch: Batch) -> Batch {
        let wrap = |number: u64| if number == u64::MAX { i64::MAX.cast_unsigned() } else { number };
        match self.mistake {
            Some(Mistake::NotesEndAtNul) => {
                let end = batch.head.notes.find('\0').unwrap_or(batch.head.notes.len());
                batch.head.notes.truncate(end);
            }
            Some(Mistake::ErasedAtIsLost) => batch.head.erased_at = None,
            Some(Mistake::NumbersWrap) => batch.head.epoch = Epoch(wrap(batch.head.epoch.0)),
            Some(Mistake::ContentIsTidied) => {
                for record in &mut batch.records {
                    let json: serde_json::Value = serde_json::from_str(&record.content).unwrap();
                    record.content = json.to_string();
                }
            }
            Some(Mistake::ContentIsNormalised) => {
                for record in &mut batch.records {
                    record.content = record.content.replace("a\u{304}", "\u{101}");
                }
            }
            _ => {}
        }
        batch
    }

    fn put_records(&self, name: &str, records: &[Envelope]) {
        self.account(name, |account| {
            for record in records {
                let old = account.records.insert(record.key, record.clone());
                if self.has(Mistake::OldPlaceStays) {
                    account.ghosts.extend(old);
                }
                let number = account.written.len() as u64;
                account.written.insert(record.key, number);
            }
        });
    }

    fn put_history(&self, name: &str, entries: &[HistoryEntry]) {
        self.account(name, |account| {
            for entry in entries {
                let old = account.history.get(&entry.key).cloned();
                let mut entry = entry.clone();
                match (self.mistake, old) {
                    (Some(Mistake::HistoryIsKept), Some(old)) => entry = old,
                    (Some(Mistake::HistoryKeepsItsTime), Some(old)) => entry.at = old.at,
                    _ => {}
                }
                account.history.insert(entry.key, entry);
            }
        });
    }

    fn put_head(&self, name: &str, head: &Head) {
        self.account(name, |account| account.head = Some(head.clone()));
    }

    /// Writes a batch under the account's lock, in the transactions that the mistake makes of it.
    async fn write(&self, name: &str, batch: &Batch) {
        match self.mistake {
            Some(Mistake::HeadBeforeRecords | Mistake::HeadStoredFirst) => {
                self.put_head(name, &batch.head);
                self.step().await;
            }
            Some(Mistake::RecordsBeforeHead) => {
                self.put_records(name, &batch.records);
                self.step().await;
            }
            Some(Mistake::LargeCommitIsSplit) => {
                for part in batch.records.chunks(500) {
                    self.put_records(name, part);
                    self.step().await;
                }
            }
            Some(Mistake::HalfAFile) => {
                self.account(name, |account| account.is_half_written = true);
                self.step().await;
            }
            Some(Mistake::GoneWhileWritten) => {
                let kept = self.account(name, |account| {
                    let is_locked = account.is_locked;
                    std::mem::replace(account, Account { is_locked, ..Account::default() })
                });
                self.step().await;
                self.account(name, |account| *account = kept);
            }
            Some(Mistake::OneFileForAll) => {
                let read = self.users().clone();
                self.step().await;
                let mut users = self.users();
                for (other, account) in read {
                    let is_locked = users.get(&other).is_some_and(|account| account.is_locked);
                    users.insert(other, Account { is_locked, ..account });
                }
            }
            Some(Mistake::DroppedCommitKeepsHalf) => {
                let half = &batch.records[..batch.records.len() / 2];
                let mut kept = KeptHalf { backend: self, name, half };
                self.step().await;
                kept.half = &[];
            }
            _ => {}
        }
        // One lock, as one transaction: readers see all of it.
        if !self.has(Mistake::HistoryBehindTheCommit) {
            self.put_history(name, &batch.history);
        }
        let mut users = self.users();
        let account = users.entry(name.to_owned()).or_default();
        let torn = self.has(Mistake::TornRecord);
        for record in &batch.records {
            let old = account.records.insert(record.key, record.clone());
            if self.has(Mistake::OldPlaceStays) {
                account.ghosts.extend(old.clone());
            }
            if let (true, Some(old), Some(new)) = (torn, old, account.records.get_mut(&record.key))
            {
                new.meta = old.meta;
            }
            let number = account.written.len() as u64;
            account.written.insert(record.key, number);
        }
        account.head = Some(batch.head.clone());
        account.is_half_written = false;
    }

    /// Whoever meets a file that is half written finds no account in it.
    fn check(&self, user: &UserId, op: &'static str) -> Result<()> {
        let name = self.name(user);
        match self.account(&name, |account| account.is_half_written) {
            true => Err(Error::new(op, ErrorKind::Corrupt)),
            false => Ok(()),
        }
    }

    /// Reads the account, deletes in it, and writes it.
    async fn put_back(&self, user: &UserId, delete: impl FnOnce(&mut Account)) {
        let name = self.name(user);
        let mut account = self.account(&name, |account| account.clone());
        self.step().await;
        delete(&mut account);
        self.account(&name, |stored| {
            *stored = Account { is_locked: stored.is_locked, ..account };
        });
    }
}

#[async_trait::async_trait]
impl Store for Backend {
    fn batch_limits(&self) -> BatchLimits {
        // Small enough that the laws of limits are quick, and more than one part of 500.
        BatchLimits { items: 1_200, bytes: 8 << 20 }
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        let lock = match self.mistake {
            Some(Mistake::DroppedReadKeepsLock) => {
                let lock = Some(self.lock(user, Mistake::DroppedReadKeepsLock).await);
                self.step().await;
                lock
            }
            _ => None,
        };
        if let Some(mut lock) = lock {
            lock.leaks = false;
        }
        self.step().await;
        self.check(user, "head")?;
        if self.has(Mistake::StaleHead) {
            let name = self.name(user);
            let now = self.users().get(&name).cloned().unwrap_or_default();
            let mut stale = self.stale.lock().unwrap();
            let kept = stale.entry(name).or_insert_with(|| (now.clone(), 0));
            kept.1 += 1;
            if kept.1.is_multiple_of(3) {
                kept.0 = now;
            }
            return Ok(kept.0.head.clone());
        }
        Ok(self.snapshot(user).head)
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.step().await;
        self.check(user, "read")?;
        let account = self.snapshot(user);
        let mut keys = keys.to_vec();
        match self.mistake {
            Some(Mistake::ReadInTableOrder) => keys.sort_unstable(),
            Some(Mistake::ReadDropsDoubles) => {
                let mut seen = std::collections::HashSet::new();
                keys.retain(|key| seen.insert(*key));
            }
            Some(Mistake::ReadIsCut) => keys.truncate(1_000),
            _ => {}
        }
        Ok(keys.iter().map(|key| account.records.get(key).cloned()).collect())
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        self.step().await;
        self.check(user, "index")?;
        let account = self.snapshot(user);
        let of_kind = account.records.values().filter(|record| record.key.kind == kind);
        let entry = |record: &Envelope| {
            let mut entry = IndexEntry::of(record);
            if self.has(Mistake::SizesAreCharacters) {
                entry.size_bytes = record.content.chars().count() as u32;
            }
            entry
        };
        let mut entries: Vec<IndexEntry> = of_kind.map(entry).collect();
        match self.mistake {
            Some(Mistake::IndexIsCut) => entries.truncate(1_000),
            Some(Mistake::IndexWithoutTombstones) => entries.retain(|entry| !entry.deleted),
            _ => {}
        }
        Ok(entries)
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        self.step().await;
        self.check(user, "changes")?;
        let early = self.snapshot(user);
        if self.has(Mistake::BeyondTheHead) {
            self.step().await;
        }
        let account = self.snapshot(user);
        let mut page = self.page(&account, after, limit);
        if self.has(Mistake::BeyondTheHead) {
            page.head = early.head;
        }
        if self.has(Mistake::HeadReadLate) || self.has(Mistake::PageInTwoReads) {
            self.step().await;
            page.head = self.snapshot(user).head;
        }
        Ok(page)
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.step().await;
        let account = self.snapshot(user);
        Ok(keys.iter().map(|key| account.history.get(key).cloned()).collect())
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.step().await;
        let account = self.snapshot(user);
        let is_below = |version: Version| match before {
            None => true,
            Some(before) if self.has(Mistake::BeforeIsInclusive) => version <= before,
            Some(before) => version < before,
        };
        let of_key = account.history.into_values().filter(|entry| entry.key.key == *key);
        let mut found: Vec<_> = of_key.filter(|entry| is_below(entry.key.version)).collect();
        found.sort_by_key(|entry| (std::cmp::Reverse(entry.key.version), entry.key.side));
        if self.has(Mistake::HistoryOldestFirst) {
            found.sort_by_key(|entry| (entry.key.version, entry.key.side));
        }
        match self.mistake {
            Some(Mistake::HistorySplitsVersions) => found.truncate(limit),
            _ => haumana_sync::store::backend::cut_between_versions(&mut found, limit),
        }
        Ok(found)
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        let mut limits = self.batch_limits();
        match self.mistake {
            Some(Mistake::OneItemTooMany) => limits.items += 1,
            Some(Mistake::LimitIsRefused) => limits.items -= 1,
            Some(Mistake::BytesAreNotCounted) => limits.bytes = usize::MAX,
            _ => {}
        }
        check_batch(limits, user, expected, batch)?;
        let name = self.name(user);
        let early = self.account(&name, |account| account.head.clone());
        self.step().await;
        let lock = match self.mistake {
            Some(Mistake::ComparedWithoutLock) => None,
            _ => Some(self.lock(user, Mistake::DroppedCommitKeepsLock).await),
        };
        self.step().await;
        let stored = match self.mistake {
            Some(Mistake::ComparedBeforeLock) => early,
            _ => self.account(&name, |account| account.head.clone()),
        };
        if self.blocks {
            // As if the file of the account were made meanwhile.
            self.step().await;
        }
        if self.has(Mistake::RefusedKeepsHistory) {
            self.put_history(&name, &batch.history);
        }
        let decision = self.decide(stored.as_ref(), expected, batch);
        let is_behind = stored.is_some_and(|head| batch.head.revision <= head.revision);
        if decision == Decision::Conflict && is_behind && self.has(Mistake::RepeatIsAlwaysOk) {
            return Ok(());
        }
        match decision {
            Decision::Conflict => {
                lock.into_iter().for_each(Self::release);
                return Err(Error::new("commit", ErrorKind::Conflict));
            }
            Decision::Done => {}
            Decision::Write => self.write(&name, &self.written(batch.clone())).await,
        }
        self.step().await;
        lock.into_iter().for_each(Self::release);
        if self.has(Mistake::HistoryBehindTheCommit) {
            self.step().await;
            self.put_history(&name, &batch.history);
        }
        if self.has(Mistake::ThrottledAfterTheFact) && batch.head.revision.0.is_multiple_of(7) {
            return Err(Error::new("commit", ErrorKind::Throttled));
        }
        Ok(())
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        if self.has(Mistake::PurgedWithoutLock) {
            let purge = |account: &mut Account| {
                account.history.retain(|_, entry| before <= entry.at);
            };
            self.put_back(user, purge).await;
            return Ok(());
        }
        let lock = self.lock(user, Mistake::DroppedEraseKeepsLock).await;
        let is_old = |entry: &HistoryEntry| match self.mistake {
            Some(Mistake::PurgeIsInclusive) => entry.at <= before,
            _ => entry.at < before,
        };
        let mut users = self.users();
        for (name, account) in users.iter_mut() {
            if *name == lock.name || self.has(Mistake::PurgeTakesAllUsers) {
                account.history.retain(|_, entry| !is_old(entry));
            }
        }
        drop(users);
        Self::release(lock);
        Ok(())
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        if self.has(Mistake::ErasedWithoutLock) {
            let name = self.name(user);
            let mut read = self.users().clone();
            self.step().await;
            read.remove(&name);
            let mut users = self.users();
            users.remove(&name);
            for (other, account) in read {
                let is_locked = users.get(&other).is_some_and(|account| account.is_locked);
                users.insert(other, Account { is_locked, ..account });
            }
            return Ok(Wiped::Now);
        }
        let lock = self.lock(user, Mistake::DroppedEraseKeepsLock).await;
        self.step().await;
        self.account(&lock.name, |account| {
            let is_left =
                |record: &Envelope| self.has(Mistake::EraseLeavesTombstones) && record.deleted;
            account.records.retain(|_, record| is_left(record));
            account.ghosts.clear();
            if !self.has(Mistake::EraseLeavesHistory) {
                account.history.clear();
            }
            if self.has(Mistake::EraseTakesTheHead) {
                account.head = None;
            }
            if self.has(Mistake::EraseMakesAHead) && account.head.is_none() {
                let batch = haumana_sync::conformance::sample::next_batch(None, vec![], vec![]);
                account.head = Some(batch.head);
            }
        });
        Self::release(lock);
        Ok(Wiped::Now)
    }
}

impl Backend {
    fn release(mut lock: Lock<'_>) {
        lock.leaks = false;
    }

    fn page(&self, account: &Account, after: After, limit: usize) -> Page {
        let limit =
            if self.has(Mistake::OneRecordTooMany) { limit.saturating_add(1) } else { limit };
        let mut due: Vec<&Envelope> = account.records.values().chain(&account.ghosts).collect();
        due.sort_by_key(|record| (record.revision, self.order(account, record)));
        due.retain(|record| self.is_after(record, after));
        let more = match self.mistake {
            Some(Mistake::MoreIsAlwaysTrue) => true,
            Some(Mistake::MoreMissesOne) => limit.saturating_add(1) < due.len(),
            _ => limit < due.len(),
        };
        let records = due.into_iter().take(limit).cloned().collect();
        Page { head: account.head.clone(), records, more }
    }

    fn order(&self, account: &Account, record: &Envelope) -> (u64, u8, i128, u128) {
        let (kind, id) = (record.key.kind.get(), record.key.id.bits());
        match self.mistake {
            Some(Mistake::OrderedAsWritten) => (account.written[&record.key], kind, 0, id),
            Some(Mistake::SignedIds) => (0, kind, id.cast_signed(), id),
            _ => (0, kind, 0, id),
        }
    }

    fn is_after(&self, record: &Envelope, after: After) -> bool {
        match after {
            After::Start => true,
            After::Stamp(stamp) => match self.mistake {
                Some(Mistake::StampIsInclusive) => stamp <= record.stamp,
                Some(Mistake::StampSkipsASecond) => stamp.0.saturating_add(1) < record.stamp.0,
                _ => stamp < record.stamp,
            },
            After::Place(place) => match (place.within, self.mistake) {
                (None, Some(Mistake::PlaceForgetsKinds)) => {
                    (place.revision, 3) <= (record.revision, record.key.kind.get())
                }
                (None, _) | (Some(_), Some(Mistake::PlaceSkipsTheRest)) => {
                    place.revision < record.revision
                }
                (Some(key), Some(Mistake::PlaceIsInclusive)) => {
                    (place.revision, key) <= (record.revision, record.key)
                }
                (Some(key), _) => (place.revision, key) < (record.revision, record.key),
            },
        }
    }
}
