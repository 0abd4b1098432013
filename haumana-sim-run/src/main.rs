//! `haumana-sim`: the model of many devices at scale.

use clap::{Parser, Subcommand};
use haumana_sim::{History, Profile, profile, repeat};
use haumana_sim_run::runner::{Limits, Plan};
use haumana_sim_run::state::{Saved, State, beside, replace};
use haumana_sim_run::stores::StoreName;
use haumana_sim_run::summary::{Summary, page};
use haumana_sim_run::totals::Watch;
use haumana_sim_run::{Totals, run};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Runs phones and other devices through histories made from a seed, and checks every promise after
/// each call.
#[derive(Debug, Parser)]
#[command(name = "haumana-sim", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs histories, and continues where the last run ended. Exits with 1 if the state file has
    /// violations.
    Run {
        /// Stop after this many hours.
        #[arg(long, default_value_t = 1.0)]
        hours: f64,
        /// Stop after this many operations on the store, of all runs together.
        #[arg(long)]
        operations: Option<u64>,
        /// Stop after this many histories on the store, of all runs together.
        #[arg(long)]
        histories: Option<u64>,
        /// The number of histories that run at once.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// The store.
        #[arg(long, value_enum, default_value = "memory")]
        store: StoreName,
        /// The profiles. Without this option, all.
        #[arg(long, value_delimiter = ',', value_parser = named)]
        profile: Vec<Profile>,
        /// The state file, which belongs to one store. The summary and the page are files beside it.
        #[arg(long, default_value = "haumana-sim.json")]
        state: PathBuf,
        /// The folder for the files of the store `sqlite`, which are deleted afterwards. Without
        /// this option, the system's folder for temporary files.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Repeats one history and prints it as a story. Exits with 1 if it fails.
    Repeat {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// The store.
        #[arg(long, value_enum, default_value = "memory")]
        store: StoreName,
        /// The profile.
        #[arg(long, value_parser = named)]
        profile: Profile,
        /// Stop after this many events.
        #[arg(long)]
        events: Option<usize>,
        /// The numbers of events to leave out, counted from 0.
        #[arg(long, value_delimiter = ',')]
        without: Vec<usize>,
        /// The folder for the files of the store `sqlite`, which are deleted afterwards. Without
        /// this option, the system's folder for temporary files.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Runs the same histories each time, and prints the number of operations in a second.
    Bench {
        /// The store.
        #[arg(long, value_enum, default_value = "memory")]
        store: StoreName,
        /// The profiles. Without this option, all.
        #[arg(long, value_delimiter = ',', value_parser = named)]
        profile: Vec<Profile>,
        /// The number of histories of each profile.
        #[arg(long, default_value_t = 100)]
        histories: u64,
        /// The folder for the files of the store `sqlite`, which are deleted afterwards. Without
        /// this option, the system's folder for temporary files.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Writes the summary and the page of a state file again, and prints the summary.
    Summary {
        /// The state file.
        #[arg(long, default_value = "haumana-sim.json")]
        state: PathBuf,
    },
}

fn named(name: &str) -> Result<Profile, String> {
    let found = profile::ALL.into_iter().find(|profile| profile.name == name);
    let names = || profile::ALL.map(|profile| profile.name).join(", ");
    found.ok_or_else(|| format!("there is none of that name; there are {}", names()))
}

/// How many panics are printed. Each one in a history is a violation, and shrinking repeats it.
const PANICS_PRINTED: u32 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (print, n_panics) = (std::panic::take_hook(), AtomicU32::new(0));
    std::panic::set_hook(Box::new(move |panic| {
        if n_panics.fetch_add(1, Ordering::Relaxed) < PANICS_PRINTED {
            print(panic);
        }
    }));
    match done(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("haumana-sim: {error}");
            ExitCode::from(2)
        }
    }
}

fn done(command: Command) -> io::Result<ExitCode> {
    match command {
        Command::Run { hours, operations, histories, jobs, store, profile, state, folder } => {
            let time = Duration::try_from_secs_f64(hours * 3600.0).map_err(io::Error::other)?;
            let limits = Limits { time: Some(time), operations, histories };
            let profiles = or_all(profile);
            let plan = Plan { store: store.name().to_owned(), profiles, jobs, limits };
            let saved = Saved::open(&state, &plan.store)?;
            let tell = |finding: &haumana_sim_run::Finding| eprintln!("{}", finding.told());
            let on_saved = |saved: &Saved| write(&state, &saved.state);
            let stop = stopped()?;
            let folder = or_temporary(folder);
            let saved = run(&plan, saved, &stop, || store.opener(&folder), tell, on_saved)?;
            print!("{}", told(&saved.state));
            Ok(code(saved.state.findings.is_empty()))
        }
        Command::Repeat { seed, store, profile, events, without, folder } => {
            let without: BTreeSet<usize> = without.into_iter().collect();
            let history = History { seed, events: events.unwrap_or(usize::MAX), without };
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let opener = store.opener(&or_temporary(folder))?;
                let repeated = repeat(profile, &history, async || opener.open(profile, seed).await);
                let repeated = repeated.await?;
                opener.clear().await?;
                match repeated {
                    Ok(tally) => println!("nothing is violated: {tally:?}"),
                    Err(failure) => {
                        let about = failure.violation.piece;
                        println!(
                            "{}\n\n{about:?}: {}",
                            failure.trace.join("\n"),
                            failure.violation.text
                        );
                        return Ok(ExitCode::FAILURE);
                    }
                }
                Ok(ExitCode::SUCCESS)
            })
        }
        Command::Bench { store, profile, histories, folder } => {
            bench(store, &or_all(profile), histories, &or_temporary(folder))
        }
        Command::Summary { state } => {
            let read = State::read(&state)?;
            write(&state, &read)?;
            print!("{}", told(&read));
            Ok(code(read.findings.is_empty()))
        }
    }
}

/// The named profiles, or all.
fn or_all(named: Vec<Profile>) -> Vec<Profile> {
    if named.is_empty() { profile::ALL.to_vec() } else { named }
}

fn or_temporary(named: Option<PathBuf>) -> PathBuf {
    named.unwrap_or_else(std::env::temp_dir)
}

fn code(is_well: bool) -> ExitCode {
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A flag that is set at Ctrl-C, and when the process is asked to end.
fn stopped() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (sets, runtime) =
        (Arc::clone(&stop), tokio::runtime::Builder::new_current_thread().enable_all().build()?);
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut asked) = signal(SignalKind::terminate()) else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = asked.recv() => {}
            }
            sets.store(true, Ordering::Relaxed);
        });
    });
    Ok(stop)
}

/// Writes the summary and the page beside the state file.
fn write(path: &Path, state: &State) -> io::Result<()> {
    let summary = Summary::of(state);
    replace(&beside(path, "summary.json"), &serde_json::to_vec_pretty(&summary)?)?;
    replace(&beside(path, "html"), page(&summary).as_bytes())
}

/// The summary in a few lines.
fn told(state: &State) -> String {
    let summary = Summary::of(state);
    let lines = summary.stores.iter().map(|of| {
        let Totals { histories, edits, requests, .. } = of.totals;
        let too_rare = match of.too_rare.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        format!(
            "{}: {} operations ({edits} edits, {requests} requests) in {histories} histories, {} for each \
             second of a processor; \
             fewer than 10,000 times: {too_rare}\n",
            of.store, of.operations, of.operations_per_cpu_sec
        )
    });
    let lines: String = lines.collect();
    format!("{lines}{} violations\n", summary.n_violations)
}

fn bench(
    store: StoreName,
    profiles: &[Profile],
    histories: u64,
    folder: &Path,
) -> io::Result<ExitCode> {
    println!(
        "| profile | histories | operations | operations/s | for each second of a processor |\n\
         |---|---|---|---|---|"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut all = Totals::default();
    let row = |name: &str, totals: &Totals| {
        let (speed, of_cpu) = (totals.operations_per_sec(), totals.operations_per_cpu_sec());
        let (histories, operations) = (totals.histories, totals.operations());
        println!("| {name} | {histories} | {operations} | {speed:.0} | {of_cpu:.0} |");
    };
    for profile in profiles {
        let mut sum = Totals::default();
        runtime.block_on(async {
            let opener = store.opener(folder)?;
            for seed in 0..histories {
                let watch = Watch::start();
                let mut backend = opener.open(*profile, seed).await?;
                let made = haumana_sim::run(*profile, seed, usize::MAX, &mut *backend, false).await;
                drop(backend);
                opener.clear().await?;
                let took = watch.took();
                match made {
                    Ok(tally) => sum.add(&Totals::of(&tally, took)),
                    Err(failure) => {
                        let text = failure.violation.text;
                        return Err(io::Error::other(format!("{} {seed}: {text}", profile.name)));
                    }
                }
            }
            Ok(())
        })?;
        row(profile.name, &sum);
        all.add(&sum);
    }
    row("all", &all);
    Ok(ExitCode::SUCCESS)
}
