//! [`Store`](haumana_sync::Store) on SQLite: for development, for tests, and for everything that
//! fits on one machine.
//!
//! One file holds all users. One thread writes. All waiting commits go into one transaction and
//! share one sync to disk, and each is acknowledged after that. A few threads read at the same
//! time, each from a snapshot. The caller itself reads the head, or up to 16 entries, because
//! handing a short read to a thread costs more than the read. Several processes may use the same
//! file.
//!
//! # When to use it
//!
//! Use it on one machine: for a server of a household, a class or a company, for a program that
//! holds the data itself, and for tests. If several machines serve one set of users, use the store
//! on PostgreSQL or DynamoDB: a SQLite file does not belong on a network file system.
//!
//! # Reading order
//!
//! 1. [`SqliteOptions`] and [`SqliteStore`]: opening a file and serving it.
//! 2. [`Life`] and [`NewLife`]: the life of the data; the engine needs its generation.
//! 3. [`SqliteStore::backup_to`] and [`BackupSource`]: copies while the database is in use.
//!    [`restore`]: restoring one.
//! 4. [`OpenError`], [`RestoreError`]: what can go wrong, and what a person can do about each.
//! 5. [`Mover`]: for programs that keep a database of their own beside the store's.
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
//! // An engine on the store is given this.
//! let generation = store.life().generation;
//! # drop(store);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a crash leaves
//!
//! The file is in WAL mode with `synchronous=FULL`. So acknowledged commits survive a crash of the
//! process and of the machine, if the disk keeps its promises. There is no weaker mode.
//!
//! A second after the last change everything is in the file itself, and the log is empty.
//!
//! # Lives
//!
//! A [`Life`] of the data begins when the file is created, and a new one when a backup is restored.
//! Devices that remember another life have to notice. So the generation of a life is higher than
//! all before it, and you pass it to the engine.
//!
//! - A backup is marked as one. The first [`SqliteStore::open`] on it begins a new life.
//! - [`restore`] does the same in one step, and keeps the present database under another name.
//! - If somebody restores an earlier copy by hand, a small file beside the database, whose name
//!   ends in `.seen`, shows it. That file remembers how far the database had come.
//! - Each transaction writes a random link after the link before it. A log that does not continue
//!   the file's last link belongs to another file, and SQLite never gets to apply it.
//!
//! An earlier copy of the file is not noticed if its `.seen` was copied with it, or is missing. In
//! that case begin a new life with [`SqliteStore::open_asking`] or [`restore`].

mod backup;
mod chain;
mod connection;
mod erased;
mod error;
mod files;
mod gaps;
mod guard;
mod held;
mod journal;
mod life;
mod log;
mod mover;
mod operate;
mod options;
mod queries;
mod readers;
mod restore;
mod rows;
mod schema;
mod sidecar;
mod start;
mod statements;
mod store;
mod writer;

pub use backup::BackupSource;
pub use connection::LogState;
pub use error::{OpenError, OpenErrorKind};
pub use life::{LaterEdits, Life, NewLife};
pub use mover::Mover;
pub use options::SqliteOptions;
pub use restore::{RestoreError, RestoreErrorKind, Restored, restore};
pub use store::SqliteStore;
