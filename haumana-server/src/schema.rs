//! Which kinds of record are kept, and that they stay those of the records that are stored.

use crate::args::Args;
use crate::problem::Problem;
use haumana_sync::repertoire;
use haumana_sync::schema::{Schema, SchemaError};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// LIMIT: a schema of 64 kinds with 128 fields each is smaller.
const FILE_BYTES: u64 = 4_000_000;

/// The schema that the arguments name.
pub(crate) fn read(args: &Args) -> Result<Schema, Problem> {
    let Some(path) = &args.schema else { return Ok(repertoire::schema()) };
    let flaw = |message: String| Problem::Schema(path.clone(), message);
    let text = read_text(path).map_err(|error| flaw(error.to_string()))?;
    let schema = Schema::from_file(&path.to_string_lossy(), &text);
    schema.map_err(|error| flaw(error.to_string()))
}

/// What is known of records that were stored before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Records {
    /// There are none.
    None,
    /// There is a file that has some.
    Stored,
    /// They are not in a file.
    Elsewhere,
}

/// Checks that `schema` may follow the one that the records were written under.
pub(crate) fn check(args: &Args, schema: &Schema, records: Records) -> Result<(), Problem> {
    let kept = match records {
        Records::None => return Ok(()),
        // A file that nobody has named a schema for has pieces and sessions.
        Records::Stored => kept(&args.db)?.unwrap_or_else(repertoire::schema),
        Records::Elsewhere => match kept(&args.db)? {
            Some(kept) => kept,
            None => return Ok(()),
        },
    };
    let other = |flaw: SchemaError| Problem::OtherSchema(args.db.clone(), flaw.to_string());
    schema.succeed(&kept).map_err(other)
}

/// Remembers the schema beside the records.
pub(crate) fn keep(args: &Args, schema: &Schema) -> Result<(), Problem> {
    let path = beside(&args.db);
    if *schema == repertoire::schema() && !path.exists() {
        return Ok(());
    }
    let partial = PathBuf::from(format!("{}.partial", path.display()));
    let written = fs::write(&partial, schema.to_json()).and_then(|()| fs::rename(&partial, &path));
    written.map_err(|error| Problem::Schema(path, error.to_string()))
}

/// The schema that was remembered, if one was.
fn kept(db: &Path) -> Result<Option<Schema>, Problem> {
    let path = beside(db);
    let text = match read_text(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| error.to_string()),
    };
    let schema = text.and_then(|text| Schema::from_json(&text).map_err(|error| error.to_string()));
    schema.map(Some).map_err(|message| Problem::Schema(path, message))
}

fn beside(db: &Path) -> PathBuf {
    let mut name = db.as_os_str().to_owned();
    name.push(".schema.json");
    name.into()
}

fn read_text(path: &Path) -> io::Result<String> {
    if FILE_BYTES < fs::metadata(path)?.len() {
        return Err(io::Error::other("the file is too long for a schema"));
    }
    fs::read_to_string(path)
}
