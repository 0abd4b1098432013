//! [`Store`](haumana_sync::Store) on DynamoDB.

mod changes;
mod client;
mod columns;
mod committing;
mod deleting;
mod error;
mod heads;
mod history;
mod items;
mod listing;
mod meter;
mod options;
mod pack;
mod past;
mod reading;
mod records;
mod requests;
mod retry;
pub mod rules;
mod schema;
mod store;
mod tables;
#[cfg(feature = "testing")]
pub mod testing;

pub use items::Item;
pub use meter::Consumed;
pub use options::{
    Columns, Credentials, Deadline, DynamoOptions, NoDeadline, RequestDeadline, Retry,
};
pub use schema::{DEFAULT_PREFIX, TABLES, TableSchema, definitions};
pub use store::DynamoStore;
