//! [`Store`](haumana_sync::Store) on DynamoDB: production, with no servers to run.
//!
//! # When to use it
//!
//! It fits services without servers of their own: Lambda functions, or many small hosts, for users
//! whose number nobody knows beforehand. It costs what is used, and nothing at night. Every call
//! goes over the network, so one machine alone is faster with the store on SQLite.
//!
//! # Reading order
//!
//! 1. [`DynamoOptions`] and [`DynamoStore`]: opening and serving. [`Credentials`], [`Columns`],
//!    [`Retry`] and [`Deadline`] are parts of the options.
//! 2. [`DynamoStore::create_tables`], [`DynamoStore::check_tables`], [`definitions`]: the tables.
//! 3. [`DynamoStore::generation`]: which time of the data this is; the engine needs it.
//! 4. [`Allowance`]: what one account may cost.
//! 5. [`Consumed`] and [`rules`]: what requests cost.
//! 6. [`http_client`]: for other clients of AWS in the same process.
//!
//! ```no_run
//! use haumana_store_dynamo::{
//!     Columns, Credentials, DEFAULT_PREFIX, DynamoOptions, DynamoStore, NoDeadline, Retry,
//! };
//! use std::{sync::Arc, time::Duration};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let store = DynamoStore::open(DynamoOptions {
//!     prefix: DEFAULT_PREFIX.to_owned(),
//!     region: "us-east-1".to_owned(),
//!     endpoint: None,
//!     credentials: Credentials::from_environment().ok_or("no credentials")?,
//!     columns: Columns::of(&haumana_sync::repertoire::schema()),
//!     history_ttl: Duration::from_secs(100 * 86_400),
//!     allowance: None,
//!     retry: Retry::interactive(),
//!     deadline: Arc::new(NoDeadline),
//!     http: None,
//! });
//! store.check_tables().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it is laid out
//!
//! Three tables, defined in `schema.rs` and printed in `tables.json`: pieces (with the heads under
//! partitions of their own), sessions (with the conflicts of the inbox), and history, the only one
//! from which DynamoDB deletes by itself. A local index has each user's records in the order of the
//! stream, so that a pull reads what changed.
//!
//! # How a commit is whole
//!
//! A commit is one transaction; the head is its only condition. A Query is no snapshot: it may meet
//! a part of a transaction. So the head remembers which records the last commits wrote, nothing
//! beyond the head is delivered, and a reader that misses a record reads again.
//!
//! # How much one user can have
//!
//! DynamoDB keeps at most 10 GB for one partition of a table with a local index. Past that a commit
//! in which an item grows is [`Full`](haumana_sync::store::ErrorKind::Full), and one in which none
//! does goes through.
//!
//! # How long a call takes
//!
//! The SDK's retries are off. `retry.rs` sends again what may go through, within a budget and
//! before the host's [`Deadline`], and then says `Throttled`, `Unavailable` or, of a commit whose
//! answer was lost, `Unknown`.
//!
//! # What costs how much
//!
//! [`DynamoStore::take_consumed`] tells what the service says; [`rules`] is AWS's arithmetic, and a
//! test holds the two together.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod allowance;
mod changes;
mod client;
mod columns;
mod committing;
mod copies;
mod deleting;
mod error;
mod heads;
mod history;
mod https;
mod items;
mod journal;
mod kept;
mod life;
mod listing;
mod meter;
mod operate;
mod options;
mod pack;
mod past;
mod reading;
mod records;
mod requests;
mod retry;
pub mod rules;
mod schema;
mod spending;
mod store;
mod tables;
#[cfg(feature = "testing")]
pub mod testing;

pub use allowance::Allowance;
pub use https::http_client;
pub use items::Item;
pub use meter::Consumed;
pub use options::{
    Columns, Credentials, Deadline, DynamoOptions, NoDeadline, RequestDeadline, Retry,
};
pub use schema::{DEFAULT_PREFIX, TABLES, TableSchema, definitions};
pub use store::DynamoStore;
