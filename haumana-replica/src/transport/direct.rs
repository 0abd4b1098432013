//! A transport to an engine in the same process.
//!
//! It does what a server does between its routes and the engine, without HTTP, so tests of an app
//! are fast and exact.

use super::{Call, Transport};
use crate::error::{Error, ErrorKind, Result};
use async_trait::async_trait;
use haumana_sync::Engine;
use haumana_sync::engine::{self, Asked, Imported, PartState, RewindRequest};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::wire::history::record_history_json;
use haumana_sync::wire::import::ImportRequest;
use haumana_sync::wire::inbox::{conflicts_json, read_place};
use haumana_sync::wire::rewind::rewound_json;
use haumana_sync::wire::sync::SyncRequest;
use std::io::Write;
use std::sync::Arc;

/// Calls an engine in the same process.
///
/// It has no credentials: the engine believes that the caller is the account. It has no live feed,
/// so a follower polls.
#[derive(Clone, Debug)]
pub struct DirectTransport {
    engine: Arc<Engine>,
    reply_limit_bytes: usize,
}

impl DirectTransport {
    /// Calls `engine`, with replies of at most about `reply_limit_bytes`.
    pub fn new(engine: Arc<Engine>, reply_limit_bytes: usize) -> Self {
        Self { engine, reply_limit_bytes }
    }

    fn key(&self, kind: &str, id: RecordId) -> Option<Key> {
        Some(Key { kind: self.engine.schema().named(kind)?.number(), id })
    }

    async fn ask(&self, account: &UserId, call: &Call) -> engine::Result<Option<Vec<u8>>> {
        let (engine, bytes) = (&self.engine, self.reply_limit_bytes);
        Ok(Some(match call {
            Call::Conflicts { after, limit } => {
                let place = after.as_deref().map(read_place);
                if place == Some(None) {
                    return Ok(None);
                }
                let page = engine.conflict_page(account, place.flatten(), *limit, bytes).await?;
                conflicts_json(engine.schema(), &page.0, page.1)
            }
            // A conflict is closed only once, so its id is enough.
            Call::Resolve { id, resolution, base, .. } => {
                engine.resolve_as(account, *id, resolution, *base).await?;
                b"{}".to_vec()
            }
            Call::History { kind, id, before, limit } => {
                let Some(key) = self.key(kind, *id) else { return Ok(None) };
                let page = engine.history_of(account, key, *before, *limit, bytes).await?;
                record_history_json(engine.schema(), &page, bytes)
            }
            Call::Restore { kind, id, version, base, request_id } => {
                let Some(key) = self.key(kind, *id) else { return Ok(None) };
                let asked = Asked { base: *base, request_id: Some(request_id.clone()) };
                let restored = engine.restore_record(account, key, *version, &asked).await?;
                format!(r#"{{"version":{}}}"#, restored.version).into_bytes()
            }
            Call::Erase { request_id } => {
                engine.erase_as(account, Some(request_id)).await?;
                Vec::new()
            }
            Call::Rewind { to, mode, request_id } => {
                let request_id = Some(request_id.clone());
                let request = RewindRequest { to: *to, mode: *mode, request_id };
                rewound_json(engine.schema(), &engine.rewind(account, &request).await?)
            }
            Call::Import { export } => {
                let Ok(request) = ImportRequest::from_json(export) else { return Ok(None) };
                let Ok(import) = engine.check_import(account, request) else { return Ok(None) };
                imported_json(engine.import(&import).await?)
            }
        }))
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Transport for DirectTransport {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        let request = SyncRequest::from_json(&body)
            .map_err(|error| Error::new("sync", ErrorKind::Protocol).caused_by(error))?;
        let reply = self.engine.sync(account, &request, self.reply_limit_bytes).await;
        reply.map(|reply| reply.into_json()).map_err(|error| {
            let kind = match error.kind() {
                engine::ErrorKind::Gone => ErrorKind::Erased,
                _ => passing(error.kind()),
            };
            Error::new("sync", kind).caused_by(error)
        })
    }

    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        let reply = self.ask(account, call).await.map_err(|error| refused(call.name(), error))?;
        reply.ok_or_else(|| {
            Error::new(call.name(), ErrorKind::Invalid).coded(Some("invalid_request".to_owned()))
        })
    }

    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        let failed = |error| refused("export", error);
        let mut export = self.engine.export(account).await.map_err(failed)?;
        while let Some(part) = self.engine.export_more(&mut export).await.map_err(failed)? {
            file.write_all(part.as_bytes())
                .map_err(|error| Error::new("export", ErrorKind::Storage).caused_by(error))?;
        }
        Ok(())
    }
}

fn imported_json(imported: Imported) -> Vec<u8> {
    let Imported { pieces, sessions, history, conflicts, tombstones, records, state } = imported;
    let mut reply = serde_json::json!({
        "pieces": pieces, "practiceSessions": sessions, "history": history,
        "conflicts": conflicts, "tombstones": tombstones, "done": state == PartState::Done,
    });
    // Only apps with their own kinds have such records.
    if 0 < records {
        reply["records"] = records.into();
    }
    reply.to_string().into_bytes()
}

fn passing(kind: engine::ErrorKind) -> ErrorKind {
    match kind {
        engine::ErrorKind::Unavailable
        | engine::ErrorKind::Erasing
        | engine::ErrorKind::Importing => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    }
}

/// The failure of a call beside `POST /sync`, with the code of the HTTP API.
fn refused(op: &'static str, error: engine::Error) -> Error {
    let (kind, code) = match error.kind() {
        engine::ErrorKind::NotFound => (ErrorKind::NotFound, "not_found"),
        engine::ErrorKind::ConflictClosed => (ErrorKind::ConflictClosed, "conflict_closed"),
        engine::ErrorKind::PastRetention | engine::ErrorKind::Gone => {
            (ErrorKind::PastRetention, "gone")
        }
        engine::ErrorKind::Invalid => (ErrorKind::Invalid, "invalid_request"),
        engine::ErrorKind::Unreadable => (ErrorKind::ConflictClosed, "unreadable"),
        engine::ErrorKind::NotEmpty => (ErrorKind::NotEmpty, "not_empty"),
        engine::ErrorKind::Unavailable
        | engine::ErrorKind::Erasing
        | engine::ErrorKind::Importing => (ErrorKind::Unavailable, "unavailable"),
        _ => (ErrorKind::Protocol, "internal"),
    };
    Error::new(op, kind).coded(Some(code.to_owned())).caused_by(error)
}
