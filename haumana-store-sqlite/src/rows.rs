//! The columns in which the store keeps its values.
//!
//! | in Rust | in a column |
//! |---|---|
//! | epoch, revision, counts (`u64`) | `INTEGER`, the same 64 bits with a sign |
//! | stamp | `INTEGER`, seconds |
//! | times | `INTEGER`, milliseconds |
//! | version, generation (`u32`) | `INTEGER` |
//! | digest, id, commit id (`u128`) | `BLOB` of 16 bytes, big-endian: they sort as numbers |
//! | kind, state | `INTEGER`: its number in the schema, `HeadState::number` |
//! | content, meta, notes | `TEXT` |
//!
//! Columns are read by position. Each function names the query whose columns it reads. If you
//! change one, change the other.
//!
//! The tables are `STRICT`, so SQLite itself refuses values of another type. If somebody edits the
//! file by hand, a length, a range, or text that is not UTF-8 can still be wrong.

use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::store::{
    CommitId, Envelope, Epoch, Generation, Head, HeadState, HistoryEntry, HistoryKey, IndexEntry,
    Revision, Stamp,
};
use haumana_sync::time::UnixMillis;
use rusqlite::Row;
use rusqlite::types::Type;

/// Reads a head from the columns of `queries::HEAD`.
///
/// Only this reader fails as a whole: without its head an account cannot be served.
pub(crate) fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        epoch: Epoch(row.get::<_, i64>(0)?.cast_unsigned()),
        revision: Revision(row.get::<_, i64>(1)?.cast_unsigned()),
        stamp: Stamp(row.get(2)?),
        generation: Generation(row.get(3)?),
        versions: digest(row, 4)?,
        content: digest(row, 5)?,
        records: row.get::<_, i64>(6)?.cast_unsigned(),
        bytes: row.get::<_, i64>(7)?.cast_unsigned(),
        max_version: row.get(8)?,
        commit: CommitId(u128::from_be_bytes(row.get(9)?)),
        state: state(row, 10)?,
        erased_at: row.get::<_, Option<i64>>(11)?.map(UnixMillis),
        purged_at: UnixMillis(row.get(12)?),
        notes: row.get(13)?,
    })
}

/// Reads an envelope from the columns of `queries::READ` and `queries::CHANGES`. If somebody has
/// changed the row by hand, it is set aside. `None`: not even its key can be read.
///
/// A record that is set aside keeps its readable parts: place in the stream, stamp and digest. So a
/// page of changes can continue behind it.
pub(crate) fn envelope(row: &Row<'_>) -> Option<Envelope> {
    if let Ok(envelope) = whole_envelope(row) {
        return Some(envelope);
    }
    let version = row.get(2).unwrap_or_default();
    Some(Envelope {
        revision: Revision(row.get::<_, i64>(3).unwrap_or_default().cast_unsigned()),
        stamp: Stamp(row.get(4).unwrap_or_default()),
        modified_at: UnixMillis(row.get(5).unwrap_or_default()),
        deleted: row.get(6).unwrap_or_default(),
        hash: digest(row, 7).unwrap_or_default(),
        ..Envelope::unreadable(key(row).ok()?, version)
    })
}

fn whole_envelope(row: &Row<'_>) -> rusqlite::Result<Envelope> {
    Ok(Envelope {
        key: key(row)?,
        version: row.get(2)?,
        revision: Revision(row.get::<_, i64>(3)?.cast_unsigned()),
        stamp: Stamp(row.get(4)?),
        modified_at: UnixMillis(row.get(5)?),
        deleted: row.get(6)?,
        hash: digest(row, 7)?,
        format: row.get(8)?,
        content: row.get(9)?,
        meta: row.get(10)?,
    })
}

/// Reads an entry from the columns of `queries::INDEX`.
pub(crate) fn index_entry(row: &Row<'_>) -> rusqlite::Result<IndexEntry> {
    Ok(IndexEntry {
        id: RecordId::from_bits(u128::from_be_bytes(row.get(0)?)),
        version: row.get(1)?,
        stamp: Stamp(row.get(2)?),
        deleted: row.get(3)?,
        size_bytes: row.get(4)?,
        hash: digest(row, 5)?,
    })
}

/// Reads an entry from the columns of `queries::HISTORY` and `queries::HISTORY_OF`.
///
/// `None`: not even its key can be read.
pub(crate) fn history_entry(row: &Row<'_>) -> Option<HistoryEntry> {
    let version_and_side = row.get(2).and_then(|version| Ok((version, row.get(3)?)));
    let (version, side) = version_and_side.ok()?;
    let at = HistoryKey { key: key(row).ok()?, version, side };
    Some(whole_history_entry(row, at).unwrap_or_else(|_| HistoryEntry::unreadable(at)))
}

fn whole_history_entry(row: &Row<'_>, key: HistoryKey) -> rusqlite::Result<HistoryEntry> {
    Ok(HistoryEntry { key, at: UnixMillis(row.get(4)?), content: row.get(5)?, meta: row.get(6)? })
}

/// The number of a kind in columns; the order of the numbers is the order of the stream.
pub(crate) fn kind_number(kind: KindNumber) -> i64 {
    i64::from(kind.get())
}

/// The bytes of an id; their order is the order of ids.
pub(crate) fn id_bytes(id: RecordId) -> [u8; 16] {
    id.bits().to_be_bytes()
}

/// A kind is 0 to 255 here. This program wrote nothing else.
fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    let number: i64 = row.get(0)?;
    let kind = u8::try_from(number).map(KindNumber::new).map_err(|_| out_of_range(0, number))?;
    Ok(Key { kind, id: RecordId::from_bits(u128::from_be_bytes(row.get(1)?)) })
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<HeadState> {
    let number: i64 = row.get(column)?;
    let state = u8::try_from(number).ok().and_then(HeadState::from_number);
    state.ok_or_else(|| out_of_range(column, number))
}

fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    Ok(Digest::from_bits(u128::from_be_bytes(row.get(column)?)))
}

fn out_of_range(column: usize, number: i64) -> rusqlite::Error {
    let what = format!("{number} is not a value that this program wrote");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, what.into())
}
