//! Random scripts get the same answers from SQLite as from the model in memory.

use haumana_store_sqlite::SqliteStore;
use haumana_sync::conformance::run_script;
use std::thread;
use tokio::runtime::Builder;

/// How many scripts there are; `HAUMANA_SCRIPTS` sets a larger number.
const SCRIPTS: u64 = 10_000;
/// How many calls a script makes; short scripts find as much in the same time as long ones.
const STEPS: u32 = 20;
/// How many scripts run on one store: erasing rewrites all that it holds.
const PER_STORE: u64 = 20;

#[test]
fn ten_thousand_scripts_get_the_answers_of_the_model() {
    let asked = std::env::var("HAUMANA_SCRIPTS").ok().and_then(|text| text.parse().ok());
    let n_scripts = asked.unwrap_or(SCRIPTS).max(SCRIPTS);
    let n_threads = thread::available_parallelism().map_or(1, usize::from);

    thread::scope(|scope| {
        for first in 0..n_threads as u64 {
            scope.spawn(move || {
                let runtime = Builder::new_current_thread().build().unwrap();
                for from in (first * PER_STORE..n_scripts).step_by(n_threads * PER_STORE as usize) {
                    let sqlite = SqliteStore::in_memory().unwrap();
                    for seed in from..n_scripts.min(from + PER_STORE) {
                        runtime.block_on(run_script(&[&sqlite], seed, STEPS));
                    }
                }
            });
        }
    });
}
