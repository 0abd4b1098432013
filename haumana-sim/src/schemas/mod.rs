//! Random schemas, and devices that edit their records. The engine knows no kind by name, so its
//! promises must hold for all of them.
//!
//! The devices follow the protocol of `/sync` in its JSON. Replies are lost and requests come
//! twice. At the end all devices agree, the sum of a counter is what every device added to it, and
//! no value is gone without a trace in the history.
//!
//! # What varies
//!
//! One to three kinds, each with up to seven fields of any type and policy, with defaults, groups,
//! unknown keys and both rules of deletes. Numbers of kinds are far apart and their names are
//! prefixes of each other, so that a store or an index that confuses them is found.
//!
//! In half of the runs the clocks of devices are wrong. In the others ([`Clocks::Right`]) they are
//! right, several edits have the same time, and requests of two devices cross: one is sent between
//! two calls that the other one makes to the store.
//!
//! # What the judge knows
//!
//! The devices are simple: there are three, they have one record in three of each kind, and one
//! edit of a record at a time. The judge does not compute the result of a merge. It knows what
//! users set, added, removed and counted, and checks what follows for every policy. Where clocks
//! are right, it knows which plain value must stay.

mod choices;
mod device;
mod judge;
pub mod values;

pub use judge::{Agreed, Held, Judge, Name};

use crate::dice::{Dice, SeededRandom};
use crate::storm::Crossroads;
use crate::world::Backend;
use device::{Device, ask};
use haumana_sync::conformance::SetClock;
use haumana_sync::engine::{Clock, Engine, EngineConfig};
use haumana_sync::id::UserId;
use haumana_sync::schema::{
    Deletes, Element, Field, FieldType, Group, Kind, Merge, Schema, UnknownKeys,
};
use haumana_sync::store::Generation;
use haumana_sync::time::UnixMillis;
use std::sync::{Arc, Mutex, PoisonError};

/// 2026-11-23T00:00:00Z.
const START_MS: i64 = 1_795_392_000_000;
const DEVICES: usize = 3;
const STEPS: usize = 60;
/// A request makes about so many calls to the store.
const CALLS: usize = 6;

/// What the clocks of the devices show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// Each edit is dated wrongly by up to five minutes.
    Wrong,
    /// The time is right, and often the same for two devices. Requests of two devices may cross.
    Right,
}

impl Clocks {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Wrong, Self::Right];
}

/// Makes a valid schema of one to three kinds.
///
/// Values come from tiny domains, so that two users often choose the same.
pub fn random_schema(dice: &mut Dice) -> Schema {
    let n_kinds = 1 + dice.below(3);
    let kinds = (0..n_kinds).map(|at| random_kind(dice, at));
    // A schema made here keeps every rule, so a refusal is a mistake of this code.
    Schema::new(kinds).unwrap_or_else(|error| panic!("a random schema is valid: {error}"))
}

fn random_kind(dice: &mut Dice, at: usize) -> Kind {
    // Numbers far apart, and names that are prefixes of one another.
    let number = 3 + (at * 80 + dice.below(80)) as u8;
    let mut kind = Kind::new(number, format!("k{}", "x".repeat(at + 1)));
    if dice.chance(50) {
        kind = kind.unknown_keys(UnknownKeys::Smallest);
    }
    if dice.chance(30) {
        kind = kind.deletes(Deletes::Stick);
    }
    let mut fields: Vec<Field> = Vec::new();
    for at in 0..1 + dice.below(7) {
        let field_type = random_type(dice);
        let name = format!("{}{at}", field_type.name());
        fields.push(random_field(dice, at, name, field_type));
    }
    let (fields, groups) = random_groups(dice, fields);
    let kind = fields.into_iter().fold(kind, Kind::field);
    groups.into_iter().fold(kind, Kind::group)
}

/// Puts some of the fields into groups, which are decided as a whole.
///
/// Fields of a group have no policy of their own; the group's decides.
fn random_groups(dice: &mut Dice, mut fields: Vec<Field>) -> (Vec<Field>, Vec<Group>) {
    let policies = [Merge::Later, Merge::Greatest, Merge::Least, Merge::First];
    let plain: Vec<usize> = (0..fields.len())
        .filter(|at| !fields[*at].field_type().is_structural() && !fields[*at].is_mandatory())
        .collect();
    let mut groups = Vec::new();
    for pair in plain.chunks_exact(2) {
        if !dice.chance(40) {
            continue;
        }
        let mut names: Vec<String> = pair.iter().map(|at| fields[*at].name().to_owned()).collect();
        let leading = dice.pick(&names).clone();
        if dice.chance(50) {
            names.reverse();
        }
        groups.push(Group::new(leading, names).merge(*dice.pick(&policies)));
        for at in pair {
            fields[*at] = fields[*at].clone().merge(Merge::Later);
        }
    }
    (fields, groups)
}

/// Numbers of fields have gaps, as if fields had been removed.
fn random_field(dice: &mut Dice, at: usize, name: String, field_type: FieldType) -> Field {
    let policies = [Merge::Later, Merge::Greatest, Merge::Least, Merge::First, Merge::Fixed];
    let merge = if field_type.is_structural() { Merge::Later } else { *dice.pick(&policies) };
    let is_text = field_type.is_text();
    let values = values::domain(&field_type);
    let mut field = Field::new(1 + at as u16 * 3, name, field_type).merge(merge);
    if dice.chance(40) && !field.field_type().is_structural() {
        field = field.default_value(dice.pick(&values).clone());
    } else if is_text && dice.chance(30) {
        field = field.empty_is_absent();
    } else if !field.field_type().is_structural() && dice.chance(15) {
        field = field.mandatory();
    }
    if is_text && dice.chance(20) {
        field = field.trimmed();
    }
    field
}

fn random_type(dice: &mut Dice) -> FieldType {
    match dice.below(12) {
        0 => FieldType::text(20),
        1 => FieldType::lines(400),
        2 => FieldType::Flag,
        3 => FieldType::Integer,
        4 => FieldType::Number,
        5 => FieldType::Time,
        6 => FieldType::Id,
        7 => FieldType::one_of(["low", "middle", "high"]),
        8 => FieldType::Json,
        9 => FieldType::List { of: *dice.pick(&[Element::Text, Element::Id]), max: 40 },
        10 => FieldType::Set { of: *dice.pick(&[Element::Text, Element::Id]), max: 40 },
        _ => FieldType::Counter,
    }
}

/// Makes a schema that can follow `schema`: one kind has one more field, and there is one more
/// kind.
///
/// It has only additions, which every succession allows.
pub fn succeeding_schema(dice: &mut Dice, schema: &Schema) -> Schema {
    let policies = [Merge::Later, Merge::Greatest, Merge::Least, Merge::First];
    let grown = dice.below(schema.kinds().len());
    let mut kinds: Vec<Kind> = schema.kinds().iter().map(|kind| Kind::clone(kind)).collect();
    let field_type = random_type(dice);
    let merge = if field_type.is_structural() { Merge::Later } else { *dice.pick(&policies) };
    let field = Field::new(90, format!("later{}", field_type.name()), field_type).merge(merge);
    kinds[grown] = kinds[grown].clone().field(field);
    // Its number is above those of the others.
    let mut kind = Kind::new(250, "later");
    for at in 0..1 + dice.below(4) {
        let field_type = random_type(dice);
        let name = format!("{}{at}", field_type.name());
        kind = kind.field(random_field(dice, at, name, field_type));
    }
    kinds.push(kind);
    Schema::new(kinds).unwrap_or_else(|error| panic!("a grown schema is valid: {error}"))
}

/// Calls [`run_schema_with`] with [`Clocks::Wrong`].
///
/// # Panics
///
/// If a promise does not hold; the text says which.
pub async fn run_schema(seed: u64, backend: impl Backend, user: &UserId) {
    run_schema_with(seed, Clocks::Wrong, backend, user).await;
}

/// Runs one history of devices with a schema of its own, all made from `seed`, on a backend that
/// has no records of `user`.
///
/// The last two rounds have no faults.
///
/// `HAUMANA_SIM_STORY` prints all requests and replies.
///
/// # Panics
///
/// If a promise does not hold; the text says which.
pub async fn run_schema_with(seed: u64, clocks: Clocks, backend: impl Backend, user: &UserId) {
    let mut dice = Dice::new(seed);
    let schema = random_schema(&mut dice);
    let read_again = Schema::from_json(&schema.to_json());
    assert_eq!(Ok(&schema), read_again.as_ref(), "a schema file says all of a schema");
    let clock = Arc::new(SetClock::at(UnixMillis(START_MS)));
    let config = EngineConfig::new(Generation(0));
    let random = Arc::new(SeededRandom::scattered(seed));
    let crossroads = Crossroads::new(backend.store());
    let engine = Engine::new(Arc::new(crossroads.clone()), clock.clone(), random, config);
    let engine = Arc::new(engine.with_schema(schema.clone()));
    let mut judge = Judge::default();
    let is_right = clocks == Clocks::Right;
    let mut devices: Vec<Device> =
        (0..DEVICES).map(|at| Device::new(format!("device-{at}-{seed}"), is_right)).collect();
    for _ in 0..STEPS {
        if !(is_right && dice.chance(60)) {
            clock.pass_ms(dice.between(1, 90_000));
        }
        let at = dice.below(DEVICES);
        if dice.chance(60) {
            devices[at].edit(&mut dice, &schema, clock.now(), &mut judge);
            continue;
        }
        if is_right && dice.chance(40) {
            let other = (at + 1 + dice.below(DEVICES - 1)) % DEVICES;
            let servers = (&crossroads, &engine);
            cross(&mut devices, (at, other), &mut dice, servers, user, &mut judge).await;
        } else {
            devices[at].sync(&mut dice, &engine, user, &mut judge).await;
        }
        // What a user has seen was edited before what they edit.
        if is_right {
            clock.pass_ms(1);
        }
    }
    // The last two rounds have no faults. The second brings what the others sent in the first.
    for _ in 0..2 {
        for device in &mut devices {
            clock.pass_ms(60_000);
            device.settle(&engine, user, &mut judge).await;
        }
    }
    for device in &devices {
        judge.check_device(&devices[0].held, &device.held, &schema);
    }
    judge.check_values(&engine, user, &devices[0].held).await;
    judge.check_choices(&schema, &devices[0].held);
    judge.check_export(&engine, user, &schema).await;
    if let Some(all) = backend.operate() {
        let verified = engine.verify(&*all, user).await;
        let findings = verified.map(|verified| verified.findings);
        assert!(matches!(&findings, Ok(none) if none.is_empty()), "all agrees: {findings:#?}");
    }
}

/// Two devices sync at once: the request of the second one is sent and answered while that of the
/// first one is at work.
async fn cross(
    devices: &mut [Device],
    (outer, inner): (usize, usize),
    dice: &mut Dice,
    (crossroads, engine): (&Crossroads, &Arc<Engine>),
    user: &UserId,
    judge: &mut Judge,
) {
    let (long, short) = (devices[outer].begin(dice), devices[inner].begin(dice));
    let answer = Arc::new(Mutex::new(None));
    let (heard, engine_too, body) = (answer.clone(), engine.clone(), short.body.clone());
    let user_too = user.clone();
    let interlude = async move {
        let reply = ask(&engine_too, &user_too, &body).await;
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    };
    crossroads.cross(dice.below(CALLS), Box::pin(interlude));
    let reply = ask(engine, user, &long.body).await;
    if let Some(interlude) = crossroads.left_over() {
        interlude.await;
    }
    devices[outer].hear(dice, &long, &reply, judge);
    let reply = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    let reply = reply.unwrap_or_else(|| panic!("the crossing request was answered"));
    devices[inner].hear(dice, &short, &reply, judge);
}
