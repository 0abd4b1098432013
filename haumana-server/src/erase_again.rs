//! `haumana-server erase-again` and `haumana-server sweep`: commands for an operator.
//!
//! Both commands work on all users, so they use `Operate`, which no request ever gets. They make an
//! engine of their own on the store, for the rules of an erasure, and serve nothing.
//!
//! `erase-again` is for stores whose backups this program does not make. When tables are restored
//! to an earlier point in time, they contain accounts again that were erased since. The tables that
//! were in use before have a journal of erasures, which says which accounts.

use crate::args::Args;
use crate::directory::{self, SqliteDirectory};
use crate::problem::Problem;
use crate::retention;
use crate::say::say;
use crate::schema;
use crate::serve;
use crate::store::{self, Operated};
use crate::upkeep::Upkeep;
use haumana_api::{SystemClock, SystemRandom};
use haumana_sync::engine::{Engine, RETENTION_MS};
use std::sync::Arc;

/// Erases accounts again that were erased after the point in time of the restored tables.
///
/// Run it before the restored data is served. It can be repeated: an erased account stays erased.
///
/// Entries of the user directory are removed too, if the file is there.
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
    let directory = match path.exists() {
        true => Some(Arc::new(SqliteDirectory::open(&path)?)),
        false => None,
    };
    // An erasure does not look at the retention.
    let finished = upkeep(operated, directory, RETENTION_MS).finish_erasures().await;
    finished.map_err(|error| Problem::of_store(&*error))?;
    Ok(match found {
        1 => say("1 account was erased since, and is erased again"),
        n => say(format_args!("{n} accounts were erased since, and are erased again")),
    }?)
}

/// Deletes history that is past its retention.
///
/// It goes through all users in slices, with pauses, so a server may run beside it.
pub(crate) async fn sweep(args: &Args) -> Result<(), Problem> {
    let operated = store::operate(args, &schema::read(args)?).await?;
    let retention_ms = retention::of(args, &*operated.operate).await?;
    let deleted = upkeep(operated, None, retention_ms).sweep().await;
    let deleted = deleted.map_err(|error| Problem::of_store(&*error))?;
    Ok(match deleted {
        1 => say("1 entry of history was past its retention"),
        n => say(format_args!("{n} entries of history were past their retention")),
    }?)
}

/// The same code as the server's background work, without its timer.
fn upkeep(
    Operated { store, operate, generation }: Operated,
    directory: Option<Arc<SqliteDirectory>>,
    retention_ms: i64,
) -> Upkeep {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let config = serve::engine_config(generation, retention_ms);
    let engine = Arc::new(Engine::new(store.clone(), clock.clone(), random, config));
    Upkeep { operate, store, engine, directory, clock, caller_key: None, retention_ms }
}
