//! Helpers for tests of this crate and of crates that use it: an emulator that answers over HTTP,
//! empty tables, and a store on them.
//!
//! ```no_run
//! # async fn test() {
//! let tables = haumana_store_dynamo::testing::Tables::create().await;
//! let store = tables.store();
//! # drop(store);
//! # }
//! ```
//!
//! | piece | what it is for |
//! |---|---|
//! | [`Tables`] | tables with names of their own, so that tests run at the same time |
//! | [`FaultyHttp`] and [`Storm`] | lost, late, refused and partial answers, by a seed |
//! | [`Service`] | the shared state of clients of the same tables: half-visible transactions |
//! | [`tls()`] and [`Authority`] | HTTPS in front of the emulator |

// Tests cannot go on without their emulator, and say why by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod emulator;
mod faults;
mod tls;
mod torn;
mod wire;

pub use crate::client::client;
pub use emulator::{endpoint, find_endpoint};
pub use faults::{FaultyHttp, Storm};
pub use tls::{Authority, tls};
pub use torn::Service;

use crate::{Columns, Credentials, DynamoOptions, DynamoStore, NoDeadline, Retry, TABLES};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use haumana_sync::repertoire;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Three empty tables of their own.
///
/// They stay in the emulator until its process ends, or until they are [deleted](Self::delete).
#[derive(Clone, Debug)]
pub struct Tables {
    prefix: String,
    service: Service,
}

impl Tables {
    /// Makes tables whose names nobody else uses.
    ///
    /// # Panics
    ///
    /// If the emulator cannot be built or does not answer.
    pub async fn create() -> Self {
        let tables = Self::named();
        tables.store().create_tables().await.expect("tables");
        tables
    }

    /// Picks names that nobody else uses, and makes no tables.
    pub fn named() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("test-{}-{number}-", std::process::id());
        Self { prefix, service: Service::default() }
    }

    /// Deletes the tables. Nobody uses them any more.
    ///
    /// # Errors
    ///
    /// If the service does not delete one of them.
    pub async fn delete(&self) -> io::Result<()> {
        let client = client(&self.options());
        for table in TABLES {
            let delete = client.delete_table().table_name(table.name(&self.prefix));
            delete.send().await.map_err(|error| io::Error::other(error.into_service_error()))?;
        }
        Ok(())
    }

    /// Returns the prefix of the tables' names.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns options for a store on the tables.
    pub fn options(&self) -> DynamoOptions {
        DynamoOptions {
            prefix: self.prefix.clone(),
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint().to_owned()),
            credentials: Credentials {
                access_key: "test".to_owned(),
                secret_key: "test".to_owned(),
                session_token: None,
            },
            columns: Columns::of(&repertoire::schema()),
            history_ttl: Duration::from_secs(100 * 86_400),
            allowance: None,
            retry: Retry {
                budget: Duration::from_secs(60),
                request: Duration::from_secs(20),
                first_wait: Duration::from_millis(2),
                longest_wait: Duration::from_millis(50),
            },
            deadline: Arc::new(NoDeadline),
            http: Some(http()),
        }
    }

    /// Opens a store on the tables behind a storm, and returns the storm beside it.
    pub fn store_in(&self, storm: Storm, seed: u64) -> (DynamoStore, FaultyHttp) {
        let faulty = FaultyHttp::on(self.service.clone(), http(), storm, seed);
        let http = Some(faulty.clone().into());
        (DynamoStore::open(DynamoOptions { http, ..self.options() }), faulty)
    }

    /// Opens a store on the tables, with connections of its own.
    pub fn store(&self) -> DynamoStore {
        DynamoStore::open(self.options())
    }
}

/// Returns an HTTP client without TLS.
pub fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}
