//! Writes the entries of an export. Stored content is copied byte for byte.

use crate::engine::commit::StoredConflict;
use crate::engine::edit::meta::{FORMAT, Meta, Touch};
use crate::engine::edit::record::{HistoryMeta, parse, to_json};
use crate::engine::inbox::write_conflict;
use crate::engine::{Conflict, Error, Result};
use crate::id::UserId;
use crate::record::BESIDE_KEY;
use crate::record::members;
use crate::schema::{Kind, Schema};
use crate::store::{Envelope, Generation, HistoryEntry};
use serde_json::json;
use std::fmt::Write as _;

// Writing into a String cannot fail, so the results are ignored.

/// What is kept beside a record's fields, for an import. What only this server needs is left out.
fn beside(record: &Envelope) -> Result<String> {
    if FORMAT < record.format {
        return Err(Error::newer_format());
    }
    // The content belongs to a person, and is exported even if this cannot be read.
    let mut meta = parse(&record.meta).unwrap_or_else(|_| made_now(record));
    meta.generation = Generation(0);
    // Every import makes the ranges above again.
    meta.foreign.retain(|(from, _)| *from <= record.version);
    Ok(format!(r#""{BESIDE_KEY}":{}"#, to_json(&meta)))
}

/// What is kept beside a record of which only the content can be read.
fn made_now(record: &Envelope) -> Meta {
    let (version, at) = (record.version, record.modified_at);
    let created = Touch { version, edited_at: at, claimed_at: at, device: None };
    Meta { created, ..Meta::default() }
}

/// Writes a record of a kind with a separate list.
pub(crate) fn write_listed(
    out: &mut String,
    kind: &Kind,
    user: &UserId,
    record: &Envelope,
) -> Result<()> {
    let (id_key, id, user) = (kind.id_name(), record.key.id, to_json(&user.as_str()));
    let (version, at, beside) = (record.version, record.modified_at, beside(record)?);
    let _ = write!(
        out,
        r#"{{"{id_key}":"{id}","userId":{user},"version":{version},"modifiedAt":"{at}",{}{beside},{}}}"#,
        kind.exported_beside(),
        members(kind, &record.content)
    );
    Ok(())
}

/// Writes a record of a kind without a separate list.
pub(crate) fn write_record(out: &mut String, schema: &Schema, record: &Envelope) -> Result<()> {
    let (kind, id) = (schema.name_of(record.key.kind), record.key.id);
    let (version, at, beside) = (record.version, record.modified_at, beside(record)?);
    let _ = write!(
        out,
        r#"{{"kind":"{kind}","id":"{id}","version":{version},"modifiedAt":"{at}",{beside},"value":{}}}"#,
        record.content
    );
    Ok(())
}

pub(crate) fn write_tombstone(out: &mut String, schema: &Schema, record: &Envelope) -> Result<()> {
    let (kind, id) = (schema.name_of(record.key.kind), record.key.id);
    let (version, at, beside) = (record.version, record.modified_at, beside(record)?);
    let _ = write!(
        out,
        r#"{{"kind":"{kind}","id":"{id}","version":{version},"modifiedAt":"{at}","deleted":true,{beside}}}"#
    );
    Ok(())
}

/// Writes an entry of the inbox: where the lost value is kept, and, if it was closed, how.
pub(crate) fn write_entry(
    out: &mut String,
    schema: &Schema,
    conflict: &Conflict,
    stored: &StoredConflict,
) {
    write_conflict(out, schema, conflict);
    out.pop();
    let _ = write!(out, r#","version":{}"#, stored.version);
    if let Some((version, side)) = stored.lost {
        let _ = write!(out, r#","lostIn":{{"version":{version},"side":{side}}}"#);
    }
    if let Some(resolution) = &stored.resolution {
        // For a value that was set, only the hash is kept.
        let (word, hash) = resolution.split_once(' ').unwrap_or((resolution, ""));
        let _ = write!(out, r#","resolution":{}"#, to_json(&word));
        if !hash.is_empty() {
            let _ = write!(out, r#","resolutionHash":{}"#, to_json(&hash));
        }
    }
    out.push('}');
}

/// Writes a superseded version, or (`side` above 0) a push of which a part lost.
pub(crate) fn write_history(out: &mut String, schema: &Schema, entry: &HistoryEntry) -> Result<()> {
    let meta: HistoryMeta = parse(&entry.meta)?;
    let lost = meta.lost.iter();
    let lost: Vec<_> =
        lost.map(|(field, reason)| json!({ "field": field, "reason": reason })).collect();
    let (kind, id) = (schema.name_of(entry.key.key.kind), entry.key.key.id);
    let (version, side, at, until) = (entry.key.version, entry.key.side, meta.at, entry.at);
    let partial = if meta.partial { r#""partial":true,"# } else { "" };
    let _ = write!(
        out,
        r#"{{"kind":"{kind}","id":"{id}","version":{version},"side":{side},"at":"{at}","supersededAt":"{until}","deviceId":{},"changed":{},"lost":{},"deleted":{},{partial}"value":{}}}"#,
        to_json(&meta.device),
        to_json(&meta.changed),
        to_json(&lost),
        meta.deleted,
        entry.content
    );
    Ok(())
}
