//! Tables of DynamoDB.
//!
//! For operators who use the tables of the Lambda functions from a machine, or an emulator on a
//! laptop. Commits of other programs to the same tables send no pokes; devices find them when they
//! ask.

use super::{Opened, Operated};
use crate::args::Args;
use crate::problem::Problem;
use crate::retention;
use haumana_store_dynamo::{Columns, Credentials, DynamoOptions, DynamoStore, NoDeadline, Retry};
use haumana_sync::engine::OtherLife;
use haumana_sync::live::PokingStore;
use haumana_sync::schema::Schema;
use haumana_sync::store::Generation;
use std::sync::Arc;
use std::time::Duration;

/// How many days longer than the retention history stays in DynamoDB.
///
/// DynamoDB deletes an item by itself, some time after the date in it. Reads ignore history that is
/// past its retention, so the margin is never seen.
const TTL_MARGIN_DAYS: u64 = 10;
const DAY_SECS: u64 = 86_400;

/// Opens the tables that the arguments name.
pub(super) async fn open(args: &Args, schema: &Schema) -> Result<Opened, Problem> {
    let store = Arc::new(open_tables(args, schema).await?);
    // The tables know the highest generation in which they were ever served.
    let told = store.generation(Generation(args.generation)).await;
    let generation = told.map_err(|error| Problem::of_store(&error))?;
    let (operate, other_life) = (store.clone(), OtherLife::Merged);
    // Commits of another server or of a function to the tables send no pokes here.
    let store = Arc::new(PokingStore::new(store));
    let pokes = store.clone();
    Ok(Opened { store, pokes, operate, needs_upkeep: false, generation, other_life })
}

/// The same for an operator's command.
pub(super) async fn operate(args: &Args, schema: &Schema) -> Result<Operated, Problem> {
    let store = Arc::new(open_tables(args, schema).await?);
    Ok(Operated::new(store, Generation(args.generation)))
}

/// Marks the accounts that the journal of the tables of `prefix` says are erased.
pub(super) async fn replay_erasures(
    args: &Args,
    schema: &Schema,
    prefix: &str,
) -> Result<(Operated, usize), Problem> {
    let restored = open_tables(args, schema).await?;
    let journal = tables(args, schema, prefix)?;
    let found = restored.replay_erasures_of(&journal).await;
    let found = found.map_err(|error| Problem::of_store(&error))?;
    Ok((Operated::new(Arc::new(restored), Generation(args.generation)), found))
}

/// The tables whose names begin with `prefix`.
///
/// It opens no connection. The tables have no allowance: an allowance bounds what an account costs
/// on AWS, and here `Load` bounds an account.
fn tables(args: &Args, schema: &Schema, prefix: &str) -> Result<DynamoStore, Problem> {
    let days = u64::from(args.retention_days.unwrap_or(retention::DEFAULT_DAYS)) + TTL_MARGIN_DAYS;
    Ok(DynamoStore::open(DynamoOptions {
        prefix: prefix.to_owned(),
        region: args.region.clone(),
        endpoint: args.endpoint.clone(),
        credentials: Credentials::from_environment().ok_or(Problem::NoCredentials)?,
        columns: Columns::of(schema),
        history_ttl: Duration::from_secs(days * DAY_SECS),
        allowance: None,
        retry: Retry::interactive(),
        deadline: Arc::new(NoDeadline),
        http: None,
    }))
}

/// Opens the tables, which must be as the store needs them.
async fn open_tables(args: &Args, schema: &Schema) -> Result<DynamoStore, Problem> {
    let store = tables(args, schema, &args.table_prefix)?;
    if args.create_tables {
        store.create_tables().await.map_err(|error| Problem::of_store(&error))?;
    }
    store.check_tables().await.map_err(|error| Problem::of_store(&error))?;
    Ok(store)
}
