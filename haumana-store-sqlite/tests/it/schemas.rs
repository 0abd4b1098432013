//! Records of schemas that were made at random.

use crate::support::Opened;
use haumana_sim::schemas::{Clocks, run_schema_with};
use haumana_sync::id::UserId;
use std::sync::Arc;

#[tokio::test]
async fn records_of_any_schema_keep_every_promise_in_a_file() {
    let Opened { store, directory: _directory } = Opened::new();
    let store = Arc::new(store);

    // All in one file, as different apps never are: one user's records touch no other's.
    for seed in 0..12 {
        for clocks in Clocks::ALL {
            let user = UserId::verified_by_caller(format!("user-{seed}-{clocks:?}")).unwrap();
            run_schema_with(seed, clocks, store.clone(), &user).await;
        }
    }
}
