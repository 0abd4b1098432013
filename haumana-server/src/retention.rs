//! For how many days history is kept.
//!
//! It is kept with the data, as the schema is. A program that is started without the number, such as
//! a second server of the operator beside the one in use, or one whose setting is misspelt, then uses
//! the same one. With a shorter one it would delete history for good.

use crate::args::{Args, StoreKind};
use crate::problem::Problem;
use haumana_sync::store::Operate;
use haumana_sync::succession;

/// If neither the arguments nor the data say anything.
pub(crate) const DEFAULT_DAYS: u32 = 90;

/// The same in milliseconds.
pub(crate) fn ms(days: u32) -> i64 {
    i64::from(days) * 86_400_000
}

/// Returns the number that counts: that of the arguments, else that of the data.
///
/// DynamoDB deletes by itself, at times that were written with each item, and functions do not look
/// at what the data says. There the arguments count alone.
pub(crate) async fn of(args: &Args, store: &dyn Operate) -> Result<u32, Problem> {
    let days = match (args.retention_days, args.store) {
        (Some(days), _) => Some(days),
        (None, StoreKind::Dynamodb) => None,
        (None, StoreKind::Sqlite | StoreKind::Postgres) => kept(store).await?,
    };
    Ok(days.unwrap_or(DEFAULT_DAYS))
}

/// Keeps it with the data, and warns if it was longer.
pub(crate) async fn keep(args: &Args, store: &dyn Operate, days: u32) -> Result<(), Problem> {
    if args.store == StoreKind::Dynamodb {
        return Ok(());
    }
    if let Some(before) = kept(store).await?.filter(|before| days < *before) {
        tracing::warn!(
            days,
            before,
            "history is kept for fewer days than before; what is older is deleted for good"
        );
    }
    let done = succession::keep_retention_days(store, days).await;
    done.map_err(|error| Problem::of_store(&error))
}

async fn kept(store: &dyn Operate) -> Result<Option<u32>, Problem> {
    succession::retention_days(store).await.map_err(|error| Problem::of_store(&error))
}
