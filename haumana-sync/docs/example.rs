// What the hidden lines of this crate's examples share: an engine in memory that keeps songs.

use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{EditTimes, Engine, EngineConfig, Push, PushOp};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind, Schema};
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::sync::Arc;

struct Example {
    engine: Engine,
    store: Arc<MemoryStore>,
    clock: Arc<SetClock>,
    kai: UserId,
    song: Key,
}

fn example() -> Example {
    let song = Kind::new(3, "song")
        .field(Field::new(1, "title", FieldType::text(100)))
        .field(Field::new(2, "lyrics", FieldType::lines(10_000)));
    let clock = Arc::new(SetClock::at(UnixMillis(1_795_392_000_000)));
    let (store, config) = (Arc::new(MemoryStore::new()), EngineConfig::new(Generation(0)));
    let random = Arc::new(SeededRandom::new(1));
    let schema = Schema::new([song]).unwrap();
    let engine = Engine::of(schema, store.clone(), clock.clone(), random, config);
    let kai = UserId::verified_by_caller("kai").unwrap();
    let song = Key { kind: KindNumber::new(3), id: RecordId::from_bits(1) };
    Example { engine, store, clock, kai, song }
}

/// An edit of the song's title.
fn push(base: Option<u32>, title: &str) -> Push {
    let song = Key { kind: KindNumber::new(3), id: RecordId::from_bits(1) };
    let title = Value::Text(title.to_owned());
    let op = PushOp::Set(BTreeMap::from([("title".to_owned(), title)]));
    Push { key: song, base, edited_at: EditTimes::Unknown, op }
}
