//! The changes of the writer, each inside a transaction that the writer has begun.
//!
//! None of these functions begins or ends a transaction. The writer does, so that the changes of
//! several calls can share one sync to disk. Each function must be repeatable: if the shared
//! transaction was undone, the writer makes the same change again in a transaction of its own.
//!
//! # What a commit writes
//!
//! | table | statement | how often |
//! |---|---|---|
//! | `heads` | one insert or update | once |
//! | `bodies` | insert for a new record, update in place for a known one | once per record |
//! | `records` | the same | once per record |
//! | `history` | insert, or replace under the same key | once per entry |
//!
//! A record keeps its `body` number for life. So if content grows or shrinks, it moves within
//! `bodies`, and the primary key of `records` stays the same. The indexes `stream` and `stamps` get
//! a new entry, because the revision changes.

use crate::{queries, rows};
use haumana_sync::id::UserId;
use haumana_sync::store::backend::{Decision, decide};
use haumana_sync::store::{Batch, Envelope, Head, HistoryEntry};
use haumana_sync::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

/// The result of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done, or was done before.
    Done,
    /// The head is another one; nothing was written.
    Conflict,
}

const INSERT_HEAD: &str = "
    INSERT INTO heads (epoch, revision, stamp, generation, versions, content, records, bytes,
                       max_version, commit_id, state, erased_at, purged_at, notes,
                       subject)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// The condition names the user only. The expected head was compared before, under the lock of the
/// same transaction.
const UPDATE_HEAD: &str = "
    UPDATE heads SET epoch = ?1, revision = ?2, stamp = ?3, generation = ?4, versions = ?5,
                     content = ?6, records = ?7, bytes = ?8, max_version = ?9, commit_id = ?10,
                     state = ?11, erased_at = ?12, purged_at = ?13, notes = ?14
    WHERE subject = ?15";

const FIND_BODY: &str = "SELECT body FROM records WHERE user = ?1 AND kind = ?2 AND id = ?3";

const INSERT_BODY: &str = "INSERT INTO bodies (content, meta) VALUES (?1, ?2)";

const UPDATE_BODY: &str = "UPDATE bodies SET content = ?1, meta = ?2 WHERE body = ?3";

const INSERT_RECORD: &str = "
    INSERT INTO records (user, kind, id, version, revision, stamp, modified_at, deleted, hash,
                         format, size_bytes, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// The parameters are those of [`INSERT_RECORD`], so that both are executed with one list.
const UPDATE_RECORD: &str = "
    UPDATE records SET version = ?4, revision = ?5, stamp = ?6, modified_at = ?7, deleted = ?8,
                       hash = ?9, format = ?10, size_bytes = ?11
    WHERE user = ?1 AND kind = ?2 AND id = ?3 AND body = ?12";

/// An entry with an existing key is replaced. So a repeated commit leaves the same rows.
const PUT_HISTORY: &str = "
    INSERT INTO history (user, kind, id, version, side, at, content, meta)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (user, kind, id, version, side)
    DO UPDATE SET at = excluded.at, content = excluded.content, meta = excluded.meta";

/// What a commit of records that are there asks for.
#[cfg(test)]
pub(crate) const COMMITTED: [&str; 5] =
    [UPDATE_HEAD, FIND_BODY, UPDATE_BODY, UPDATE_RECORD, PUT_HISTORY];

/// Writes the batch if the head is still the expected one.
///
/// The head is read and compared inside the transaction that writes it. SQLite has one writer at a
/// time, so nothing can change it in between: no other call of this process and no other process.
pub(crate) fn commit(
    connection: &Connection,
    user: &UserId,
    expected: Option<&Head>,
    batch: &Batch,
) -> rusqlite::Result<Outcome> {
    let found = queries::user_and_head(connection, user)?;
    let head = found.as_ref().map(|(_, head)| head);
    match decide(head, expected, batch) {
        Decision::Write => {}
        Decision::Done => return Ok(Outcome::Done),
        Decision::Conflict => return Ok(Outcome::Conflict),
    }
    let query = if found.is_some() { UPDATE_HEAD } else { INSERT_HEAD };
    put_head(connection, query, user, &batch.head)?;
    let user = found.map_or_else(|| connection.last_insert_rowid(), |(user, _)| user);
    put_records(connection, user, &batch.records)?;
    put_history(connection, user, &batch.history)?;
    Ok(Outcome::Done)
}

/// Replaces the user's head.
pub(crate) fn put_head_again(
    connection: &Connection,
    user: &UserId,
    head: &Head,
) -> rusqlite::Result<()> {
    put_head(connection, UPDATE_HEAD, user, head)
}

/// `query` is [`INSERT_HEAD`] or [`UPDATE_HEAD`]; both number their parameters alike. 64-bit
/// counters are stored as signed numbers with the same bits, digests as 16 bytes in big-endian
/// order.
fn put_head(
    connection: &Connection,
    query: &str,
    user: &UserId,
    head: &Head,
) -> rusqlite::Result<()> {
    connection.prepare_cached(query)?.execute(params![
        head.epoch.0.cast_signed(),
        head.revision.0.cast_signed(),
        head.stamp.0,
        head.generation.0,
        head.versions.bits().to_be_bytes(),
        head.content.bits().to_be_bytes(),
        head.records.cast_signed(),
        head.bytes.cast_signed(),
        head.max_version,
        head.commit.0.to_be_bytes(),
        head.state.number(),
        head.erased_at.map(|at| at.0),
        head.purged_at.0,
        head.notes,
        user.as_str(),
    ])?;
    Ok(())
}

/// `size_bytes` is the length of the content alone. The index of a kind reads it from there,
/// without reading `bodies`.
fn put_records(connection: &Connection, user: i64, records: &[Envelope]) -> rusqlite::Result<()> {
    // In the order of the keys, so that neighbours go to the same page one after the other.
    let mut sorted: Vec<&Envelope> = records.iter().collect();
    sorted.sort_unstable_by_key(|record| record.key);
    let mut find_body = connection.prepare_cached(FIND_BODY)?;
    let mut insert_body = connection.prepare_cached(INSERT_BODY)?;
    let mut update_body = connection.prepare_cached(UPDATE_BODY)?;
    let mut insert_record = connection.prepare_cached(INSERT_RECORD)?;
    let mut update_record = connection.prepare_cached(UPDATE_RECORD)?;
    for record in sorted {
        let (kind, id) = (rows::kind_number(record.key.kind), rows::id_bytes(record.key.id));
        let found = find_body.query_row(params![user, kind, id], |row| row.get(0)).optional()?;
        let (statement, body) = match found {
            Some(body) => {
                update_body.execute(params![record.content, record.meta, body])?;
                (&mut update_record, body)
            }
            None => {
                let body = insert_body.insert(params![record.content, record.meta])?;
                (&mut insert_record, body)
            }
        };
        statement.execute(params![
            user,
            kind,
            id,
            record.version,
            record.revision.0.cast_signed(),
            record.stamp.0,
            record.modified_at.0,
            record.deleted,
            record.hash.bits().to_be_bytes(),
            record.format,
            u32::try_from(record.content.len()).unwrap_or(u32::MAX),
            body,
        ])?;
    }
    Ok(())
}

fn put_history(
    connection: &Connection,
    user: i64,
    entries: &[HistoryEntry],
) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(PUT_HISTORY)?;
    for entry in entries {
        put.execute(params![
            user,
            rows::kind_number(entry.key.key.kind),
            rows::id_bytes(entry.key.key.id),
            entry.key.version,
            entry.key.side,
            entry.at.0,
            entry.content,
            entry.meta,
        ])?;
    }
    Ok(())
}

/// LIMIT: how many rows one change deletes, so that others can write in between.
const SLICE_ROWS: i64 = 256;
/// LIMIT: how many bytes one change deletes. A single row may be larger.
const SLICE_BYTES: i64 = 4 << 20;

/// `octet_length` counts bytes. `length` would count characters, and a Hawaiian text has fewer
/// characters than bytes.
const DUE_HISTORY: &str = "
    SELECT rowid, octet_length(content) + octet_length(meta) FROM history
    WHERE user = ?1 AND at < ?2 LIMIT ?3";

/// It has the same parameters as [`DUE_HISTORY`]. The second one is always null here.
const SOME_HISTORY: &str = "
    SELECT rowid, octet_length(content) + octet_length(meta) FROM history
    WHERE user = ?1 AND ?2 IS NULL LIMIT ?3";

const DELETE_HISTORY: &str = "DELETE FROM history WHERE rowid = ?1";

const SOME_RECORDS: &str = "
    SELECT r.kind, r.id, r.body, r.size_bytes + coalesce(octet_length(b.meta), 0)
    FROM records r LEFT JOIN bodies b ON b.body = r.body WHERE r.user = ?1 LIMIT ?2";

const DELETE_BODY: &str = "DELETE FROM bodies WHERE body = ?1";

const DELETE_RECORD: &str = "DELETE FROM records WHERE user = ?1 AND kind = ?2 AND id = ?3";

/// The result of one slice of a longer deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    /// How many entries it deleted.
    pub(crate) deleted: usize,
    /// Whether there may be more to delete.
    pub(crate) more: bool,
}

/// Deletes some of the user's history, at most `limit` entries. If a time is given, only entries
/// from before that time.
///
/// A caller repeats it until [`Slice::more`] is false. `more` may be true although nothing is left,
/// if the last slice was exactly full; the next call then deletes nothing.
pub(crate) fn purge_some(
    connection: &Connection,
    user: i64,
    before: Option<UnixMillis>,
    limit: usize,
) -> rusqlite::Result<Slice> {
    let rows = i64::try_from(limit).unwrap_or(i64::MAX).min(SLICE_ROWS);
    let query = if before.is_some() { DUE_HISTORY } else { SOME_HISTORY };
    let mut due = connection.prepare_cached(query)?;
    let parameters = params![user, before.map(|before| before.0), rows];
    let due = due.query_map(parameters, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let due: Vec<(i64, i64)> = due.collect::<rusqlite::Result<_>>()?;
    let some = as_much_as_fits(&due, |(_, bytes)| *bytes);
    let mut delete = connection.prepare_cached(DELETE_HISTORY)?;
    for (row, _) in some {
        delete.execute([row])?;
    }
    let is_full = i64::try_from(due.len()) == Ok(rows);
    Ok(Slice { deleted: some.len(), more: is_full || some.len() < due.len() })
}

/// Deletes some of the user's records and history.
///
/// Records go first, then the history. The head stays: it is the marker that tells devices that the
/// account was erased. If a user has no head, there is nothing to delete.
pub(crate) fn erase_some(connection: &Connection, user: &UserId) -> rusqlite::Result<Slice> {
    let Some(user) = queries::user_number(connection, user)? else { return Ok(Slice::default()) };
    let mut found = connection.prepare_cached(SOME_RECORDS)?;
    let found = found.query_map(params![user, SLICE_ROWS], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    // A row that somebody damaged by hand goes like all others.
    let found: Vec<(i64, Vec<u8>, i64, i64)> = found.collect::<rusqlite::Result<_>>()?;
    if found.is_empty() {
        return purge_some(connection, user, None, usize::MAX);
    }
    let some = as_much_as_fits(&found, |(.., bytes)| *bytes);
    let mut delete_body = connection.prepare_cached(DELETE_BODY)?;
    let mut delete_record = connection.prepare_cached(DELETE_RECORD)?;
    for (kind, id, body, _) in some {
        delete_body.execute([body])?;
        delete_record.execute(params![user, kind, id])?;
    }
    Ok(Slice { deleted: some.len(), more: true })
}

/// Returns the first entries whose weight one change may delete, at least one.
fn as_much_as_fits<T>(entries: &[T], weight: impl Fn(&T) -> i64) -> &[T] {
    let mut sum = 0;
    let fits = |entry: &&T| {
        let is_room = sum <= SLICE_BYTES;
        sum += weight(entry);
        is_room
    };
    let count = entries.iter().take_while(fits).count();
    // There are that many.
    entries.get(..count).unwrap_or(entries)
}
