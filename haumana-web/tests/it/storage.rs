//! Rows hold what memory holds.

use crate::rows::Kept;
use haumana_replica::storage::{
    Batch, IndexEntries, IndexRange, IndexValue, MemoryStorage, State, Storage, Unanswered,
};
use haumana_replica::{Agreed, Earlier, Local, Offer, Pending, Removal, Touch};
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::json::JsonText;
use haumana_sync::time::UnixMillis;
use haumana_web::RowStorage;
use std::ops::Bound;
use std::task::{Context, Poll, Waker};

const ACCOUNTS: [&str; 4] = ["a", "a/b", "a%2Fb", "ʻōlelo/%"];

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }

    fn is_so(&mut self) -> bool {
        self.below(2) == 0
    }
}

fn key(dice: &mut Dice) -> Key {
    let kind = KindNumber::new(u8::try_from(dice.below(3)).unwrap());
    Key { kind, id: RecordId::from_bits(u128::from(dice.below(5)) + 1) }
}

fn json(dice: &mut Dice) -> JsonText {
    let all = ["null", "1.50", r#""a\r\n\u0000ʻ""#, r#"{"b":1,"a":[2]}"#];
    JsonText::parse(all[usize::try_from(dice.below(4)).unwrap()]).unwrap()
}

fn touch(dice: &mut Dice) -> Touch {
    let (value, at, base) = (json(dice), UnixMillis(7), dice.is_so().then_some(u32::MAX));
    let earlier = Earlier { value: json(dice), at, base, is_answered: dice.is_so() };
    let earlier = if dice.is_so() { vec![earlier] } else { Vec::new() };
    let (before, acked) = (dice.is_so().then(|| "b".into()), dice.is_so().then_some(3));
    Touch { value, at, base, before, sent: dice.is_so(), acked, sent_at: base.map(|_| at), earlier }
}

fn local(dice: &mut Dice) -> Local {
    let value = |dice: &mut Dice| dice.is_so().then(|| json(dice).as_str().to_owned());
    let agreed = dice.is_so().then(|| Agreed {
        version: u32::MAX,
        modified_at: UnixMillis(-1),
        value: value(dice),
        mark: u64::MAX - dice.below(2),
    });
    let mut pending = Pending::default();
    if dice.is_so() {
        pending.touches.insert("title".into(), touch(dice));
        let at = UnixMillis(9);
        pending.removal = dice.is_so().then_some(Removal { at, base: None, is_offered: true });
        let acked = dice.is_so().then_some(3);
        pending.offers = vec![Offer { value: value(dice), at, acked }];
        pending.refused = dice.is_so().then(|| "quota".into());
    }
    Local { key: key(dice), agreed, pending }
}

fn state(dice: &mut Dice) -> State {
    let unanswered = Unanswered { call: "erase".into(), base: Some(1), request_id: "r".into() };
    State {
        cursor: dice.is_so().then(|| "c".into()),
        mark: u64::MAX,
        is_listing: dice.is_so(),
        is_other_life: dice.is_so(),
        digest: Digest::from_bits(u128::MAX - u128::from(dice.below(9))),
        is_erased: dice.is_so(),
        probe: dice.is_so().then(|| "p".into()),
        unanswered: dice.is_so().then_some(unanswered),
        open_conflicts: dice.is_so().then(|| dice.below(9)),
    }
}

fn entries(dice: &mut Dice) -> IndexEntries {
    let value = match dice.below(4) {
        0 => IndexValue::Absent,
        1 => IndexValue::Integer(i64::MIN),
        2 => IndexValue::Real(0.1 + 0.2),
        _ => IndexValue::Text("a/b".into()),
    };
    let fields = if dice.is_so() { vec![(1, value)] } else { Vec::new() };
    IndexEntries { key: key(dice), fields }
}

/// A batch; the same dice make the same one.
fn batch(seed: u64) -> Batch {
    let dice = &mut Dice(seed);
    let mut batch = Batch { state: dice.is_so().then(|| state(dice)), ..Batch::default() };
    batch.records = (0..dice.below(4)).map(|_| local(dice)).collect();
    batch.indexed = (0..dice.below(3)).map(|_| entries(dice)).collect();
    batch
}

/// Everything that can be read of a storage.
async fn all(storage: &mut dyn Storage) -> Vec<String> {
    let mut accounts = storage.accounts().await.unwrap();
    accounts.sort();
    let mut all = vec![format!("{:?} {accounts:?}", storage.declared().await.unwrap())];
    for account in ACCOUNTS {
        all.push(format!("{account} {:?}", storage.state(account).await.unwrap()));
        all.push(format!("{:?}", storage.count_open(account).await.unwrap()));
        all.push(format!("{:?}", storage.due(account, 99).await.unwrap()));
        all.push(format!("{:?}", storage.unmarked(account, u64::MAX).await.unwrap()));
        for kind in (0..9).map(KindNumber::new) {
            all.push(format!("{kind:?} {:?}", storage.list(account, kind).await.unwrap()));
            let absent = Bound::Included(IndexValue::Absent);
            for from in [absent.clone(), Bound::Unbounded] {
                let to = if from == absent { absent.clone() } else { Bound::Unbounded };
                let range = IndexRange { from, to };
                all.push(format!("{:?}", storage.find(account, kind, 1, &range).await.unwrap()));
            }
        }
    }
    all
}

#[tokio::test]
async fn rows_hold_what_memory_holds_after_the_same_things_happened_and_a_reload() {
    for seed in 0..60 {
        let dice = &mut Dice(seed);
        let (mut memory, kept) = (MemoryStorage::new(), Kept::default());
        let mut page = RowStorage::new(kept.clone());
        assert_eq!(memory.device("d").await.unwrap(), page.device("d").await.unwrap());
        for step in 0..40 {
            let account = ACCOUNTS[usize::try_from(dice.below(4)).unwrap()];
            let happens = dice.below(12);
            for storage in [&mut memory as &mut dyn Storage, &mut page] {
                if happens == 0 {
                    storage.forget(account).await.unwrap();
                } else {
                    storage.write(account, batch(seed * 100 + step)).await.unwrap();
                }
            }
            if dice.below(5) == 0 {
                page = RowStorage::new(kept.clone());
            }
            assert_eq!(all(&mut memory).await, all(&mut page).await, "seed {seed}, step {step}");
        }
        let mut again = RowStorage::new(kept);
        assert_eq!("d", again.device("another").await.unwrap());
        assert_eq!(all(&mut memory).await, all(&mut again).await, "seed {seed}");
    }
}

#[tokio::test]
async fn a_kind_that_gets_another_number_takes_its_records_along() {
    let (mut memory, kept) = (MemoryStorage::new(), Kept::default());
    let mut page = RowStorage::new(kept.clone());
    let n = KindNumber::new;
    let mut declared = memory.declared().await.unwrap();
    declared.strays.insert(n(7), "setlist".into());
    for storage in [&mut memory as &mut dyn Storage, &mut page] {
        for seed in 0..20 {
            let mut batch = batch(seed);
            batch.indexed.clear();
            storage.write("a/b", batch).await.unwrap();
        }
        storage.declare(&declared, &[(n(2), n(7)), (n(1), n(2))]).await.unwrap();
    }

    let mut reloaded = RowStorage::new(kept);

    assert_eq!(all(&mut memory).await, all(&mut page).await);
    assert_eq!(all(&mut memory).await, all(&mut reloaded).await);
    assert!(!memory.list("a/b", n(7)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_is_told() {
    let kept = Kept::default();
    let mut page = RowStorage::new(kept.clone());
    page.write("a", batch(3)).await.unwrap();
    let (before, count) = (all(&mut page).await, kept.count());
    kept.fill(true);

    let error = page.write("a", batch(8)).await.unwrap_err();
    assert_eq!(haumana_replica::ErrorKind::NoSpace, error.kind());
    assert_eq!("QuotaExceededError", std::error::Error::source(&error).unwrap().to_string());
    page.forget("a").await.unwrap_err();
    page.set_device("other").await.unwrap_err();

    assert_eq!((before, count), (all(&mut page).await, kept.count()));
    kept.fill(false);
    page.write("a", batch(8)).await.unwrap();
    assert_eq!(all(&mut page).await, all(&mut RowStorage::new(kept)).await);
}

#[tokio::test]
async fn a_write_that_is_dropped_at_any_moment_has_written_all_of_it_or_nothing() {
    for polls in 0..4 {
        let kept = Kept::default();
        let mut page = RowStorage::new(kept.clone());
        page.write("a", batch(3)).await.unwrap();
        {
            let mut write = page.write("a", batch(8));
            for _ in 0..polls {
                let polled = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if polled.is_ready() {
                    break;
                }
                assert_eq!(Poll::Pending, polled.map(drop));
            }
        }

        let mut reloaded = RowStorage::new(kept);

        assert_eq!(all(&mut reloaded).await, all(&mut page).await, "after {polls} polls");
    }
}
