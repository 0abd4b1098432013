//! The stored form of inbox entries.

use crate::digest::Digest;
use crate::engine::edit::Lost;
use crate::engine::edit::meta::FORMAT;
use crate::engine::edit::record::to_json;
use crate::id::{Key, RecordId};
use crate::merge::Reason;
use crate::record::Value;
use crate::store::{Envelope, Revision, Stamp, Version};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The stored form of an inbox entry. It refers to versions instead of copying texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredConflict {
    pub key: Key,
    /// `None` if a delete was involved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The version that has the other value.
    pub version: u32,
    /// Where the lost value is kept: version and side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<u32>,
    pub reason: Reason,
    pub at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How it was closed; `None` while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// Derives the id of a conflict from (record, version, field, lost value), so that a repeat makes
/// no second conflict.
pub(crate) fn conflict_id(
    key: Key,
    version: Version,
    field: Option<&str>,
    lost: &Value,
) -> RecordId {
    let (tag, value) = lost.canonical();
    let (kind, field) = (key.kind.code(), field.unwrap_or_default());
    let place = format!("{kind}\0{}\0{version}\0{field}\0", key.id);
    Digest::of([place.as_bytes(), &[tag], value]).into_id()
}

/// Makes the inbox entry of a value that lost.
pub(crate) fn inbox_entry(key: Key, lost: &Lost, now: UnixMillis) -> Envelope {
    let id = conflict_id(key, lost.version, lost.field.as_deref(), &lost.lost);
    let stored = StoredConflict {
        key,
        field: lost.field.clone(),
        version: lost.version,
        lost: lost.at.map(|at| (at.version, at.side)),
        base: lost.base,
        reason: lost.reason,
        at: now,
        device: lost.device.clone(),
        resolution: None,
    };
    Envelope {
        key: Key::conflict(id),
        version: 1,
        revision: Revision(0),
        stamp: Stamp(0),
        modified_at: now,
        deleted: false,
        hash: inbox_hash(now),
        format: FORMAT,
        content: to_json(&stored),
        meta: "{}".to_owned(),
    }
}

/// The hash of an inbox entry is the time at which the value lost, in milliseconds. So the index
/// shows the order of entries without reading them.
pub(crate) fn inbox_hash(at: UnixMillis) -> Digest {
    Digest::from_bits(u128::try_from(at.0).unwrap_or(0))
}
