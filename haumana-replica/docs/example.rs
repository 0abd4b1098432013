// What the hidden lines of this crate's examples share: two devices of one person, and a server in
// the same process.

use haumana_replica::transport::DirectTransport;
use haumana_replica::{Replica, SystemClock, SystemRandom, storage::MemoryStorage};
use haumana_sync::engine::EngineConfig;
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::{Engine, Record, id::UserId, schema::Schema};
use std::sync::Arc;

#[derive(Debug, Default, PartialEq, Record)]
#[record(kind = "song", number = 3)]
struct Song {
    #[record(indexed)]
    title: String,
    #[record(lines)]
    lyrics: String,
}

struct Devices {
    phone: Replica,
    ipad: Replica,
    server: DirectTransport,
}

async fn devices() -> Devices {
    let schema = Schema::new([Song::kind()]).unwrap();
    let kai = UserId::verified_by_caller("kai").unwrap();
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let (store, config) = (Arc::new(MemoryStore::new()), EngineConfig::new(Generation(0)));
    let engine = Engine::of(schema.clone(), store, clock, random, config);
    let server = DirectTransport::new(Arc::new(engine), 1 << 20);
    let builder = || Replica::builder(MemoryStorage::new(), schema.clone());
    let device = || builder().account(kai.clone()).open();
    Devices { phone: device().await.unwrap(), ipad: device().await.unwrap(), server }
}
