//! The laws of every store, on an emulator that answers over HTTP.

use haumana_store_dynamo::DynamoStore;
use haumana_store_dynamo::testing::{Storm, Tables};
use std::sync::atomic::{AtomicU64, Ordering};

mod one_handle {
    haumana_sync::conformance_tests!(super::open().await);
    haumana_sync::operate_tests!(super::open().await);
}

mod two_handles {
    haumana_sync::conformance_tests!(shared super::open_two().await);
}

/// Every fault that a network and a busy service have, in between.
mod in_a_storm {
    haumana_sync::conformance_tests!(super::open_in_storm().await);
}

mod two_handles_in_a_storm {
    haumana_sync::conformance_tests!(shared super::open_two_in_storm().await);
}

async fn open() -> DynamoStore {
    Tables::create().await.store()
}

/// Two handles with connections of their own, as two processes have them.
async fn open_two() -> (DynamoStore, DynamoStore) {
    let tables = Tables::create().await;
    (tables.store(), tables.store())
}

async fn open_in_storm() -> DynamoStore {
    Tables::create().await.store_in(Storm::EVERYTHING, seed()).0
}

async fn open_two_in_storm() -> (DynamoStore, DynamoStore) {
    let tables = Tables::create().await;
    let open = || tables.store_in(Storm::EVERYTHING, seed()).0;
    (open(), open())
}

/// Each store has a storm of its own.
fn seed() -> u64 {
    static SEED: AtomicU64 = AtomicU64::new(1);
    SEED.fetch_add(1, Ordering::Relaxed)
}
