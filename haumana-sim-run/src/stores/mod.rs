//! The stores that histories run on.
//!
//! `memory` is always available. Each other one is a feature of the crate with the store's name.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod current;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use crate::open::{Memory, Open};
use clap::ValueEnum;
use std::io;
use std::path::Path;

/// A store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreName {
    /// In memory.
    Memory,
    /// In memory, behind the API: devices send their requests over HTTP.
    Http,
    /// SQLite, on files.
    Sqlite,
    /// PostgreSQL: a server that the program starts, or the one that HAUMANA_POSTGRES_URL names.
    Postgres,
    /// DynamoDB, with faults in between: an emulator that the program starts, or the service that
    /// HAUMANA_DYNAMODB_ENDPOINT names.
    Dynamodb,
}

impl StoreName {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Http => "http",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Dynamodb => "dynamodb",
        }
    }

    /// Returns the opener for one worker. `folder` is for files.
    ///
    /// # Errors
    ///
    /// If the program was built without the store, or if something that the store needs is missing.
    pub fn opener(self, folder: &Path) -> io::Result<Box<dyn Open>> {
        // Not every store uses files, and perhaps no such store is built in.
        let _ = folder;
        match self {
            Self::Memory => Ok(Box::new(Memory)),
            #[cfg(feature = "http")]
            Self::Http => Ok(Box::new(http::Http)),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Ok(Box::new(sqlite::Sqlite::new(folder))),
            #[cfg(feature = "postgres")]
            Self::Postgres => Ok(Box::new(postgres::Postgres::new()?)),
            #[cfg(feature = "dynamodb")]
            Self::Dynamodb => Ok(Box::new(dynamodb::Dynamodb::new()?)),
            #[allow(unreachable_patterns, reason = "with every feature there is nothing left")]
            _ => Err(io::Error::other(format!(
                "this program was built without the store {name}: add --features {name} to cargo build",
                name = self.name()
            ))),
        }
    }
}
