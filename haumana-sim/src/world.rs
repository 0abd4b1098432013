//! Everything in a run: phones, accounts, servers, their store, and the ledger.
//!
//! # Time
//!
//! There is one true time, which only the model moves. Server processes are up to two seconds ahead
//! of it, phones up to two days off in either direction. No call takes time.
//!
//! # Server processes
//!
//! There are one to three, all on one store, each with a clock, a random source and faults. A
//! request goes to any of them. They share only the store, as in production.

use super::asks::Ask;
use super::content::{ASPECTS, Content, FIELDS, Val};
use super::counts::Counts;
use super::dice::{Dice, SeededRandom};
use super::faults::FaultCounts;
use super::guest::GuestEdits;
use super::judge::{Checked, Violation};
use super::ledger::{Ledger, Seen};
use super::mends::SentSessions;
use super::overtaken::LateCreation;
use super::phone::{Phone, Request};
use super::profile::Profile;
use super::rewinds::Moment;
use super::storm::{Crossroads, Storm};
use super::watch::Watch;
use super::wire::{Straight, Wire};
use haumana_sync::conformance::SetClock;
use haumana_sync::engine::{Clock, Engine, EngineConfig};
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::store::{FaultyStore, Generation, Operate, Store};
use haumana_sync::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The beginning of runs: 2026-01-01.
///
/// The day does not matter; it is fixed so that stories read alike.
const BEGINNING_MS: i64 = 1_767_225_600_000;

/// How far apart the clocks of servers may be.
///
/// Because of this the engine stamps three seconds ahead.
const SERVERS_APART_MS: i64 = 2000;

/// The values that were typed, by piece and aspect.
pub type Typed = BTreeMap<(RecordId, usize), Vec<Val>>;

/// What a run needs of a backend.
///
/// Each run gets one of its own, without records of the model's users.
#[async_trait::async_trait]
pub trait Backend: Send {
    /// Returns the store, the same one each time.
    fn store(&self) -> Arc<dyn Store>;

    /// Returns the same store for an operator, if its data is to be verified at the end.
    fn operate(&self) -> Option<Arc<dyn Operate>> {
        None
    }

    /// How devices reach a server process with this engine.
    fn wire(&self, engine: &Arc<Engine>) -> Arc<dyn Wire> {
        Arc::new(Straight(Arc::clone(engine)))
    }

    /// Takes another backup; `false` if this backend cannot.
    async fn back_up(&mut self) -> bool {
        false
    }

    /// Restores a backup, counted from the first. It can be restored again.
    async fn restore(&mut self, _backup: usize) {}
}

/// What happened in a run.
///
/// Sums of many runs show how much was tested.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Syncs that were answered.
    pub syncs: usize,
    /// Requests that servers received, of devices and of people.
    pub requests: usize,
    /// Calls of the store that servers made.
    pub store_calls: u64,
    /// Repeated requests.
    pub repeats: usize,
    /// Edits that users made.
    pub edits: usize,
    /// Versions that were made.
    pub versions: usize,
    /// Rare events.
    pub rare: Counts,
    /// Faults.
    pub faults: FaultCounts,
}

/// One run.
///
/// Its fields are public, because drivers of new clients and stories in tests are written outside.
pub struct World<'a> {
    /// The settings of the run.
    pub profile: Profile,
    /// All chance.
    pub dice: Dice,
    /// The true time.
    pub clock: SetClock,
    /// The backend under test.
    pub backend: &'a mut dyn Backend,
    /// Its store, without faults.
    pub store: Arc<dyn Store>,
    /// Makes calls cross.
    pub crossroads: Crossroads,
    /// Makes faults.
    pub storm: Storm,
    /// Reads the store.
    pub watch: Watch,
    /// The server processes.
    pub engines: Vec<Arc<Engine>>,
    /// How devices reach each of them.
    pub wires: Vec<Arc<dyn Wire>>,
    /// The accounts.
    pub users: Vec<UserId>,
    /// The model's knowledge of each account.
    pub ledgers: Vec<Ledger>,
    /// That knowledge at the time of each backup.
    pub backups: Vec<Vec<Ledger>>,
    /// The phones.
    pub phones: Vec<Phone>,
    /// Backups of phones, taken at some time.
    pub phone_backups: Vec<Phone>,
    /// Requests that may be repeated.
    pub past: Vec<Request>,
    /// `POST /sessions` that may be repeated.
    pub past_sessions: Vec<SentSessions>,
    /// Calls of a person that may be repeated.
    pub asked: Vec<Ask>,
    /// Versions that were restored, with the base.
    pub restored: BTreeSet<(RecordId, u32, Option<u32>)>,
    /// Moments that an account may go back to.
    pub moments: Vec<Moment>,
    /// Creations that were overtaken by their deletes.
    pub late: Vec<LateCreation>,
    /// The values that were typed, by piece and aspect; an edit is a place in its list.
    pub typed: Typed,
    /// The life of the server in which each cursor was returned.
    pub cursors: BTreeMap<String, u32>,
    /// The edits that new clients sent.
    pub guest_edits: GuestEdits,
    /// Whether several new clients may have one name.
    pub has_twins: bool,
    /// Whether folders of new clients are copied and restored, so that several have one name until
    /// the server notices.
    pub has_copied_guests: bool,
    /// Sessions that new clients asked to delete.
    pub buried: BTreeSet<RecordId>,
    /// Pieces with edits that their users undid by deleting them.
    pub abandoned: BTreeSet<RecordId>,
    /// The marks used so far.
    pub marks: usize,
    /// The life of the server.
    pub life: u32,
    /// The generation that the operator has set.
    pub generation: u32,
    /// How many bytes a reply may have.
    pub reply_limit: usize,
    /// The story, for people; `None` if nobody reads it.
    pub trace: Option<Vec<(Option<RecordId>, String)>>,
    /// The counts.
    pub tally: Tally,
    seed: u64,
}

/// The accounts of a run; no other run has them.
///
/// The seed is in the names, so runs can share a store.
pub fn users_of(profile: Profile, seed: u64) -> Vec<UserId> {
    let name = |account: usize| format!("sim-{}-{seed}-{account}", profile.name);
    (0..profile.accounts).filter_map(|at| UserId::verified_by_caller(name(at))).collect()
}

fn watch(store: &Arc<dyn Store>, clock: &SetClock, generation: Generation) -> Watch {
    let random = SeededRandom::scattered(0);
    Watch::new(Arc::clone(store), Arc::new(clock.clone()), Arc::new(random), generation)
}

impl<'a> World<'a> {
    /// Sets up a run.
    ///
    /// It draws in a fixed order. A change of that order changes the meaning of every seed.
    pub fn new(profile: Profile, seed: u64, backend: &'a mut dyn Backend, is_traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let users = users_of(profile, seed);
        let store = backend.store();
        let crossroads = Crossroads::new(Arc::clone(&store));
        let n_phones = 2 + dice.below(profile.phones - 1);
        let reply_limit = match profile.small_replies {
            true => 12_000 + dice.below(8000),
            false => 1 << 30,
        };
        let clock = SetClock::at(UnixMillis(BEGINNING_MS + dice.between(0, 999_999)));
        let watch = watch(&store, &clock, Generation(0));
        let mut world = Self {
            profile,
            clock,
            backend,
            watch,
            store,
            crossroads,
            storm: Storm::new(seed),
            engines: Vec::new(),
            wires: Vec::new(),
            ledgers: vec![Ledger::default(); users.len()],
            users,
            backups: Vec::new(),
            phones: Vec::new(),
            phone_backups: Vec::new(),
            past: Vec::new(),
            past_sessions: Vec::new(),
            asked: Vec::new(),
            restored: BTreeSet::new(),
            moments: Vec::new(),
            late: Vec::new(),
            typed: BTreeMap::new(),
            cursors: BTreeMap::new(),
            guest_edits: GuestEdits::default(),
            has_twins: false,
            has_copied_guests: false,
            buried: BTreeSet::new(),
            abandoned: BTreeSet::new(),
            marks: 0,
            life: 0,
            generation: 0,
            reply_limit,
            trace: is_traced.then(Vec::new),
            tally: Tally::default(),
            dice,
            seed,
        };
        for _ in 0..n_phones {
            world.add_phone();
        }
        world.start_servers();
        world
    }

    /// Starts the server processes of a new life of the data.
    ///
    /// It is also called after a restore: processes of the earlier life are gone.
    pub fn start_servers(&mut self) {
        self.watch = watch(&self.store, &self.clock, Generation(self.generation));
        let n_engines = 1 + self.dice.below(3);
        self.engines.clear();
        self.wires.clear();
        for _ in 0..n_engines {
            let skew_ms = self.dice.between(0, SERVERS_APART_MS);
            let clock = self.clock.ahead(skew_ms);
            let faulty = FaultyStore::new(self.crossroads.clone(), self.storm.clone());
            let random = SeededRandom::scattered(self.dice.bits());
            let config = EngineConfig::new(Generation(self.generation));
            let engine = Engine::new(Arc::new(faulty), Arc::new(clock), Arc::new(random), config);
            let engine = Arc::new(engine);
            self.wires.push(self.backend.wire(&engine));
            self.engines.push(engine);
        }
    }

    /// Adds a phone that holds nothing.
    ///
    /// Half of the phones have a clock that is off by up to two days.
    pub fn add_phone(&mut self) -> usize {
        let two_days = 2 * 86_400_000;
        let skew_ms = if self.dice.chance(50) { self.dice.between(-two_days, two_days) } else { 0 };
        let number = self.phones.len();
        self.phones.push(Phone::new(number, skew_ms));
        number
    }

    /// The true time.
    pub fn now_ms(&self) -> i64 {
        self.clock.now().0
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: i64) {
        self.clock.pass_ms(ms);
    }

    /// One of the server processes.
    ///
    /// It counts a request.
    pub fn any_engine(&mut self) -> Arc<Engine> {
        self.tally.requests += 1;
        Arc::clone(self.dice.pick(&self.engines))
    }

    /// The way to one of them.
    pub fn any_wire(&mut self) -> Arc<dyn Wire> {
        self.tally.requests += 1;
        Arc::clone(self.dice.pick(&self.wires))
    }

    /// The counts until now.
    pub fn tally(&self) -> Tally {
        let mut tally = self.tally;
        tally.store_calls = self.crossroads.calls();
        self.storm.count(&mut tally.faults);
        tally
    }

    /// A new id.
    pub fn new_id(&mut self) -> RecordId {
        RecordId::from_bits(u128::from(self.dice.bits()) << 64 | u128::from(self.dice.bits()))
    }

    /// A new mark.
    pub fn new_mark(&mut self, user: usize) -> String {
        self.marks += 1;
        super::words::mark(user, self.marks)
    }

    /// Counts an edit and returns its bit; `None` if the aspect was edited too often to follow.
    ///
    /// The bit is the place in the list of typed values.
    pub fn new_edit(&mut self, piece: RecordId, aspect: usize, value: Val) -> Option<u128> {
        let typed = self.typed.entry((piece, aspect)).or_default();
        if super::judge::TYPED_EDITS <= typed.len() {
            return None;
        }
        typed.push(value);
        self.tally.edits += 1;
        Some(1 << (typed.len() - 1))
    }

    /// The first value of every aspect of a new piece is its first edit.
    pub fn first_edits(&mut self, piece: RecordId, content: &Content) -> Seen {
        let mut seen = Seen::default();
        for aspect in 0..ASPECTS {
            seen.0[aspect] = self.new_edit(piece, aspect, content.aspect(aspect)).unwrap_or(0);
        }
        seen
    }

    /// Whether the user of this phone edits this aspect of this piece.
    ///
    /// In profiles with owned fields, each aspect of a piece belongs to one phone.
    pub fn may_edit(&self, phone: usize, piece: RecordId, aspect: usize) -> bool {
        if self.profile.by_line && aspect == super::content::LYRICS {
            return false;
        }
        if !self.profile.by_line && FIELDS.len() <= aspect {
            return false;
        }
        let owner = (piece.bits() % 1000) as usize + aspect;
        !self.profile.owned || owner % self.phones.len() == phone
    }

    /// The account with that name.
    pub fn account_of(&self, name: &str) -> usize {
        self.users.iter().position(|user| user.as_str() == name).unwrap_or(usize::MAX)
    }

    /// Adds a line to the story, if anybody reads it.
    pub fn note(&mut self, piece: Option<RecordId>, text: impl FnOnce() -> String) {
        let now_ms = self.now_ms();
        if let Some(trace) = &mut self.trace {
            let text = format!("{} {}", UnixMillis(now_ms), text());
            trace.push((piece, text));
        }
    }

    /// A violation unless `holds`.
    pub fn ensure(&self, holds: bool, text: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(Violation::general(text())) }
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}
