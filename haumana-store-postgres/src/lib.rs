//! [`Store`](haumana_sync::Store) on PostgreSQL: several servers on one database.
//!
//! All tables are in one schema. Each call sends statements that are each a transaction of their own,
//! so a call that is dropped leaves no transaction open, and a commit is one round trip. Several servers,
//! and several handles in one process, may use one schema.
//!
//! # When to use it
//!
//! It fits services that run PostgreSQL anyway, and several servers for one set of users.
//! PostgreSQL 13 or later is needed. One machine alone is simpler with the store on SQLite.
//!
//! # Reading order
//!
//! 1. [`PostgresOptions`] and [`PostgresStore`]: connecting and serving.
//! 2. [`Life`] and [`NewLife`]: which time of the data this is; the engine needs its generation.
//! 3. [`Journal`]: which accounts were erased, for a backup that is put back.
//! 4. [`copies`]: trying a restore on a copy, beside the data in use.
//! 5. [`OpenError`]: what can go wrong when it is opened, each with what a person can do.
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
//! A commit is acknowledged after the server has it on disk. Where the server's default for
//! `synchronous_commit` is `off`, each session sets it to `on`; all other settings wait for the
//! server's own disk at least, and stay. With `fsync=off` in the server's own configuration nothing
//! is durable. A server that fails over to a standby keeps what was acknowledged only if it
//! replicates synchronously.
//!
//! # Errors
//!
//! A connection that is lost while a commit is under way makes it
//! [`Unknown`](haumana_sync::store::ErrorKind::Unknown): it may be in. A statement that the server
//! has undone, because it took too long or waited too long for a lock, is `Throttled`.
//!
//! # Deployments and users
//!
//! A deployment has a schema of its own, so that several share a database, and a dump of a schema is
//! a dump of a deployment. There is no row level security: the store is the only one to write these
//! tables, each statement names its user, and a policy per row would need a setting per call, which
//! is a round trip, and would not hold back whoever owns the tables.
//!
//! # Lives
//!
//! Devices have to notice that a backup was restored: a new [`Life`] of the data begins. Its generation
//! is higher than all before it, and you pass it to the engine. The store notices by itself that the
//! tables are in another database or cluster than before, and that the cluster went back to a point in
//! time or to a standby. It cannot notice a dump that was read back into the same database: then start
//! with a higher [`generation`](PostgresOptions::generation). A handle that was opened in an earlier
//! life commits nothing any more, and neither does one of an older program after the tables were
//! changed: its calls are [`Corrupt`](haumana_sync::store::ErrorKind::Corrupt), and their source says to
//! restart it.
//!
//! # Erasing
//!
//! [`erase`](haumana_sync::Store::erase) deletes the rows, and no statement can read them from then
//! on. Their bytes may remain in the tables' files until autovacuum has freed the place and something
//! else is written there, in the write-ahead log until its segments are recycled, and in base backups
//! and archives as long as the operator keeps them. `VACUUM FULL` on the tables `records` and
//! `history` takes them out of the tables' files at once, unless a transaction that began before the
//! erasure is still open in the database.
//!
//! A backup that is put back would bring erased accounts back. So [`erase`](haumana_sync::Store::erase)
//! notes a keyed hash in a journal, in a schema of its own (`haumana_erased` beside `haumana`), and
//! where a new life begins, opening erases those accounts again. If the journal was put back too, or is
//! in another database, [`Journal::read`] reads the one from before.
//!
//! # Other servers' commits
//!
//! The store is a source of [`Pokes`](haumana_sync::live::Pokes). Behind each commit, in the same round
//! trip, goes a statement that notifies the servers that listen (`NOTIFY`). What is sent is a keyed hash
//! of the account, and its revision. Each store that [`tell`](haumana_sync::live::Pokes::tell) was called
//! on listens over one connection more than [`connections`](PostgresOptions::connections). Where that
//! connection is cut, or hears nothing of what it tells itself, another one is made, and what was missed
//! is asked for.
//!
//! POSTGRES: transactions that notify commit one after the other, in the whole cluster, each until the
//! disk has confirmed it. The commit itself is none of them, so commits share what the disk confirms.
//!
//! # Poolers
//!
//! Statements are prepared by name. PgBouncer in transaction mode must be told to keep them
//! (`max_prepared_statements`); the settings of a session must not be shared with other programs. Behind
//! one in transaction mode nothing is heard of other servers, and accounts that somebody follows are
//! asked about every 40 seconds instead.
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
