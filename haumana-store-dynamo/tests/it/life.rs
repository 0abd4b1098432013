//! The generation that the tables are in only grows.

use haumana_store_dynamo::testing::Tables;
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
