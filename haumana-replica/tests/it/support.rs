//! What the tests share: a server in the same process, its clock, and chance that repeats.

use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::DirectTransport;
use haumana_replica::{Replica, ReplicaConfig};
pub(crate) use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::UserId;
use haumana_sync::record::Value;
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-11-23T00:00:00Z, as good a day as any.
pub(crate) const DAY: i64 = 1_795_392_000_000;

/// A clock that shows [`DAY`].
pub(crate) fn clock() -> Arc<SetClock> {
    Arc::new(SetClock::at(UnixMillis(DAY)))
}

pub(crate) fn seeded(seed: u64) -> Arc<SeededRandom> {
    Arc::new(SeededRandom::new(seed))
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::verified_by_caller(name).unwrap()
}

pub(crate) fn engine_on(
    store: Arc<MemoryStore>,
    clock: Arc<SetClock>,
    random: Arc<SeededRandom>,
    generation: u32,
) -> Arc<Engine> {
    let config = EngineConfig::new(Generation(generation));
    Arc::new(Engine::new(store, clock, random, config))
}

/// A server and its clock.
pub(crate) struct Server {
    pub clock: Arc<SetClock>,
    pub random: Arc<SeededRandom>,
    pub engine: Arc<Engine>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let (clock, random) = (clock(), seeded(7));
        let store = Arc::new(MemoryStore::new());
        let engine = engine_on(store, clock.clone(), random.clone(), 0);
        Self { clock, random, engine }
    }

    pub(crate) fn transport(&self) -> DirectTransport {
        DirectTransport::new(self.engine.clone(), 1 << 20)
    }

    /// A device of `kai`, with nothing on it.
    pub(crate) async fn device(&self) -> Replica {
        let (clock, random) = (self.clock.clone(), self.random.clone());
        let config = ReplicaConfig::usual();
        let replica = Replica::open(MemoryStorage::new(), clock, random, config).await.unwrap();
        replica.sign_in(user("kai")).await.unwrap();
        replica
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn fields<const N: usize>(fields: [(&str, Value); N]) -> BTreeMap<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
