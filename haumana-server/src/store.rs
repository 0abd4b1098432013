//! Where the data is: the SQLite file, a PostgreSQL database, or tables of DynamoDB.

use crate::args::{Args, StoreKind};
use crate::problem::Problem;
use haumana_store_dynamo::{Columns, Credentials, DynamoOptions, DynamoStore, NoDeadline, Retry};
use haumana_store_postgres::{PostgresOptions, PostgresStore};
use haumana_store_sqlite::{LaterEdits, NewLife, SqliteOptions, SqliteStore};
use haumana_sync::Store;
use haumana_sync::engine::OtherLife;
use haumana_sync::live::{Pokes, PokingStore};
use haumana_sync::schema::Schema;
use haumana_sync::store::{Generation, Operate};
use haumana_sync::time::UnixMillis;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How many threads read beside the one that writes.
const READERS: usize = 4;
/// How long a backup or another server may hold the file before a request is told to come again.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections to PostgreSQL a server has at most.
const CONNECTIONS: usize = 16;
/// How long a request waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long PostgreSQL may work on one call.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much longer than the retention DynamoDB keeps history before it deletes it by itself.
const TTL_MARGIN_DAYS: u64 = 10;
const DAY_SECS: u64 = 86_400;

/// A store, and the generation of the life that its data is in.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// What tells of commits.
    pub(crate) pokes: Arc<dyn Pokes>,
    /// The same for the operator.
    pub(crate) operate: Arc<dyn Operate>,
    /// Whether somebody must keep retention; DynamoDB does it by itself.
    pub(crate) needs_upkeep: bool,
    pub(crate) generation: Generation,
    /// What becomes of content that devices hold from another life.
    pub(crate) other_life: OtherLife,
}

/// Opens what the arguments name.
pub(crate) async fn open(args: &Args, schema: &Schema) -> Result<Opened, Problem> {
    let asked = Generation(args.generation);
    match args.store {
        StoreKind::Sqlite => {
            let store = open_file(&args.db, asked)?;
            let life = store.life();
            let other_life = match life.later_edits {
                LaterEdits::Discard => OtherLife::Discarded,
                LaterEdits::Merge => OtherLife::Merged,
            };
            let store = Arc::new(store);
            let (operate, generation) = (store.clone(), life.generation);
            let store = Arc::new(PokingStore::new(store));
            let pokes = store.clone();
            Ok(Opened { store, pokes, operate, needs_upkeep: true, generation, other_life })
        }
        StoreKind::Postgres => {
            let store = Arc::new(open_database(args).await?);
            let (generation, other_life) = (store.life().generation, OtherLife::Merged);
            // It hears of other servers' commits, too.
            let (operate, pokes) = (store.clone(), store.clone());
            Ok(Opened { store, pokes, operate, needs_upkeep: true, generation, other_life })
        }
        StoreKind::Dynamodb => {
            let store = Arc::new(open_tables(args, schema).await?);
            // The tables know the highest one that they were ever served in.
            let told = store.generation(asked).await;
            let generation = told.map_err(|error| Problem::of_store(&error))?;
            let (operate, other_life) = (store.clone(), OtherLife::Merged);
            // What another server, or a function, commits to the tables is not heard.
            let store = Arc::new(PokingStore::new(store));
            let pokes = store.clone();
            Ok(Opened { store, pokes, operate, needs_upkeep: false, generation, other_life })
        }
    }
}

/// The database at a URL.
pub(crate) fn database(args: &Args, url: &str) -> PostgresOptions {
    PostgresOptions {
        url: url.to_owned(),
        schema: args.database_schema.clone(),
        certificates: args.database_certificates.clone(),
        connections: CONNECTIONS,
        connect_timeout: CONNECT_TIMEOUT,
        statement_timeout: STATEMENT_TIMEOUT,
        generation: Generation(args.generation),
    }
}

/// Opens the database, and makes its tables if they are missing.
pub(crate) async fn open_database(args: &Args) -> Result<PostgresStore, Problem> {
    let options = database(args, args.url.as_deref().ok_or(Problem::NoUrl)?);
    let opened = PostgresStore::open(&options).await;
    let store = opened.map_err(|error| Problem::of_store(&error))?;
    let life = store.life();
    if let Some(why) = life.begun {
        let why = match why {
            haumana_store_postgres::NewLife::Asked => "a higher --generation was asked for",
            _ => {
                "the tables are in another database than before, or the database was restored or \
                 failed over"
            }
        };
        begin(why, life.generation);
    }
    Ok(store)
}

/// The tables whose names begin with `prefix`.
pub(crate) fn tables(args: &Args, schema: &Schema, prefix: &str) -> Result<DynamoStore, Problem> {
    let days = u64::from(args.retention_days) + TTL_MARGIN_DAYS;
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
pub(crate) async fn open_tables(args: &Args, schema: &Schema) -> Result<DynamoStore, Problem> {
    let store = tables(args, schema, &args.table_prefix)?;
    if args.create_tables {
        store.create_tables().await.map_err(|error| Problem::of_store(&error))?;
    }
    store.check_tables().await.map_err(|error| Problem::of_store(&error))?;
    Ok(store)
}

/// Opens the database, or makes it.
fn open_file(path: &Path, asked: Generation) -> Result<SqliteStore, Problem> {
    let options = SqliteOptions {
        path: path.into(),
        readers: READERS,
        busy_timeout: BUSY_TIMEOUT,
        max_bytes: None,
    };
    let opened = SqliteStore::open_asking(&options, asked);
    let store = opened.map_err(|error| Problem::of_database(path, &error))?;
    if let Some(new_life) = store.new_life() {
        announce(new_life, store.life().generation);
    }
    Ok(store)
}

/// Says that a new life of the data begins, and why.
fn announce(why: NewLife, Generation(generation): Generation) {
    let why = match why {
        NewLife::Backup { taken_at } => {
            format!("the database is the backup of {}", UnixMillis::from_secs(taken_at.secs()))
        }
        NewLife::PutBack => {
            "the database is older than what was last used here: an earlier copy was put back"
                .to_owned()
        }
        NewLife::StartedAfresh => {
            "the database is new, and there was another one here before".to_owned()
        }
        NewLife::Replaced => "the database is another one than was last used here".to_owned(),
        NewLife::Asked => "a higher --generation was asked for".to_owned(),
        _ => "the database was replaced".to_owned(),
    };
    begin(&why, Generation(generation));
}

fn begin(why: &str, Generation(generation): Generation) {
    tracing::warn!(
        generation,
        "{why}; a new life of the data begins. Devices notice at their next sync, and what they \
         hold is merged back"
    );
}
