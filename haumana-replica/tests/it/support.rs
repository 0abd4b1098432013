//! What the tests share: a server in the same process, its clock, and chance that repeats.

use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::DirectTransport;
use haumana_replica::{Replica, ReplicaConfig};
use haumana_sync::engine::{Clock, Engine, EngineConfig, Random};
use haumana_sync::id::UserId;
use haumana_sync::record::Value;
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// 2026-11-23T00:00:00Z, as good a day as any.
pub const DAY: i64 = 1_795_392_000_000;

#[derive(Debug)]
pub struct SetClock(pub AtomicI64);

impl SetClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(DAY)))
    }

    pub fn pass_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

/// SplitMix64: the same seed gives the same run.
#[derive(Debug)]
pub struct Seeded(AtomicU64);

impl Seeded {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seed)))
    }

    pub fn below(&self, end: usize) -> usize {
        (self.next_u64() % end as u64) as usize
    }

    /// Whether something happens that happens so often in a hundred.
    pub fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

impl Random for Seeded {
    fn next_u64(&self) -> u64 {
        let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

pub fn user(name: &str) -> UserId {
    UserId::verified_by_caller(name).unwrap()
}

pub fn engine_on(
    store: Arc<MemoryStore>,
    clock: Arc<SetClock>,
    random: Arc<Seeded>,
    generation: u32,
) -> Arc<Engine> {
    let config = EngineConfig::new(Generation(generation));
    Arc::new(Engine::new(store, clock, random, config))
}

/// A server and its clock.
pub struct Server {
    pub clock: Arc<SetClock>,
    pub random: Arc<Seeded>,
    pub engine: Arc<Engine>,
}

impl Server {
    pub fn new() -> Self {
        let (clock, random) = (SetClock::new(), Seeded::new(7));
        let store = Arc::new(MemoryStore::new());
        let engine = engine_on(store, clock.clone(), random.clone(), 0);
        Self { clock, random, engine }
    }

    pub fn transport(&self) -> DirectTransport {
        DirectTransport::new(self.engine.clone(), 1 << 20)
    }

    /// A device of `kai`, with nothing on it.
    pub async fn device(&self) -> Replica {
        let (clock, random) = (self.clock.clone(), self.random.clone());
        let config = ReplicaConfig::usual();
        let replica = Replica::open(MemoryStorage::new(), clock, random, config).await.unwrap();
        replica.sign_in(user("kai")).await.unwrap();
        replica
    }
}

pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub fn fields<const N: usize>(fields: [(&str, Value); N]) -> BTreeMap<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
