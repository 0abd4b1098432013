//! What the writer changes, each inside a transaction that the writer has begun.

use crate::{queries, rows};
use haumana_sync::id::UserId;
use haumana_sync::store::backend::{Decision, decide};
use haumana_sync::store::{Batch, Envelope, Head, HistoryEntry};
use haumana_sync::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done, or was before.
    Done,
    /// The head is another one; nothing was written.
    Conflict,
}

const INSERT_HEAD: &str = "
    INSERT INTO heads (epoch, revision, stamp, generation, versions, content, records, bytes,
                       max_version, commit_id, state, erased_at, purged_at, notes,
                       subject)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

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

const UPDATE_RECORD: &str = "
    UPDATE records SET version = ?4, revision = ?5, stamp = ?6, modified_at = ?7, deleted = ?8,
                       hash = ?9, format = ?10, size_bytes = ?11
    WHERE user = ?1 AND kind = ?2 AND id = ?3 AND body = ?12";

const PUT_HISTORY: &str = "
    INSERT INTO history (user, kind, id, version, side, at, content, meta)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (user, kind, id, version, side)
    DO UPDATE SET at = excluded.at, content = excluded.content, meta = excluded.meta";

/// Writes the batch if the head is still the expected one.
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
        head.versions.0.to_be_bytes(),
        head.content.0.to_be_bytes(),
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

fn put_records(connection: &Connection, user: i64, records: &[Envelope]) -> rusqlite::Result<()> {
    // In the order of the keys, neighbours go to the same page one after the other.
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
            record.hash.0.to_be_bytes(),
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

/// Deletes the user's history from before the time.
pub(crate) fn purge(
    connection: &Connection,
    user: &UserId,
    before: UnixMillis,
) -> rusqlite::Result<Outcome> {
    if let Some(user) = queries::user_number(connection, user)? {
        let query = "DELETE FROM history WHERE user = ?1 AND at < ?2";
        connection.prepare_cached(query)?.execute(params![user, before.0])?;
    }
    Ok(Outcome::Done)
}

/// Deletes all of the user but the head.
pub(crate) fn erase(connection: &Connection, user: &UserId) -> rusqlite::Result<Outcome> {
    if let Some(user) = queries::user_number(connection, user)? {
        let queries = [
            "DELETE FROM bodies WHERE body IN (SELECT body FROM records WHERE user = ?1)",
            "DELETE FROM records WHERE user = ?1",
            "DELETE FROM history WHERE user = ?1",
        ];
        for query in queries {
            connection.prepare_cached(query)?.execute([user])?;
        }
    }
    Ok(Outcome::Done)
}
