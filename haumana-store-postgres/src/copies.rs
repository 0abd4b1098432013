//! Copies of the tables in other schemas of the same database, for rehearsing a restore.
//!
//! An operator tries a change on a copy first: a migration, a repair, the erasures of a journal.
//! The copy is dropped afterwards.
//!
//! Everything happens within one database. So no data leaves it, and nothing has to be installed on
//! the operator's machine. The schema in use is only read.

use crate::error::{OpenError, OpenErrorKind};
use crate::journal;
use crate::options::PostgresOptions;
use crate::{pool, schema};
use tokio_postgres::IsolationLevel;

/// The tables of a deployment, and those of its journal.
///
/// `haumana` has the version and the generation, so the copy is opened in the same life as the
/// original.
const TABLES: [&str; 4] = ["haumana", "heads", "records", "history"];
const JOURNAL: [&str; 2] = ["key", "lives"];
/// A journal that no program of today has opened lacks these.
const FLOORS: [&str; 2] = ["floors", "carried"];

/// Whether the journal of erasures is copied with the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithJournal {
    /// Yes: the copy is a deployment of its own.
    Yes,
    /// No: a restore leaves the journal as it is.
    No,
}

/// Whether the schema has tables of a store, of any version. It makes nothing.
///
/// # Errors
///
/// [`OpenError`] if the database cannot be asked, or if the name cannot be the name of a schema.
pub async fn is_made(options: &PostgresOptions) -> Result<bool, OpenError> {
    check_names(&[&options.schema])?;
    let client = pool::connect(options)?.get().await?;
    schema::is_ours(&***client, &options.schema).await
}

/// Copies the tables as they are at one moment into another schema of the same database, which must
/// not have them yet. Others may write meanwhile.
///
/// Numbers of accounts are kept, and the sequence of the copy goes on above them. A store can be
/// opened on the copy like on any other schema.
///
/// The copy is one transaction. As long as it is open, the database keeps old rows.
///
/// # Errors
///
/// [`OpenError`] if the database cannot be asked, or refuses. Then nothing of the copy is left.
pub async fn copy(options: &PostgresOptions, to: &str, with: WithJournal) -> Result<(), OpenError> {
    check_names(&[&options.schema, to])?;
    let mut client = pool::connect(options)?.get().await?;
    client.batch_execute("SET statement_timeout = 0").await?;
    let transaction = client.build_transaction();
    let transaction = transaction.isolation_level(IsolationLevel::RepeatableRead).start().await?;
    let from = options.schema.as_str();
    transaction.batch_execute(&copying(from, to, &TABLES)).await?;
    // A new sequence would begin at 1, but those numbers may be in use.
    let sequence = format!(
        "SELECT setval(pg_get_serial_sequence('{to}.heads', 'account'),
                       (SELECT coalesce(max(account), 0) + 1 FROM {to}.heads), false)"
    );
    transaction.batch_execute(&sequence).await?;
    if with == WithJournal::Yes {
        let (from, to) = (journal::name_of(from), journal::name_of(to));
        transaction.batch_execute(&copying(&from, &to, &JOURNAL)).await?;
        let look = "SELECT to_regclass($1 || '.floors') IS NOT NULL";
        if transaction.query_one(look, &[&from]).await?.try_get(0)? {
            transaction.batch_execute(&copying(&from, &to, &FLOORS)).await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// `INCLUDING ALL` copies keys, indexes, defaults and the fill factor.
fn copying(from: &str, to: &str, tables: &[&str]) -> String {
    let table = |name: &&str| {
        format!(
            "CREATE TABLE {to}.{name} (LIKE {from}.{name} INCLUDING ALL);
             INSERT INTO {to}.{name} OVERRIDING SYSTEM VALUE SELECT * FROM {from}.{name};"
        )
    };
    format!("CREATE SCHEMA IF NOT EXISTS {to};{}", tables.iter().map(table).collect::<String>())
}

/// Removes a schema with the tables in it, and its journal if that is asked for.
///
/// There is no way back. Everything else in the schema is dropped as well.
///
/// # Errors
///
/// [`OpenError`] if the database cannot be asked, or refuses.
pub async fn remove(options: &PostgresOptions, with: WithJournal) -> Result<(), OpenError> {
    check_names(&[&options.schema])?;
    let client = pool::connect(options)?.get().await?;
    let journal = journal::name_of(&options.schema);
    let mut drop = format!("DROP SCHEMA IF EXISTS {} CASCADE;", options.schema);
    if with == WithJournal::Yes {
        drop.push_str(&format!("DROP SCHEMA IF EXISTS {journal} CASCADE;"));
    }
    Ok(client.batch_execute(&drop).await?)
}

fn check_names(names: &[&str]) -> Result<(), OpenError> {
    let are_names = names.iter().all(|name| schema::is_name(name));
    are_names.then_some(()).ok_or_else(|| OpenError::new(OpenErrorKind::SchemaName))
}
