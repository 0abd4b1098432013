//! What several tests write.

use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::store::{
    Batch, CommitId, Envelope, Epoch, Generation, Head, HeadState, HistoryEntry, HistoryKey,
    Revision, Stamp,
};
use haumana_sync::time::UnixMillis;

/// Reads a number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::verified_by_caller(name).unwrap()
}

pub(crate) fn piece(number: u128) -> Key {
    Key::piece(RecordId::from_bits(number))
}

/// Returns the batch that follows `before` and writes `records`, named by `commit`.
pub(crate) fn batch(before: Option<&Head>, commit: u128, mut records: Vec<Envelope>) -> Batch {
    let revision = Revision(before.map_or(0, |head| head.revision.0) + 1);
    let stamp = Stamp(1_750_000_000 + i64::try_from(revision.0).unwrap());
    let new = before.map_or(0, |head| head.records) + records.len() as u64;
    for record in &mut records {
        (record.revision, record.stamp) = (revision, stamp);
    }
    let head = Head {
        epoch: Epoch(0x1234_5678_9abc_def0),
        revision,
        stamp,
        generation: Generation(1),
        versions: Digest::from_bits(u128::MAX / 3),
        content: Digest::from_bits(u128::MAX / 5),
        records: new,
        bytes: 1_000_000,
        max_version: 3,
        commit: CommitId(commit),
        state: HeadState::Active,
        erased_at: None,
        purged_at: UnixMillis(1_750_000_000_000),
        notes: String::new(),
    };
    Batch { head, records, history: Vec::new() }
}

/// Returns a record with this content.
pub(crate) fn record(key: Key, version: u32, content: &str) -> Envelope {
    Envelope {
        key,
        version,
        revision: Revision(0),
        stamp: Stamp(0),
        modified_at: UnixMillis(1_750_000_000_123),
        deleted: false,
        hash: Digest::of([content.as_bytes()]),
        format: 1,
        content: content.to_owned(),
        meta: r#"{"created":{"v":1,"e":1750000000000,"c":1750000000000},"generation":1}"#
            .to_owned(),
    }
}

/// Returns the history that a record leaves when it is replaced.
pub(crate) fn superseded(record: &Envelope) -> HistoryEntry {
    HistoryEntry {
        key: HistoryKey { key: record.key, version: record.version, side: 0 },
        at: record.modified_at,
        content: record.content.clone(),
        meta: record.meta.clone(),
    }
}
