//! The schema of a device: which kinds of record it has. It is kept in the device's folder, beside
//! the records; without one they are pieces and sessions.

use crate::problem::Problem;
use crate::web;
use haumana_sync::repertoire;
use haumana_sync::schema::Schema;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

/// The file in the device's folder. It has the JSON form of schema files.
const FILE: &str = "schema.json";
/// LIMIT: a schema of 64 kinds with 128 fields each is smaller.
const BYTES: u64 = 4_000_000;

/// The schema that the folder keeps.
pub(crate) fn of_device(folder: &Path) -> Result<Schema, Problem> {
    let path = folder.join(FILE);
    match fs::metadata(&path).map_err(|error| error.kind()) {
        // Other code checks later whether there is a device at all.
        Err(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(repertoire::schema()),
        _ => read(&path),
    }
}

/// Reads a schema file: TOML, or JSON if its name ends in `.json`.
pub(crate) fn read(path: &Path) -> Result<Schema, Problem> {
    let name = path.display().to_string();
    let flaw = |message: String| Problem::Schema(name.clone(), message);
    let text = read_text(path).map_err(|error| flaw(error.to_string()))?;
    Schema::from_file(&name, &text).map_err(|error| flaw(error.to_string()))
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(BYTES + 1).read_to_string(&mut text)?;
    if BYTES < text.len() as u64 {
        return Err(io::Error::other("the file is too long for a schema"));
    }
    Ok(text)
}

/// Asks a server for the schema that it serves.
pub(crate) async fn of_server(url: &str) -> Result<Schema, Problem> {
    let asked = format!("{url}/schema");
    let reply = match web::client(url) {
        Ok(client) => client.get(&asked).send().await,
        Err(error) => Err(error),
    };
    let body = match reply.and_then(reqwest::Response::error_for_status) {
        Ok(reply) => web::body(reply, BYTES).await,
        Err(error) => Err(error),
    };
    let failed = |error: reqwest::Error| match error.status() {
        Some(status) => Problem::Schema(asked.clone(), format!("the server answered {status}")),
        None => {
            let offline =
                haumana_replica::Error::new("schema", haumana_replica::ErrorKind::Offline);
            Problem::of_call(offline.caused_by(error), url, "", "haumana")
        }
    };
    from_text(&asked, &String::from_utf8_lossy(&body.map_err(failed)?))
}

/// Reads a server's schema. Pieces and sessions have rules that a schema file cannot express. They
/// are recognised by the part that a file can express.
fn from_text(asked: &str, text: &str) -> Result<Schema, Problem> {
    let flaw = |message: String| Problem::Schema(asked.to_owned(), message);
    let said = Schema::from_json(text).map_err(|error| flaw(error.to_string()))?;
    let usual = repertoire::schema();
    if said.to_json() == usual.to_json() {
        return Ok(usual);
    }
    Schema::from_file(FILE, text).map_err(|error| flaw(error.to_string()))
}

/// Keeps a schema in the folder.
pub(crate) fn keep(folder: &Path, schema: &Schema) -> Result<(), Problem> {
    let path = folder.join(FILE);
    let keep = || -> io::Result<()> {
        if *schema == repertoire::schema() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(schema.to_json().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    keep().map_err(|error| Problem::File(path.clone(), error))
}
