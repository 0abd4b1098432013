//! A PostgreSQL database.
//!
//! Any number of servers may share a database. Each hears of the others' commits by `NOTIFY`, so
//! devices are poked whichever server they are connected to.

use super::{Opened, Operated, begin};
use crate::args::Args;
use crate::problem::Problem;
use haumana_store_postgres::{Journal, NewLife, PostgresOptions, PostgresStore};
use haumana_sync::engine::OtherLife;
use haumana_sync::schema::Schema;
use haumana_sync::store::Generation;
use std::sync::Arc;
use std::time::Duration;

/// How many connections to PostgreSQL a server has at most.
///
/// Multiply it by the number of servers when you set `max_connections` of PostgreSQL.
const CONNECTIONS: usize = 16;
/// How long a request waits for a connection.
///
/// Then the request is answered with 503.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long PostgreSQL may work on one call.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the database that the arguments name.
pub(super) async fn open(args: &Args, _: &Schema) -> Result<Opened, Problem> {
    let store = Arc::new(open_database(args).await?);
    let (generation, other_life) = (store.life().generation, OtherLife::Merged);
    // It hears of other servers' commits, too.
    let (operate, pokes) = (store.clone(), store.clone());
    Ok(Opened { store, pokes, operate, needs_upkeep: true, generation, other_life })
}

/// The same for an operator's command.
pub(super) async fn operate(args: &Args, _: &Schema) -> Result<Operated, Problem> {
    let store = Arc::new(open_database(args).await?);
    let generation = store.life().generation;
    Ok(Operated::new(store, generation))
}

/// Marks the accounts that the journal of the database at `url` says are erased.
///
/// The other database is only read. This one must not be served yet.
pub(super) async fn replay_erasures(
    args: &Args,
    _: &Schema,
    url: &str,
) -> Result<(Operated, usize), Problem> {
    let journal = Journal::read(&database(args, url)).await;
    let journal = journal.map_err(|error| Problem::of_store(&error))?;
    let restored = open_database(args).await?;
    let found = restored.replay_erasures_of(&journal).await;
    let found = found.map_err(|error| Problem::of_store(&error))?;
    let generation = restored.life().generation;
    Ok((Operated::new(Arc::new(restored), generation), found))
}

/// The database at a URL.
fn database(args: &Args, url: &str) -> PostgresOptions {
    PostgresOptions {
        url: url.to_owned(),
        schema: args.database_schema.clone(),
        certificates: args.database_certificates.clone(),
        connections: CONNECTIONS,
        connect_timeout: CONNECT_TIMEOUT,
        statement_timeout: STATEMENT_TIMEOUT,
        generation: Generation(args.generation),
    }
}

/// Opens the database, and makes its tables if they are missing.
async fn open_database(args: &Args) -> Result<PostgresStore, Problem> {
    let options = database(args, args.url.as_deref().ok_or(Problem::NoUrl)?);
    let opened = PostgresStore::open(&options).await;
    let store = opened.map_err(|error| Problem::of_store(&error))?;
    let life = store.life();
    if let Some(why) = life.begun {
        let why = match why {
            NewLife::Asked => "a higher --generation was asked for",
            _ => {
                "the tables are in another database than before, or the database was restored or \
                 failed over"
            }
        };
        begin(why, life.generation);
    }
    Ok(store)
}
