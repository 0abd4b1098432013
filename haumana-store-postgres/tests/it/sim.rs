//! The model of many phones, on PostgreSQL.

use crate::support::open;
use haumana_sim::{Backend, Profile, check, seeds};
use std::sync::Arc;

/// How many runs of each profile there are; `HAUMANA_SIM_RUNS` sets another number.
const RUNS: u64 = 3;

async fn check_all(profile: Profile) {
    let server = server_or_skip!();
    let make = async || {
        let store = Arc::new(open(&server.empty()).await);
        Box::new(store) as Box<dyn Backend>
    };
    let repeat = format!("cargo test -p haumana-store-postgres --test it sim::{}", profile.name);
    for seed in seeds(RUNS) {
        check(profile, seed, &make, &repeat).await;
    }
}

haumana_sim::runs! {
    check_all:
    everyday EVERYDAY
    own_lines OWN_LINES
    stormy STORMY
    accounts ACCOUNTS
    cut_replies CUT_REPLIES
    deletes DELETES
    copies COPIES
    erasures ERASURES
    mends MENDS
    everything EVERYTHING
}
