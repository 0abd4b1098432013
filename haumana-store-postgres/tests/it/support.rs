//! What the tests share: connections of their own, and engines.

use haumana_store_postgres::testing::Server;
use haumana_store_postgres::{PostgresOptions, PostgresStore};
use haumana_sync::Engine;
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::EngineConfig;
use haumana_sync::store::{Generation, Store};
use haumana_sync::time::UnixMillis;
use std::sync::Arc;
use tokio_postgres::{Client, NoTls};

/// 2026-11-23T00:00:00Z, as good a day as any.
pub(crate) const DAY: UnixMillis = UnixMillis(1_795_392_000_000);

/// A connection beside the store's.
pub(crate) async fn connect(server: &Server) -> Client {
    connect_to(server.url()).await
}

/// A connection to a database of the server.
pub(crate) async fn connect_to(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Opens what the options name.
pub(crate) async fn open(options: &PostgresOptions) -> PostgresStore {
    PostgresStore::open(options).await.unwrap()
}

/// An engine with chance of its own.
pub(crate) fn engine(store: Arc<dyn Store>, seed: u64) -> Engine {
    let config = EngineConfig::new(Generation(0));
    let random = Arc::new(SeededRandom::new(seed));
    Engine::new(store, Arc::new(SetClock::at(DAY)), random, config)
}
