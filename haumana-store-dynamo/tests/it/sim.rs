//! The model of many phones, on DynamoDB, in a storm.

use crate::support::number;
use haumana_sim::{Profile, profile, run};
use haumana_store_dynamo::testing::{Storm, Tables};
use haumana_sync::Store;
use std::sync::Arc;

/// How many runs of each profile there are; `HAUMANA_SIM_RUNS` sets another number.
const RUNS: u64 = 6;

async fn check(profile: Profile, storm: Storm) {
    let seeds = match number("HAUMANA_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HAUMANA_SIM_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        let tables = Tables::create().await;
        let (store, _) = tables.store_in(storm, seed);
        let mut store: Arc<dyn Store> = Arc::new(store);
        let done = run(profile, seed, usize::MAX, &mut store, true).await;
        let Err(failure) = done else { continue };
        let command = "cargo test -p haumana-store-dynamo --test it sim";
        panic!(
            "\n{}\n\n{:?}: {}\n\nHAUMANA_SIM_SEED={seed} {command}::{}",
            failure.trace.join("\n"),
            failure.violation.piece,
            failure.violation.text,
            profile.name,
        );
    }
}

macro_rules! runs {
    ($($name:ident $profile:ident)*) => { $(
        #[tokio::test]
        async fn $name() {
            check(profile::$profile, Storm::EVERYTHING).await;
        }
    )* };
}

runs! {
    everyday EVERYDAY
    stormy STORMY
    deletes DELETES
    ages AGES
    accounts ACCOUNTS
    everything EVERYTHING
}

#[tokio::test]
async fn records_of_any_schema_keep_every_promise_in_tables() {
    let tables = Tables::create().await;
    let store = Arc::new(tables.store());
    for seed in 0..4 {
        let user = haumana_sync::id::UserId::verified_by_caller(format!("user-{seed}")).unwrap();
        haumana_sim::schemas::run_schema(seed, store.clone(), &user).await;
    }
}
