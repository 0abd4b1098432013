//! An account as it was at an earlier time: the laws over random histories of random schemas, then
//! what they do not reach.

use crate::support::{DAY, SeededRandom, Server, SetClock, kai, ready};
use haumana_sim::dice::Dice;
use haumana_sim::schemas::{random_schema, values};
use haumana_sync::Store;
use haumana_sync::digest::Digest;
use haumana_sync::engine::{
    EditTimes, Engine, EngineConfig, ErrorKind, Push, PushOp, PushOutcome, RewindChange,
    RewindMode, RewindRequest, Rewound,
};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::limits;
use haumana_sync::record::{Content, Counter, Value};
use haumana_sync::schema::{FieldType, Kind, Schema};
use haumana_sync::store::{
    self, Batch, BatchLimits, Fault, Faults, FaultyStore, Generation, MemoryStore, Version,
};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::Refusal;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// An account on a clock of its own.
struct Account {
    engine: Engine,
    clock: Arc<SetClock>,
    schema: Schema,
    memory: Arc<MemoryStore>,
}

/// What each live record holds; of counters the sum.
type State = BTreeMap<Key, BTreeMap<String, Value>>;

impl Account {
    fn new(schema: Schema, seed: u64, limits: Option<BatchLimits>) -> Self {
        let memory = match limits {
            Some(limits) => MemoryStore::new().with_limits(limits),
            None => MemoryStore::new(),
        };
        let (memory, clock) = (Arc::new(memory), Arc::new(SetClock::at(UnixMillis(DAY))));
        let config = EngineConfig::new(Generation(0));
        let random = Arc::new(SeededRandom::starting_at(seed));
        let engine = Engine::of(schema.clone(), memory.clone(), clock.clone(), random, config);
        Self { engine, clock, schema, memory }
    }

    fn now(&self) -> UnixMillis {
        self.engine.now()
    }

    async fn state(&self) -> State {
        let (mut state, mut cursor) = (State::new(), None::<String>);
        loop {
            let page = self.engine.pull(&kai(), cursor.as_deref(), 1000, 1 << 30).await.unwrap();
            for change in page.changes {
                let Some(value) = change.value else { continue };
                let kind = self.schema.kind(change.key.kind).unwrap();
                state.insert(change.key, read(kind, &value));
            }
            cursor = page.cursor;
            if !page.more {
                return state;
            }
        }
    }

    async fn rewind(&self, to: UnixMillis, mode: RewindMode) -> Rewound {
        let request = RewindRequest { to, mode, request_id: None };
        self.engine.rewind(&kai(), &request).await.unwrap()
    }

    /// The head's digest is that of the records.
    async fn check_digest(&self) {
        let page = self.engine.pull(&kai(), None, 1000, 1 << 30).await.unwrap();
        let term = |change: &haumana_sync::engine::Changed| {
            let (kind, deleted) = (self.schema.name_of(change.key.kind), change.value.is_none());
            Digest::of_version(&kind, change.key.id, change.version, deleted)
        };
        let sum = page.changes.iter().map(term).fold(Digest::default(), Digest::plus);
        assert_eq!(Some(sum), page.digest);
    }
}

fn read(kind: &Arc<Kind>, json: &str) -> BTreeMap<String, Value> {
    let content = Content::parse(kind, json).unwrap();
    let value = |name: &str| match content.unit(name) {
        value if kind.unit(name).field_type() == Some(&FieldType::Counter) => {
            Value::Text(Counter::of(&value).sum().to_string())
        }
        value => value,
    };
    content.names().map(|name| (name.to_owned(), value(name))).collect()
}

/// A device that may know only an older version.
struct Hand {
    name: String,
    counts: BTreeMap<(Key, String), (u64, u64)>,
}

impl Hand {
    fn push(&mut self, dice: &mut Dice, account: &Account, versions: &Versions) -> Push {
        let kind = dice.pick(account.schema.kinds()).clone();
        let id = RecordId::from_bits(0xA0 + dice.below(4) as u128);
        let key = Key { kind: kind.number(), id };
        let base = versions.get(&key).copied();
        // Now and then it has not seen the last of them.
        let base = base.map(|base| if 1 < base && dice.chance(25) { base - 1 } else { base });
        let edited_at = EditTimes::One(account.now().plus_ms(dice.between(-600_000, 60_000)));
        if base.is_some() && dice.chance(15) {
            return Push { key, base, edited_at, op: PushOp::Delete };
        }
        let mut set = BTreeMap::new();
        for field in kind.fields() {
            if !field.is_mandatory() && base.is_some() && !dice.chance(40) {
                continue;
            }
            let next = match field.field_type() {
                FieldType::Counter => {
                    let count = self.counts.entry((key, field.name().to_owned())).or_default();
                    *if dice.chance(60) { &mut count.0 } else { &mut count.1 } += 1;
                    json!({ &self.name: [count.0, count.1] })
                }
                other => values::next(dice, other, &json!(null)),
            };
            let raw = serde_json::value::to_raw_value(&next).unwrap();
            set.insert(field.name().to_owned(), field.read(&raw).unwrap());
        }
        if dice.chance(20) {
            let raw = serde_json::value::to_raw_value(&json!(dice.below(3))).unwrap();
            set.insert("unknownKey".to_owned(), kind.named("unknownKey").read(&raw).unwrap());
        }
        Push { key, base, edited_at, op: PushOp::Set(set) }
    }
}

type Versions = BTreeMap<Key, Version>;

/// A history of edits, with what the account was at each time.
async fn history(dice: &mut Dice, account: &Account) -> Vec<(UnixMillis, State)> {
    let mut hands: Vec<Hand> =
        (0..2).map(|at| Hand { name: format!("device-{at}"), counts: BTreeMap::new() }).collect();
    let (mut versions, mut recorded) = (Versions::new(), Vec::new());
    for _ in 0..30 {
        account.clock.pass_ms(dice.between(1, 90_000));
        let hand = dice.below(2);
        let pushes: Vec<Push> =
            (0..1 + dice.below(3)).map(|_| hands[hand].push(dice, account, &versions)).collect();
        let name = hands[hand].name.clone();
        for result in account.engine.push(&kai(), &name, &pushes).await.unwrap() {
            versions.extend(result.version.map(|version| (result.key, version)));
        }
        recorded.push((account.now(), account.state().await));
    }
    recorded
}

#[tokio::test]
async fn an_account_is_what_it_was_and_a_rewind_to_before_brings_everything_back() {
    cov_mark::check!(restored_counter_is_written_as_a_difference);
    let mut done_in_all = [0; 3];
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let schema = random_schema(&mut dice);
        let small = BatchLimits { items: 12, bytes: 3_000_000 };
        let account = Account::new(schema, seed, dice.chance(50).then_some(small));
        let mut recorded = history(&mut dice, &account).await;
        for turn in 0..3 {
            account.clock.pass_ms(dice.between(1, 90_000));
            let (to, then) = dice.pick(&recorded).clone();
            let (now, before) = (account.now(), account.state().await);
            let head = account.memory.head(&kai()).await.unwrap();

            let tried = account.rewind(to, RewindMode::DryRun).await;
            let unchanged = account.memory.head(&kai()).await.unwrap();
            let done = account.rewind(to, RewindMode::Write).await;

            assert_eq!(head, unchanged, "seed {seed}: a dry run writes nothing");
            assert_eq!(tried, done, "seed {seed}: a dry run tells what would be done");
            for (all, one) in
                done_in_all.iter_mut().zip([done.changed, done.deleted, done.brought_back])
            {
                *all += one;
            }
            assert_eq!(0, done.kept, "seed {seed}: {done:?}");
            assert_eq!(then, account.state().await, "seed {seed}, turn {turn}, to {to}");
            assert_eq!(now.plus_ms(-1), done.before);
            account.check_digest().await;
            recorded.push((account.now(), then));
            account.clock.pass_ms(dice.between(1, 90_000));
            account.rewind(done.before, RewindMode::Write).await;
            assert_eq!(before, account.state().await, "seed {seed}, turn {turn}: it is undone");
            recorded.push((account.now(), before));
        }
    }
    assert!(done_in_all.iter().all(|n| 30 < *n), "there was something to do: {done_in_all:?}");
}

#[tokio::test]
async fn a_rewind_to_now_changes_nothing_and_one_to_before_all_deletes_everything() {
    let mut dice = Dice::new(7);
    let account = Account::new(random_schema(&mut dice), 7, None);
    let begin = account.now().plus_ms(-1);
    let recorded = history(&mut dice, &account).await;
    let n_live = recorded.last().unwrap().1.len();

    let none = account.rewind(account.now(), RewindMode::Write).await;
    let all = account.rewind(begin, RewindMode::Write).await;

    assert_eq!((0, 0, 0), (none.changed, none.deleted, none.brought_back));
    assert_eq!((0, n_live, 0), (all.changed, all.deleted, all.brought_back));
    assert!(account.state().await.is_empty());
}

fn piece(n: u32) -> Key {
    Key::piece(RecordId::from_bits(n.into()))
}

fn set(key: Key, base: Option<Version>, title: &str, edited_at: UnixMillis) -> Push {
    let set = BTreeMap::from([("title".to_owned(), Value::Text(title.to_owned()))]);
    Push { key, base, edited_at: EditTimes::One(edited_at), op: PushOp::Set(set) }
}

async fn push(server: &Server, pushes: &[Push]) {
    let results = server.engine.push(&kai(), "a", pushes).await.unwrap();
    let is_rejected = |outcome: PushOutcome| matches!(outcome, PushOutcome::Rejected(_));
    assert!(!results.iter().any(|result| is_rejected(result.outcome)), "{results:?}");
}

async fn titles(server: &Server) -> Vec<String> {
    let page = server.engine.pull(&kai(), None, 1000, 1 << 30).await.unwrap();
    let mut titles: Vec<String> = page
        .changes
        .iter()
        .filter_map(|change| {
            let value: serde_json::Value = serde_json::from_str(change.value.as_ref()?).unwrap();
            Some(value["title"].as_str().unwrap().to_owned())
        })
        .collect();
    titles.sort();
    titles
}

fn request(to: UnixMillis, id: &str) -> RewindRequest {
    RewindRequest { to, mode: RewindMode::Write, request_id: Some(id.to_owned()) }
}

#[tokio::test]
async fn a_repeated_request_changes_nothing_that_was_edited_since() {
    cov_mark::check!(repeated_rewind_changes_nothing);
    let server = Server::new();
    push(&server, &[set(piece(1), None, "one", UnixMillis(DAY))]).await;
    let to = server.engine.now();
    server.pass_secs(60);
    push(&server, &[set(piece(1), Some(1), "edited", server.engine.now())]).await;
    server.pass_secs(60);

    let first = server.engine.rewind(&kai(), &request(to, "once")).await.unwrap();
    server.pass_secs(60);
    push(&server, &[set(piece(1), Some(3), "later", server.engine.now())]).await;
    let again = server.engine.rewind(&kai(), &request(to, "once")).await.unwrap();

    assert_eq!((1, false), (first.changed, first.is_repeated));
    assert_eq!((0, true), (again.changed, again.is_repeated));
    assert_eq!(["later"], *titles(&server).await);
}

/// Of the model's runs, seed 54 of the profile `rewinds`: nothing remembered a rewind of an account that
/// had nothing yet, and the same request deleted what was made since.
#[tokio::test]
async fn a_rewind_of_an_account_of_nothing_is_remembered_too() {
    let server = Server::new();
    let to = server.engine.now();
    server.pass_secs(60);
    let first = server.engine.rewind(&kai(), &request(to, "once")).await.unwrap();
    push(&server, &[set(piece(1), None, "made since", server.engine.now())]).await;
    server.pass_secs(60);

    let again = server.engine.rewind(&kai(), &request(to, "once")).await.unwrap();

    assert_eq!((0, false), (first.deleted, first.is_repeated));
    assert_eq!((0, true), (again.deleted, again.is_repeated));
    assert_eq!(["made since"], *titles(&server).await);
}

#[tokio::test]
async fn an_edit_that_a_device_made_before_and_sends_after_is_merged_as_any_other() {
    let server = Server::new();
    push(&server, &[set(piece(1), None, "one", UnixMillis(DAY))]).await;
    let to = server.engine.now();
    server.pass_secs(60);
    push(&server, &[set(piece(1), Some(1), "two", server.engine.now())]).await;
    server.pass_secs(60);
    let made_at = server.engine.now();
    server.pass_secs(60);

    server.engine.rewind(&kai(), &request(to, "once")).await.unwrap();
    let late = set(piece(1), Some(2), "offline", made_at);
    let results = server.engine.push(&kai(), "b", &[late]).await.unwrap();

    assert_eq!(["one"], *titles(&server).await, "the rewind is the later edit");
    let lost: Vec<_> = results[0].conflicts.iter().map(|one| one.lost.clone()).collect();
    assert_eq!(vec![Some(Value::Text("offline".to_owned()))], lost, "and the inbox has the other");
}

#[tokio::test]
async fn times_of_which_the_history_does_not_tell_are_refused() {
    let server = Server::new();
    push(&server, &[set(piece(1), None, "one", UnixMillis(DAY))]).await;
    let rewind = async |to: UnixMillis| {
        let request = RewindRequest { to, mode: RewindMode::DryRun, request_id: None };
        server.engine.rewind(&kai(), &request).await.map_err(|error| error.kind())
    };
    let now = server.engine.now();
    let retention_ms = haumana_sync::engine::RETENTION_MS;

    assert_eq!(Err(ErrorKind::Invalid), rewind(now.plus_ms(1)).await);
    assert_eq!(Err(ErrorKind::PastRetention), rewind(now.plus_ms(-retention_ms - 1)).await);
    assert!(rewind(now.plus_ms(-retention_ms)).await.is_ok());
    server.pass_secs(60);
    server.engine.erase(&kai()).await.unwrap();
    assert_eq!(Err(ErrorKind::PastRetention), rewind(now).await, "it was erased since");
    assert!(rewind(server.engine.now()).await.is_ok());
}

#[tokio::test]
async fn what_has_given_way_to_newer_history_stays_and_is_named() {
    let server = Server::new();
    let engine = Engine::new(
        server.store.clone(),
        server.clock.clone(),
        Arc::new(SeededRandom::starting_at(9)),
        EngineConfig::new(Generation(0)),
    );
    let server = Server { engine: engine.with_history_bytes(4_000), ..server };
    let text = |n: u32| format!("{n} {}", "x".repeat(400));
    push(&server, &[set(piece(1), None, &text(0), UnixMillis(DAY))]).await;
    let to = server.engine.now();
    for n in 1..30 {
        server.pass_secs(60);
        push(&server, &[set(piece(1), Some(n), &text(n), server.engine.now())]).await;
    }
    server.pass_secs(60);
    push(&server, &[set(piece(2), None, "new", server.engine.now())]).await;
    server.pass_secs(60);

    let rewound = server.engine.rewind(&kai(), &request(to, "once")).await.unwrap();

    // Nobody can say of the second that it was not there before either.
    assert_eq!((0, 1), (rewound.changed, rewound.kept), "{rewound:?}");
    assert_eq!((piece(1), RewindChange::Forgotten), rewound.records[0]);
}

#[tokio::test]
async fn an_unreadable_record_stays_and_the_others_are_rewound() {
    let server = Server::new();
    let pushes = [1, 2].map(|n| set(piece(n), None, "one", UnixMillis(DAY)));
    push(&server, &pushes).await;
    let to = server.engine.now();
    server.pass_secs(60);
    let edits = [1, 2].map(|n| set(piece(n), Some(1), "two", server.engine.now()));
    push(&server, &edits).await;
    let old = server.memory.head(&kai()).await.unwrap().unwrap();
    let mut broken = server.memory.read(&kai(), &[piece(1)]).await.unwrap().remove(0).unwrap();
    let mut head = old.clone();
    head.revision.0 += 1;
    head.commit.0 += 1;
    (broken.revision, broken.stamp) = (head.revision, head.stamp);
    broken.content.truncate(9);
    let batch = Batch { head, records: vec![broken], history: Vec::new() };
    server.memory.commit(&kai(), Some(&old), &batch).await.unwrap();
    server.pass_secs(60);

    let rewound = server.engine.rewind(&kai(), &request(to, "once")).await.unwrap();

    assert_eq!((1, 1), (rewound.changed, rewound.kept));
    assert_eq!((piece(1), RewindChange::Refused(Refusal::Unreadable)), rewound.records[0]);
    assert_eq!(["one"], *titles(&server).await);
}

/// Commits an edit of another device right before some commits of a rewind.
#[derive(Clone, Debug)]
struct Rival(Arc<Mutex<Vec<Push>>>, Arc<MemoryStore>, Arc<SetClock>);

impl Faults for Rival {
    fn next(&self, _op: &'static str) -> Option<Fault> {
        None
    }

    fn next_commit(&self, _batch: &Batch) -> Option<Fault> {
        let push = self.0.lock().unwrap().pop()?;
        let config = EngineConfig::new(Generation(0));
        let random = Arc::new(SeededRandom::starting_at(99));
        let engine = Engine::new(self.1.clone(), self.2.clone(), random, config);
        ready(engine.push(&kai(), "rival", &[push])).unwrap();
        None
    }
}

#[tokio::test]
async fn who_writes_meanwhile_makes_it_start_over_and_nothing_is_left_out() {
    let server = Server::new();
    let n = 600_u32;
    let made: Vec<Push> = (1..=n).map(|at| set(piece(at), None, "one", UnixMillis(DAY))).collect();
    push(&server, &made).await;
    let to = server.engine.now();
    server.pass_secs(60);
    let edits: Vec<Push> =
        (1..=n).map(|at| set(piece(at), Some(1), "two", server.engine.now())).collect();
    push(&server, &edits).await;
    server.pass_secs(60);
    // One that is not rewound yet, one that is, and a new one.
    let rivals = [
        set(piece(n + 1), None, "new", server.engine.now()),
        set(piece(1), Some(2), "rival", server.engine.now()),
        set(piece(n), Some(2), "rival", server.engine.now()),
    ];
    let rival =
        Rival(Arc::new(Mutex::new(rivals.to_vec())), server.memory.clone(), server.clock.clone());
    let store = Arc::new(FaultyStore::new(server.memory.clone(), rival));
    let random = Arc::new(SeededRandom::starting_at(5));
    let config = EngineConfig::new(Generation(0));
    let engine = Engine::new(store, server.clock.clone(), random, config);

    let rewound = engine.rewind(&kai(), &request(to, "once")).await.unwrap();

    let titles = titles(&server).await;
    let count = |title: &str| titles.iter().filter(|one| *one == title).count();
    assert_eq!(n as usize, rewound.changed, "{}", rewound.changed);
    assert_eq!(0, count("two"), "nothing is left as it was");
    assert!(n as usize - 1 <= count("one"), "{}", count("one"));
    assert!(count("rival") <= 1, "what was edited behind it stays");
    assert!(rewound.records.len() <= limits::REWIND_LISTED);
}

/// Fails commits that write no record, while it is on.
#[derive(Clone, Debug)]
struct Forgetful(Arc<AtomicBool>);

impl Faults for Forgetful {
    fn next(&self, _op: &'static str) -> Option<Fault> {
        None
    }

    fn next_commit(&self, batch: &Batch) -> Option<Fault> {
        let fails = self.0.load(Ordering::Relaxed) && batch.records.is_empty();
        fails.then_some(Fault::Before(store::ErrorKind::Throttled))
    }
}

/// Of the model's runs, seed 1080 of the profile `rewinds`: the store failed when the rewind was to be
/// remembered. It counted as done all the same, and the same request deleted what was made since.
#[tokio::test]
async fn a_rewind_that_cannot_be_remembered_has_failed_and_the_next_call_finishes_it() {
    let server = Server::new();
    push(&server, &[set(piece(1), None, "one", UnixMillis(DAY))]).await;
    let to = server.engine.now();
    server.pass_secs(60);
    push(&server, &[set(piece(1), Some(1), "two", server.engine.now())]).await;
    server.pass_secs(60);
    let is_on = Arc::new(AtomicBool::new(true));
    let store = FaultyStore::new(server.memory.clone(), Forgetful(is_on.clone()));
    let random = Arc::new(SeededRandom::starting_at(5));
    let config = EngineConfig::new(Generation(0));
    let engine = Engine::new(Arc::new(store), server.clock.clone(), random, config);

    let first = engine.rewind(&kai(), &request(to, "once")).await;
    is_on.store(false, Ordering::Relaxed);
    // Whoever heard that it is done does not ask again; whoever did not, does.
    if first.is_err() {
        engine.rewind(&kai(), &request(to, "once")).await.unwrap();
    }
    server.pass_secs(60);
    push(&server, &[set(piece(2), None, "made since", server.engine.now())]).await;
    server.pass_secs(60);
    let again = engine.rewind(&kai(), &request(to, "once")).await.unwrap();

    assert_eq!((0, true), (again.deleted, again.is_repeated));
    assert_eq!(["made since", "one"], *titles(&server).await);
    assert_eq!(ErrorKind::Unavailable, first.unwrap_err().kind());
}
