//! Random scripts get the same answers from PostgreSQL as from the model in memory.

use haumana_sync::conformance::run_script;

/// How many scripts there are; `HAUMANA_SCRIPTS` sets another number.
const SCRIPTS: u64 = 200;
/// How many calls a script makes.
const STEPS: u32 = 25;

#[tokio::test]
async fn random_scripts_get_the_answers_of_the_model() {
    let asked = std::env::var("HAUMANA_SCRIPTS").ok().and_then(|text| text.parse().ok());
    let store = server_or_skip!().open().await.unwrap();

    for seed in 0..asked.unwrap_or(SCRIPTS) {
        run_script(&[&store], 1_000_000 + seed, STEPS).await;
    }
}
