//! What a store is opened with.
//!
//! None of them is stored in the file, so programs that share a file may have different ones.
//! `max_bytes` bounds only what the program that sets it writes.

use std::path::PathBuf;
use std::time::Duration;

/// Says where a [`SqliteStore`](crate::SqliteStore) is and how it behaves.
///
/// There is no default: whoever opens a store decides each of these. How durable commits are is
/// not among them; they always are.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database file; made if it does not exist, in a directory that does. SQLite keeps two
    /// more files beside it, with `-wal` and `-shm` at the end of their names, and the store one
    /// with `.seen`.
    ///
    /// On Unix only its owner can read these files.
    pub path: PathBuf,
    /// How many threads read; at least one is started. As many callers at once may make short reads
    /// by themselves.
    ///
    /// Each holds a connection with a cache of its own.
    pub readers: usize,
    /// How long to wait for another process that is writing before a call is `Throttled`.
    ///
    /// Calls of one store do not wait for each other so: their writes are queued.
    pub busy_timeout: Duration,
    /// The size that the database file may grow to; `None`: what the disk holds. Beyond it commits
    /// are `Unavailable`, as on a full disk.
    pub max_bytes: Option<u64>,
}
