//! `haumana-server erase-again` and `haumana-server sweep`: what an operator does with DynamoDB.

use crate::args::{Args, StoreKind};
use crate::problem::{Problem, chain};
use crate::serve;
use crate::store;
use crate::upkeep::Upkeep;
use haumana_api::{SystemClock, SystemRandom};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::store::Generation;
use std::sync::Arc;

/// Erases accounts again that were erased after the point in time that the tables were put back to.
pub(crate) async fn erase_again(args: &Args, journal_prefix: &str) -> Result<(), Problem> {
    let upkeep = upkeep(args).await?;
    let journal = store::tables(args, journal_prefix)?;
    let restored = store::tables(args, &args.table_prefix)?;
    let found = restored.replay_erasures_of(&journal).await;
    let found = found.map_err(|error| Problem::Database(chain(&error)))?;
    let finished = upkeep.finish_erasures().await;
    finished.map_err(|error| Problem::Database(chain(&*error)))?;
    println!("{found} accounts of {}* were erased since, and are erased again", args.table_prefix);
    Ok(())
}

/// Deletes history that is past its retention.
pub(crate) async fn sweep(args: &Args) -> Result<(), Problem> {
    let deleted = upkeep(args).await?.sweep().await;
    let deleted = deleted.map_err(|error| Problem::Database(chain(&*error)))?;
    println!("{deleted} entries of history were past their retention");
    Ok(())
}

async fn upkeep(args: &Args) -> Result<Upkeep, Problem> {
    if args.store != StoreKind::Dynamodb {
        return Err(Problem::NotDynamo);
    }
    let store = Arc::new(store::open_tables(args).await?);
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let (generation, retention_ms) = (Generation(args.generation), serve::retention_ms(args));
    let mut config = EngineConfig::new(generation);
    config.retention_ms = retention_ms;
    let engine = Arc::new(Engine::new(store.clone(), clock.clone(), random, config));
    Ok(Upkeep { operate: store, engine, clock, retention_ms })
}
