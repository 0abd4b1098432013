//! Random scripts get the same answers from memory, SQLite and DynamoDB. Memory and SQLite alone
//! answer ten times as many in the tests of haumana-store-sqlite.

use crate::support::number;
use haumana_store_dynamo::testing::Tables;
use haumana_store_sqlite::SqliteStore;
use haumana_sync::conformance::run_script;

/// How many scripts there are; `HAUMANA_SCRIPTS` sets another number.
const SCRIPTS: u64 = 1_000;
/// How many calls a script makes; short scripts find as much in the same time as long ones.
const STEPS: u32 = 12;
/// How many scripts run at the same time, each for users of its own.
const AT_ONCE: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn memory_sqlite_and_dynamodb_answer_alike() {
    let n_scripts = number("HAUMANA_SCRIPTS").unwrap_or(SCRIPTS);
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
