//! Where the data is: the SQLite file, a PostgreSQL database, or tables of DynamoDB.
//!
//! Each store is a file of its own with the same function, `open`. One that is not built in is
//! `absent`, which says how to build it.
//!
//! After `open`, requests are served alike whatever the store is.
//!
//! Opening also decides in which life the data is. SQLite and PostgreSQL find out by themselves
//! whether they were put back to an earlier state; with DynamoDB an operator says so, by
//! `--generation`. Then the generation is higher than before, devices notice at their next sync,
//! and what they hold is merged back.

#[cfg(any(test, not(all(feature = "dynamodb", feature = "postgres"))))]
mod absent;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

pub(crate) use sqlite::BUSY_TIMEOUT;

#[cfg(not(feature = "dynamodb"))]
use absent as dynamodb;
#[cfg(not(feature = "postgres"))]
use absent as postgres;

use crate::args::{Args, StoreKind};
use crate::problem::Problem;
use haumana_sync::Store;
use haumana_sync::engine::OtherLife;
use haumana_sync::live::Pokes;
use haumana_sync::schema::Schema;
use haumana_sync::store::{Generation, Operate};
use std::sync::Arc;

/// A store, and the generation of the life that its data is in.
pub(crate) struct Opened {
    /// What the engine works on. It tells of commits, itself or by a decorator.
    pub(crate) store: Arc<dyn Store>,
    /// What tells of commits.
    pub(crate) pokes: Arc<dyn Pokes>,
    /// The same for the operator.
    pub(crate) operate: Arc<dyn Operate>,
    /// Whether somebody must keep retention; DynamoDB does it by itself.
    pub(crate) needs_upkeep: bool,
    /// Pass it to the engine; the arguments may have a lower one.
    pub(crate) generation: Generation,
    /// What becomes of content that devices hold from another life.
    pub(crate) other_life: OtherLife,
}

/// What an operator's command works on: a store that serves nobody.
#[cfg_attr(not(any(feature = "dynamodb", feature = "postgres")), allow(dead_code))]
pub(crate) struct Operated {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) operate: Arc<dyn Operate>,
    pub(crate) generation: Generation,
}

#[cfg(any(feature = "dynamodb", feature = "postgres"))]
impl Operated {
    fn new<S: Store + Operate>(store: Arc<S>, generation: Generation) -> Self {
        Self { store: store.clone(), operate: store, generation }
    }
}

/// Opens what the arguments name.
///
/// The schema is for DynamoDB, where some fields are columns of their own.
///
/// # Errors
///
/// A [`Problem`] that says what is wrong with the place, and never anything of the data.
pub(crate) async fn open(args: &Args, schema: &Schema) -> Result<Opened, Problem> {
    match args.store {
        StoreKind::Sqlite => sqlite::open(args),
        StoreKind::Postgres => postgres::open(args, schema).await,
        StoreKind::Dynamodb => dynamodb::open(args, schema).await,
    }
}

/// Opens what the arguments name, for an operator's command.
///
/// With SQLite the server itself does what these commands do, so it is [`Problem::ByItself`].
pub(crate) async fn operate(args: &Args, schema: &Schema) -> Result<Operated, Problem> {
    match args.store {
        StoreKind::Sqlite => Err(Problem::ByItself),
        StoreKind::Postgres => postgres::operate(args, schema).await,
        StoreKind::Dynamodb => dynamodb::operate(args, schema).await,
    }
}

/// Marks the accounts that the journal of other data says are erased, and counts them. Which of the
/// two names the journal depends on the store.
pub(crate) async fn replay_erasures(
    args: &Args,
    schema: &Schema,
    journal_prefix: Option<&str>,
    journal_url: Option<&str>,
) -> Result<(Operated, usize), Problem> {
    match args.store {
        StoreKind::Sqlite => Err(Problem::ByItself),
        StoreKind::Postgres => {
            let url = journal_url.ok_or(Problem::NoJournal("--journal-url URL"))?;
            postgres::replay_erasures(args, schema, url).await
        }
        StoreKind::Dynamodb => {
            let prefix = journal_prefix.ok_or(Problem::NoJournal("--journal-prefix PREFIX"))?;
            dynamodb::replay_erasures(args, schema, prefix).await
        }
    }
}

/// Logged as a warning, so that an operator who has restored nothing notices.
fn begin(why: &str, Generation(generation): Generation) {
    tracing::warn!(
        generation,
        "{why}; a new life of the data begins. Devices notice at their next sync, and what they \
         hold is merged back"
    );
}
