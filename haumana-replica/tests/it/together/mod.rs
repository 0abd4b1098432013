//! Replicas beside phones: real replicas and phones that behave as the app does share accounts on
//! one server, with everything that can happen to them.
//!
//! The phones, the server, its faults and the ledger are those of `haumana_sim`: after each
//! call the store is read, and whatever changed must be explained by what was pushed. A replica's
//! push names its base, so the ledger knows what its user had seen: an edit that had seen
//! everything must arrive (G1), what was sent before must change nothing (G5), deletes and edits
//! decide as they must (G6), unknown keys stay as they are (G11).
//!
//! What is checked of a replica besides: what its user typed stays visible and pending until the
//! server has answered for exactly that; after a whole sync it equals the server (G3, G4, G12); in
//! the end everybody agrees (G2).

mod copied;
mod device;
pub(crate) use device::Kept;
mod flight;
mod follower;
mod followers;
mod hands;
mod pokes;
mod rest;
mod world;

use haumana_sim::profile::{self, EVERYDAY};
use haumana_sim::{self, InMemory, Tally, Violation};
use world::{Rare, Together};

/// How many runs there are, if the environment does not say.
const RUNS: u64 = 800;

/// What a run is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub name: &'static str,
    /// The phones and the server.
    pub phones: haumana_sim::Profile,
    /// Whether all devices have the same id.
    pub has_twins: bool,
    /// Whether clients that were written from the docs take part.
    pub has_followers: bool,
    /// Whether their folders are copied and put back.
    pub has_copies: bool,
    /// Whether the folders of replicas are copied and put back.
    pub has_copied_devices: bool,
    /// Whether devices are told of commits.
    pub has_pokes: bool,
}

const PLAIN: Profile = Profile {
    name: "plain",
    phones: EVERYDAY,
    has_twins: false,
    has_followers: false,
    has_copies: false,
    has_copied_devices: false,
    has_pokes: false,
};

/// With clients that were written from the docs; where accounts are erased, instead of replicas.
const FOLLOWED: Profile = Profile { has_followers: true, ..PLAIN };

struct Failure {
    violation: Violation,
    trace: Vec<String>,
    events: usize,
}

async fn run(
    profile: Profile,
    seed: u64,
    events: usize,
    is_traced: bool,
) -> Result<(Tally, Rare), Failure> {
    let mut backend = InMemory::default();
    let mut run = Together::new(profile, seed, &mut backend, is_traced).await;
    let n_events = (20 + run.world.dice.below(70)).min(events);
    run.world.begin();
    let mut done = 0;
    let violation = loop {
        if n_events <= done {
            break run.come_to_rest().await.err();
        }
        done += 1;
        if let Err(violation) = run.event().await {
            break Some(violation);
        }
    };
    let Some(violation) = violation else { return Ok((run.world.tally, run.rare)) };
    let trace = run.world.trace.take().unwrap_or_default();
    let id = violation.piece.map(|id| id.to_string());
    let concerns = |(about, text): &(Option<_>, String)| match (&id, about) {
        (Some(id), None) if text.contains('{') => text.contains(id),
        _ => about.is_none() || violation.piece.is_none() || *about == violation.piece,
    };
    let trace: Vec<String> = trace.into_iter().filter(concerns).map(|(_, text)| text).collect();
    Err(Failure { violation, trace, events: done })
}

/// Makes the run of `seed`; if it fails, looks for the fewest events that fail and tells the story.
async fn check(profile: Profile, seed: u64) -> (Tally, Rare) {
    let failure = match run(profile, seed, usize::MAX, false).await {
        Ok(done) => return done,
        Err(failure) => failure,
    };
    let mut fewest = failure.events;
    for events in 1..=failure.events {
        if run(profile, seed, events, false).await.is_err() {
            fewest = events;
            break;
        }
    }
    let failure = run(profile, seed, fewest, true).await.err().unwrap_or(failure);
    let first = failure.trace.len().saturating_sub(100);
    panic!(
        "\n{}\n\n{:?}: {}\n\nHAUMANA_MODEL_SEED={seed} cargo test -p haumana-replica --test it \
         together::{}\n",
        failure.trace[first..].join("\n"),
        failure.violation.piece,
        failure.violation.text,
        profile.name,
    );
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

async fn check_all(profile: Profile, share: u64) {
    let seeds = match number("HAUMANA_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("HAUMANA_MODEL_FIRST").unwrap_or(0);
            first..first + number("HAUMANA_MODEL_RUNS").unwrap_or(RUNS) * share / 100
        }
    };
    let is_one = seeds.end - seeds.start < 20;
    let (mut tally, mut rare) = (Tally::default(), Rare::default());
    for seed in seeds {
        let (run, more) = check(profile, seed).await;
        tally.syncs += run.syncs;
        tally.versions += run.versions;
        rare.copies += more.copies;
        rare.goners += more.goners;
        rare.pokes += more.pokes;
    }
    assert!(tally.versions * 20 > tally.syncs, "runs in which little happens find little");
    let copies = profile.has_copies || profile.has_copied_devices;
    assert!(is_one || !copies || 0 < rare.copies, "folders must be copied and put back");
    assert!(is_one || !profile.has_pokes || 0 < rare.pokes, "devices must be poked");
    let erases = profile.phones.erasures;
    assert!(is_one || !erases || 0 < rare.goners, "devices must meet erased accounts");
}

macro_rules! runs {
    ($($name:ident $share:literal $profile:expr;)*) => { $(
        #[tokio::test]
        async fn $name() {
            check_all(Profile { name: stringify!($name), ..$profile }, $share).await;
        }
    )* };
}

runs! {
    everyday 25 PLAIN;
    twins 10 Profile { has_twins: true, ..PLAIN };
    stormy 15 Profile { phones: profile::STORMY, ..PLAIN };
    accounts 10 Profile { phones: profile::ACCOUNTS, ..PLAIN };
    backups 15 Profile { phones: profile::BACKUPS, ..PLAIN };
    ages 10 Profile { phones: profile::AGES, ..PLAIN };
    poked 15 Profile { has_pokes: true, ..PLAIN };
    poked_in_storms 10 Profile { has_pokes: true, phones: profile::STORMY, ..PLAIN };
    cut_replies 5 Profile { phones: profile::CUT_REPLIES, ..PLAIN };
    copies 10 Profile { has_copied_devices: true, ..PLAIN };
    copied_phones_too 5 Profile { phones: profile::COPIES, has_copied_devices: true, ..PLAIN };
    erasures 10 Profile { phones: profile::ERASURES, ..PLAIN };
    followers 8 FOLLOWED;
    copied_followers 5 Profile { has_copies: true, ..FOLLOWED };
    restored_followers 5 Profile { phones: profile::RESTORES, ..FOLLOWED };
    erased_followers 5 Profile { phones: profile::ERASURES, ..FOLLOWED };
    everything 10 Profile { phones: haumana_sim::Profile { deletes: false, ..profile::EVERYTHING }, ..PLAIN };
}
