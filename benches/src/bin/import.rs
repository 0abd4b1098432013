//! Prints how quickly an earlier server's table of 20,000 pieces is taken over.
//!
//! `cargo run --release -p haumana-benches --bin import -- FOLDER`: the folder is made, for an
//! export and a database file; DynamoDB is the emulator of the tests.

use haumana_benches::moving::{OldTable, Run, USERS, take_over};
use haumana_import::Source;
use haumana_store_dynamo::testing::Tables;
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::Store;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How many pieces each user has.
const EACH: usize = 400;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: import FOLDER")?;
    let folder = Path::new(&folder);
    let old = OldTable::create(folder, EACH).await?;
    println!("{} pieces of {USERS} users, items a second\n", USERS * EACH);
    println!("| from | to | new | again, nothing changed |");
    println!("|---|---|---|---|");
    for from in ["export on disk", "live table"] {
        let source = || match from {
            "live table" => Ok(old.live()),
            _ => old.export(),
        };
        let file = folder.join(format!("{from}.db"));
        print_row(from, "SQLite", Arc::new(sqlite(&file)?), source).await?;
        let dynamo = Tables::create().await.store();
        print_row(from, "DynamoDB's emulator", Arc::new(dynamo), source).await?;
    }
    Ok(())
}

fn sqlite(file: &Path) -> Result<SqliteStore, Box<dyn Error>> {
    Ok(SqliteStore::open(&SqliteOptions {
        path: file.to_owned(),
        readers: 2,
        busy_timeout: Duration::from_secs(5),
        max_bytes: None,
    })?)
}

async fn print_row(
    from: &str,
    to: &str,
    store: Arc<dyn Store>,
    source: impl Fn() -> Result<Box<dyn Source>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let n_items = (USERS * EACH) as u64;
    let new = take_over(&store, source()?.as_mut()).await?;
    let again = take_over(&store, source()?.as_mut()).await?;
    if (new.counts.created, again.counts.left) != (n_items, n_items) {
        return Err(format!("not all was taken: {}, then {}", new.counts, again.counts).into());
    }
    let told = |run: &Run| format!("{:.0} ({:.1} s)", run.a_second(), run.took.as_secs_f64());
    println!("| {from} | {to} | {} | {} |", told(&new), told(&again));
    Ok(())
}
