//! [`Store`](haumana_sync::Store) on DynamoDB: for production without servers.
//!
//! # When to use it
//!
//! Use it for services without servers of their own: Lambda functions, or many small hosts, with
//! any number of users. You pay for what is used, and nothing at night. Every call goes over the
//! network, so on one machine alone the store on SQLite is faster.
//!
//! # Reading order
//!
//! 1. [`DynamoOptions`] and [`DynamoStore`]: opening and serving. [`Credentials`], [`Columns`],
//!    [`Retry`] and [`Deadline`] are parts of the options.
//! 2. [`DynamoStore::create_tables`], [`DynamoStore::check_tables`], [`definitions`]: the tables.
//! 3. [`DynamoStore::generation`]: the life of the data; the engine needs its generation.
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
//! # The tables
//!
//! There are three tables, defined in `schema.rs` and printed in `tables.json`: pieces (with the
//! heads under partitions of their own), sessions (with the conflicts of the inbox), and history,
//! the only one from which DynamoDB deletes by itself. A local index has each user's records in the
//! order of the stream, so that a pull reads only changes.
//!
//! # How a page never misses a part of a commit
//!
//! A commit is one transaction; the head is its only condition. A Query is not a snapshot: it may
//! find a part of a transaction. So the head remembers which records the last commits wrote.
//! Nothing beyond the head is delivered, and a reader that misses a record reads again.
//!
//! # How much one user can have
//!
//! DynamoDB keeps at most 10 GB for one partition of a table with a local index. Beyond that, a
//! commit in which an item grows is [`Full`](haumana_sync::store::ErrorKind::Full). A commit in
//! which no item grows succeeds.
//!
//! # How long a call takes
//!
//! The SDK's retries are off. `retry.rs` repeats requests that may still succeed, within a budget
//! and before the host's [`Deadline`]. After that the call is `Throttled`, `Unavailable` or, for a
//! commit whose answer was lost, `Unknown`.
//!
//! # What costs how much
//!
//! [`DynamoStore::take_consumed`] returns the service's own figures. [`rules`] is AWS's arithmetic,
//! and a test compares the two.
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
