//! `drill`: a restore of a backup, rehearsed on a copy of the database.
//!
//! It does what an operator would do in earnest, by the same calls: a backup, a restore, erasures
//! again, a check of all accounts, and devices that return. Two accounts of the drill's own play
//! people who go on writing after the backup.
//!
//! # The steps
//!
//! | step | what must hold |
//! |---|---|
//! | copied | the real data is only read |
//! | verified | the faults of the data before the restore are counted |
//! | backed up | with two accounts of the drill's own in it |
//! | went on | after the backup, one account is edited and one is erased |
//! | restored | the generation is higher than before |
//! | erased again | the account that was erased after the backup is erased, and nothing of it is left |
//! | verified | there are no more faults than before |
//! | devices back | the edit from after the backup is there again |
//!
//! If a step does not hold, the drill ends with a failure. The copies are removed in either case.
//!
//! The drill's accounts have a kind of record that the data does not have, so their records cannot
//! be mistaken for a user's.

mod ground;

use crate::Outcome;
use crate::args::Place;
use crate::place::{everybody, schema};
use crate::problem::{Problem, chain};
use crate::say::{Form, counted};
use ground::Ground;
use haumana_api::{SystemClock, SystemRandom};
use haumana_replica::Replica;
use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::DirectTransport;
use haumana_sync::Store;
use haumana_sync::engine::{Engine, EngineConfig, Random as _};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind, Schema};
use haumana_sync::store::{Generation, HeadState, Operate};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

const REPLY_BYTES: usize = 8 << 20;
const USERS: usize = 500;
/// The prefix of the user ids of the drill's own accounts.
const GUEST: &str = "haumana-drill-";
const KIND: &str = "drill";
const FIELD: &str = "text";

/// Runs the drill, and prints the result of each step.
pub(crate) async fn drill(place: &Place, form: Form) -> Result<Outcome, Problem> {
    let mut steps = Steps { form, since: Instant::now(), begun: Instant::now() };
    let (ground, detail) = Ground::copied(place).await?;
    steps.done("copied", detail);
    let done = rehearse(place, &ground, &mut steps).await;
    // Also after a failure: no copy of the data may be left.
    let removed = ground.remove().await;
    let findings = done?;
    removed?;

    let secs = steps.begun.elapsed().as_secs_f64();
    let line = format!("the drill succeeded in {secs:.1} s; its copies are deleted");
    form.say(&json!({"drill": "succeeded", "seconds": secs, "findings": findings}), &[line]);
    Ok(if findings == 0 { Outcome::Well } else { Outcome::Left })
}

/// Everything after the copy. Returns how many faults the restored data has.
///
/// The store is closed before the restore, as an operator would stop a server.
async fn rehearse(place: &Place, ground: &Ground, steps: &mut Steps) -> Result<usize, Problem> {
    let rehearsal = ground.open(place, Generation(0)).await?;
    let before = rehearsal.verify().await?;
    steps.done("verified", format!("{}, {}", before.told(), counted(before.findings, "finding")));
    let guests = Guests::arrive(&rehearsal).await?;
    ground.back_up().await?;
    steps.done("backed up", "with two accounts of the drill's own".to_owned());
    guests.go_on(&rehearsal).await?;
    steps.done("went on", "after the backup one account was edited, one was erased".to_owned());
    let generation = rehearsal.generation;
    drop(rehearsal);

    let rehearsal = ground.restored(place, generation).await?;
    ensure(generation < rehearsal.generation, "the restored data is in a higher generation")?;
    let now = rehearsal.generation.0;
    steps.done("restored", format!("generation {now}, before it was {}", generation.0));
    let erased_again = rehearsal.finish_erasures().await?;
    ensure(1 <= erased_again, "who was erased after the backup is erased again")?;
    guests.check_erased(&rehearsal).await?;
    steps.done("erased again", counted(erased_again, "account"));
    let after = rehearsal.verify().await?;
    // Not more: the drill also finishes erasures that the data had not finished.
    ensure(after.findings <= before.findings, "the restored accounts are as whole as before")?;
    steps.done("verified", format!("{}, {}", after.told(), counted(after.findings, "finding")));
    guests.come_back(&rehearsal).await?;
    steps.done("devices back", "what was edited after the backup is there again".to_owned());
    Ok(after.findings)
}

/// Prints each step when it is done, with the time since the one before.
struct Steps {
    form: Form,
    begun: Instant,
    since: Instant,
}

impl Steps {
    fn done(&mut self, step: &str, detail: String) {
        let ms = self.since.elapsed().as_millis();
        let line = format!("{step:<13} {ms:>7} ms  {detail}");
        let ms = u64::try_from(ms).unwrap_or(u64::MAX);
        self.form.say(&json!({"step": step, "ms": ms, "detail": detail}), &[line]);
        self.since = Instant::now();
    }
}

/// `what` is a sentence about what must be true.
fn ensure(holds: bool, what: &str) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::Drill(format!("it does not hold that {what}"))) }
}

/// The copy, opened as a server would open it.
///
/// There are two engines on one store. Each has a schema of its own, and verifies the accounts of
/// that schema.
struct Rehearsal {
    store: Arc<dyn Store>,
    all: Arc<dyn Operate>,
    generation: Generation,
    /// For the accounts that came with the copy.
    engine: Engine,
    /// For the accounts of the drill.
    guests: Arc<Engine>,
    kind: Kind,
}

#[derive(Clone, Copy, Default)]
struct Verified {
    accounts: usize,
    records: usize,
    findings: usize,
}

impl Verified {
    fn told(self) -> String {
        format!("{}, {}", counted(self.accounts, "account"), counted(self.records, "record"))
    }
}

impl Rehearsal {
    /// The schema is found as for any other command.
    pub(super) async fn of<S: Store + Operate>(
        place: &Place,
        store: Arc<S>,
        generation: Generation,
    ) -> Result<Self, Problem> {
        let schema = schema(place, &*store).await?;
        let kind = drill_kind(&schema);
        let engine = |schema: Schema| {
            let config = EngineConfig::new(generation);
            let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
            Engine::of(schema, store.clone(), clock, random, config)
        };
        let own = Schema::new([kind.clone()]).map_err(|error| Problem::Drill(error.to_string()))?;
        let (engine, guests) = (engine(schema), Arc::new(engine(own)));
        let (all, store) = (store.clone(), store);
        Ok(Self { store, all, generation, engine, guests, kind })
    }

    /// Checks all accounts, each with its own kinds of record.
    async fn verify(&self) -> Result<Verified, Problem> {
        let mut total = Verified::default();
        for user in everybody(&*self.all).await? {
            let is_guest = user.as_str().starts_with(GUEST);
            let engine = if is_guest { &*self.guests } else { &self.engine };
            let verified = engine.verify(&*self.all, &user).await?;
            total.accounts += 1;
            total.records += verified.records;
            total.findings += verified.findings.len();
        }
        Ok(total)
    }

    /// Erases the users that were erased after the backup; returns how many they were.
    ///
    /// A restore leaves these accounts in the state of an erasure that has begun. A server's
    /// background work would finish it.
    async fn finish_erasures(&self) -> Result<usize, Problem> {
        let mut erased = 0;
        loop {
            let erasing = self.all.erasing(USERS).await.map_err(|error| Problem::of(&error))?;
            if erasing.is_empty() {
                return Ok(erased);
            }
            // An erased user is not listed again, and an erasure that fails ends the drill.
            for user in &erasing {
                self.engine.erase(user).await?;
            }
            erased += erasing.len();
        }
    }
}

/// A kind of record that the data does not have.
///
/// It gets the highest number that is free.
fn drill_kind(schema: &Schema) -> Kind {
    let is_free = |number: &u8| schema.kinds().iter().all(|kind| kind.number().get() != *number);
    let number = (3..=250).rev().find(is_free).unwrap_or(250);
    Kind::new(number, KIND).field(Field::new(1, FIELD, FieldType::text(100)))
}

/// Two people of the drill's own, each with a device.
///
/// The writer's device exists through the whole drill, like a phone that is only offline.
struct Guests {
    writer: UserId,
    device: Replica,
    record: RecordId,
    leaver: UserId,
}

impl Guests {
    /// The names have a random number, so that two drills do not meet.
    async fn arrive(rehearsal: &Rehearsal) -> Result<Self, Problem> {
        let mark = SystemRandom.next_u64();
        let name = |who: &str| {
            let user = UserId::verified_by_caller(format!("{GUEST}{who}-{mark:016x}"));
            user.ok_or_else(|| Problem::Drill("a name is no user".to_owned()))
        };
        let (writer, leaver) = (name("writer")?, name("leaver")?);
        let device = device(rehearsal, &writer).await?;
        let record = write(&device, None, "before the backup").await?;
        sync(&device, rehearsal).await?;
        let leaving = self::device(rehearsal, &leaver).await?;
        write(&leaving, None, "erased after the backup").await?;
        sync(&leaving, rehearsal).await?;
        Ok(Self { writer, device, record, leaver })
    }

    /// What happens after the backup, so that the backup does not have it.
    async fn go_on(&self, rehearsal: &Rehearsal) -> Result<(), Problem> {
        let key = self.key(rehearsal);
        write(&self.device, Some(key), "after the backup").await?;
        sync(&self.device, rehearsal).await?;
        rehearsal.guests.erase(&self.leaver).await?;
        Ok(())
    }

    fn key(&self, rehearsal: &Rehearsal) -> Key {
        Key { kind: rehearsal.kind.number(), id: self.record }
    }

    async fn check_erased(&self, rehearsal: &Rehearsal) -> Result<(), Problem> {
        let head = rehearsal.store.head(&self.leaver).await;
        let head = head.map_err(|error| Problem::of(&error))?;
        let state = head.map(|head| head.state);
        ensure(state == Some(HeadState::Erased), "who was erased is erased")?;
        let summary = rehearsal.guests.summary(&*rehearsal.all, &self.leaver).await?;
        let is_empty = summary.kinds.is_empty() && summary.history.entries == 0;
        ensure(is_empty, "nothing of who was erased is there")
    }

    /// The writer's device syncs as if nothing had happened. Then another device of the writer must
    /// see the edit.
    ///
    /// The other device has no records of its own, so everything that it shows came from the
    /// server.
    async fn come_back(&self, rehearsal: &Rehearsal) -> Result<(), Problem> {
        sync(&self.device, rehearsal).await?;
        let other = device(rehearsal, &self.writer).await?;
        sync(&other, rehearsal).await?;
        let record = other.record(self.key(rehearsal)).await;
        let record = record.map_err(|error| Problem::Drill(chain(&error)))?;
        let text = record.map(|record| record.content.get(FIELD));
        let is_back = text == Some(Value::Text("after the backup".to_owned()));
        ensure(is_back, "a device brings back what was edited after the backup")
    }
}

async fn device(rehearsal: &Rehearsal, user: &UserId) -> Result<Replica, Problem> {
    let schema = rehearsal.guests.schema().clone();
    let opened = Replica::builder(MemoryStorage::new(), schema).account(user.clone()).open().await;
    opened.map_err(|error| Problem::Drill(chain(&error)))
}

async fn write(device: &Replica, key: Option<Key>, text: &str) -> Result<RecordId, Problem> {
    let fields = BTreeMap::from([(FIELD.to_owned(), Value::Text(text.to_owned()))]);
    let written = match key {
        None => device.create(KIND, fields).await,
        Some(key) => device.set(key, fields).await.map(|()| key.id),
    };
    written.map_err(|error| Problem::Drill(chain(&error)))
}

/// In one process and without a network: only the data is rehearsed.
async fn sync(device: &Replica, rehearsal: &Rehearsal) -> Result<(), Problem> {
    let server = DirectTransport::new(rehearsal.guests.clone(), REPLY_BYTES);
    device.sync(&server).await.map(drop).map_err(|error| Problem::Drill(chain(&error)))
}
