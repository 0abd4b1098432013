//! Handles on database files, besides SQLite's own.
//!
//! SQLITE: on Unix, a process that closes any handle on a file loses all its locks on it:
//! <https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_>.
//! So all stores of this process on one file share one handle. It is closed after the last store.
//!
//! [`mover`](crate::mover) overwrites unused parts of pages with this handle. It is found by device
//! and inode, so that two paths to one file share it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A handle that all users of the same file in this process share.
#[derive(Clone, Debug)]
pub(crate) struct Held(Arc<Mutex<File>>);

impl Held {
    /// Uses the file.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut File) -> T) -> T {
        // Every user seeks first, so a panic leaves nothing that disturbs the next one.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What distinguishes one file from another.
#[cfg(unix)]
type Name = (u64, u64);
/// What distinguishes one file from another.
#[cfg(not(unix))]
type Name = std::path::PathBuf;

/// Entries are weak: the last [`Held`] closes the file, and its entry is removed at the next
/// [`open`].
static OPEN: Mutex<Vec<(Name, Weak<Mutex<File>>)>> = Mutex::new(Vec::new());

/// Opens a file for reading and writing, unless it is open already.
pub(crate) fn open(path: &Path) -> io::Result<Held> {
    let name = name(path)?;
    // A panic cannot have left an incomplete entry.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|(_, file)| 0 < file.strong_count());
    let shared = open.iter().find(|(other, _)| *other == name);
    if let Some(file) = shared.and_then(|(_, file)| file.upgrade()) {
        return Ok(Held(file));
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let file = Arc::new(Mutex::new(file));
    open.push((name, Arc::downgrade(&file)));
    Ok(Held(file))
}

#[cfg(unix)]
fn name(path: &Path) -> io::Result<Name> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn name(path: &Path) -> io::Result<Name> {
    std::fs::canonicalize(path)
}
