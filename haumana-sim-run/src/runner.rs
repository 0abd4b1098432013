//! The run itself: workers take seeds, and their results are written down.

use crate::findings::Finding;
use crate::open::Open;
use crate::state::{Done, Saved};
use crate::totals::{Totals, Watch};
use haumana_sim::{Failure, History, Profile, profile, shrink};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The distance between the first seeds of two profiles. With the same seed, two profiles begin
/// alike.
const SEEDS_APART: u64 = 1_000_000_000_000;

/// How often the state file is replaced.
const SAVED_EVERY: Duration = Duration::from_secs(10);

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// After this time.
    pub time: Option<Duration>,
    /// When this many operations are done on the store, in all runs together.
    pub operations: Option<u64>,
    /// When this many histories are done on the store, in all runs together.
    pub histories: Option<u64>,
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name of the store.
    pub store: String,
    /// The profiles, whose seeds take turns.
    pub profiles: Vec<Profile>,
    /// How many workers there are.
    pub jobs: usize,
    /// When it ends.
    pub limits: Limits,
}

struct Shared<'a> {
    saved: Saved,
    plan: &'a Plan,
    /// The next seed of each profile.
    next: Vec<u64>,
    turn: usize,
    /// Histories that are done or in progress.
    begun: u64,
    operations: u64,
    saved_at: Instant,
    error: Option<io::Error>,
}

/// Makes histories until a limit is reached or `stop` is set. Each worker calls `make` for its
/// opener of backends. `tell` is called with each violation, `saved` with each state that was
/// written.
///
/// # Errors
///
/// If the state cannot be written, or a backend cannot be opened.
pub fn run(
    plan: &Plan,
    saved: Saved,
    stop: &AtomicBool,
    make: impl Fn() -> io::Result<Box<dyn Open>> + Sync,
    tell: impl Fn(&Finding) + Sync,
    on_saved: impl Fn(&Saved) -> io::Result<()> + Sync,
) -> io::Result<Saved> {
    let begun_at = Instant::now();
    let totals = saved.state.totals(&plan.store);
    let shared = Mutex::new(Shared {
        next: plan.profiles.iter().map(first_seed).collect(),
        turn: turn_after(&saved, plan),
        begun: totals.histories,
        operations: totals.operations(),
        saved_at: begun_at,
        error: None,
        plan,
        saved,
    });
    let ends = |shared: &Shared<'_>| {
        let Limits { time, operations, histories } = plan.limits;
        stop.load(Ordering::Relaxed)
            || shared.error.is_some()
            || time.is_some_and(|time| time <= begun_at.elapsed())
            || operations.is_some_and(|operations| operations <= shared.operations)
            || histories.is_some_and(|histories| histories <= shared.begun)
    };
    let work = || -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let opener = make()?;
            loop {
                let next = {
                    let mut shared = lock(&shared);
                    if ends(&shared) { None } else { Some(shared.take()) }
                };
                let Some((profile, seed)) = next else { return Ok(()) };
                let done = history(&*opener, &plan.store, profile, seed).await?;
                if let Some(finding) = &done.finding {
                    tell(finding);
                }
                lock(&shared).finish(done, &on_saved)?;
            }
        })
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                if let Err(error) = work() {
                    lock(&shared).error = Some(error);
                }
            });
        }
    });
    let mut shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = shared.error {
        return Err(error);
    }
    shared.saved.save()?;
    on_saved(&shared.saved)?;
    Ok(shared.saved)
}

fn lock<'m, 'a>(shared: &'m Mutex<Shared<'a>>) -> MutexGuard<'m, Shared<'a>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first seed of a profile.
fn first_seed(profile: &Profile) -> u64 {
    let place = profile::ALL.iter().position(|other| other.name == profile.name);
    SEEDS_APART * place.unwrap_or_default() as u64
}

/// Profiles take turns over all runs: the profile with the fewest histories is next.
fn turn_after(saved: &Saved, plan: &Plan) -> usize {
    let n_done = |profile: &Profile| {
        saved.state.part(&plan.store, profile.name).map_or(0, |part| part.seeds.len())
    };
    let turns = plan.profiles.iter().enumerate();
    turns.min_by_key(|(_, profile)| n_done(profile)).map_or(0, |(at, _)| at)
}

impl Shared<'_> {
    /// The next seed of the profile whose turn it is.
    fn take(&mut self) -> (Profile, u64) {
        let at = self.turn % self.plan.profiles.len();
        self.turn = at + 1;
        let profile = self.plan.profiles[at];
        let part = self.saved.state.part(&self.plan.store, profile.name);
        let from = self.next[at];
        let seed = part.map_or(from, |part| part.seeds.next_free(from));
        self.next[at] = seed + 1;
        self.begun += 1;
        (profile, seed)
    }

    fn finish(
        &mut self,
        done: Done,
        on_saved: impl Fn(&Saved) -> io::Result<()>,
    ) -> io::Result<()> {
        self.operations += done.totals.operations();
        self.saved.add(done)?;
        if SAVED_EVERY <= self.saved_at.elapsed() {
            self.saved.save()?;
            on_saved(&self.saved)?;
            self.saved_at = Instant::now();
        }
        Ok(())
    }
}

/// Makes one history. If it fails, it is shrunk.
async fn history(opener: &dyn Open, store: &str, profile: Profile, seed: u64) -> io::Result<Done> {
    let (made, mut totals) = play(opener, profile, seed).await?;
    totals.faults.extend(opener.faults());
    let finding = match made {
        Ok(()) => None,
        Err(failure) => {
            let make = async || opener.open(profile, seed).await;
            let smallest = shrink(profile, seed, make).await?;
            // Faults in the attempts to shrink are not the history's.
            opener.faults();
            Some(Finding::new((store, profile.name, seed), failure, smallest))
        }
    };
    opener.clear().await?;
    Ok(Done { store: store.to_owned(), profile: profile.name.to_owned(), seed, totals, finding })
}

async fn play(
    opener: &dyn Open,
    profile: Profile,
    seed: u64,
) -> io::Result<(Result<(), Failure>, Totals)> {
    let watch = Watch::start();
    let mut backend = opener.open(profile, seed).await?;
    let whole = History::of(seed).events;
    let made = haumana_sim::run(profile, seed, whole, &mut *backend, false).await;
    let took = watch.took();
    Ok(match made {
        Ok(tally) => (Ok(()), Totals::of(&tally, took)),
        Err(failure) => {
            let totals = Totals::of(&failure.tally, took);
            (Err(failure), totals)
        }
    })
}
