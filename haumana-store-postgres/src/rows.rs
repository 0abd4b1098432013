//! The columns in which the store keeps its values.
//!
//! | in Rust | in a column |
//! |---|---|
//! | epoch, revision, counts (`u64`) | `BIGINT`, the same 64 bits with a sign |
//! | stamp | `BIGINT`, seconds |
//! | times | `BIGINT`, milliseconds |
//! | version, generation (`u32`) | `BIGINT`, since there is no unsigned type |
//! | digest, id, commit id (`u128`) | `UUID`: 16 bytes, which sort as numbers |
//! | kind, state | `SMALLINT` |
//! | content, meta, notes | `BYTEA`, UTF-8 |
//!
//! Columns are read by position. Each list of columns and the function that reads it are together
//! here, so that a change of one shows the other.

use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::store::{
    CommitId, Envelope, Epoch, Generation, Head, HeadState, HistoryEntry, HistoryKey, IndexEntry,
    Revision, Stamp,
};
use haumana_sync::time::UnixMillis;
use tokio_postgres::Row;
use uuid::Uuid;

/// Why stored values cannot be read: this program did not write them so.
pub(crate) type Bad = Box<dyn std::error::Error + Send + Sync>;

/// The columns of a head, as [`head`] reads them.
pub(crate) const HEAD: &str = "h.epoch, h.revision, h.stamp, h.generation, h.versions, h.content,
    h.records, h.bytes, h.max_version, h.commit_id, h.state, h.erased_at, h.purged_at, h.notes";

/// How many columns those are.
pub(crate) const N_HEAD: usize = 14;

/// The columns of an envelope, as [`envelope`] reads them.
pub(crate) const ENVELOPE: &str = "r.kind, r.id, r.version, r.revision, r.stamp, r.modified_at,
    r.deleted, r.hash, r.format, r.content, r.meta";

/// The columns of an index entry, as [`index_entry`] reads them.
pub(crate) const INDEX: &str = "r.id, r.version, r.stamp, r.deleted, r.size_bytes, r.hash";

/// The columns of a history entry, as [`history_entry`] reads them.
pub(crate) const HISTORY: &str = "t.kind, t.id, t.version, t.side, t.at, t.content, t.meta";

/// Reads a head from the first columns.
pub(crate) fn head(row: &Row) -> Result<Head, Bad> {
    let number = |column| row.try_get::<_, i64>(column).map(i64::cast_unsigned);
    let state = row.try_get::<_, i16>(10)?;
    let state = u8::try_from(state).ok().and_then(HeadState::from_number);
    Ok(Head {
        epoch: Epoch(number(0)?),
        revision: Revision(number(1)?),
        stamp: Stamp(row.try_get(2)?),
        generation: Generation(u32::try_from(row.try_get::<_, i64>(3)?)?),
        versions: digest(row, 4)?,
        content: digest(row, 5)?,
        records: number(6)?,
        bytes: number(7)?,
        max_version: u32::try_from(row.try_get::<_, i64>(8)?)?,
        commit: CommitId(row.try_get::<_, Uuid>(9)?.as_u128()),
        state: state.ok_or("a head has one of four states")?,
        erased_at: row.try_get::<_, Option<i64>>(11)?.map(UnixMillis),
        purged_at: UnixMillis(row.try_get(12)?),
        notes: text(row, 13)?,
    })
}

/// Reads an envelope from the columns that begin at `first`.
///
/// If somebody has changed the row by hand, it is set aside. `None`: not even its key can be read.
pub(crate) fn envelope(row: &Row, first: usize) -> Option<Envelope> {
    if let Ok(envelope) = whole_envelope(row, first) {
        return Some(envelope);
    }
    let number = |at: usize| row.try_get::<_, i64>(first + at).unwrap_or_default();
    Some(Envelope {
        revision: Revision(number(3).cast_unsigned()),
        stamp: Stamp(number(4)),
        modified_at: UnixMillis(number(5)),
        deleted: row.try_get(first + 6).unwrap_or_default(),
        hash: digest(row, first + 7).unwrap_or_default(),
        ..Envelope::unreadable(key(row, first).ok()?, version(row, first + 2).unwrap_or_default())
    })
}

/// Fails on the first value that this program would not have written.
fn whole_envelope(row: &Row, first: usize) -> Result<Envelope, Bad> {
    Ok(Envelope {
        key: key(row, first)?,
        version: version(row, first + 2)?,
        revision: Revision(row.try_get::<_, i64>(first + 3)?.cast_unsigned()),
        stamp: Stamp(row.try_get(first + 4)?),
        modified_at: UnixMillis(row.try_get(first + 5)?),
        deleted: row.try_get(first + 6)?,
        hash: digest(row, first + 7)?,
        format: u16::try_from(row.try_get::<_, i32>(first + 8)?)?,
        content: text(row, first + 9)?,
        meta: text(row, first + 10)?,
    })
}

/// Reads an index entry.
pub(crate) fn index_entry(row: &Row) -> Result<IndexEntry, Bad> {
    Ok(IndexEntry {
        id: RecordId::from_bits(row.try_get::<_, Uuid>(0)?.as_u128()),
        version: version(row, 1)?,
        stamp: Stamp(row.try_get(2)?),
        deleted: row.try_get(3)?,
        size_bytes: u32::try_from(row.try_get::<_, i64>(4)?)?,
        hash: digest(row, 5)?,
    })
}

/// Reads a history entry from the columns that begin at `first`.
///
/// `None`: not even its key can be read.
pub(crate) fn history_entry(row: &Row, first: usize) -> Option<HistoryEntry> {
    let key = key(row, first).ok()?;
    let (version, side) = (version(row, first + 2).ok()?, version(row, first + 3).ok()?);
    let at = HistoryKey { key, version, side };
    Some(whole_history_entry(row, first, at).unwrap_or_else(|_| HistoryEntry::unreadable(at)))
}

fn whole_history_entry(row: &Row, first: usize, key: HistoryKey) -> Result<HistoryEntry, Bad> {
    Ok(HistoryEntry {
        key,
        at: UnixMillis(row.try_get(first + 4)?),
        content: text(row, first + 5)?,
        meta: text(row, first + 6)?,
    })
}

/// The number of a kind in columns; the order of the numbers is the order of the stream.
pub(crate) fn kind_number(kind: KindNumber) -> i16 {
    i16::from(kind.get())
}

/// An id in a column; the order of its bytes is the order of ids.
pub(crate) fn uuid(id: RecordId) -> Uuid {
    Uuid::from_u128(id.bits())
}

/// Kinds go from 0 to 255; PostgreSQL has no smaller type than `SMALLINT`.
fn key(row: &Row, first: usize) -> Result<Key, Bad> {
    let kind = KindNumber::new(u8::try_from(row.try_get::<_, i16>(first)?)?);
    let id = RecordId::from_bits(row.try_get::<_, Uuid>(first + 1)?.as_u128());
    Ok(Key { kind, id })
}

fn version(row: &Row, column: usize) -> Result<u32, Bad> {
    Ok(u32::try_from(row.try_get::<_, i64>(column)?)?)
}

fn digest(row: &Row, column: usize) -> Result<Digest, Bad> {
    Ok(Digest::from_bits(row.try_get::<_, Uuid>(column)?.as_u128()))
}

fn text(row: &Row, column: usize) -> Result<String, Bad> {
    Ok(std::str::from_utf8(row.try_get(column)?)?.to_owned())
}
