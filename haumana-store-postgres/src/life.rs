//! Which life the data is in. Devices must learn of a restored backup by it.
//!
//! # How a restore is noticed
//!
//! The row of the table `haumana` remembers the *place* where the tables were last served. At each
//! start it is compared with the present one:
//!
//! | part of the place | changes when |
//! |---|---|
//! | the cluster's system identifier | a dump is loaded into another cluster |
//! | the timeline of its log | the cluster goes back to a point in time, or a standby is promoted |
//! | the number of the database | a dump is loaded into another database |
//!
//! A dump that is loaded into the same database changes none of them. Then a new life begins only
//! if an operator asks for a higher generation.
//!
//! A new life has a generation above all that the tables know, plus a random leap of up to
//! [`LEAP`]. So a backup that is restored twice begins two lives with different numbers.
//!
//! Everything runs in the transaction of the migration. If several servers start after a restore,
//! the first begins the life, and the others find it.

use crate::error::{OpenError, OpenErrorKind};
use haumana_sync::store::Generation;
use tokio_postgres::Transaction;

/// The life that the data is in.
///
/// It is determined when the store is opened, and stays the same for this handle. A handle of an
/// earlier life can no longer commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Give it to the engine. Part of it is drawn at random when a life begins, so that a backup
    /// that is restored twice begins two different lives.
    pub generation: Generation,
    /// Why it began when the store was opened; `None` if an earlier life goes on.
    pub begun: Option<NewLife>,
}

/// Why a new life of the data began.
///
/// Log it: devices then start over, with one full sync each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewLife {
    /// The tables were last used in another database or another cluster, or before the cluster went
    /// back in time or to its standby. Commits that were acknowledged since may be missing.
    Restored,
    /// The operator asked for a higher generation than ever before.
    Asked,
}

/// LIMIT: how far a new generation may be above all earlier ones.
const LEAP: u64 = 1 << 24;

/// Where the tables are: the cluster, how often it went back in time, and the database in it.
///
/// POSTGRES: a cluster has a number of its own, and a new timeline begins with each recovery to a
/// point in time and each promotion: <https://www.postgresql.org/docs/current/continuous-archiving.html>.
const PLACE: &str = "
    SELECT system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)
           || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
    FROM pg_control_system()";

/// POSTGRES: some providers do not allow these functions. There a restored backup is noticed only
/// in another database.
const MAY_LOOK: &str = "
    SELECT has_function_privilege('pg_control_system()', 'EXECUTE')
       AND has_function_privilege('pg_current_wal_insert_lsn()', 'EXECUTE')
       AND has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE')";

const DATABASE: &str = "SELECT oid::text FROM pg_database WHERE datname = current_database()";

/// Determines which life the tables are in, and begins a new one if necessary.
///
/// `place` is null in tables that were just made. Then there is no earlier state, and the
/// generation is the one that was asked for.
///
/// Handles of an earlier life find another generation in their next commit, and return `Corrupt`.
pub(crate) async fn begin(
    transaction: &Transaction<'_>,
    schema: &str,
    wanted: Generation,
) -> Result<Life, OpenError> {
    // What begins a life whatever was asked for before is no number that was asked for.
    let number = if wanted == Generation::ANEW { 0 } else { i64::from(wanted.0) };
    let read = format!(
        "SELECT place, asked, generation,
                (SELECT coalesce(max(generation), 0)::bigint FROM {schema}.heads),
                floor(random() * {LEAP})::bigint
         FROM {schema}.haumana"
    );
    let row = transaction.query_one(&read, &[]).await?;
    let (place, asked, generation): (Option<String>, i64, i64) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let may_look: bool = transaction.query_one(MAY_LOOK, &[]).await?.try_get(0)?;
    let place_now = if may_look { PLACE } else { DATABASE };
    let now: String = transaction.query_one(place_now, &[]).await?.try_get(0)?;
    let begun = match place {
        Some(before) if before != now => Some(NewLife::Restored),
        Some(_) if wanted == Generation::ANEW || asked < number => Some(NewLife::Asked),
        _ => None,
    };
    let highest = generation.max(row.try_get(3)?);
    let highest = highest.max(number);
    let next = match begun {
        Some(_) => highest + 1 + row.try_get::<_, i64>(4)?,
        None => highest,
    };
    let no_generation = |_| OpenError::new(OpenErrorKind::NoGeneration);
    let generation = Generation(u32::try_from(next).map_err(no_generation)?);
    let write = format!(
        "UPDATE {schema}.haumana SET place = $1, asked = $2, generation = $3
                 WHERE (place, asked, generation) IS DISTINCT FROM ($1, $2, $3)"
    );
    transaction.execute(&write, &[&now, &asked.max(number), &next]).await?;
    Ok(Life { generation, begun })
}
