//! Where the data is: the SQLite file, or tables of DynamoDB.

use crate::args::{Args, StoreKind};
use crate::problem::{Problem, chain};
use haumana_store_dynamo::{Columns, Credentials, DynamoOptions, DynamoStore, NoDeadline, Retry};
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::Store;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How many threads read beside the one that writes.
const READERS: usize = 4;
/// How long a backup or another server may hold the file before a request is told to come again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than the retention DynamoDB keeps history before it deletes it by itself.
const TTL_MARGIN_DAYS: u64 = 10;
const DAY_SECS: u64 = 86_400;

/// Opens what the arguments name.
pub(crate) async fn open(args: &Args) -> Result<Arc<dyn Store>, Problem> {
    match args.store {
        StoreKind::Sqlite => Ok(Arc::new(open_file(&args.db)?)),
        StoreKind::Dynamodb => Ok(Arc::new(open_tables(args).await?)),
    }
}

/// Opens the tables, which must be as the store needs them.
async fn open_tables(args: &Args) -> Result<DynamoStore, Problem> {
    let days = u64::from(args.retention_days) + TTL_MARGIN_DAYS;
    let store = DynamoStore::open(DynamoOptions {
        prefix: args.table_prefix.clone(),
        region: args.region.clone(),
        endpoint: args.endpoint.clone(),
        credentials: Credentials::from_environment().ok_or(Problem::NoCredentials)?,
        columns: Columns::of_the_app(),
        history_ttl: Duration::from_secs(days * DAY_SECS),
        retry: Retry::interactive(),
        deadline: Arc::new(NoDeadline),
        http: None,
    });
    let tables = |error| Problem::Database(chain(&error));
    if args.create_tables {
        store.create_tables().await.map_err(tables)?;
    }
    store.check_tables().await.map_err(tables)?;
    Ok(store)
}

/// Opens the database, or makes it.
fn open_file(path: &Path) -> Result<SqliteStore, Problem> {
    let options = SqliteOptions {
        path: path.into(),
        readers: READERS,
        busy_timeout: BUSY_TIMEOUT,
        max_bytes: None,
    };
    SqliteStore::open(&options).map_err(|error| Problem::Database(chain(&error)))
}

/// Copies the database to a new file.
pub(crate) async fn backup(db: &Path, to: &Path) -> Result<(), Problem> {
    if !db.try_exists()? {
        return Err(Problem::NoDatabase(db.into()));
    }
    if to.try_exists()? {
        return Err(Problem::Exists(to.into()));
    }
    let copied = open_file(db)?.backup_to(to).await;
    copied.map_err(|error| Problem::Backup(to.into(), chain(&error)))?;
    println!("{} is a copy of {}", to.display(), db.display());
    println!("when you go back to it, start the server with a higher --generation");
    Ok(())
}
