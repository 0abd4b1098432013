//! `haumana-server erase-again` and `haumana-server sweep`: what an operator does by hand.

use crate::args::Args;
use crate::directory::{self, SqliteDirectory};
use crate::problem::Problem;
use crate::schema;
use crate::serve;
use crate::store::{self, Operated};
use crate::upkeep::Upkeep;
use haumana_api::directory::UserDirectory;
use haumana_api::{SystemClock, SystemRandom};
use haumana_sync::engine::Engine;
use std::sync::Arc;

/// Erases accounts again that were erased after the point in time that the tables were put back to.
pub(crate) async fn erase_again(
    args: &Args,
    journal_prefix: Option<&str>,
    journal_url: Option<&str>,
) -> Result<(), Problem> {
    let schema = schema::read(args)?;
    let (operated, found) =
        store::replay_erasures(args, &schema, journal_prefix, journal_url).await?;
    // On AWS the entries are in a user pool.
    let path = directory::beside(&args.db);
    let directory: Option<Arc<dyn UserDirectory>> = match path.exists() {
        true => Some(Arc::new(SqliteDirectory::open(&path)?)),
        false => None,
    };
    let finished = upkeep(args, operated, directory).finish_erasures().await;
    finished.map_err(|error| Problem::of_store(&*error))?;
    println!("{found} accounts were erased since, and are erased again");
    Ok(())
}

/// Deletes history that is past its retention.
pub(crate) async fn sweep(args: &Args) -> Result<(), Problem> {
    let operated = store::operate(args, &schema::read(args)?).await?;
    let deleted = upkeep(args, operated, None).sweep().await;
    let deleted = deleted.map_err(|error| Problem::of_store(&*error))?;
    println!("{deleted} entries of history were past their retention");
    Ok(())
}

fn upkeep(
    args: &Args,
    Operated { store, operate, generation }: Operated,
    directory: Option<Arc<dyn UserDirectory>>,
) -> Upkeep {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let config = serve::engine_config(args, generation);
    let retention_ms = config.retention_ms;
    let engine = Arc::new(Engine::new(store, clock.clone(), random, config));
    Upkeep { operate, engine, directory, clock, retention_ms }
}
