//! The queries of readers. Each call sees one snapshot.
//!
//! Each function that sends more than one statement opens a deferred transaction around them. In
//! WAL mode its first read fixes the snapshot, and it takes no lock that a writer waits for. The
//! transaction is dropped, and so rolled back, at the end of the call: there is nothing to commit.
//!
//! All statements are prepared once per connection and kept in its cache. A test checks that a
//! repeated call prepares nothing again.
//!
//! # Rows that somebody has changed by hand
//!
//! A record that cannot be read is returned as
//! [`Envelope::unreadable`](haumana_sync::store::Envelope::unreadable), so that the engine can set
//! it aside and serve the rest. If not even its key can be read, the row is left out. Only a head
//! that cannot be read fails the whole call.

use crate::rows;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::backend::cut_between_versions;
use haumana_sync::store::{
    After, Envelope, Head, HistoryEntry, HistoryKey, IndexEntry, Page, Stamp, Version,
};
use rusqlite::{Connection, OptionalExtension, params};

/// LIMIT: a page of changes ends behind the record that exceeds this. So a page does not fill the
/// memory, however many records are asked for.
const PAGE_BYTES: usize = 32 << 20;

/// Column 14, the last, is the number that the other tables use for the user. The columns before it
/// have the order in which `rows::head` reads them.
const HEAD: &str = "
    SELECT epoch, revision, stamp, generation, versions, content, records, bytes, max_version,
           commit_id, state, erased_at, purged_at, notes, user
    FROM heads WHERE subject = ?1";

const USER: &str = "SELECT user FROM heads WHERE subject = ?1";

/// `LEFT JOIN`: a record whose body is missing is still found, with null content, and is set aside
/// as unreadable.
const READ: &str = "
    SELECT r.kind, r.id, r.version, r.revision, r.stamp, r.modified_at, r.deleted, r.hash,
           r.format, b.content, b.meta
    FROM records r LEFT JOIN bodies b ON b.body = r.body
    WHERE r.user = ?1 AND r.kind = ?2 AND r.id = ?3";

/// Reads `records` alone. Its rows have a few dozen bytes each, whatever the size of the content.
const INDEX: &str = "
    SELECT id, version, stamp, deleted, size_bytes, hash FROM records
    WHERE user = ?1 AND kind = ?2 ORDER BY id";

/// The comparison of three values at once lets SQLite enter the index `stream` at the place where
/// the page continues. `INDEXED BY` makes a plan without that index an error instead of a slow
/// answer.
pub(crate) const CHANGES: &str = "
    SELECT r.kind, r.id, r.version, r.revision, r.stamp, r.modified_at, r.deleted, r.hash,
           r.format, b.content, b.meta
    FROM records r INDEXED BY stream LEFT JOIN bodies b ON b.body = r.body
    WHERE r.user = ?1 AND (?2, ?3, ?4) < (r.revision, r.kind, r.id)
    ORDER BY r.revision, r.kind, r.id";

/// The first revision that was stamped later. The stamps of a user never decrease, so everything
/// from there on is stamped later, too.
pub(crate) const FIRST_AFTER_STAMP: &str = "
    SELECT revision FROM records INDEXED BY stamps
    WHERE user = ?1 AND ?2 < stamp ORDER BY stamp, revision LIMIT 1";

const HISTORY: &str = "
    SELECT kind, id, version, side, at, content, meta FROM history
    WHERE user = ?1 AND kind = ?2 AND id = ?3 AND version = ?4 AND side = ?5";

/// The index has versions in descending order, so the newest come first without a sort.
const HISTORY_OF: &str = "
    SELECT kind, id, version, side, at, content, meta FROM history
    WHERE user = ?1 AND kind = ?2 AND id = ?3 AND version < ?4
    ORDER BY version DESC, side LIMIT ?5";

/// Reads the user's head.
pub(crate) fn head(connection: &Connection, user: &UserId) -> rusqlite::Result<Option<Head>> {
    Ok(user_and_head(connection, user)?.map(|(_, head)| head))
}

/// Reads the user's number in the tables, and the head.
pub(crate) fn user_and_head(
    connection: &Connection,
    user: &UserId,
) -> rusqlite::Result<Option<(i64, Head)>> {
    let mut statement = connection.prepare_cached(HEAD)?;
    statement.query_row([user.as_str()], |row| Ok((row.get(14)?, rows::head(row)?))).optional()
}

/// Reads the user's number in the tables.
pub(crate) fn user_number(connection: &Connection, user: &UserId) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached(USER)?;
    statement.query_row([user.as_str()], |row| row.get(0)).optional()
}

/// Reads records by key.
///
/// Returns one answer for each key, in the order of `keys`, even if a key is asked for twice.
pub(crate) fn read(
    connection: &Connection,
    user: &UserId,
    keys: &[Key],
) -> rusqlite::Result<Vec<Option<Envelope>>> {
    let snapshot = connection.unchecked_transaction()?;
    let Some(user) = user_number(&snapshot, user)? else {
        return Ok(vec![None; keys.len()]);
    };
    // In the order of the tables, so that neighbours are read from one page after the other.
    let mut sorted: Vec<(usize, &Key)> = keys.iter().enumerate().collect();
    sorted.sort_unstable_by_key(|(_, key)| **key);
    let mut statement = snapshot.prepare_cached(READ)?;
    let mut found = vec![None; keys.len()];
    for (place, key) in sorted {
        let parameters = params![user, rows::kind_number(key.kind), rows::id_bytes(key.id)];
        // `place` comes from enumerating `keys`, and `found` is as long.
        found[place] =
            statement.query_row(parameters, |row| Ok(rows::envelope(row))).optional()?.flatten();
    }
    Ok(found)
}

/// Lists the records of a kind, without reading `bodies`.
pub(crate) fn index(
    connection: &Connection,
    user: &UserId,
    kind: KindNumber,
) -> rusqlite::Result<Vec<IndexEntry>> {
    let snapshot = connection.unchecked_transaction()?;
    let Some(user) = user_number(&snapshot, user)? else {
        return Ok(Vec::new());
    };
    let mut statement = snapshot.prepare_cached(INDEX)?;
    let entries = statement
        .query_map(params![user, rows::kind_number(kind)], |row| Ok(rows::index_entry(row).ok()))?;
    // An entry that cannot be read is left out.
    Ok(entries.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Reads one page of changes, and the head at that moment.
///
/// The head is read first, in the same snapshot. So no record of the page has a revision above the
/// head's, and the engine may continue behind the head when [`Page::more`] is false.
pub(crate) fn changes(
    connection: &Connection,
    user: &UserId,
    after: After,
    limit: usize,
) -> rusqlite::Result<Page> {
    let snapshot = connection.unchecked_transaction()?;
    let Some((user, head)) = user_and_head(&snapshot, user)? else {
        return Ok(Page { head: None, records: Vec::new(), more: false });
    };
    let mut page = Page { head: Some(head), records: Vec::new(), more: false };
    let Some((revision, kind, id)) = last_delivered(&snapshot, user, after)? else {
        return Ok(page);
    };
    let mut statement = snapshot.prepare_cached(CHANGES)?;
    let mut due = statement.query(params![user, revision, kind, id])?;
    let mut size_bytes = 0;
    while let Some(row) = due.next()? {
        if limit <= page.records.len() || PAGE_BYTES < size_bytes {
            page.more = true;
            break;
        }
        let Some(record) = rows::envelope(row) else { continue };
        size_bytes += record.size_bytes();
        page.records.push(record);
    }
    Ok(page)
}

/// Returns `after` as a place in the index `stream`; `None` if nothing can follow it.
///
/// A place is a revision, a kind and an id, in the order of the index. A revision that does not fit
/// a signed 64-bit number is above all stored ones, so nothing follows it.
fn last_delivered(
    snapshot: &Connection,
    user: i64,
    after: After,
) -> rusqlite::Result<Option<(i64, i64, Vec<u8>)>> {
    // No kind has this number: it makes a place before all records, or behind all of a revision.
    const BEFORE_ALL: i64 = -1;
    const BEHIND_ALL: i64 = 256;
    let place = match after {
        After::Start => Some((0, BEFORE_ALL, Vec::new())),
        After::Place(place) => {
            i64::try_from(place.revision.0).ok().map(|revision| match place.within {
                Some(key) => {
                    (revision, rows::kind_number(key.kind), rows::id_bytes(key.id).to_vec())
                }
                None => (revision, BEHIND_ALL, Vec::new()),
            })
        }
        After::Stamp(stamp) => {
            first_after(snapshot, user, stamp)?.map(|first| (first, BEFORE_ALL, Vec::new()))
        }
    };
    Ok(place)
}

/// `None` if nothing was stamped later.
fn first_after(snapshot: &Connection, user: i64, stamp: Stamp) -> rusqlite::Result<Option<i64>> {
    let mut statement = snapshot.prepare_cached(FIRST_AFTER_STAMP)?;
    statement.query_row(params![user, stamp.0], |row| row.get(0)).optional()
}

/// Reads history entries by key.
pub(crate) fn history(
    connection: &Connection,
    user: &UserId,
    keys: &[HistoryKey],
) -> rusqlite::Result<Vec<Option<HistoryEntry>>> {
    let snapshot = connection.unchecked_transaction()?;
    let Some(user) = user_number(&snapshot, user)? else {
        return Ok(vec![None; keys.len()]);
    };
    let mut statement = snapshot.prepare_cached(HISTORY)?;
    let mut find = |at: &HistoryKey| {
        let (kind, id) = (rows::kind_number(at.key.kind), rows::id_bytes(at.key.id));
        let parameters = params![user, kind, id, at.version, at.side];
        Ok(statement
            .query_row(parameters, |row| Ok(rows::history_entry(row)))
            .optional()?
            .flatten())
    };
    keys.iter().map(&mut find).collect()
}

/// Lists the history of one record, newest first, in whole versions.
pub(crate) fn history_of(
    connection: &Connection,
    user: &UserId,
    key: &Key,
    before: Option<Version>,
    limit: usize,
) -> rusqlite::Result<Vec<HistoryEntry>> {
    let snapshot = connection.unchecked_transaction()?;
    let Some(user) = user_number(&snapshot, user)? else {
        return Ok(Vec::new());
    };
    let bound = before.map_or(i64::MAX, i64::from);
    // One more row than asked for tells whether the last version is complete.
    let rows_asked = i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1));
    let (kind, id) = (rows::kind_number(key.kind), rows::id_bytes(key.id));
    let mut statement = snapshot.prepare_cached(HISTORY_OF)?;
    let parameters = params![user, kind, id, bound, rows_asked];
    let found = statement.query_map(parameters, |row| Ok(rows::history_entry(row)))?;
    let found: Vec<Option<HistoryEntry>> = found.collect::<rusqlite::Result<_>>()?;
    let mut entries: Vec<HistoryEntry> = found.into_iter().flatten().collect();
    cut_between_versions(&mut entries, limit);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connection, statements};
    use haumana_sync::conformance::sample::{entry, next_batch, piece, record, user};
    use haumana_sync::store::{Place, Revision};
    use rusqlite::StatementStatus;

    #[test]
    fn a_question_that_is_asked_again_is_not_prepared_again() {
        let connection = connection::open_in_memory().unwrap();
        let (kai, key) = (user("kai"), piece(1));
        let mut head = None;
        for version in 1..4 {
            let history = vec![entry(key, version, 0, 7)];
            let batch = next_batch(head.as_ref(), vec![record(key, version, "Hula")], history);
            statements::commit(&connection, &kai, head.as_ref(), &batch).unwrap();
            head = Some(batch.head);

            let place = Place { revision: Revision(version.into()), within: None };
            for after in [After::Start, After::Place(place), After::Stamp(Stamp(version.into()))] {
                changes(&connection, &kai, after, 10).unwrap();
            }
            read(&connection, &kai, &[key]).unwrap();
            index(&connection, &kai, key.kind).unwrap();
            history_of(&connection, &kai, &key, Some(version), 7).unwrap();
            super::history(&connection, &kai, &[HistoryKey { key, version, side: 0 }]).unwrap();
        }

        let asked = [HEAD, USER, READ, INDEX, CHANGES, FIRST_AFTER_STAMP, HISTORY, HISTORY_OF];
        for sql in asked.into_iter().chain(statements::COMMITTED) {
            let statement = connection.prepare_cached(sql).unwrap();
            assert!(1 < statement.get_status(StatementStatus::Run), "asked: {sql}");
            assert_eq!(0, statement.get_status(StatementStatus::RePrepare), "{sql}");
        }
    }
}
