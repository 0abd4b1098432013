//! What a command will cost where reading costs money, said before it begins.
//!
//! Only DynamoDB bills reads. Before a command that reads a lot, an estimate goes to the standard
//! error, so that an operator can stop it; afterwards the service's own figure does. The estimate
//! is rough.
//!
//! For one user the head says how much there is. For all users the service says how large the
//! tables are.

use crate::args::Whom;
use crate::place::Opened;
use crate::problem::Problem;
use haumana_sync::id::UserId;

/// DYNAMODB: a consistent read of 4 kB is one unit.
const UNIT_BYTES: u64 = 4_096;
/// How often a byte is read: in the stream, in the index, and where a record has a history by itself.
const PASSES: u64 = 3;
/// Items that are read one by one are rounded up; of small ones that is about as much again.
const ROUNDING: u64 = 2;
/// Queries that find little, and single items, are a unit each: measured for a small account.
const ACCOUNT_UNITS: u64 = 25;
/// Dollars for a million read units: on demand, us-east-1, <https://aws.amazon.com/dynamodb/pricing/>,
/// on 2026-11-29.
const DOLLARS: f64 = 0.125;

/// Says what reading will cost, if it costs anything.
///
/// What the estimate itself has read is left out of the sum at the end.
pub(crate) async fn announce(opened: &Opened, whom: &Whom) -> Result<(), Problem> {
    let Some(tables) = &opened.tables else { return Ok(()) };
    let bytes = match &whom.user {
        Some(user) => of_user(opened, user).await?,
        None => tables.stored_bytes().await.map_err(|error| Problem::of(&error))?,
    };
    let units = (bytes * PASSES * ROUNDING).div_ceil(UNIT_BYTES) + ACCOUNT_UNITS;
    let dollars = units as f64 * DOLLARS / 1e6;
    eprintln!("reads about {units} units, {dollars:.4} $ at {DOLLARS} $ a million");
    let _ = tables.take_consumed();
    Ok(())
}

/// Says what it has cost.
pub(crate) fn sum_up(opened: &Opened) {
    if let Some(tables) = &opened.tables {
        eprintln!("read {} units", tables.take_consumed().read_units);
    }
}

/// A record's own attributes are counted with 500 bytes.
async fn of_user(opened: &Opened, user: &UserId) -> Result<u64, Problem> {
    let head = opened.store.head(user).await.map_err(|error| Problem::of(&error))?;
    // What is kept beside the content, and the history, is about as much again.
    Ok(head.map_or(0, |head| 2 * head.bytes + 500 * head.records))
}
