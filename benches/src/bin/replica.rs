//! Measures the replica on SQLite against a running server, and prints the tables of docs/benchmarks.md.
//!
//! Usage: `replica SERVER FOLDER`, the release binary of the local server and an empty folder for
//! all databases. Client and server are two processes on loopback.

use haumana_api::{SystemClock, SystemRandom};
use haumana_benches::piece;
use haumana_benches::process::{Server, load_averages, timed, token};
use haumana_replica::storage::{MemoryStorage, SqliteStorage, Storage};
use haumana_replica::transport::{Encoding, HttpConfig, HttpTransport, TokenSource};
use haumana_replica::{Replica, ReplicaConfig, Summary};
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::record::Value;
use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How often the quick syncs are repeated.
const ROUNDS: usize = 200;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(server), Some(folder)) = (args.next(), args.next()) else {
        return Err(Error::other("usage: replica SERVER FOLDER"));
    };
    let server = Server::start(&server, &folder)?;
    println!("| what | median | p99 |\n|---|---|---|");
    for count in [1_000, 10_000, 100_000] {
        let user = User::sign_in(&server.url, &folder, count)?;
        user.fill(count)?;
        if count <= 10_000 {
            user.measure_first(count)?;
        }
        user.measure_changes(count)?;
    }
    println!("\nload averages now: {}", load_averages());
    Ok(())
}

/// Has the token of the one user who is measured.
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

#[async_trait::async_trait]
impl TokenSource for Token {
    async fn token(&self, _: &UserId) -> Option<String> {
        Some(self.0.clone())
    }
}

/// One user, and what the devices of that user share.
struct User {
    runtime: Runtime,
    transport: HttpTransport,
    id: UserId,
    folder: PathBuf,
}

impl User {
    fn sign_in(url: &str, folder: &str, count: usize) -> Result<Self> {
        let name = format!("replica-{count}");
        let id = UserId::verified_by_caller(name.as_str()).ok_or_else(|| Error::other("a name"))?;
        let tokens = Arc::new(Token(token(url, &name)?));
        let mut config = HttpConfig::usual(url);
        config.encoding = Encoding::Identity;
        let transport = HttpTransport::new(config, tokens).map_err(Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, transport, id, folder: folder.into() })
    }

    fn device(&self, storage: impl Storage) -> Result<Replica> {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let replica =
            self.runtime.block_on(Replica::open(storage, clock, random, ReplicaConfig::usual()));
        let replica = replica.map_err(Error::other)?;
        self.runtime.block_on(replica.sign_in(self.id.clone())).map_err(Error::other)?;
        Ok(replica)
    }

    fn on_file(&self, name: &str) -> Result<Replica> {
        let path = self.folder.join(format!("{}-{name}.db", self.id.as_str()));
        self.device(SqliteStorage::open(&path).map_err(Error::other)?)
    }

    fn sync(&self, device: &Replica) -> Result<Summary> {
        self.runtime.block_on(device.sync(&self.transport)).map_err(Error::other)
    }

    fn sync_timed(&self, device: &Replica) -> Result<Duration> {
        let start = Instant::now();
        self.sync(device)?;
        Ok(start.elapsed())
    }

    /// Puts `count` pieces of about 1 kB on the server.
    fn fill(&self, count: usize) -> Result<()> {
        let maker = self.device(MemoryStorage::new())?;
        for n in 0..count {
            let made = piece(n);
            let names = ["title", "category", "lyrics", "language", "author"];
            let text = |name: &str| Value::Text(made[name].as_str().unwrap_or_default().to_owned());
            let fields = names.iter().map(|name| ((*name).to_owned(), text(name)));
            self.runtime.block_on(maker.add_piece(fields.collect())).map_err(Error::other)?;
        }
        self.sync(&maker).map(drop)
    }

    fn measure_first(&self, count: usize) -> Result<()> {
        let rounds = if count == 1_000 { 50 } else { 15 };
        let row = timed(rounds, |n| {
            let device = self.on_file(&format!("first-{n}"))?;
            let start = Instant::now();
            let summary = self.sync(&device)?;
            let took = start.elapsed();
            if summary.pulled != count {
                return Err(Error::other("a first sync brings everything"));
            }
            Ok(took)
        })?;
        println!("| first sync of {count} | {row} |");
        Ok(())
    }

    fn measure_changes(&self, count: usize) -> Result<()> {
        let (here, there) = (self.on_file("here")?, self.on_file("there")?);
        self.sync(&here)?;
        self.sync(&there)?;
        let row = timed(ROUNDS * 5, |_| self.sync_timed(&here))?;
        println!("| no-op, of {count} | {row} |");
        let pieces =
            self.runtime.block_on(here.records(KindNumber::PIECE)).map_err(Error::other)?;
        let ten: Vec<Key> = pieces.iter().take(10).map(|view| view.key).collect();
        let edit = |device: &Replica, n: usize| -> Result<()> {
            for key in &ten {
                let title = Value::Text(format!("edit {n}"));
                let fields = BTreeMap::from([("title".to_owned(), title)]);
                self.runtime.block_on(device.set(*key, fields)).map_err(Error::other)?;
            }
            Ok(())
        };
        let mut down = Vec::new();
        let up = timed(ROUNDS, |n| {
            edit(&here, n)?;
            let took = self.sync_timed(&here)?;
            down.push(self.sync_timed(&there)?);
            Ok(took)
        })?;
        println!("| 10 changed records up, of {count} | {up} |");
        let down = timed(ROUNDS, |n| Ok(down[n]))?;
        println!("| 10 changed records down, of {count} | {down} |");
        Ok(())
    }
}
