//! To an engine in the same process.

use super::Transport;
use crate::error::{Error, ErrorKind, Result};
use haumana_sync::Engine;
use haumana_sync::engine;
use haumana_sync::id::UserId;
use haumana_sync::wire::sync::SyncRequest;
use std::sync::Arc;

/// Asks an engine in the same process.
#[derive(Clone, Debug)]
pub struct DirectTransport {
    engine: Arc<Engine>,
    reply_limit_bytes: usize,
}

impl DirectTransport {
    /// Asks `engine`, for replies of at most about `reply_limit_bytes`.
    pub fn new(engine: Arc<Engine>, reply_limit_bytes: usize) -> Self {
        Self { engine, reply_limit_bytes }
    }
}

#[async_trait::async_trait]
impl Transport for DirectTransport {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        let request = SyncRequest::from_json(&body)
            .map_err(|error| Error::new("sync", ErrorKind::Protocol).caused_by(error))?;
        match self.engine.sync(account, &request, self.reply_limit_bytes).await {
            Ok(reply) => Ok(reply.into_json()),
            Err(error) => {
                let kind = match error.kind() {
                    engine::ErrorKind::Unavailable | engine::ErrorKind::Erasing => {
                        ErrorKind::Unavailable
                    }
                    engine::ErrorKind::Gone => ErrorKind::Erased,
                    _ => ErrorKind::Protocol,
                };
                Err(Error::new("sync", kind).caused_by(error))
            }
        }
    }
}
