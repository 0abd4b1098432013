//! Which kinds of record are kept, and the check that the stored records still fit them.
//!
//! Records are read by the schema that wrote them. Under a schema that lacks one of their fields,
//! or gives it another type, they could not be read, or would be merged wrongly. So the schema is
//! kept with the records, and each start compares: the new schema must be able to follow the kept
//! one (`haumana_sync::succession`).
//!
//! An earlier version of this program kept the schema in a file beside the database,
//! `.schema.json`. It is read if the database itself knows none, and never written.

use crate::args::{Args, StoreKind};
use crate::private;
use crate::problem::Problem;
use crate::say::say;
use crate::store;
use haumana_sync::repertoire;
use haumana_sync::schema::Schema;
use haumana_sync::store::Operate;
use haumana_sync::succession::{self, Succession, SuccessionError};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// LIMIT: a schema of 64 kinds with 128 fields each is smaller.
const FILE_BYTES: u64 = 4_000_000;

/// The schema that the arguments name.
///
/// Without `--schema` it is that of pieces and sessions.
///
/// # Errors
///
/// [`Problem::Schema`] names the file, and what is wrong in it.
pub(crate) fn read(args: &Args) -> Result<Schema, Problem> {
    let Some(path) = &args.schema else { return Ok(repertoire::schema()) };
    let flaw = |message: String| Problem::Schema(path.clone(), message);
    let text = read_text(path).map_err(|error| flaw(error.to_string()))?;
    let schema = Schema::from_file(&path.to_string_lossy(), &text);
    schema.map_err(|error| flaw(error.to_string()))
}

/// The schema of the records, if the store itself has kept none: the one that an earlier version of
/// this program has kept beside the file, or else that of pieces and sessions. `None` if there is
/// no file.
///
/// With other stores than SQLite, only a schema that was kept beside a file is known.
///
/// Call this before the database is opened. Opening makes the file, and then nobody can tell
/// whether it existed before.
pub(crate) fn presumed(args: &Args) -> Result<Option<Schema>, Problem> {
    match (args.store, args.db.exists()) {
        (StoreKind::Sqlite, false) => Ok(None),
        (StoreKind::Sqlite, true) => Ok(Some(kept(&args.db)?.unwrap_or_else(repertoire::schema))),
        (StoreKind::Postgres | StoreKind::Dynamodb, _) => kept(&args.db),
    }
}

/// Checks that the records may be served with `schema`, and keeps it with them.
///
/// # Errors
///
/// [`Problem::OtherSchema`] if the schema may not follow the kept one. Nothing is changed then.
pub(crate) async fn succeed(
    args: &Args,
    store: &dyn Operate,
    schema: &Schema,
    presumed: Option<&Schema>,
) -> Result<Succession, Problem> {
    // A file without a kept schema has pieces and sessions, or no records at all: a first start
    // that was killed leaves such a file.
    let is_said = args.store != StoreKind::Sqlite || beside(&args.db).exists();
    let presumed = match presumed {
        Some(presumed) if is_said || has_users(store).await? => Some(presumed),
        _ => None,
    };
    let succession = succession::succeed(store, schema, presumed).await;
    succession.map_err(|error| match error {
        SuccessionError::Refused(flaw) => Problem::OtherSchema(place(args), flaw.to_string()),
        error => Problem::of_store(&error),
    })
}

/// Reads at most one user.
async fn has_users(store: &dyn Operate) -> Result<bool, Problem> {
    let page = store.users(None, 1).await.map_err(|error| Problem::of_store(&error))?;
    Ok(!page.users.is_empty() || page.next.is_some())
}

/// `haumana-server keep-schema`: does what a server does with the schema at its start, and nothing
/// else.
///
/// Lambda functions do not compare schemas, so that they start quickly. An operator runs this
/// before a deployment instead.
pub(crate) async fn keep(args: &Args) -> Result<(), Problem> {
    let schema = read(args)?;
    // If the name had a typing error, the schema would be kept in a file that nobody serves.
    if args.store == StoreKind::Sqlite && !args.db.try_exists()? {
        return Err(Problem::NoDatabase(args.db.clone()));
    }
    let presumed = presumed(args)?;
    let opened = store::open(args, &schema).await?;
    let said = match succeed(args, &*opened.operate, &schema, presumed.as_ref()).await? {
        Succession::New => "the schema may follow the one before it, and is kept",
        Succession::Same => "the schema is the one that is kept",
        Succession::Earlier => "the schema is the one before the last; the last stays the last",
    };
    Ok(say(said)?)
}

/// The place of the records, for people.
fn place(args: &Args) -> String {
    match args.store {
        StoreKind::Sqlite => args.db.display().to_string(),
        StoreKind::Postgres => format!("the database schema {}", args.database_schema),
        StoreKind::Dynamodb => format!("the tables {}*", args.table_prefix),
    }
}

/// The schema that an earlier version of this program has kept beside a file, if there is one.
fn kept(db: &Path) -> Result<Option<Schema>, Problem> {
    let path = beside(db);
    let text = match read_text(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| error.to_string()),
    };
    let schema = text.and_then(|text| Schema::from_json(&text).map_err(|error| error.to_string()));
    schema.map(Some).map_err(|message| Problem::Schema(path, message))
}

/// The file of earlier versions.
fn beside(db: &Path) -> PathBuf {
    private::beside(db, ".schema.json")
}

fn read_text(path: &Path) -> io::Result<String> {
    if FILE_BYTES < fs::metadata(path)?.len() {
        return Err(io::Error::other("the file is too long for a schema"));
    }
    fs::read_to_string(path)
}
