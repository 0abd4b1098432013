//! Records of schemas that were made at random.

use haumana_sim::schemas::{Clocks, run_schema_with};
use haumana_sync::conformance::sample::user;
use std::sync::Arc;

#[tokio::test]
async fn records_of_any_schema_keep_every_promise() {
    let store = Arc::new(server_or_skip!().open().await.unwrap());

    // All in one database, as different apps never are: one user's records touch no other's.
    for seed in 0..8 {
        for clocks in Clocks::ALL {
            let user = user(&format!("user-{seed}-{clocks:?}"));
            run_schema_with(seed, clocks, store.clone(), &user).await;
        }
    }
}
