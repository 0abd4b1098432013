//! The audit log: who took an account along, brought one, or erased one, and when.
//!
//! It is a file beside the database, one JSON object a line, apart from the other log lines, which go
//! to the standard error and are kept or not by whatever started the server. Users are in it, as in
//! all lines, by their hashes under a key that stands in a file of its own.
//!
//! A rewind is in it as well. So are attempts that were refused, unless nobody knows who made them:
//! strangers cannot make the file grow.
//!
//! The file is opened before the server begins to log, so that a file that cannot be written ends
//! the start. Lines are appended and never changed. Nothing here rotates the file or deletes from
//! it: for how long it is kept is the operator's to decide.

use crate::args::Args;
use crate::key_file;
use crate::private;
use crate::problem::Problem;
use aws_lc_rs::rand;
use haumana_auth::CallerKey;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The key is this many random bytes, in hex.
///
/// 256 bits, the size of the hash that the key is for (HMAC-SHA-256).
const KEY_BYTES: usize = 32;

/// Opens the audit log to append to it, and makes it if it is missing. `None`: there is no such
/// directory, so the database cannot be there either, and opening that says so.
///
/// # Errors
///
/// [`Problem::Audit`] if the file is there and is a link, or cannot be opened. A server that could
/// not write who erased an account must not start.
pub(crate) fn open(args: &Args) -> Result<Option<File>, Problem> {
    let path = beside(&args.db);
    let opened = private::make(&path).and_then(|()| OpenOptions::new().append(true).open(&path));
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::Audit(path, error)),
    }
}

/// Removes the file that a start has made which failed, unless something is in it.
pub(crate) fn take_back(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0) {
        // An empty file that stays behind says nothing.
        let _ = std::fs::remove_file(path);
    }
}

/// The audit log that stands beside a database.
pub(crate) fn beside(db: &Path) -> PathBuf {
    private::beside(db, ".audit")
}

/// Reads the key under which users are hashed for logs, or makes one.
///
/// Losing the key loses nothing but the link between old lines of the log and users.
///
/// # Errors
///
/// [`Problem::KeyExposed`] if others can read the file, [`Problem::NotAKey`] if what is in it is
/// too short.
pub(crate) fn caller_key(args: &Args) -> Result<CallerKey, Problem> {
    read(caller_key_file(args), new_key)
}

/// The same, where hashes of a new key would be those of no line in any log.
///
/// # Errors
///
/// As [`caller_key`], and [`Problem::NoCallerKey`] if there is no key yet.
pub(crate) fn known_caller_key(args: &Args) -> Result<CallerKey, Problem> {
    let path = caller_key_file(args);
    read(path.clone(), || Err(Problem::NoCallerKey(path)))
}

fn caller_key_file(args: &Args) -> PathBuf {
    args.caller_key.clone().unwrap_or_else(|| private::beside(&args.db, ".caller-key"))
}

fn read(
    path: PathBuf,
    new: impl FnOnce() -> Result<String, Problem>,
) -> Result<CallerKey, Problem> {
    let text = key_file::read_or_write(&path, new)?;
    CallerKey::new(text.trim()).ok_or(Problem::NotAKey(path))
}

fn new_key() -> Result<String, Problem> {
    let mut bytes = [0; KEY_BYTES];
    rand::fill(&mut bytes).map_err(|_| Problem::NoKey)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(hex + "\n")
}
