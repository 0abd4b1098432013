//! The model of many phones, over the store in memory.

use haumana_sim::{Backend, Counts, InMemory, Profile, Rare, check, profile, seeds};
use haumana_sync::store::BatchLimits;

/// How many runs of each profile there are.
const RUNS: u64 = 275;
/// How many there are of profiles whose runs are long.
const FEWER_RUNS: u64 = 100;

async fn check_all(profile: Profile) {
    let make = async || Box::<InMemory>::default() as Box<dyn Backend>;
    let is_long = [profile::COPIES, profile::COPIED_LINES, profile::RESTORES]
        .iter()
        .chain(&[profile::SILENT_RESTORES, profile::ERASURES])
        .any(|long| long.name == profile.name);
    let seeds = seeds(if is_long { FEWER_RUNS } else { RUNS });
    let repeat = format!("cargo test -p haumana-sim --test it runs::{}", profile.name);
    let (mut counts, is_enough) = (Counts::default(), FEWER_RUNS <= seeds.end - seeds.start);
    for seed in seeds {
        counts.add(&check(profile, seed, &make, &repeat).await.rare);
    }
    if is_enough {
        assert_eq!(Vec::<Rare>::new(), counts.missing(profile), "never happened: {counts:?}");
    }
}

/// Of one record more values lose than one commit holds.
#[tokio::test]
async fn what_holds_for_large_commits_holds_for_small_ones() {
    let limits = BatchLimits { items: 6, bytes: 64_000 };
    let make = async || Box::new(InMemory::with_limits(limits)) as Box<dyn Backend>;
    let name = "what_holds_for_large_commits_holds_for_small_ones";
    let repeat = format!("cargo test -p haumana-sim --test it runs::{name}");
    for profile in [profile::EVERYDAY, profile::STORMY, profile::DELETES, profile::EVERYTHING] {
        let profile = Profile { name, small_commits: true, ..profile };
        for seed in seeds(FEWER_RUNS) {
            check(profile, seed, &make, &repeat).await;
        }
    }
}

/// Histories in which the model at scale found mistakes, the engine's or its own: docs/testing.md says
/// which. No other test makes them.
#[tokio::test]
async fn what_was_found_at_scale_is_mended() {
    let make = async || Box::<InMemory>::default() as Box<dyn Backend>;
    let found: [(Profile, &[u64]); 8] = [
        (profile::OWN_FIELDS, &[1000000000766]),
        (profile::RESTORES, &[12000000001475]),
        (profile::SILENT_RESTORES, &[13000000000398, 13000000000826]),
        (profile::ERASURES, &[14000000001448, 14000000001497, 14000000001736]),
        (profile::ASKS, &[20062, 15000000000417, 15000000001337]),
        (profile::EVERYTHING, &[18000000001956]),
        (profile::COPIES, &[10000000002093, 10000000004844, 10000000006890]),
        (
            profile::COPIED_LINES,
            &[
                11000000000650,
                11000000000820,
                11000000000948,
                11000000001022,
                11000000001083,
                11000000001139,
                11000000001477,
                11000000002297,
                11000000002562,
                11000000002564,
                11000000005202,
                11000000005851,
                11000000008163,
            ],
        ),
    ];
    for (profile, seeds) in found {
        for seed in seeds {
            check(profile, *seed, &make, "haumana-sim repeat").await;
        }
    }
}

haumana_sim::runs! {
    check_all:
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
    rewinds REWINDS
    everything EVERYTHING
}
