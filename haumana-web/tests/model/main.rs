//! Replicas compiled to WebAssembly beside phones: the model of `haumana_sim` with devices that run as a
//! page runs them, under Node.js.
//!
//! The phones, the server, its faults and the ledger are the model's: after each call the store is read,
//! and whatever changed must be explained by what was pushed. What is checked of a device besides: an
//! edit that was acknowledged stays visible and pending until the server has answered for it, also when
//! the program ends in the middle of writing; after a whole sync the device equals the server; in the
//! end everybody agrees.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod device;
mod process;
mod world;

use haumana_sim::{Profile, profile, seeds};
use process::Process;
use world::{Tally, Together};

/// How many runs there are of each profile, if the environment does not say.
const RUNS: u64 = 40;

async fn run(process: &mut Process, profile: Profile, seed: u64) -> Tally {
    let mut backend = haumana_sim::InMemory::default();
    let mut run = Together::new(process, profile, seed, &mut backend);
    match run.go().await {
        Ok(()) => run.tally,
        Err(violation) => panic!(
            "\n{}\n\n{violation:?}\n\nHAUMANA_SIM_SEED={seed} cargo test -p haumana-web --features node \
             --test model {}\n",
            run.trace(),
            profile.name
        ),
    }
}

async fn check_all(profile: Profile) {
    let seeds = seeds(RUNS);
    let is_enough = 20 <= seeds.end - seeds.start;
    let (mut process, mut all) = (Process::start(), Tally::default());
    for seed in seeds {
        all.add(run(&mut process, profile, seed).await);
    }
    eprintln!("{}: {all:?}", profile.name);
    let least = all.edits.min(all.replies).min(all.lost).min(all.restarts).min(all.deaths);
    assert!(!is_enough || 0 < least, "runs in which little happens find little: {all:?}");
}

haumana_sim::runs! {
    check_all:
    everyday EVERYDAY
    stormy STORMY
    cut_replies CUT_REPLIES
    backups BACKUPS
}

#[tokio::test]
async fn the_same_seed_gives_the_same_run() {
    let mut first = Process::start();
    let mut second = Process::start();

    for seed in [7, 8] {
        run(&mut first, profile::STORMY, seed).await;
        run(&mut second, profile::STORMY, seed).await;
    }

    assert!(1_000 < first.said.len(), "much was said");
    assert!(first.said == second.said, "every command and every answer is the same");
}
