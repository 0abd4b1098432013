//! [`Store`](haumana_sync::Store) on SQLite: development, tests, and everything that fits one
//! machine.
//!
//! One file holds all users. One thread writes: whatever commits are waiting go into one
//! transaction and share one sync to disk, and each is acknowledged after that. A few threads read
//! beside it, each from a snapshot. Several processes may use the same file.
//!
//! ```
//! use haumana_store_sqlite::{SqliteOptions, SqliteStore};
//! use std::time::Duration;
//!
//! # let directory = std::env::temp_dir().join(format!("haumana-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! let options = SqliteOptions {
//!     path: directory.join("haumana.db"),
//!     readers: 2,
//!     busy_timeout: Duration::from_secs(5),
//!     max_bytes: None,
//! };
//! let store = SqliteStore::open(&options)?;
//! # drop(store);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a crash leaves
//!
//! The file is in WAL mode with `synchronous=FULL`: what was acknowledged survives the end of the
//! process and of the machine, as far as the disk does what it says. There is no weaker mode.

mod backup;
mod connection;
mod erasure;
mod error;
mod options;
mod queries;
mod readers;
mod rows;
mod schema;
mod statements;
mod store;
mod writer;

pub use error::{OpenError, OpenErrorKind};
pub use options::SqliteOptions;
pub use store::SqliteStore;
