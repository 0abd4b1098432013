//! Random scripts get the same answers from memory, SQLite and DynamoDB.

use crate::support::number;
use haumana_store_dynamo::testing::Tables;
use haumana_store_sqlite::SqliteStore;
use haumana_sync::conformance::run_script;

/// How many scripts all three answer; `HAUMANA_SCRIPTS` sets another number.
const ON_ALL: u64 = 200;
/// How many scripts memory and SQLite answer alone; `HAUMANA_SCRIPTS` sets a larger number.
const ON_TWO: u64 = 1_000;
/// How many calls a script makes; short scripts find as much in the same time as long ones.
const STEPS: u32 = 20;
/// How many scripts run at the same time, each for users of its own.
const AT_ONCE: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn memory_sqlite_and_dynamodb_answer_alike() {
    let n_scripts = number("HAUMANA_SCRIPTS").unwrap_or(ON_ALL);
    let tables = Tables::create().await;

    let runs = (0..AT_ONCE).map(|first| {
        let dynamo = tables.store();
        tokio::spawn(async move {
            let sqlite = SqliteStore::in_memory().unwrap();
            for seed in (first..n_scripts).step_by(AT_ONCE as usize) {
                run_script(&[&sqlite, &dynamo], seed, STEPS).await;
            }
        })
    });

    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
}

#[tokio::test]
async fn memory_and_sqlite_answer_alike() {
    let sqlite = SqliteStore::in_memory().unwrap();

    for seed in 0..number("HAUMANA_SCRIPTS").unwrap_or(ON_TWO).max(ON_TWO) {
        run_script(&[&sqlite], seed, STEPS).await;
    }
}
