//! Where the data is: the SQLite file, a PostgreSQL database, or tables of DynamoDB.
//!
//! Each store is a file of its own with the same function, `open`. `absent` replaces a store that
//! is not built in, and says how to build it.
//!
//! After `open`, requests are served alike with every store.
//!
//! Opening also decides in which life the data is. SQLite and PostgreSQL find out by themselves
//! whether they were restored to an earlier state. With DynamoDB an operator says so, by
//! `--generation`. In a new life the generation is higher than before, devices notice at their next
//! sync, and what they hold is merged back.

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
    /// The store of the engine. Its commits send pokes, by itself or through a decorator.
    pub(crate) store: Arc<dyn Store>,
    /// The source of those pokes.
    pub(crate) pokes: Arc<dyn Pokes>,
    /// The same store, for calls about all users.
    pub(crate) operate: Arc<dyn Operate>,
    /// Whether the server must delete old history; DynamoDB does it by itself.
    pub(crate) needs_upkeep: bool,
    /// The engine must get this one; that in the arguments may be lower.
    pub(crate) generation: Generation,
    /// How content from another life that devices hold is treated.
    pub(crate) other_life: OtherLife,
}

/// The store for an operator's command, which serves nobody.
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

/// Opens the store that the arguments name.
///
/// The schema is for DynamoDB, where some fields are columns of their own.
///
/// # Errors
///
/// A [`Problem`] that says what is wrong with the store. It never contains user data.
pub(crate) async fn open(args: &Args, schema: &Schema) -> Result<Opened, Problem> {
    match args.store {
        StoreKind::Sqlite => sqlite::open(args),
        StoreKind::Postgres => postgres::open(args, schema).await,
        StoreKind::Dynamodb => dynamodb::open(args, schema).await,
    }
}

/// Opens the store that the arguments name, for an operator's command.
///
/// With SQLite the server itself does what these commands do, so this is [`Problem::ByItself`].
pub(crate) async fn operate(args: &Args, schema: &Schema) -> Result<Operated, Problem> {
    match args.store {
        StoreKind::Sqlite => Err(Problem::ByItself),
        StoreKind::Postgres => postgres::operate(args, schema).await,
        StoreKind::Dynamodb => dynamodb::operate(args, schema).await,
    }
}

/// Marks the accounts that the journal of other data says are erased, and counts them. It depends
/// on the store which of the two arguments names the journal.
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

/// Logged as a warning, so that an operator who has not restored anything notices.
fn begin(why: &str, Generation(generation): Generation) {
    tracing::warn!(
        generation,
        "{why}; a new life of the data begins. Devices notice at their next sync, and what they \
         hold is merged back"
    );
}
