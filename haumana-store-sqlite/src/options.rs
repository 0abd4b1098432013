//! The options of a store.
//!
//! None of them is stored in the file, so programs that share a file may have different ones.
//! `max_bytes` bounds only what the program that sets it writes.

use std::path::PathBuf;
use std::time::Duration;

/// Says where a [`SqliteStore`](crate::SqliteStore) is and how it behaves.
///
/// There is no default: the program that opens a store decides each of these. The durability of
/// commits is not an option; they are always durable.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database file. If it does not exist, it is made, but its directory must exist. SQLite
    /// keeps two more files beside it, whose names end in `-wal` and `-shm`. The store keeps one
    /// that ends in `.seen`.
    ///
    /// On Unix only its owner can read these files.
    pub path: PathBuf,
    /// How many threads read; at least one is started. As many callers can make short reads
    /// themselves at the same time.
    ///
    /// Each holds a connection with a cache of its own.
    pub readers: usize,
    /// How long a call waits for another process that writes, before it is `Throttled`.
    ///
    /// Calls of one store do not wait in this way, because their writes are queued.
    pub busy_timeout: Duration,
    /// The largest size of the database file; `None`: limited by the disk. When it is reached,
    /// commits are `Unavailable`, as on a full disk.
    pub max_bytes: Option<u64>,
}
