//! Opening the store, and what goes with it.
//!
//! A wrong path or a wrong prefix must not look like an empty store without faults. So each store
//! is first checked for existing data:
//!
//! | store | how |
//! |---|---|
//! | SQLite | the file exists, and has tables of ours |
//! | PostgreSQL | the schema has the table that describes the store |
//! | DynamoDB | the tables exist, with the right keys |
//!
//! # Which kinds of record
//!
//! The schema is the one that the servers have kept with the data, or else that of pieces and
//! sessions. `--schema` may name another one that may follow it, as for a server. Any other schema
//! is refused before the command does anything.

use crate::args::{Place, StoreKind, Whom};
use crate::audit;
use crate::problem::{Problem, Tables};
use futures_util::{Stream, TryStreamExt as _, stream};
use haumana_api::{SystemClock, SystemRandom};
use haumana_store_dynamo::{Columns, Credentials, DynamoOptions, DynamoStore, NoDeadline, Retry};
use haumana_store_postgres::{PostgresOptions, PostgresStore};
use haumana_store_sqlite::{BackupSource, OpenErrorKind, SqliteOptions, SqliteStore};
use haumana_sync::Store;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::UserId;
use haumana_sync::repertoire;
use haumana_sync::schema::Schema;
use haumana_sync::store::{ErrorKind, Generation, Operate, ScanPlace};
use haumana_sync::succession;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;
/// If nobody says for how many days history is kept.
const RETENTION_DAYS: u32 = 90;
const DAY_SECS: u64 = 86_400;
/// How many days longer than the retention history stays in DynamoDB.
///
/// DynamoDB deletes by itself, so an item must never expire before the engine stops using it.
const TTL_MARGIN_DAYS: u64 = 10;
/// How many users one page of a list has.
const USERS: usize = 500;
const READERS: usize = 2;
const CONNECTIONS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// A store with all that an operator needs of it.
///
/// `store` is for calls about one user, `all` for calls about all; both are the same store.
pub(crate) struct Opened {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) all: Arc<dyn Operate>,
    pub(crate) generation: Generation,
    /// The tables, if it is DynamoDB, where reading costs money.
    pub(crate) tables: Option<Arc<DynamoStore>>,
}

impl Opened {
    /// Opens the store that the arguments name. If it is missing, it is not made: a new store would
    /// be empty, and all would seem well.
    pub(crate) async fn new(place: &Place) -> Result<Self, Problem> {
        Self::asking(place, Generation(0)).await
    }

    /// Like [`Opened::new`], in this generation or in a higher one that the store knows.
    ///
    /// A number higher than ever before begins a new life of the data.
    pub(crate) async fn asking(place: &Place, asked: Generation) -> Result<Self, Problem> {
        match place.store {
            StoreKind::Sqlite => {
                let store = Arc::new(open_file(&place.db, asked)?);
                let generation = store.life().generation;
                Self::of(place, store, generation, None).await
            }
            StoreKind::Postgres => {
                let options = database(place, asked).await?;
                let opened = PostgresStore::open(&options).await;
                let store = Arc::new(opened.map_err(|error| Problem::of(&error))?);
                let generation = store.life().generation;
                Self::of(place, store, generation, None).await
            }
            StoreKind::Dynamodb => {
                let looked = tables(place, &repertoire::schema())?;
                // First of all, because reading a table that does not exist is retried for a
                // minute.
                looked.check_tables().await.map_err(|error| Problem::of(&error))?;
                let kept = schema(place, &looked).await?;
                let store = Arc::new(tables(place, &kept)?);
                let known = match asked {
                    // A plain look at the store must change nothing.
                    Generation(0) => store.known_generation().await.map(Option::unwrap_or_default),
                    asked => store.generation(asked).await,
                };
                let generation = known.map_err(|error| Problem::of(&error))?;
                Self::of(place, store.clone(), generation, Some(store)).await
            }
        }
    }

    /// The engine has the retention of the arguments: it shows no history that is past it.
    async fn of<S: Store + Operate>(
        place: &Place,
        store: Arc<S>,
        generation: Generation,
        tables: Option<Arc<DynamoStore>>,
    ) -> Result<Self, Problem> {
        let schema = schema(place, &*store).await?;
        let mut config = EngineConfig::new(generation);
        let kept = match place.store {
            StoreKind::Dynamodb => None,
            _ => succession::retention_days(&*store).await.map_err(|error| Problem::of(&error))?,
        };
        let days = place.retention_days.or(kept).unwrap_or(RETENTION_DAYS);
        config.retention_ms = i64::from(days) * DAY_MS;
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let engine = Engine::of(schema, store.clone(), clock, random, config);
        let (all, store) = (store.clone(), store);
        Ok(Self { engine: Arc::new(engine), store, all, generation, tables })
    }
}

/// The users of a store, in pages.
///
/// They come a page at a time, so a store of a million users needs no list of them in memory.
pub(crate) fn users(
    all: &dyn Operate,
) -> impl Stream<Item = Result<Vec<UserId>, Problem>> + Unpin + '_ {
    let pages =
        stream::try_unfold(Some(None), move |place: Option<Option<ScanPlace>>| async move {
            let Some(place) = place else { return Ok(None) };
            let page =
                all.users(place.as_ref(), USERS).await.map_err(|error| Problem::of(&error))?;
            Ok(Some((page.users, page.next.map(Some))))
        });
    Box::pin(pages)
}

/// Fails if a user has no account, so that a misspelt id is not a success.
///
/// A head that cannot be read counts as an account; `verify` reports it.
pub(crate) async fn expect_account(opened: &Opened, user: &UserId) -> Result<(), Problem> {
    match opened.store.head(user).await {
        Ok(Some(_)) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(()),
        Err(error) => Err(Problem::of(&error)),
        Ok(None) => {
            // Records without a head are a fault that can be repaired.
            let found = opened.engine.verify(&*opened.all, user).await?.findings;
            if found.is_empty() { Err(Problem::Nobody) } else { Ok(()) }
        }
    }
}

/// The users that a command is about.
pub(crate) async fn whom_of(opened: &Opened, whom: &Whom) -> Result<Vec<UserId>, Problem> {
    match &whom.user {
        Some(user) => expect_account(opened, user).await.map(|()| vec![user.clone()]),
        None => everybody(&*opened.all).await,
    }
}

/// All users of a store.
///
/// For commands that need all names before they begin.
pub(crate) async fn everybody(all: &dyn Operate) -> Result<Vec<UserId>, Problem> {
    users(all).try_concat().await
}

/// The schema that the arguments name, if it may follow the one with which the data was last
/// served. Without `--schema`, that last one.
///
/// Under a schema that does not fit, content would be read as something other than what was
/// written, and a repair would write that back.
pub(crate) async fn schema(place: &Place, all: &dyn Operate) -> Result<Schema, Problem> {
    let kept = succession::last(all).await.map_err(|error| Problem::of(&error))?;
    let last = match kept {
        Some(kept) => Some(kept),
        None => presumed(place, all).await?,
    };
    let Some(path) = &place.schema else {
        return Ok(whole(last.unwrap_or_else(repertoire::schema)));
    };
    let flaw = |what: String| Problem::Schema(path.clone(), what);
    let text = std::fs::read_to_string(path).map_err(|error| flaw(error.to_string()))?;
    let named = Schema::from_file(&path.to_string_lossy(), &text);
    let named = named.map_err(|error| flaw(error.to_string()))?;
    match last.map(whole).map_or(Ok(()), |last| named.succeed(&last)) {
        Ok(()) => Ok(named),
        Err(flaw) => Err(Problem::OtherSchema(path.clone(), flaw.to_string())),
    }
}

/// The schema of data that has no kept schema; `None` if nothing is known.
///
/// It is found as a server finds it: an earlier version kept a schema in a file beside the
/// database, and before that all records were pieces and sessions.
async fn presumed(place: &Place, all: &dyn Operate) -> Result<Option<Schema>, Problem> {
    let path = audit::beside(&place.db, ".schema.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let schema = Schema::from_json(&text);
            return schema.map(Some).map_err(|error| Problem::Schema(path, error.to_string()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Problem::Schema(path, error.to_string())),
    }
    if place.store != StoreKind::Sqlite {
        return Ok(None);
    }
    let page = all.users(None, 1).await.map_err(|error| Problem::of(&error))?;
    let has_users = !page.users.is_empty() || page.next.is_some();
    Ok(has_users.then(repertoire::schema))
}

/// A kept schema has only what a file can express. The schema of pieces and sessions has more.
fn whole(schema: Schema) -> Schema {
    let own = repertoire::schema();
    if schema.to_json() == own.to_json() { own } else { schema }
}

pub(crate) fn file_options(path: &Path) -> SqliteOptions {
    SqliteOptions { path: path.into(), readers: READERS, busy_timeout: PATIENCE, max_bytes: None }
}

/// The file is opened twice: once to look, which changes nothing, and once to use it.
fn open_file(path: &Path, asked: Generation) -> Result<SqliteStore, Problem> {
    // A store makes its tables in an empty file. So the file is looked at first.
    let found = source(path)?.taken_at().map_err(|error| Problem::of(&error))?;
    if found.is_some() {
        return Err(Problem::IsBackup(path.into()));
    }
    let opened = SqliteStore::open_asking(&file_options(path), asked);
    opened.map_err(|error| Problem::of(&error))
}

/// Opens a file to copy it. Changes nothing in it.
pub(crate) fn source(path: &Path) -> Result<BackupSource, Problem> {
    if !path.exists() {
        return Err(Problem::NoDatabase(path.into()));
    }
    BackupSource::open(path, PATIENCE).map_err(|error| match error.kind() {
        OpenErrorKind::NotOurs => Problem::NoTables(Tables::File(path.into())),
        _ => Problem::of(&error),
    })
}

/// The options to open the tables in PostgreSQL, which must exist.
///
/// It only looks: it makes no table and migrates none.
pub(crate) async fn database(
    place: &Place,
    generation: Generation,
) -> Result<PostgresOptions, Problem> {
    let options = PostgresOptions {
        url: place.url.clone().ok_or(Problem::NoUrl)?,
        schema: place.database_schema.clone(),
        certificates: place.database_certificates.clone(),
        connections: CONNECTIONS,
        connect_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        generation,
    };
    match haumana_store_postgres::copies::is_made(&options).await {
        Ok(true) => Ok(options),
        Ok(false) => Err(Problem::NoTables(Tables::Schema(options.schema))),
        Err(error) => Err(Problem::of(&error)),
    }
}

/// The store has no allowance: an operator's reads are not charged to the account.
fn tables(place: &Place, schema: &Schema) -> Result<DynamoStore, Problem> {
    let days = u64::from(place.retention_days.unwrap_or(RETENTION_DAYS)) + TTL_MARGIN_DAYS;
    Ok(DynamoStore::open(DynamoOptions {
        prefix: place.table_prefix.clone(),
        region: place.region.clone(),
        endpoint: place.endpoint.clone(),
        credentials: Credentials::from_environment().ok_or(Problem::NoCredentials)?,
        columns: Columns::of(schema),
        history_ttl: Duration::from_secs(days * DAY_SECS),
        allowance: None,
        // No user waits for an answer, so it retries for long.
        retry: Retry { budget: PATIENCE, longest_wait: PATIENCE / 6, ..Retry::interactive() },
        deadline: Arc::new(NoDeadline),
        http: None,
    }))
}
