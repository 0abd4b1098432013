//! The laws of every store, on an emulator that answers over HTTP.

use haumana_store_dynamo::DynamoStore;
use haumana_store_dynamo::testing::Tables;

mod one_handle {
    haumana_sync::conformance_tests!(super::open().await);
}

mod two_handles {
    haumana_sync::conformance_tests!(shared super::open_two().await);
}

async fn open() -> DynamoStore {
    Tables::create().await.store()
}

/// Two handles with connections of their own, as two processes have them.
async fn open_two() -> (DynamoStore, DynamoStore) {
    let tables = Tables::create().await;
    (tables.store(), tables.store())
}
