//! A PostgreSQL for measurements.

use haumana_store_postgres::testing::{Server, durable};
use std::io::{Error, Result};

/// One that was started for a measurement, or one that was there.
#[derive(Debug)]
pub struct Database {
    url: String,
    /// Stops it at the end.
    _server: Option<Server>,
}

impl Database {
    /// Takes the one that `HAUMANA_URL` names, or starts one that waits for the disk.
    ///
    /// # Errors
    ///
    /// If no PostgreSQL is installed.
    pub fn open() -> Result<Self> {
        if let Ok(url) = std::env::var("HAUMANA_URL") {
            return Ok(Self { url, _server: None });
        }
        let server = durable().ok_or_else(|| Error::other("no PostgreSQL is installed"))?;
        Ok(Self { url: server.url().to_owned(), _server: Some(server) })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}
