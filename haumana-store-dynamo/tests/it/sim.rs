//! The model of many phones, on DynamoDB, in a storm.

use haumana_sim::schemas::{Clocks, run_schema_with};
use haumana_sim::{Backend, Profile, check, seeds};
use haumana_store_dynamo::testing::{Storm, Tables};
use haumana_sync::id::UserId;
use std::sync::Arc;

/// How many runs of each profile there are; `HAUMANA_SIM_RUNS` sets another number.
const RUNS: u64 = 6;

async fn check_all(profile: Profile) {
    let repeat = format!("cargo test -p haumana-store-dynamo --test it sim::{}", profile.name);
    for seed in seeds(RUNS) {
        let make = async || {
            let (store, _) = Tables::create().await.store_in(Storm::EVERYTHING, seed);
            let store = Arc::new(store);
            Box::new(store) as Box<dyn Backend>
        };
        check(profile, seed, make, &repeat).await;
    }
}

haumana_sim::runs! {
    check_all:
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
    for (seed, clocks) in (0..4).zip(Clocks::ALL.into_iter().cycle()) {
        let user = UserId::verified_by_caller(format!("user-{seed}")).unwrap();
        run_schema_with(seed, clocks, store.clone(), &user).await;
    }
}
