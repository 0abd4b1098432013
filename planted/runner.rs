//! Looks for the first violation with one planted fault, in the runs that CI makes.
//!
//! `runner NAME FIRST [SEEDS]` takes the profiles in turn, one seed after the other from FIRST on, and
//! stops at the first violation, or when it has made as many runs of each profile as CI does, or after
//! SEEDS seeds. `runner NAME small` goes through the small histories of CI. One line of JSON says what
//! came of it.

use haumana_sim::schemas::{Clocks, run_schema_with};
use haumana_sim::small::{Bound, Cast, search};
use haumana_sim::{Backend, InMemory, Profile, profile};
use haumana_sync::id::UserId;
use haumana_sync::store::{BatchLimits, MemoryStore};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As in `haumana-sim/tests/it/runs.rs` and `schemas.rs`: profiles with the number of their runs.
const RUNS: u64 = 275;
const FEWER: u64 = 100;
const OF_SCHEMAS: u64 = 300;
/// A run takes milliseconds. One that takes so long never ends.
const ENDLESS: Duration = Duration::from_secs(60);
const SMALL: BatchLimits = BatchLimits { items: 6, bytes: 64_000 };

#[derive(Clone, Copy)]
enum Runs {
    Phones(Profile),
    SmallCommits(Profile),
    Schemas(Clocks),
    SchemasInSmallCommits(Clocks),
}

impl Runs {
    fn all() -> Vec<(Self, &'static str, u64)> {
        let usual = [
            profile::EVERYDAY,
            profile::OWN_FIELDS,
            profile::OWN_LINES,
            profile::STORMY,
            profile::ACCOUNTS,
            profile::CUT_REPLIES,
            profile::BACKUPS,
            profile::AGES,
            profile::LEGACY,
            profile::DELETES,
            profile::ASKS,
            profile::MENDS,
            profile::EVERYTHING,
        ];
        let long = [
            profile::COPIES,
            profile::COPIED_LINES,
            profile::RESTORES,
            profile::SILENT_RESTORES,
            profile::ERASURES,
        ];
        let small = [profile::EVERYDAY, profile::STORMY, profile::DELETES, profile::EVERYTHING];
        let mut all: Vec<_> = usual.map(|it| (Self::Phones(it), it.name, RUNS)).into();
        all.extend(long.map(|it| (Self::Phones(it), it.name, FEWER)));
        all.extend(small.map(|it| (Self::SmallCommits(it), "small commits", FEWER)));
        for clocks in Clocks::ALL {
            all.push((Self::Schemas(clocks), "schemas", OF_SCHEMAS));
            all.push((Self::SchemasInSmallCommits(clocks), "schemas, small commits", OF_SCHEMAS));
        }
        all
    }

    /// What is violated, if anything is.
    fn run(self, seed: u64) -> Option<String> {
        let done = catch_unwind(AssertUnwindSafe(|| match self {
            Self::Phones(profile) => phones(profile, seed, InMemory::default()),
            Self::SmallCommits(profile) => {
                let profile = Profile { small_commits: true, ..profile };
                phones(profile, seed, InMemory::with_limits(SMALL))
            }
            Self::Schemas(clocks) => schemas(seed, clocks, MemoryStore::new()),
            Self::SchemasInSmallCommits(clocks) => {
                schemas(seed, clocks, MemoryStore::new().with_limits(SMALL))
            }
        }));
        done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(format!("panic: {}", text.unwrap_or_default()))
        })
    }
}

fn phones(profile: Profile, seed: u64, mut backend: InMemory) -> Option<String> {
    let backend: &mut dyn Backend = &mut backend;
    let run = haumana_sim::run(profile, seed, usize::MAX, backend, false);
    block_on(run).err().map(|failure| failure.violation.text)
}

fn schemas(seed: u64, clocks: Clocks, store: MemoryStore) -> Option<String> {
    let user = UserId::verified_by_caller("kai").expect("a user id");
    block_on(run_schema_with(seed, clocks, Arc::new(store), &user));
    None
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(work)
}

/// Every history that `haumana-sim/tests/it/small.rs` goes through.
fn small() -> (usize, Option<String>) {
    let phones =
        Bound { edits: 2, late: 0, deletes: 0, restores: 0, copies: 0, ..Bound::of_turns(3) };
    let two = Cast::ALL.map(|cast| (cast, Bound::of_turns(2)));
    let ahead = two.map(|(cast, bound)| (cast, Bound { ahead_ms: 86_400_000, ..bound }));
    let mut n_violations = 0;
    for (cast, bound) in two.into_iter().chain(ahead).chain([(Cast::ALL[3], phones)]) {
        match catch_unwind(AssertUnwindSafe(|| search(cast, bound))) {
            Ok(found) if found.n_violations == 0 => n_violations += found.n_violations,
            Ok(found) => return (found.n_violations, found.violations.into_iter().next()),
            Err(_) => return (1, Some("panic".to_owned())),
        }
    }
    (n_violations, None)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().expect("the name of a fault");
    let first = arguments.next().expect("the first seed, or `small`");
    let seeds = arguments.next().map_or(OF_SCHEMAS, |seeds| seeds.parse().expect("a number"));
    haumana_sync::planted::set(&name);
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    if first == "small" {
        let (n, text) = small();
        return tell("small", 0, n as u64, begun, text);
    }
    let first: u64 = first.parse().expect("a number");
    let beat = Arc::new(std::sync::Mutex::new((Instant::now(), "", 0, 0)));
    let watched = beat.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let (since, of, seed, runs) = *watched.lock().expect("a beat");
            if ENDLESS < since.elapsed() {
                tell(of, seed, runs, begun, Some("the run never ends".to_owned()));
                std::process::exit(0);
            }
        }
    });
    let mut runs = 0;
    for nth in 0..seeds.min(OF_SCHEMAS) {
        for (kind, of, n_runs) in Runs::all() {
            if n_runs <= nth {
                continue;
            }
            runs += 1;
            *beat.lock().expect("a beat") = (Instant::now(), of, first + nth, runs);
            if let Some(text) = kind.run(first + nth) {
                return tell(of, first + nth, runs, begun, Some(text));
            }
        }
    }
    tell("", 0, runs, begun, None);
}

fn tell(of: &str, seed: u64, runs: u64, begun: Instant, text: Option<String>) {
    let text = text.map(|text| text.chars().take(400).collect::<String>());
    let secs = begun.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({ "of": of, "seed": seed, "runs": runs, "secs": secs, "text": text })
    );
}
