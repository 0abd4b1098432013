//! The generation that the tables are in only grows, and what was erased in one is known in the next.

use haumana_store_dynamo::testing::Tables;
use haumana_sync::Store;
use haumana_sync::conformance::sample::{Author, piece, record, user};
use haumana_sync::store::{Generation, Operate};

#[tokio::test]
async fn tables_are_in_the_highest_generation_that_anybody_asked_for() {
    let tables = Tables::create().await;
    let (one, other) = (tables.store(), tables.store());

    let mut told = Vec::new();
    for (store, asked) in [(&one, 0), (&one, 2), (&other, 0), (&other, 1), (&other, 5), (&one, 2)] {
        told.push(store.generation(Generation(asked)).await.unwrap().0);
    }

    assert_eq!(vec![0, 2, 2, 2, 5, 5], told);
}

#[tokio::test]
async fn nothing_is_written_where_nothing_was_raised() {
    let tables = Tables::create().await;
    let store = tables.store();

    store.generation(Generation(0)).await.unwrap();

    assert_eq!(None, store.known_generation().await.unwrap());
    assert_eq!(0.0, store.take_consumed().write_units);
}

#[tokio::test]
async fn of_many_who_ask_at_once_the_highest_counts() {
    let tables = Tables::create().await;
    let store = tables.store();

    let asked = (1..=8).map(|n| store.generation(Generation(n)));
    let told = futures_util::future::join_all(asked).await;

    assert!(told.iter().all(|told| told.is_ok()));
    assert_eq!(Some(Generation(8)), store.known_generation().await.unwrap());
}

#[tokio::test]
async fn the_generation_is_nobodys_history_and_no_sweep_takes_it() {
    let tables = Tables::create().await;
    let store = tables.store();
    store.generation(Generation(3)).await.unwrap();

    let far = haumana_sync::time::UnixMillis(i64::MAX);
    let swept = store.sweep(far, None, 100).await.unwrap();

    assert_eq!(0, swept.deleted);
    assert_eq!(Some(Generation(3)), store.known_generation().await.unwrap());
}

/// Restored tables have the key of those before, none yet, or one that they have drawn themselves.
#[tokio::test]
async fn a_user_whom_restored_tables_lack_is_known_by_the_journal_of_those_before() {
    for has_key in [false, true] {
        let (before, after, last) =
            (Tables::create().await, Tables::create().await, Tables::create().await);
        let (store, restored, third) = (before.store(), after.store(), last.store());
        for (store, name) in [(&store, "kai"), (&restored, "noe")] {
            if name == "kai" || has_key {
                Author::new(store, name).put(vec![record(piece(1), 7, name)]).await;
                store.erase(&user(name)).await.unwrap();
            }
        }

        for _ in 0..2 {
            assert_eq!(0, restored.replay_erasures_of(&store).await.unwrap());
        }
        third.replay_erasures_of(&restored).await.unwrap();

        for store in [&store, &restored, &third] {
            let floor = store.erased_floor(&user("kai")).await.unwrap();
            assert_eq!(Some(3), floor, "the head says so; a key of its own: {has_key}");
            assert_eq!(None, store.erased_floor(&user("lono")).await.unwrap());
        }
    }
}
