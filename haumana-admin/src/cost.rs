//! What a command will cost if reading costs money. It is printed before the command begins.
//!
//! Only DynamoDB bills reads. Before a command that reads a lot, an estimate goes to the standard
//! error, so that an operator can stop it. Afterwards the service's own figure is printed there.
//! The estimate is rough.
//!
//! For one user it comes from the head of the account. For all users it comes from the sizes of the
//! tables.

use crate::args::Whom;
use crate::place::Opened;
use crate::problem::Problem;
use haumana_sync::id::UserId;

/// DYNAMODB: a consistent read of 4 kB is one unit.
const UNIT_BYTES: u64 = 4_096;
/// How often a byte is read: in the stream, in the index, and with the history of its record.
const PASSES: u64 = 3;
/// The size of each single item is rounded up. With small items that doubles the cost.
const ROUNDING: u64 = 2;
/// Queries that find little, and single items, cost one unit each. Measured for a small account.
const ACCOUNT_UNITS: u64 = 25;
/// Dollars for a million read units: on demand, us-east-1,
/// <https://aws.amazon.com/dynamodb/pricing/>, on 2026-11-29.
const DOLLARS: f64 = 0.125;

/// Prints what reading will cost, if it costs anything.
///
/// The reads for the estimate itself are not part of the sum at the end.
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

/// Prints what reading has cost.
pub(crate) fn sum_up(opened: &Opened) {
    if let Some(tables) = &opened.tables {
        eprintln!("read {} units", tables.take_consumed().read_units);
    }
}

/// The attributes of a record, apart from its content, count as 500 bytes.
async fn of_user(opened: &Opened, user: &UserId) -> Result<u64, Problem> {
    let head = opened.store.head(user).await.map_err(|error| Problem::of(&error))?;
    // Data beside the content, and the history, are about as much again.
    Ok(head.map_or(0, |head| 2 * head.bytes + 500 * head.records))
}
