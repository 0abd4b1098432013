//! [`Store`](haumana_sync::Store) on DynamoDB.

mod schema;

pub use schema::{DEFAULT_PREFIX, TABLES, TableSchema, definitions};
