//! `haumana-server erase-again` and `haumana-server sweep`: what an operator does by hand.

use crate::args::{Args, StoreKind};
use crate::problem::{Problem, chain};
use crate::serve;
use crate::store;
use crate::upkeep::Upkeep;
use haumana_api::{SystemClock, SystemRandom};
use haumana_store_postgres::Journal;
use haumana_sync::Store;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::store::{Generation, Operate};
use std::error::Error;
use std::sync::Arc;

/// Erases accounts again that were erased after the point in time that the tables were put back to.
pub(crate) async fn erase_again(
    args: &Args,
    journal_prefix: Option<&str>,
    journal_url: Option<&str>,
) -> Result<(), Problem> {
    let (upkeep, found) = match args.store {
        StoreKind::Sqlite => return Err(Problem::ByItself),
        StoreKind::Dynamodb => {
            let prefix = journal_prefix.ok_or(Problem::NoJournal("--journal-prefix PREFIX"))?;
            let restored = Arc::new(store::open_tables(args).await?);
            let found = restored.replay_erasures_of(&store::tables(args, prefix)?).await;
            (upkeep(args, restored), found)
        }
        StoreKind::Postgres => {
            let url = journal_url.ok_or(Problem::NoJournal("--journal-url URL"))?;
            let journal = Journal::read(&store::database(args, url)).await.map_err(database)?;
            let restored = Arc::new(store::open_database(args).await?);
            let found = restored.replay_erasures_of(&journal).await;
            (upkeep(args, restored), found)
        }
    };
    let found = found.map_err(database)?;
    upkeep.finish_erasures().await.map_err(|error| Problem::Database(chain(&*error)))?;
    println!("{found} accounts were erased since, and are erased again");
    Ok(())
}

/// Deletes history that is past its retention.
pub(crate) async fn sweep(args: &Args) -> Result<(), Problem> {
    let upkeep = match args.store {
        StoreKind::Sqlite => return Err(Problem::ByItself),
        StoreKind::Dynamodb => upkeep(args, Arc::new(store::open_tables(args).await?)),
        StoreKind::Postgres => upkeep(args, Arc::new(store::open_database(args).await?)),
    };
    let deleted = upkeep.sweep().await;
    let deleted = deleted.map_err(|error| Problem::Database(chain(&*error)))?;
    println!("{deleted} entries of history were past their retention");
    Ok(())
}

fn upkeep<S: Store + Operate>(args: &Args, store: Arc<S>) -> Upkeep {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let (generation, retention_ms) = (Generation(args.generation), serve::retention_ms(args));
    let mut config = EngineConfig::new(generation);
    config.retention_ms = retention_ms;
    let engine = Arc::new(Engine::new(store.clone(), clock.clone(), random, config));
    Upkeep { operate: store, engine, clock, retention_ms }
}

fn database(error: impl Error) -> Problem {
    Problem::Database(chain(&error))
}
