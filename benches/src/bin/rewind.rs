//! How long it takes to rewind an account of 10,000 pieces of which each was edited since, on SQLite.
//!
//! `cargo run --release -p haumana-benches --bin rewind`, with another number of pieces behind it.

use haumana_benches::Bench;
use haumana_sync::engine::{EditTimes, Push, PushOp, RewindMode, RewindRequest};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(10_000), |count| count.parse())?;
    let bench = Bench::sqlite();
    let held = bench.fill(count);
    let (user, engine) = (&held.user, &bench.engine);
    let to = engine.now();
    std::thread::sleep(std::time::Duration::from_millis(20));
    let ids = held.pieces().iter().filter_map(|piece| piece["pieceId"].as_str());
    let keys: Vec<Key> = ids.filter_map(RecordId::parse).map(Key::piece).collect();
    for chunk in keys.chunks(1000) {
        let pushes: Vec<Push> = chunk.iter().map(|key| edit(*key)).collect();
        bench.runtime.block_on(engine.push(user, "bench", &pushes))?;
    }
    std::thread::sleep(std::time::Duration::from_millis(20));
    let rewind = |to: UnixMillis, mode: RewindMode| {
        let request = RewindRequest { to, mode, request_id: None };
        let begun = Instant::now();
        let rewound = bench.runtime.block_on(engine.rewind(user, &request));
        rewound.map(|rewound| (rewound, begun.elapsed()))
    };
    let (tried, dry) = rewind(to, RewindMode::DryRun)?;
    let (done, there) = rewind(to, RewindMode::Write)?;
    std::thread::sleep(std::time::Duration::from_millis(20));
    let (undone, back) = rewind(done.before, RewindMode::Write)?;
    println!("{} would be changed: {} ms", tried.changed, dry.as_millis());
    println!("{} were changed: {} ms", done.changed, there.as_millis());
    println!("{} were changed back: {} ms", undone.changed, back.as_millis());
    Ok(())
}

fn edit(key: Key) -> Push {
    let title = Value::Text("edited by mistake".to_owned());
    let op = PushOp::Set(BTreeMap::from([("title".to_owned(), title)]));
    Push { key, base: Some(1), edited_at: EditTimes::Unknown, op }
}
