//! What is stored of an account and does not agree with itself is found, and mended where it follows
//! from the rest. That it is so in every store is a law; see `haumana_sync::conformance`.

use crate::support::kai;
use haumana_sync::Store;
use haumana_sync::conformance::{
    PLANTED, PLANTED_AT, Planted, StoredAccount, plant_account, planted_engine, planted_schema,
};
use haumana_sync::engine::{
    EditTimes, Fault, FaultPlace, Finding, Push, PushOp, Remedy, RepairMode,
};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::record::Value;
use haumana_sync::store::{
    After, Batch, BatchLimits, Envelope, Error, ErrorKind, Head, HistoryEntry, HistoryKey,
    IndexEntry, MemoryStore, Page, Result, Revision, Version, Wiped,
};
use haumana_sync::time::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An account that is whole.
async fn whole() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    plant_account(store.clone(), &kai(), PLANTED_AT).await;
    store
}

async fn broken(planted: &Planted) -> Arc<MemoryStore> {
    let store = whole().await;
    let mut account = StoredAccount::read(&store, &store, &kai()).await;
    (planted.plant)(&mut account);
    let store = Arc::new(MemoryStore::new());
    account.write(&store, &kai()).await;
    store
}

async fn findings(store: &Arc<MemoryStore>) -> Vec<Finding> {
    planted_engine(store.clone(), 1).verify(store, &kai()).await.unwrap().findings
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_mended_and_writes_nothing() {
    for planted in PLANTED {
        let (name, store) = (planted.name, broken(planted).await);
        let engine = planted_engine(store.clone(), 1);
        let before = StoredAccount::read(&store, &store, &kai()).await;

        let tried = engine.repair(&store, &kai(), RepairMode::DryRun).await.unwrap();

        assert_eq!(before, StoredAccount::read(&store, &store, &kai()).await, "{name}");
        let done = engine.repair(&store, &kai(), RepairMode::Write).await.unwrap();
        assert_eq!(tried.before, done.before, "{name}");
        assert_eq!(tried.left.is_empty(), done.left.is_empty(), "{name}");
        if planted.fault.remedy() == Remedy::Person {
            let is_left = done.left.iter().any(|found| found.fault == planted.fault);
            assert!(is_left, "{name}: nobody but a person can say what it was");
        }
        let again = engine.repair(&store, &kai(), RepairMode::Write).await.unwrap();
        assert_eq!(Vec::<Finding>::new(), again.mended, "{name}: once");
    }
}

#[tokio::test]
async fn content_that_was_changed_by_hand_reaches_devices_as_a_later_version() {
    let planted = PLANTED.iter().find(|planted| planted.fault == Fault::ChangedByHand).unwrap();
    let store = broken(planted).await;
    let version = || async {
        let records = StoredAccount::read(&store, &store, &kai()).await.records;
        records.iter().map(|record| record.version).max()
    };
    let before = version().await;

    let engine = planted_engine(store.clone(), 1);
    engine.repair(&store, &kai(), RepairMode::Write).await.unwrap();

    assert_eq!(before.map(|version| version + 1), version().await);
    assert_eq!(Vec::<Finding>::new(), findings(&store).await);
}

#[tokio::test]
async fn several_pushes_make_a_record_whose_fields_changed_with_it_and_not_before() {
    let store = Arc::new(MemoryStore::new());
    let engine = planted_engine(store.clone(), 1);
    plant_account(store.clone(), &kai(), PLANTED_AT).await;
    // Versions of the next life are above all of this one.
    engine.erase(&kai()).await.unwrap();
    let song = Key { kind: KindNumber::new(9), id: RecordId::from_bits(7) };
    let push = |title: &str, key: &str| {
        let fields = [("title", title), ("key", key)];
        let fields = fields.map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned())));
        let op = PushOp::Set(fields.into());
        Push { key: song, base: None, edited_at: EditTimes::Unknown, op }
    };

    let pushes = [push("Hiilawe", "F"), push("Hiʻilawe", "F"), push("Hiʻilawe", "G")];
    engine.push(&kai(), "phone", &pushes).await.unwrap();

    assert_eq!(Vec::<Finding>::new(), findings(&store).await);
}

#[tokio::test]
async fn a_finding_says_where_and_what_and_no_content() {
    let planted = PLANTED.iter().find(|planted| planted.fault == Fault::HistoryChanged).unwrap();
    let store = broken(planted).await;

    let told: Vec<String> = findings(&store).await.iter().map(ToString::to_string).collect();

    let wanted = "history_changed at k9 00000000-0000-0001-0000-000000005EED version 1: a value is \
                  not the one that the record had (key)";
    assert_eq!(vec![wanted], told);
}

#[tokio::test]
async fn a_fault_has_a_name_of_its_own() {
    let mut codes: Vec<&str> = Fault::ALL.iter().map(|fault| fault.code()).collect();
    codes.sort_unstable();
    codes.dedup();

    assert_eq!(Fault::ALL.len(), codes.len());
    let head =
        Finding { fault: Fault::HeadMissing, place: FaultPlace::Head, detail: String::new() };
    assert_eq!("head_missing at the head: there are records and no head", head.to_string());
}

/// What a store may answer that has lost the agreement of its tables and indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    NoHead,
    BrokenHead,
    /// The index lacks its first record.
    ShortIndex,
    /// The stream lacks its first record.
    ShortStream,
    /// The stream has its first record twice.
    LongStream,
    /// The index says another size.
    OtherIndex,
    /// Nothing of the first record can be read but its key.
    Aside,
    /// A record is of a commit that never was.
    Later,
    /// Somebody commits between any two reads of the head.
    Busy,
}

#[derive(Debug)]
struct Damaged(Arc<MemoryStore>, Damage, AtomicUsize);

#[async_trait::async_trait]
impl Store for Damaged {
    fn batch_limits(&self) -> BatchLimits {
        self.0.batch_limits()
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        let head = self.0.head(user).await?;
        match self.1 {
            Damage::NoHead => Ok(None),
            Damage::BrokenHead => Err(Error::new("head", ErrorKind::Corrupt)),
            Damage::Busy => {
                let n_calls = self.2.fetch_add(1, Ordering::Relaxed) as u64;
                let later =
                    |head: Head| Head { revision: Revision(head.revision.0 + n_calls), ..head };
                Ok(head.map(later))
            }
            _ => Ok(head),
        }
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        self.0.read(user, keys).await
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        let mut index = self.0.index(user, kind).await?;
        match self.1 {
            Damage::ShortIndex if !index.is_empty() => {
                index.remove(0);
            }
            Damage::OtherIndex => index.iter_mut().for_each(|entry| entry.size_bytes += 1),
            _ => {}
        }
        Ok(index)
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        let mut page = self.0.changes(user, after, limit).await?;
        match (self.1, page.records.first().cloned()) {
            (Damage::ShortStream, Some(_)) => {
                page.records.remove(0);
            }
            (Damage::LongStream, Some(first)) => page.records.push(first),
            (Damage::Aside, Some(first)) => {
                page.records[0] = Envelope::unreadable(first.key, first.version);
            }
            (Damage::Later, Some(_)) => page.records[0].revision = Revision(1_000),
            _ => {}
        }
        Ok(page)
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        self.0.history(user, keys).await
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        self.0.history_of(user, key, before, limit).await
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        self.0.commit(user, expected, batch).await
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        self.0.purge(user, before).await
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        self.0.erase(user).await
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        self.0.erased_floor(user).await
    }
}

#[tokio::test]
async fn tables_and_indexes_that_do_not_agree_are_found() {
    let cases = [
        (Damage::NoHead, Fault::HeadMissing),
        (Damage::BrokenHead, Fault::HeadUnreadable),
        (Damage::ShortIndex, Fault::NotInIndex),
        (Damage::ShortStream, Fault::NotInStream),
        (Damage::LongStream, Fault::TwiceInStream),
        (Damage::OtherIndex, Fault::IndexDiffers),
        (Damage::Aside, Fault::Unreadable),
        (Damage::Later, Fault::RevisionRange),
    ];
    for (damage, fault) in cases {
        let memory = whole().await;
        let store = Damaged(memory.clone(), damage, AtomicUsize::new(0));

        let engine = planted_engine(Arc::new(store), 1);
        let found = engine.verify(&memory, &kai()).await.unwrap().findings;

        assert!(found.iter().any(|found| found.fault == fault), "{damage:?}: {found:#?}");
        assert_eq!(planted_schema(), *engine.schema());
    }
}

#[tokio::test]
async fn an_unreadable_record_counts_as_the_index_tells() {
    let memory = whole().await;
    let store = Damaged(memory.clone(), Damage::Aside, AtomicUsize::new(0));

    let found = planted_engine(Arc::new(store), 1).verify(&memory, &kai()).await.unwrap();

    let faults: Vec<Fault> = found.findings.iter().map(|found| found.fault).collect();
    assert_eq!(vec![Fault::Unreadable], faults, "no sum of the head is wrong");
}

#[tokio::test]
async fn who_never_stops_writing_is_not_verified_and_told_so() {
    let memory = whole().await;
    let store = Damaged(memory.clone(), Damage::Busy, AtomicUsize::new(0));

    let error = planted_engine(Arc::new(store), 1).verify(&memory, &kai()).await.unwrap_err();

    assert_eq!("too many others are writing for this user", error.to_string());
}
