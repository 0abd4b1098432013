//! The model of many phones, over the store in memory.

use haumana_sim::{Backend, Counts, InMemory, Profile, Rare, check, profile};
use haumana_sync::store::BatchLimits;

/// How many runs of each profile there are.
const RUNS: u64 = 275;
/// How many there are of profiles whose runs are long.
const FEWER_RUNS: u64 = 100;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

async fn check_all(profile: Profile) {
    let make = || Box::<InMemory>::default() as Box<dyn Backend>;
    let seeds = match number("HAUMANA_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("HAUMANA_SIM_FIRST").unwrap_or(0);
            let is_long = [profile::COPIES, profile::COPIED_LINES, profile::RESTORES]
                .iter()
                .chain(&[profile::SILENT_RESTORES, profile::ERASURES])
                .any(|long| long.name == profile.name);
            let runs = if is_long { FEWER_RUNS } else { RUNS };
            first..first + number("HAUMANA_SIM_RUNS").unwrap_or(runs)
        }
    };
    let (mut counts, is_enough) = (Counts::default(), FEWER_RUNS <= seeds.end - seeds.start);
    for seed in seeds {
        counts.add(&check(profile, seed, make).await.rare);
    }
    if is_enough {
        assert_eq!(Vec::<Rare>::new(), counts.missing(profile), "never happened: {counts:?}");
    }
}

/// Of one record more values lose than one commit holds.
#[tokio::test]
async fn what_holds_for_large_commits_holds_for_small_ones() {
    let limits = BatchLimits { items: 6, bytes: 64_000 };
    let make = || Box::new(InMemory::with_limits(limits)) as Box<dyn Backend>;
    let name = "what_holds_for_large_commits_holds_for_small_ones";
    for profile in [profile::EVERYDAY, profile::STORMY, profile::DELETES, profile::EVERYTHING] {
        let profile = Profile { name, small_commits: true, ..profile };
        for seed in 0..number("HAUMANA_SIM_RUNS").unwrap_or(FEWER_RUNS) {
            check(profile, seed, make).await;
        }
    }
}

macro_rules! runs {
    ($($name:ident $profile:ident)*) => { $(
        #[tokio::test]
        async fn $name() {
            check_all(profile::$profile).await;
        }
    )* };
}

runs! {
    everyday EVERYDAY
    own_fields OWN_FIELDS
    own_lines OWN_LINES
    stormy STORMY
    accounts ACCOUNTS
    cut_replies CUT_REPLIES
    backups BACKUPS
    ages AGES
    legacy LEGACY
    deletes DELETES
    copies COPIES
    copied_lines COPIED_LINES
    restores RESTORES
    silent_restores SILENT_RESTORES
    erasures ERASURES
    asks ASKS
    mends MENDS
    everything EVERYTHING
}
