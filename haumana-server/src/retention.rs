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
fn ms(days: u32) -> i64 {
    i64::from(days) * 86_400_000
}

/// Returns for how long history is kept: what the arguments say, else what the data say.
pub(crate) async fn of(args: &Args, store: &dyn Operate) -> Result<i64, Problem> {
    Ok(ms(counts(args, kept(args, store).await?)))
}

/// Does the same for a server that starts: keeps the number with the data, and warns if it was
/// longer.
pub(crate) async fn settle(args: &Args, store: &dyn Operate) -> Result<i64, Problem> {
    let before = kept(args, store).await?;
    let days = counts(args, before);
    if let Some(before) = before.filter(|before| days < *before) {
        tracing::warn!(
            days,
            before,
            "history is kept for fewer days than before; what is older is deleted for good"
        );
    }
    if args.store != StoreKind::Dynamodb {
        let done = succession::keep_retention_days(store, days).await;
        done.map_err(|error| Problem::of_store(&error))?;
    }
    Ok(ms(days))
}

fn counts(args: &Args, kept: Option<u32>) -> u32 {
    args.retention_days.or(kept).unwrap_or(DEFAULT_DAYS)
}

/// DynamoDB deletes by itself, at times that were written with each item, and functions do not look
/// at what the data says. There the arguments count alone.
async fn kept(args: &Args, store: &dyn Operate) -> Result<Option<u32>, Problem> {
    match args.store {
        StoreKind::Dynamodb => Ok(None),
        StoreKind::Sqlite | StoreKind::Postgres => {
            succession::retention_days(store).await.map_err(|error| Problem::of_store(&error))
        }
    }
}
