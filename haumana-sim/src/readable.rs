//! What must hold of every account, whatever was pushed into it: the phones' app can read every
//! reply, and the account can be exported and imported.
//!
//! Fuzzers and scripts that push arbitrary data use it. Whatever a server has accepted must not
//! make a reply that the app cannot decode, nor an export that cannot be imported.

use super::reply::{decode, decode_sessions};
use haumana_app::Phones as _;
use haumana_app::wire::{PiecesRequest, SessionsRequest};
use haumana_sync::engine::Engine;
use haumana_sync::id::UserId;
use haumana_sync::wire::import::ImportRequest;

/// So large that no reply is cut.
const REPLY_BYTES: usize = 64 << 20;

/// Asks for everything of `user` as the phones' app does, and reads it by the app's rules. Then
/// exports the account, and checks that the export can be imported.
///
/// It asks once for everything, and once as a phone that holds nothing.
///
/// # Errors
///
/// What a client could not read or import.
pub async fn check_readable(engine: &Engine, user: &UserId) -> Result<(), String> {
    for body in [r#"{"operation":"download"}"#, r#"{"pieces":[]}"#] {
        let request =
            PiecesRequest::from_json(body.as_bytes()).map_err(|error| error.to_string())?;
        let reply = engine.sync_pieces(user, &request, REPLY_BYTES).await;
        let body = reply.map_err(|error| error.to_string())?.into_json();
        decode(&body).map_err(|error| format!("/pieces: {error}"))?;
    }
    let request = SessionsRequest::from_json(b"{}").map_err(|error| error.to_string())?;
    let reply = engine.sync_sessions(user, &request, REPLY_BYTES).await;
    let body = reply.map_err(|error| error.to_string())?.into_json();
    decode_sessions(&body).map_err(|error| format!("/sessions: {error}"))?;
    let export = exported(engine, user).await.map_err(|error| error.to_string())?;
    let request = ImportRequest::from_json(export.as_bytes()).map_err(|error| error.to_string())?;
    engine.check_import(user, request).map_err(|flaw| format!("import: {flaw}"))?;
    Ok(())
}

/// The export of an account, whole.
pub(super) async fn exported(
    engine: &Engine,
    user: &UserId,
) -> haumana_sync::engine::Result<String> {
    let mut export = engine.export(user).await?;
    let mut text = String::new();
    while let Some(more) = engine.export_more(&mut export).await? {
        text.push_str(&more);
    }
    Ok(text)
}
