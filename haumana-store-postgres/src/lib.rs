//! [`Store`](haumana_sync::Store) on PostgreSQL: several servers on one database.
//!
//! All tables are in one schema. Each statement of a call is a transaction of its own. So a dropped
//! call leaves no transaction open, and a commit is one round trip. Several servers, and several
//! handles in one process, may use one schema.
//!
//! # When to use it
//!
//! Use it for services that run PostgreSQL anyway, and for several servers with one set of users.
//! It needs PostgreSQL 13 or later. On one machine alone the store on SQLite is simpler.
//!
//! # Reading order
//!
//! 1. [`PostgresOptions`] and [`PostgresStore`]: connecting and serving.
//! 2. [`Life`] and [`NewLife`]: the life of the data; the engine needs its generation.
//! 3. [`Journal`]: which accounts were erased, for a backup that is restored.
//! 4. [`copies`]: trying a restore on a copy, beside the data in use.
//! 5. [`OpenError`]: what can go wrong at opening, and what a person can do about each.
//!
//! ```no_run
//! use haumana_store_postgres::{PostgresOptions, PostgresStore};
//! use haumana_sync::store::Generation;
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = PostgresOptions {
//!     url: "postgres://haumana:secret@db.example/haumana".to_owned(),
//!     schema: "haumana".to_owned(),
//!     certificates: None,
//!     connections: 16,
//!     connect_timeout: Duration::from_secs(5),
//!     statement_timeout: Duration::from_secs(10),
//!     generation: Generation(0),
//! };
//! let store = PostgresStore::open(&options).await?;
//! // An engine on the store is given this.
//! let generation = store.life().generation;
//! # Ok(())
//! # }
//! ```
//!
//! # What a crash leaves
//!
//! A commit is acknowledged after the server has it on disk. If the server's default for
//! `synchronous_commit` is `off`, each session sets it to `on`. Every other setting waits at least
//! for the server's own disk, and is left alone. With `fsync=off` in the server's own configuration
//! nothing is durable. After a failover to a standby, acknowledged commits survive only if
//! replication is synchronous.
//!
//! # Errors
//!
//! If a connection is lost while a commit is in progress, the commit is
//! [`Unknown`](haumana_sync::store::ErrorKind::Unknown): it may have happened. If the server undid
//! a statement because it took too long, or waited too long for a lock, the call is `Throttled`.
//!
//! # Deployments and users
//!
//! A deployment has a schema of its own. So several deployments can share a database, and a dump of
//! a schema is a dump of a deployment. There is no row level security. Only the store writes these
//! tables, and each statement names its user. A policy per row would need a setting per call, which
//! is a round trip, and would not stop the owner of the tables.
//!
//! # Lives
//!
//! Devices have to notice that a backup was restored: a new [`Life`] of the data begins. Its
//! generation is higher than all before it, and you pass it to the engine. The store notices by
//! itself that the tables are in another database or cluster than before, and that the cluster went
//! back to a point in time or to a standby. It cannot notice a dump that was loaded into the same
//! database: then start with a higher [`generation`](PostgresOptions::generation).
//!
//! A handle that was opened in an earlier life can no longer commit. The same is true for a handle
//! of an older program after a newer one has changed the tables. Its commits fail with
//! [`Corrupt`](haumana_sync::store::ErrorKind::Corrupt), and the source says to restart it.
//!
//! # Erasing
//!
//! [`erase`](haumana_sync::Store::erase) deletes the rows, and no statement can read them from then
//! on. Their bytes may remain for longer: in the tables' files until autovacuum has freed the space
//! and something else is written there; in the write-ahead log until its segments are recycled; and
//! in base backups and archives as long as the operator keeps them. `VACUUM FULL` on the tables
//! `records` and `history` removes the bytes from the tables' files at once, unless a transaction
//! that began before the erasure is still open in the database.
//!
//! A restored backup would bring erased accounts back. So [`erase`](haumana_sync::Store::erase)
//! writes a keyed hash to a journal, in a schema of its own (`haumana_erased` beside `haumana`).
//! When a new life begins, opening the store erases those accounts again. If the journal was
//! restored too, or is in another database, [`Journal::read`] reads the journal from before.
//!
//! # Other servers' commits
//!
//! The store is a source of [`Pokes`](haumana_sync::live::Pokes). After each commit, in the same
//! round trip, a second statement notifies the servers that listen (`NOTIFY`). It sends a keyed
//! hash of the account, and its revision. Each store on which
//! [`tell`](haumana_sync::live::Pokes::tell) was called listens over one more connection than
//! [`connections`](PostgresOptions::connections). If that connection is cut, or does not hear its
//! own test messages, the store makes another one, and looks for missed commits.
//!
//! POSTGRES: transactions that notify commit one after the other, in the whole cluster, each until
//! the disk has confirmed it. The commit itself is not such a transaction, so commits can share a
//! write to disk.
//!
//! # Poolers
//!
//! Statements are prepared by name. PgBouncer in transaction mode must be configured to keep them
//! (`max_prepared_statements`). Sessions must not be shared with other programs, because of their
//! settings. Behind a pooler in transaction mode, notifications of other servers do not arrive.
//! Then the store looks at followed accounts every 40 seconds instead.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod commit;
pub mod copies;
mod error;
mod journal;
mod life;
mod live;
mod operate;
mod options;
mod pool;
mod rows;
mod schema;
mod statements;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;

pub use error::{OpenError, OpenErrorKind};
pub use journal::Journal;
pub use life::{Life, NewLife};
pub use options::PostgresOptions;
pub use store::PostgresStore;
