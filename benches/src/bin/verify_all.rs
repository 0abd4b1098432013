//! How long `haumana-admin verify --all` takes for 1,000 users of 1,000 pieces each, on SQLite.
//!
//! `cargo build --release -p haumana-admin -p haumana-benches --bins`, then `verify_all PROGRAM FOLDER`,
//! with another number of users behind it. The database is kept in the folder for the next time.

use haumana_api::{SystemClock, SystemRandom};
use haumana_benches::texts;
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::engine::{EditTimes, Engine, EngineConfig, Push, PushOp};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::record::Value;
use haumana_sync::store::Generation;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PIECES: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, folder, rest @ ..] = arguments.as_slice() else {
        return Err("verify_all PROGRAM FOLDER [USERS]".into());
    };
    let n_users = rest.first().map_or(Ok(1_000), |count| count.parse())?;
    let db = Path::new(folder).join(format!("verify-{n_users}.db"));
    if !db.exists() {
        let begun = Instant::now();
        tokio::runtime::Runtime::new()?.block_on(fill(&db, n_users))?;
        println!("filled in {} s", begun.elapsed().as_secs());
    }
    for _ in 0..3 {
        let begun = Instant::now();
        let done = Command::new(program).args(["verify", "--all", "--db"]).arg(&db).output()?;
        let secs = begun.elapsed().as_secs_f64();
        print!("{secs:.1} s: {}", String::from_utf8_lossy(&done.stdout));
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into());
        }
    }
    Ok(())
}

async fn fill(db: &Path, n_users: u32) -> Result<(), Box<dyn Error>> {
    let options = SqliteOptions {
        path: db.into(),
        readers: 1,
        busy_timeout: Duration::from_secs(60),
        max_bytes: None,
    };
    let store = Arc::new(SqliteStore::open(&options)?);
    let config = EngineConfig::new(Generation(0));
    let engine = Engine::new(store, Arc::new(SystemClock), Arc::new(SystemRandom), config);
    for number in 0..n_users {
        let user = UserId::verified_by_caller(format!("user-{number}")).ok_or("a name")?;
        let keys: Vec<Key> = (0..PIECES).map(|piece| key(number, piece)).collect();
        let pushes: Vec<Push> = keys.iter().map(|key| made(*key)).collect();
        engine.push(&user, "bench", &pushes).await?;
        // A tenth of them has a history.
        let pushes: Vec<Push> = keys.iter().step_by(10).map(|key| edited(*key)).collect();
        engine.push(&user, "bench", &pushes).await?;
    }
    Ok(())
}

fn key(user: u32, piece: u32) -> Key {
    Key::piece(RecordId::from_bits(u128::from(user) << 64 | u128::from(piece)))
}

fn made(key: Key) -> Push {
    let text = |text: &str| Value::Text(text.to_owned());
    // 800 bytes or so.
    let [lyrics, ..] = texts::one_edit_each(24);
    let fields = BTreeMap::from([
        ("title".to_owned(), text("Aloha ʻOe")),
        ("category".to_owned(), text("mele")),
        ("language".to_owned(), text("haw")),
        ("lyrics".to_owned(), text(&lyrics)),
    ]);
    Push { key, base: None, edited_at: EditTimes::Unknown, op: PushOp::Set(fields) }
}

fn edited(key: Key) -> Push {
    let notes = Value::Text("hela left first".to_owned());
    let op = PushOp::Set(BTreeMap::from([("notes".to_owned(), notes)]));
    Push { key, base: Some(1), edited_at: EditTimes::Unknown, op }
}
