//! What a year of a heavy user leaves behind in PostgreSQL: prints the table of docs/operating.md.
//!
//! Usage: `postgres_year [DAYS]`. It starts a server of its own, or uses `HAUMANA_POSTGRES_URL`.
//!
//! The clock is set, so a year takes minutes, and autovacuum would see one minute of it. So it is off,
//! and the tables are vacuumed by the day or by the week of the clock, or never.

use haumana_benches::piece;
use haumana_store_postgres::testing::server;
use haumana_store_postgres::{PostgresOptions, PostgresStore};
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{Clock, EditTimes, Engine, EngineConfig, Push, PushOp};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::record::Value;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use tokio_postgres::{Client, NoTls};

type Done<T = ()> = Result<T, Box<dyn Error>>;

const DAYS: usize = 365;
/// How many pieces the user has, of about 1 kB.
const PIECES: usize = 1_000;
/// How many edits the user makes on a day, each in a request of its own.
const EDITS: usize = 30;
const DAY_MS: i64 = 86_400_000;
/// 2026-11-23T00:00:00Z.
const START_MS: i64 = 1_795_392_000_000;

/// After how many days the tables are vacuumed.
const VACUUMS: [(&str, Option<usize>); 3] =
    [("never", None), ("every week", Some(7)), ("every day", Some(1))];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    let days = std::env::args().nth(1).map(|days| days.parse()).transpose()?.unwrap_or(DAYS);
    let Some(server) = server() else { return Ok(()) };
    println!("{PIECES} pieces, {EDITS} edits a day, history of 90 days");
    println!(
        "| vacuumed | after | commits | heads | records | their indexes | history | its indexes |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, every) in VACUUMS {
        year(&server.empty(), days, (name, every)).await?;
    }
    Ok(())
}

async fn year(
    options: &PostgresOptions,
    days: usize,
    (name, every): (&str, Option<usize>),
) -> Done {
    let mut user = User::new(options).await?;
    let tables = Tables::connect(options).await?;
    tables.all("ALTER TABLE {} SET (autovacuum_enabled = false)").await?;
    user.fill().await?;
    let row = async |after: String, commits: usize| -> Done {
        println!("| {name} | {after} | {commits} | {} |", tables.sizes().await?);
        Ok(())
    };
    for day in 1..=days {
        user.day(day).await?;
        if every.is_some_and(|every| day % every == 0) {
            tables.all("VACUUM {}").await?;
        }
        if day % 91 == 0 || day == days {
            row(format!("{day} days"), user.commits).await?;
        }
    }
    println!("  {}", tables.counts().await?);
    tables.all("VACUUM FULL {}").await?;
    row("`VACUUM FULL`".to_owned(), user.commits).await
}

/// The user, at whose edits the clock goes on.
struct User {
    engine: Engine,
    clock: Arc<SetClock>,
    name: UserId,
    versions: BTreeMap<usize, Version>,
    commits: usize,
}

impl User {
    async fn new(options: &PostgresOptions) -> Done<Self> {
        let store = PostgresStore::open(options).await?;
        let clock = Arc::new(SetClock::at(UnixMillis(START_MS)));
        let config = EngineConfig::new(store.life().generation);
        let random = Arc::new(SeededRandom::starting_at(7));
        let engine = Engine::new(Arc::new(store), clock.clone(), random, config);
        let name = UserId::verified_by_caller("heavy").ok_or("a user id")?;
        Ok(Self { engine, clock, name, versions: BTreeMap::new(), commits: 0 })
    }

    /// The repertoire that the year begins with.
    async fn fill(&mut self) -> Done {
        for first in (0..PIECES).step_by(100) {
            let pushes: Vec<Push> =
                (first..first + 100).map(|n| self.push(n, PushOp::Set(fields(n, 0)))).collect();
            self.send(&pushes, first).await?;
        }
        Ok(())
    }

    async fn day(&mut self, day: usize) -> Done {
        for edit in 0..EDITS {
            self.clock.pass_ms(DAY_MS / EDITS as i64);
            let n = (day * 331 + edit * 17) % PIECES;
            let set = match edit % 3 {
                0 => one("title", format!("Aloha ʻOe {n}, {day}")),
                1 => one("notes", format!("{edit} times on day {day}")),
                _ => fields(n, day),
            };
            let push = self.push(n, PushOp::Set(set));
            self.send(&[push], n).await?;
        }
        Ok(())
    }

    fn push(&self, n: usize, op: PushOp) -> Push {
        let key = Key::piece(RecordId::from_bits(1 + n as u128));
        let edited_at = EditTimes::One(self.clock.now());
        Push { key, base: self.versions.get(&n).copied(), edited_at, op }
    }

    async fn send(&mut self, pushes: &[Push], first: usize) -> Done {
        let results = self.engine.push(&self.name, "phone", pushes).await?;
        for (at, result) in results.into_iter().enumerate() {
            let version = result.version.ok_or_else(|| format!("refused: {:?}", result.outcome))?;
            self.versions.insert(first + at, version);
        }
        self.commits += 1;
        Ok(())
    }
}

/// The fields of a piece of about 1 kB, with one verse that tells the day.
fn fields(n: usize, day: usize) -> BTreeMap<String, Value> {
    let piece = piece(n);
    let lyrics = piece["lyrics"].as_str().unwrap_or_default();
    let mut fields = one("lyrics", format!("{lyrics}\nʻO ka lā {day}"));
    for name in ["title", "category", "language", "author"] {
        let text = piece[name].as_str().unwrap_or_default();
        fields.insert(name.to_owned(), Value::Text(text.to_owned()));
    }
    fields
}

fn one(name: &str, text: String) -> BTreeMap<String, Value> {
    BTreeMap::from([(name.to_owned(), Value::Text(text))])
}

/// The tables, over a connection of their own.
struct Tables {
    client: Client,
    schema: String,
}

const TABLES: [&str; 3] = ["heads", "records", "history"];

impl Tables {
    async fn connect(options: &PostgresOptions) -> Done<Self> {
        let (client, connection) = tokio_postgres::connect(&options.url, NoTls).await?;
        tokio::spawn(connection);
        Ok(Self { client, schema: options.schema.clone() })
    }

    async fn all(&self, statement: &str) -> Done {
        for table in TABLES {
            let name = format!("{}.{table}", self.schema);
            self.client.batch_execute(&statement.replace("{}", &name)).await?;
        }
        Ok(())
    }

    /// Table and indexes of each, in megabytes; heads in kilobytes with its own index.
    async fn sizes(&self) -> Done<String> {
        let mut cells = Vec::new();
        for table in TABLES {
            let name = format!("{}.{table}", self.schema);
            let sizes =
                "SELECT pg_table_size($1::text::regclass), pg_indexes_size($1::text::regclass)";
            let row = self.client.query_one(sizes, &[&name]).await?;
            let (rows, indexes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            match table {
                "heads" => cells.push(format!("{} kB", (rows + indexes) / 1024)),
                _ => cells.extend([rows, indexes].map(|n| format!("{:.1} MB", n as f64 / 1e6))),
            }
        }
        Ok(cells.join(" | "))
    }

    /// What PostgreSQL counted: updates, of which in the same page, and rows.
    async fn counts(&self) -> Done<String> {
        let mut cells = Vec::new();
        for table in TABLES {
            let name = format!("{}.{table}", self.schema);
            let counts = "SELECT n_tup_upd, n_tup_hot_upd, n_live_tup, n_dead_tup
                          FROM pg_stat_user_tables WHERE relid = $1::text::regclass";
            let row = self.client.query_one(counts, &[&name]).await?;
            let of = |at: usize| row.try_get::<_, i64>(at);
            let (updates, hot, live, dead) = (of(0)?, of(1)?, of(2)?, of(3)?);
            cells.push(format!(
                "{table}: {updates} updates, {hot} in place, {live} rows, {dead} dead"
            ));
        }
        Ok(cells.join("; "))
    }
}
