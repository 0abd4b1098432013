//! An account that uses everything, and faults that are planted into its stored data.
//!
//! [`Engine::verify`] has to find each of them, in every store.

use super::sample::user;
use super::{SeededRandom, SetClock};
use crate::engine::{Clock as _, EngineConfig, Fault, Finding, RepairMode, Resolution};
use crate::id::{Key, KindNumber, RecordId, UserId};
use crate::record::Value as FieldValue;
use crate::schema::{Field, FieldType, Kind, Schema};
use crate::store::{
    After, Batch, CommitId, Envelope, Generation, Head, HeadState, HistoryEntry, HistoryKey,
    MemoryStore, Operate, Revision, Stamp, Store,
};
use crate::time::UnixMillis;
use crate::wire::sync::SyncRequest;
use crate::{Engine, digest::Digest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When the laws make the account: 2026-11-23T00:00:00Z.
pub const PLANTED_AT: UnixMillis = UnixMillis(1_795_392_000_000);
const REPLY_BYTES: usize = 32 << 20;
const KIND: KindNumber = KindNumber::new(9);

/// The records of the account: edited several times, deleted, and edited by two devices at once.
const EDITED: u32 = 1;
const DELETED: u32 = 2;
const CONTESTED: u32 = 3;
const SETTLED: u32 = 4;

/// Returns the schema of the account.
pub fn planted_schema() -> Schema {
    let song = Kind::new(KIND.get(), "song")
        .field(Field::new(1, "title", FieldType::text(200)).mandatory())
        .field(Field::new(2, "lyrics", FieldType::lines(10_000)))
        .field(Field::new(3, "key", FieldType::text(20)))
        .field(Field::new(4, "tags", FieldType::set_of_texts(9)))
        .field(Field::new(5, "plays", FieldType::Counter));
    Schema::new([song]).unwrap()
}

/// Returns an engine for the account, on a store.
pub fn planted_engine(store: Arc<dyn Store>, seed: u64) -> Engine {
    let clock = Arc::new(SetClock::at(PLANTED_AT.plus_ms(86_400_000)));
    let random = Arc::new(SeededRandom::new(seed));
    Engine::of(planted_schema(), store, clock, random, EngineConfig::new(Generation(0)))
}

/// Makes the account of `user` in an empty store, by calls of clients from a given time on.
pub async fn plant_account(store: Arc<dyn Store>, user: &UserId, from: UnixMillis) {
    let clock = Arc::new(SetClock::at(from));
    let random = Arc::new(SeededRandom::new(5));
    let config = EngineConfig::new(Generation(0));
    let engine = Engine::of(planted_schema(), store, clock.clone(), random, config);
    let push = async |device: &str, number: u32, base: Option<u32>, change: Value| {
        clock.pass_ms(60_000);
        let mut one = json!({"kind": "song", "id": id(number).to_string(), "base": base});
        one.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        // The tablet's edit of the contested record is older than the phone's.
        let is_late = device == "tablet" && number == CONTESTED;
        let edited_at = clock.now().plus_ms(if is_late { -90_000 } else { 0 });
        one["editedAt"] = json!(edited_at.to_string());
        let text = json!({"deviceId": device, "push": [one]}).to_string();
        let request = SyncRequest::from_json(text.as_bytes()).unwrap();
        let reply = engine.sync(user, &request, REPLY_BYTES).await.unwrap();
        let reply: Value = serde_json::from_slice(&reply.into_json()).unwrap();
        let outcome = reply["results"][0]["outcome"].as_str().unwrap_or_default().to_owned();
        assert!(["applied", "merged", "conflict"].contains(&outcome.as_str()), "{reply}");
    };
    for number in [EDITED, DELETED, CONTESTED, SETTLED] {
        let set = json!({"title": format!("mele {number}"), "lyrics": "one\ntwo\nthree",
            "key": "F", "tags": ["a"], "plays": {"phone": [1, 0]}});
        push("phone", number, None, json!({"set": set})).await;
    }
    push("phone", EDITED, Some(1), json!({"set": {"key": "G", "tags": ["a", "b"]}})).await;
    push("tablet", EDITED, Some(2), json!({"set": {"lyrics": "one\ntwo\nthree\nfour"}})).await;
    push("phone", EDITED, Some(3), json!({"set": {"title": "mele with another name"}})).await;
    push("tablet", DELETED, Some(1), json!({"set": {"key": "C"}})).await;
    push("tablet", DELETED, Some(2), json!({"delete": true})).await;
    for number in [CONTESTED, SETTLED] {
        push("phone", number, Some(1), json!({"set": {"title": "what the phone calls it"}})).await;
        push("tablet", number, Some(1), json!({"set": {"title": "what the tablet calls it"}}))
            .await;
    }
    let (conflicts, _) = engine.conflict_page(user, None, 10, 1 << 20).await.unwrap();
    let settled = conflicts.iter().find(|one| one.key == key(SETTLED)).unwrap();
    engine.resolve(user, settled.id, &Resolution::Keep).await.unwrap();
}

fn id(number: u32) -> RecordId {
    RecordId::from_bits(u128::from(number) << 64 | 0x5EED)
}

fn key(number: u32) -> Key {
    Key { kind: KIND, id: id(number) }
}

/// All stored data of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccount {
    /// Its head.
    pub head: Head,
    /// Its records, and the entries of its inbox.
    pub records: Vec<Envelope>,
    /// Its history.
    pub history: Vec<HistoryEntry>,
}

impl StoredAccount {
    /// Reads it from a store.
    pub async fn read(store: &dyn Store, all: &dyn Operate, user: &UserId) -> Self {
        let page = store.changes(user, After::Start, 10_000).await.unwrap();
        assert!(!page.more, "the account is small");
        let history = all.user_history(user, None, 10_000).await.unwrap().entries;
        Self { head: page.head.unwrap(), records: page.records, history }
    }

    /// Writes it into an empty store, commit by commit, unchanged.
    pub async fn write(&self, store: &dyn Store, user: &UserId) {
        let mut by_revision: BTreeMap<u64, Vec<Envelope>> = BTreeMap::new();
        for record in &self.records {
            by_revision.entry(record.revision.0).or_default().push(record.clone());
        }
        let mut before: Option<Head> = None;
        for revision in 1..=self.head.revision.0 {
            let records = by_revision.remove(&revision).unwrap_or_default();
            let is_last = revision == self.head.revision.0;
            let earlier = before.as_ref().map_or(Stamp(0), |head| head.stamp);
            let stamp = records.first().map_or(earlier, |record| record.stamp);
            let mut head = Head { revision: Revision(revision), stamp, ..self.head.clone() };
            head.commit = CommitId(u128::from(revision));
            if is_last {
                head = self.head.clone();
            }
            let history = if is_last { self.history.clone() } else { Vec::new() };
            let batch = Batch { head, records, history };
            store.commit(user, before.as_ref(), &batch).await.unwrap();
            before = Some(batch.head);
        }
        assert!(by_revision.is_empty(), "no record is of a commit behind the head");
    }

    fn record(&mut self, number: u32) -> &mut Envelope {
        self.records.iter_mut().find(|record| record.key == key(number)).unwrap()
    }

    fn conflict(&mut self, is_open: bool) -> &mut Envelope {
        let is_it = |record: &&mut Envelope| {
            record.key.kind == KindNumber::CONFLICT && record.deleted != is_open
        };
        self.records.iter_mut().find(is_it).unwrap()
    }

    fn version(&mut self, number: u32, version: u32, is_side: bool) -> &mut HistoryEntry {
        let is_it = |entry: &&mut HistoryEntry| {
            entry.key.key == key(number)
                && entry.key.version == version
                && (entry.key.side != 0) == is_side
        };
        self.history.iter_mut().find(is_it).unwrap()
    }
}

/// A sound account, as it is stored in memory.
async fn whole_account(name: &UserId) -> StoredAccount {
    let store = Arc::new(MemoryStore::new());
    plant_account(store.clone(), name, PLANTED_AT).await;
    StoredAccount::read(&*store, &*store, name).await
}

/// A sound account has no fault, neither where clients made it nor where it was copied to.
pub async fn an_account_that_is_written_as_it_was_is_whole(
    store: Arc<dyn Store>,
    all: &dyn Operate,
) {
    let (made, copied) = (user("kai"), user("noe"));
    plant_account(store.clone(), &made, PLANTED_AT).await;
    let account = StoredAccount::read(&*store, all, &made).await;
    account.write(&*store, &copied).await;
    let engine = planted_engine(store.clone(), 1);

    for user in [&made, &copied] {
        let verified = engine.verify(all, user).await.unwrap();

        assert_eq!(Vec::<Finding>::new(), verified.findings, "{user:?}");
        assert_eq!((4, 1, 1), (verified.records, verified.tombstones, verified.open_conflicts));
        assert_eq!(account.history.len(), verified.history);
    }
    assert_eq!(account, StoredAccount::read(&*store, all, &copied).await);
    let nobody = engine.verify(all, &user("lono")).await.unwrap();
    assert_eq!((None, Vec::new()), (nobody.head, nobody.findings));
}

/// Each fault is found. A repair corrects what follows from the rest, and leaves the others.
pub async fn each_planted_fault_is_found_and_mended_if_it_can_be(
    store: Arc<dyn Store>,
    all: &dyn Operate,
) {
    let engine = planted_engine(store.clone(), 1);
    let whole = whole_account(&user("whole")).await;
    for (at, planted) in PLANTED.iter().enumerate() {
        let (name, user) = (planted.name, user(&format!("kai-{at}")));
        let mut account = whole.clone();
        (planted.plant)(&mut account);
        account.write(&*store, &user).await;

        let found = engine.verify(all, &user).await.unwrap().findings;

        assert!(found.iter().any(|found| found.fault == planted.fault), "{name}: {found:#?}");
        let repaired = engine.repair(all, &user, RepairMode::Write).await.unwrap();
        let left = engine.verify(all, &user).await.unwrap().findings;
        assert_eq!(repaired.left, left, "{name}");
        let is_undone = |found: &&Finding| found.fault.remedy().is_automatic();
        assert_eq!(None, left.iter().find(is_undone), "{name}");
    }
}

/// Records that earlier schemas have written count as unchanged under each schema that may follow:
/// with newer fields, without some of their fields, in another order, and with other defaults. A
/// change by hand in them is still found.
pub async fn a_change_of_the_schema_is_no_change_by_hand(store: Arc<dyn Store>, all: &dyn Operate) {
    let kai = user("kai");
    let engines: Vec<Engine> = schemas_in_a_row()
        .into_iter()
        .map(|schema| {
            let clock = Arc::new(SetClock::at(PLANTED_AT));
            let random = Arc::new(SeededRandom::new(7));
            Engine::of(schema, store.clone(), clock, random, EngineConfig::new(Generation(0)))
        })
        .collect();
    let check = async |when: &str| {
        let before = StoredAccount::read(&*store, all, &kai).await;
        for (at, engine) in engines.iter().enumerate() {
            let repaired = engine.repair(all, &kai, RepairMode::Write).await.unwrap();
            assert_eq!(Vec::<Finding>::new(), repaired.before.findings, "{when}, schema {at}");
        }
        assert_eq!(before, StoredAccount::read(&*store, all, &kai).await, "{when}");
    };
    let push = async |at: usize, number: u32, base: Option<u32>, set: Value| {
        let one = json!({"kind": "song", "id": id(number).to_string(), "base": base, "set": set});
        let text = json!({"deviceId": "phone", "push": [one]}).to_string();
        let request = SyncRequest::from_json(text.as_bytes()).unwrap();
        let reply = engines[at].sync(&kai, &request, REPLY_BYTES).await.unwrap();
        let reply: Value = serde_json::from_slice(&reply.into_json()).unwrap();
        assert_eq!("applied", reply["results"][0]["outcome"], "{reply}");
    };

    push(0, 1, None, json!({"title": "Hula", "lyrics": "one", "tempo": 1.50})).await;
    push(0, 2, None, json!({"title": "Oli", "key": "F"})).await;
    push(0, 2, Some(1), json!({"lyrics": "two"})).await;
    check("before the change").await;
    push(1, 1, Some(1), json!({"verses": 5, "note": "slow"})).await;
    push(1, 2, Some(2), json!({"title": "Oli Aloha"})).await;
    push(1, 3, None, json!({"title": "Mele", "lyrics": "three", "note": "fast"})).await;
    check("after an edit with more fields").await;
    push(0, 1, Some(2), json!({"title": "Hula ʻauana"})).await;
    push(2, 2, Some(3), json!({"verses": 2})).await;
    push(2, 3, Some(1), json!({"lyrics": "four"})).await;
    check("after edits in turn").await;

    let account = StoredAccount::read(&*store, all, &kai).await;
    for (number, name) in [(1, "title"), (2, "verses"), (3, "note")] {
        let by_hand = user(&format!("kai-{name}"));
        let mut account = account.clone();
        changed(&mut account.record(number).content, |one| one[name] = json!("by hand"));
        account.write(&*store, &by_hand).await;
        for engine in &engines {
            let found = engine.verify(all, &by_hand).await.unwrap().findings;
            let is_it = |found: &Finding| found.fault == Fault::ChangedByHand;
            assert!(found.iter().any(is_it), "{name}: {found:?}");
        }
    }
}

/// Three schemas, each of which may follow each other.
fn schemas_in_a_row() -> [Schema; 3] {
    let title = || Field::new(1, "title", FieldType::text(200)).mandatory();
    let lyrics = || Field::new(2, "lyrics", FieldType::lines(10_000));
    let key = || Field::new(3, "key", FieldType::text(20));
    let verses = |default: &str| {
        let default = crate::json::JsonText::parse(default).unwrap();
        Field::new(4, "verses", FieldType::Integer).default_value(FieldValue::Json(default))
    };
    let note = |default| Field::new(5, "note", FieldType::text(20)).required(default);
    let made = || Field::new(6, "madeAt", FieldType::Time).required_edit_time();
    let rows = [
        vec![title(), lyrics(), key()],
        vec![title(), note("none"), verses("4"), lyrics(), key(), made()],
        vec![key(), title(), verses("6"), lyrics(), note("")],
    ];
    rows.map(|fields| {
        let song = Kind::new(KIND.get(), "song");
        Schema::new([fields.into_iter().fold(song, Kind::field)]).unwrap()
    })
}

/// Changes the JSON object in a text.
fn changed(text: &mut String, change: impl FnOnce(&mut Value)) {
    let mut value = if text.is_empty() { json!({}) } else { serde_json::from_str(text).unwrap() };
    change(&mut value);
    *text = value.to_string();
}

/// A fault that is planted into the stored data.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// What is done to the data.
    pub name: &'static str,
    /// The fault that must be found, among others that follow from it.
    pub fault: Fault,
    /// Plants the fault.
    pub plant: fn(&mut StoredAccount),
}

macro_rules! planted {
    ($($name:literal $fault:ident $plant:expr;)*) => {
        &[$(Planted { name: $name, fault: Fault::$fault, plant: $plant },)*]
    };
}

/// Faults that can be planted through the store's own calls.
pub const PLANTED: &[Planted] = planted! {
    "another digest of versions" VersionsDigest
        |all| all.head.versions = all.head.versions.plus(Digest::from_bits(1));
    "another digest of content" ContentDigest
        |all| all.head.content = all.head.content.minus(Digest::from_bits(1));
    "a record too few in the head" RecordCount |all| all.head.records -= 1;
    "bytes too many in the head" ByteCount |all| all.head.bytes += 1;
    "a lower largest version" MaxVersion |all| all.head.max_version -= 1;
    "a higher largest version" MaxVersion |all| all.head.max_version += 7;
    "notes that nobody can read" NotesUnreadable |all| all.head.notes = "{\"island\":1}".into();
    "an open conflict too many in the head" OpenCount
        |all| changed(&mut all.head.notes, |notes| notes["open"] = json!(2));
    "a quiet time with a change in it" QuietSince
        |all| changed(&mut all.head.notes, |notes| notes["quietSince"] = json!(3));
    "a record set aside that can be read" NothingAside
        |all| changed(&mut all.head.notes, |notes| notes["hasAside"] = json!(true));
    "an erasure that broke off" Erasing |all| all.head.state = HeadState::Erasing;
    "an import that broke off" Importing |all| all.head.state = HeadState::Importing;
    "an erased account with content" NotErased |all| all.head.state = HeadState::Erased;
    "a record that is gone" VersionsDigest
        |all| all.records.retain(|record| record.key != key(EDITED));
    "the history of a record that is gone" HistoryOfNothing
        |all| all.records.retain(|record| record.key != key(EDITED));
    "the conflict of a record that is gone" ConflictOfNothing
        |all| all.records.retain(|record| record.key != key(CONTESTED));
    "content that was edited by hand" ChangedByHand
        |all| changed(&mut all.record(EDITED).content, |one| one["key"] = json!("A"));
    "content of another record" ChangedByHand
        |all| all.record(EDITED).content = all.record(CONTESTED).content.clone();
    "content that is cut" Unreadable |all| all.record(EDITED).content.truncate(20);
    "no content" Unreadable |all| all.record(EDITED).content.clear();
    "meta that is cut" Unreadable |all| all.record(EDITED).meta.truncate(20);
    "a format of the future" Newer |all| all.record(EDITED).format = 900;
    "a tombstone with content" TombstoneContent
        |all| all.record(DELETED).content = "{\"title\":\"back\"}".into();
    "a tombstone with a hash" TombstoneContent
        |all| all.record(DELETED).hash = Digest::from_bits(5);
    "a record that is marked as deleted" TombstoneContent
        |all| all.record(EDITED).deleted = true;
    "a version of 0" VersionRange |all| all.record(SETTLED).version = 0;
    "an older version number" FieldVersions |all| all.record(EDITED).version = 2;
    "a field touched in the future" FieldVersions
        |all| changed(&mut all.record(EDITED).meta, |meta| meta["touched"]["key"]["v"] = json!(99));
    "a creation in the future" FieldVersions
        |all| changed(&mut all.record(EDITED).meta, |meta| meta["created"]["v"] = json!(99));
    "a version in the history that is cut" HistoryUnreadable
        |all| all.version(EDITED, 2, false).content.truncate(5);
    "meta of a version that is none" HistoryUnreadable
        |all| all.version(EDITED, 2, false).meta = "[]".into();
    "a version in the history that was edited" HistoryChanged
        |all| changed(&mut all.version(EDITED, 1, false).content, |one| one["key"] = json!("A"));
    "a value in the history that is gone" HistoryChanged
        |all| changed(&mut all.version(EDITED, 3, false).content, |one| {
            one.as_object_mut().unwrap().remove("title");
        });
    "a version in the history that never was" HistoryRange
        |all| all.version(EDITED, 3, false).key.version = 40;
    "a side that the record does not count" HistoryRange
        |all| changed(&mut all.record(CONTESTED).meta, |meta| meta["sides"] = json!(0));
    "the value that lost is gone" LoserGone |all| {
        let conflict = all.conflict(true).content.clone();
        let stored: Value = serde_json::from_str(&conflict).unwrap();
        let (version, side) = (&stored["lost"][0], &stored["lost"][1]);
        all.history.retain(|entry| {
            let HistoryKey { key: of, version: at, side: of_side } = entry.key;
            of != key(CONTESTED) || json!(at) != *version || json!(of_side) != *side
        });
    };
    "the value that lost is another" ConflictName |all| {
        let conflict = all.conflict(true).content.clone();
        let stored: Value = serde_json::from_str(&conflict).unwrap();
        for entry in &mut all.history {
            let HistoryKey { key: of, version, side } = entry.key;
            if of == key(CONTESTED) && json!([version, side]) == stored["lost"] {
                changed(&mut entry.content, |one| one["title"] = json!("nobody called it so"));
            }
        }
    };
    "a conflict that is cut" ConflictUnreadable |all| all.conflict(true).content.truncate(9);
    "a conflict that is closed and not resolved" ConflictState
        |all| all.conflict(true).deleted = true;
    "a conflict that is resolved and open" ConflictState
        |all| all.conflict(false).deleted = false;
    "a conflict at another time" ConflictName
        |all| all.conflict(true).hash = Digest::from_bits(77);
    "a conflict of a version that never was" ConflictName
        |all| changed(&mut all.conflict(true).content, |one| one["version"] = json!(70));
};
