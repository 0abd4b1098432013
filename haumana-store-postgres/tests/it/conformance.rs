//! The laws of every store.

use haumana_store_postgres::{PostgresOptions, PostgresStore};

mod one_handle {
    haumana_sync::conformance_tests!(server_or_skip!().open().await.unwrap());
    haumana_sync::operate_tests!(server_or_skip!().open().await.unwrap());
}

mod two_handles {
    use super::*;

    async fn open_two(options: PostgresOptions) -> (PostgresStore, PostgresStore) {
        let one = PostgresStore::open(&options).await.unwrap();
        (one, PostgresStore::open(&options).await.unwrap())
    }

    haumana_sync::conformance_tests!(shared open_two(server_or_skip!().empty()).await);
}

/// A handle with one connection meets at once whatever a dropped call leaves on it.
mod one_connection {
    use super::*;
    use haumana_sync::conformance;
    use std::sync::Arc;

    async fn open() -> Option<PostgresStore> {
        let server = haumana_store_postgres::testing::server()?;
        let options = PostgresOptions { connections: 1, ..server.empty() };
        Some(PostgresStore::open(&options).await.unwrap())
    }

    macro_rules! laws {
        ($($law:ident)*) => { $(
            #[test]
            fn $law() {
                conformance::run(stringify!($law), || async {
                    if let Some(store) = open().await {
                        conformance::$law(&store).await;
                    }
                });
            }
        )* };
    }

    laws! {
        a_dropped_commit_is_settled_by_the_identical_call
        a_dropped_commit_is_in_or_leaves_no_trace
        dropped_calls_block_nobody_and_change_nothing
        a_dropped_purge_or_erasure_is_finished_by_the_same_call
        many_writers_lose_nothing
    }

    #[test]
    fn a_sync_dropped_at_any_point_and_sent_again_loses_nothing() {
        conformance::run("a_sync_dropped_at_any_point_and_sent_again_loses_nothing", || async {
            if let Some(store) = open().await {
                let law = conformance::a_sync_dropped_at_any_point_and_sent_again_loses_nothing;
                law(Arc::new(store)).await;
            }
        });
    }
}

mod new_schema_at_once {
    use super::*;

    async fn open(options: &PostgresOptions) -> PostgresStore {
        PostgresStore::open(options).await.unwrap()
    }

    haumana_sync::conformance_tests!(opening server_or_skip!().empty(), open);
}
