//! A replica of pieces and sessions, the kinds of the repertoire.

use crate::error::Result;
use crate::replica::{Replica, ReplicaConfig};
use crate::storage::Storage;
use haumana_sync::engine::{Clock, Random};
use haumana_sync::id::RecordId;
use haumana_sync::record::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Replica {
    /// Opens the replica on `storage` for pieces and sessions, as [`Replica::builder`] does.
    ///
    /// # Errors
    ///
    /// As [`ReplicaBuilder::open`](crate::ReplicaBuilder::open).
    pub async fn open(
        storage: impl Storage,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: ReplicaConfig,
    ) -> Result<Self> {
        let builder = Self::builder(storage, haumana_sync::repertoire::schema());
        builder.clock(clock).random(random).config(config).open().await
    }

    /// Adds a piece.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a field cannot hold its value.
    pub async fn add_piece(&self, fields: BTreeMap<String, Value>) -> Result<RecordId> {
        self.create("piece", fields).await
    }

    /// Adds a session; it needs `pieceId` and `startedAt`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a field is missing or cannot hold its value.
    pub async fn add_session(&self, fields: BTreeMap<String, Value>) -> Result<RecordId> {
        self.create("session", fields).await
    }
}
