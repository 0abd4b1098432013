//! The model of many phones, on PostgreSQL.

use crate::support::open;
use haumana_sim::{Profile, profile, run};
use haumana_sync::store::Store;
use std::sync::Arc;

/// How many runs of each profile there are; `HAUMANA_SIM_RUNS` sets another number.
const RUNS: u64 = 3;

async fn check_all(profile: Profile) {
    let server = server_or_skip!();
    let asked = std::env::var("HAUMANA_SIM_RUNS").ok().and_then(|text| text.parse().ok());
    for seed in 0..asked.unwrap_or(RUNS) {
        let mut backend: Arc<dyn Store> = Arc::new(open(&server.empty()).await);
        let run = run(profile, seed, usize::MAX, &mut backend, false).await;
        if let Err(failure) = run {
            panic!("{} seed {seed}: {:?}", profile.name, failure.violation);
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
