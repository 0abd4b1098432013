//! `haumana-server erase-again` and `haumana-server sweep`: what an operator does by hand.

use crate::args::{Args, StoreKind};
use crate::problem::Problem;
use crate::schema;
use crate::serve;
use crate::store;
use crate::upkeep::Upkeep;
use haumana_api::{SystemClock, SystemRandom};
use haumana_store_postgres::Journal;
use haumana_sync::Store;
use haumana_sync::engine::Engine;
use haumana_sync::store::{Generation, Operate};
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
            let schema = schema::read(args)?;
            let restored = Arc::new(store::open_tables(args, &schema).await?);
            let journal = store::tables(args, &schema, prefix)?;
            let found = restored.replay_erasures_of(&journal).await;
            (upkeep(args, restored, Generation(args.generation)), found)
        }
        StoreKind::Postgres => {
            let url = journal_url.ok_or(Problem::NoJournal("--journal-url URL"))?;
            let journal = Journal::read(&store::database(args, url)).await;
            let journal = journal.map_err(|error| Problem::of_store(&error))?;
            let restored = Arc::new(store::open_database(args).await?);
            let found = restored.replay_erasures_of(&journal).await;
            let generation = restored.life().generation;
            (upkeep(args, restored, generation), found)
        }
    };
    let found = found.map_err(|error| Problem::of_store(&error))?;
    upkeep.finish_erasures().await.map_err(|error| Problem::of_store(&*error))?;
    println!("{found} accounts were erased since, and are erased again");
    Ok(())
}

/// Deletes history that is past its retention.
pub(crate) async fn sweep(args: &Args) -> Result<(), Problem> {
    let upkeep = match args.store {
        StoreKind::Sqlite => return Err(Problem::ByItself),
        StoreKind::Dynamodb => {
            let store = store::open_tables(args, &schema::read(args)?).await?;
            upkeep(args, Arc::new(store), Generation(args.generation))
        }
        StoreKind::Postgres => {
            let store = store::open_database(args).await?;
            let generation = store.life().generation;
            upkeep(args, Arc::new(store), generation)
        }
    };
    let deleted = upkeep.sweep().await.map_err(|error| Problem::of_store(&*error))?;
    println!("{deleted} entries of history were past their retention");
    Ok(())
}

fn upkeep<S: Store + Operate>(args: &Args, store: Arc<S>, generation: Generation) -> Upkeep {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let config = serve::engine_config(args, generation);
    let retention_ms = config.retention_ms;
    let engine = Arc::new(Engine::new(store.clone(), clock.clone(), random, config));
    Upkeep { operate: store, engine, clock, retention_ms }
}
