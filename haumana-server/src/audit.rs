//! The audit log: who exported, imported, rewound or erased an account, and when.
//!
//! It is a file beside the database, with one JSON object a line. Other log lines go to the
//! standard error, and the program that started the server decides whether to keep them. In all
//! lines users appear as hashes, under a key that is in a file of its own.
//!
//! Refused attempts are in it too, but requests without a valid token are not: strangers cannot
//! make the file grow.
//!
//! The file is opened before the server begins to log, so the server does not start if the file
//! cannot be written. Lines are appended and never changed. Nothing here rotates the file or
//! deletes from it: the operator decides how long it is kept.

use crate::args::Args;
use crate::key_file;
use crate::private;
use crate::problem::Problem;
use aws_lc_rs::rand;
use haumana_auth::CallerKey;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

/// The key is this many random bytes, in hex.
///
/// 256 bits, the size of the hash that the key is for (HMAC-SHA-256).
const KEY_BYTES: usize = 32;

/// The file of the audit log.
///
/// What cannot be written is said on the standard error: nobody else hears of it. A line that was
/// cut, as on a full disk, is ended before the next one.
#[derive(Debug)]
pub(crate) struct AuditFile {
    file: File,
    is_cut: bool,
}

impl Write for AuditFile {
    /// Takes a whole line or nothing of it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let start: &[u8] = if self.is_cut { b"\n" } else { b"" };
        // One write, so that lines of several processes stay apart.
        match self.file.write_all(&[start, line].concat()) {
            Ok(()) => {
                self.is_cut = false;
                Ok(line.len())
            }
            Err(error) => {
                self.is_cut = true;
                // Not by `tracing`, whose layer this is called from.
                let lost = String::from_utf8_lossy(line);
                let _ = writeln!(
                    io::stderr(),
                    "ERROR the audit log cannot be written ({error}); the line is: {}",
                    lost.trim_end()
                );
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens the audit log to append to it, and makes it if it is missing. `None`: there is no such
/// directory, so the database cannot be there either, and opening that says so.
///
/// # Errors
///
/// [`Problem::Audit`] if the file is there and is a link, or cannot be opened. A server that could
/// not write who erased an account must not start.
pub(crate) fn open(args: &Args) -> Result<Option<AuditFile>, Problem> {
    let path = beside(&args.db);
    let opened = private::make(&path).and_then(|()| OpenOptions::new().append(true).open(&path));
    match opened {
        Ok(file) => Ok(Some(AuditFile { is_cut: ends_in_a_cut(&path), file })),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::Audit(path, error)),
    }
}

/// Whether the last line has no end, as after a full disk.
fn ends_in_a_cut(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let (mut file, mut last) = (File::open(path)?, [0]);
        file.seek(io::SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    // An empty file has no last byte, and ends in no cut.
    last().is_ok_and(|byte| byte != b'\n')
}

/// Removes the audit log of a start that failed, if nothing is in it.
pub(crate) fn take_back(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0) {
        // If that fails, an empty file is left, which does no harm.
        let _ = std::fs::remove_file(path);
    }
}

/// The path of the audit log of a database.
pub(crate) fn beside(db: &Path) -> PathBuf {
    private::beside(db, ".audit")
}

/// Reads the key under which users are hashed for logs, or makes one.
///
/// If the key is lost, old log lines can no longer be linked to users. Nothing else is lost.
///
/// # Errors
///
/// [`Problem::KeyExposed`] if others can read the file, [`Problem::NotAKey`] if its content is too
/// short.
pub(crate) fn caller_key(args: &Args) -> Result<CallerKey, Problem> {
    read(caller_key_file(args), new_key)
}

/// Like [`caller_key`], but never makes a key: hashes of a new key would be in no log line.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_after_one_that_was_cut_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        std::fs::write(&path, "{\"call\": \"exp").unwrap();
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let mut audit = AuditFile { is_cut: ends_in_a_cut(&path), file };

        audit.write_all(b"{\"call\": \"erase\"}\n").unwrap();
        audit.write_all(b"{\"call\": \"export\"}\n").unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(["{\"call\": \"erase\"}", "{\"call\": \"export\"}"], lines[1..]);
        assert!(!ends_in_a_cut(&path));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_line_that_finds_no_room_is_an_error_and_no_half_line_for_the_next() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut audit = AuditFile { is_cut: false, file };

        assert!(audit.write_all(b"{}\n").is_err());
        assert!(audit.is_cut);
    }
}
