//! Copies of the whole database while it is in use.

use haumana_sync::store::{Error, ErrorKind, Result};
use rusqlite::Connection;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Writes a copy of what `connection` sees to a new file.
///
/// The file appears under its name when it is whole and on disk, or not at all.
pub(crate) fn write(connection: &Connection, to: &Path) -> Result<()> {
    if to.exists() {
        return Err(failed(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let partial = partial_path(to);
    let written = write_partial(connection, &partial, to);
    if written.is_err() {
        // The error that is reported is the one before; a leftover is overwritten next time.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write_partial(connection: &Connection, partial: &Path, to: &Path) -> Result<()> {
    make_empty(partial).map_err(failed)?;
    let name = partial.to_str().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    // SQLITE: copies one snapshot, without what was deleted; takes an empty file as a new one:
    // <https://www.sqlite.org/lang_vacuum.html#vacuuminto>.
    connection
        .execute("VACUUM INTO ?1", [name])
        .map_err(|error| Error::with_source("backup", ErrorKind::Unavailable, error))?;
    File::open(partial).and_then(|file| file.sync_all()).map_err(failed)?;
    fs::rename(partial, to).map_err(failed)?;
    sync_directory(to).map_err(failed)
}

/// Makes the file, readable by its owner only, or empties what a crash has left of it.
fn make_empty(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

/// Makes the new name durable; elsewhere than on Unix directories cannot be synced.
fn sync_directory(file: &Path) -> io::Result<()> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn partial_path(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn failed(error: io::Error) -> Error {
    Error::with_source("backup", ErrorKind::Unavailable, error)
}
