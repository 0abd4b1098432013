//! The entries of an export. Content is spliced in as it is stored, byte for byte.

use super::Result;
use super::record::{HistoryMeta, parse, to_json};
use crate::id::UserId;
use crate::store::{Envelope, HistoryEntry};
use serde_json::json;
use std::fmt::Write as _;

// Writing into a String cannot fail, so what it returns is dropped throughout.

pub(super) fn write_piece(out: &mut String, user: &UserId, record: &Envelope) {
    let (id, user) = (record.key.id, to_json(&user.as_str()));
    let (version, at) = (record.version, record.modified_at);
    let _ = write!(
        out,
        r#"{{"pieceId":"{id}","userId":{user},"version":{version},"modifiedAt":"{at}","locallyModified":false,{}"#,
        &record.content[1..]
    );
}

pub(super) fn write_session(out: &mut String, user: &UserId, record: &Envelope) {
    let (id, user) = (record.key.id, to_json(&user.as_str()));
    let (version, at) = (record.version, record.modified_at);
    let _ = write!(
        out,
        r#"{{"sessionId":"{id}","userId":{user},"version":{version},"modifiedAt":"{at}",{}"#,
        &record.content[1..]
    );
}

pub(super) fn write_tombstone(out: &mut String, record: &Envelope) {
    let (kind, id) = (record.key.kind.as_str(), record.key.id);
    let (version, at) = (record.version, record.modified_at);
    let _ = write!(
        out,
        r#"{{"kind":"{kind}","id":"{id}","version":{version},"modifiedAt":"{at}","deleted":true}}"#
    );
}

/// Writes a superseded version, or (`side` above 0) a push of which a part lost.
pub(super) fn write_history(out: &mut String, entry: &HistoryEntry) -> Result<()> {
    let meta: HistoryMeta = parse(&entry.meta)?;
    let lost = meta.lost.iter();
    let lost: Vec<_> =
        lost.map(|(field, reason)| json!({ "field": field, "reason": reason })).collect();
    let (kind, id) = (entry.key.key.kind.as_str(), entry.key.key.id);
    let (version, side, at) = (entry.key.version, entry.key.side, meta.at);
    let _ = write!(
        out,
        r#"{{"kind":"{kind}","id":"{id}","version":{version},"side":{side},"at":"{at}","deviceId":{},"changed":{},"lost":{},"deleted":{},"value":{}}}"#,
        to_json(&meta.device),
        to_json(&meta.changed),
        to_json(&lost),
        meta.deleted,
        entry.content
    );
    Ok(())
}
