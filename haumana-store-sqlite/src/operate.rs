//! An operator's calls, for all users together.
//!
//! Users are listed in the order of their numbers, which are never reused, since heads are never
//! deleted. So a place in the list is a number, and a user who is added meanwhile comes at the end.
//!
//! A sweep looks at [`SWEEP_USERS`] users in one read, and then deletes what is due slice by slice.
//! Each slice is a change of its own in the writer's queue. So a sweep of a large database delays a
//! commit by one slice at most.
//!
//! Places are texts that only this store reads: a number for users, and `kind id version side` for
//! entries of the history. After any other text nothing follows.

use crate::erased::replay;
use crate::queries;
use crate::rows;
use crate::statements::{self, Outcome};
use crate::store::SqliteStore;
use haumana_sync::id::UserId;
use haumana_sync::store::{
    Error, ErrorKind, HeadState, HistoryPart, Operate, Result, ScanPlace, SweepPlace, Swept,
    UserPage,
};
use haumana_sync::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::{Arc, Mutex, PoisonError};

/// LIMIT: how many users one call of a sweep looks at.
const SWEEP_USERS: i64 = 2_000;

/// The users behind a place, and whether each has anything that is due.
///
/// `EXISTS` stops at the first due entry of the index `history_times`, so a user without due
/// entries costs one look.
const SWEEP: &str = "
    SELECT user, EXISTS (SELECT * FROM history WHERE history.user = some.user AND at < ?2)
    FROM (SELECT user FROM heads WHERE ?1 < user ORDER BY user LIMIT ?3) AS some
    ORDER BY user";

const USERS: &str = "SELECT user, subject FROM heads WHERE ?1 < user ORDER BY user LIMIT ?2";

/// The remaining entries of a record behind a place, and those of the records that follow.
///
/// The order is that of the index `history_keys`: kind, id, newest version first, side.
const USER_HISTORY: &str = "
    SELECT kind, id, version, side, at, content, meta FROM history
    WHERE user = ?1 AND (?2, ?3) <= (kind, id)
        AND ((?2, ?3) < (kind, id) OR version < ?4 OR (version = ?4 AND ?5 < side))
    ORDER BY kind, id, version DESC, side LIMIT ?6";

const KEPT_SCHEMA: &str = "SELECT schema FROM served";
const KEEP_SCHEMA: &str = "
    INSERT INTO served VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET schema = excluded.schema";

/// Reads all heads. A start and the background work use it, not requests.
const ERASING: &str = "SELECT subject FROM heads WHERE state = ?1 LIMIT ?2";

#[async_trait::async_trait]
impl Operate for SqliteStore {
    async fn sweep(
        &self,
        before: UnixMillis,
        place: Option<&SweepPlace>,
        limit: usize,
    ) -> Result<Swept> {
        let from: i64 = place.map_or(0, |place| place.0.parse().unwrap_or(i64::MAX));
        let users = self.look("sweep", move |connection| look_at(connection, from, before)).await?;
        let (mut deleted, limit) = (0, limit.max(1));
        for (user, _) in users.iter().filter(|(_, is_due)| *is_due) {
            loop {
                let (user, left) = (*user, limit - deleted);
                if left == 0 {
                    return Ok(Swept { deleted, next: Some(behind(user - 1)) });
                }
                let purge = move |connection: &Connection| {
                    statements::purge_some(connection, user, Some(before), left)
                };
                let slice = self.delete_slice("sweep", purge).await?;
                deleted += slice.deleted;
                if !slice.more {
                    break;
                }
            }
        }
        Ok(Swept { deleted, next: users.last().map(|(user, _)| behind(*user)) })
    }

    async fn replay_erasures(&self) -> Result<usize> {
        let failed = |error| Error::with_source("replay", ErrorKind::Unavailable, error);
        let journal = self.journal().clone();
        let erased = Arc::new(Mutex::new(None));
        let read = erased.clone();
        let work = move |_: &Connection| {
            *read.lock().unwrap_or_else(PoisonError::into_inner) =
                journal.read().map_err(failed)?;
            Ok(())
        };
        self.ask("replay", work).await?;
        let erased = erased.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(erased) = erased else { return Ok(0) };
        let found = Arc::new(Mutex::new(0));
        let told = found.clone();
        let change = move |connection: &Connection| {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = replay(connection, &erased)?;
            Ok(Outcome::Done)
        };
        self.write("replay", 0, change).await?;
        let found = *found.lock().unwrap_or_else(PoisonError::into_inner);
        if found != 0 {
            self.wipe("replay").await?;
        }
        Ok(found)
    }

    async fn erasing(&self, limit: usize) -> Result<Vec<UserId>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let state = i64::from(HeadState::Erasing.number());
        self.look("erasing", move |connection| {
            let mut statement = connection.prepare_cached(ERASING)?;
            let subjects = statement.query_map(params![state, limit], |row| row.get(0))?;
            let subjects: Vec<String> = subjects.collect::<rusqlite::Result<_>>()?;
            // Every stored id was verified before it was stored.
            Ok(subjects.into_iter().filter_map(UserId::verified_by_caller).collect())
        })
        .await
    }

    async fn users(&self, place: Option<&ScanPlace>, limit: usize) -> Result<UserPage> {
        let from: i64 = place.map_or(0, |place| place.0.parse().unwrap_or(i64::MAX));
        let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        let found = self.look("users", move |connection| {
            let mut statement = connection.prepare_cached(USERS)?;
            let users = statement.query_map(params![from, limit], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?))
            })?;
            users.collect::<rusqlite::Result<Vec<(i64, String)>>>()
        });
        let found = found.await?;
        let last = found.last().map(|(user, _)| ScanPlace(user.to_string()));
        // Every stored id was verified before it was stored.
        let users =
            found.into_iter().filter_map(|(_, subject)| UserId::verified_by_caller(subject));
        Ok(UserPage { users: users.collect(), next: last })
    }

    async fn user_history(
        &self,
        user: &UserId,
        place: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<HistoryPart> {
        let from = place.map_or(Some(BEFORE_ALL), decode_place);
        // This store never returned such a place.
        let Some(from) = from else { return Ok(HistoryPart { entries: Vec::new(), next: None }) };
        let (user, limit) = (user.clone(), limit.max(1));
        self.look("user_history", move |connection| history_behind(connection, &user, &from, limit))
            .await
    }

    async fn kept_schema(&self) -> Result<Option<String>> {
        self.look("kept_schema", kept_schema).await
    }

    async fn keep_schema(&self, expected: Option<&str>, next: &str) -> Result<()> {
        let (expected, next) = (expected.map(str::to_owned), next.to_owned());
        let size_bytes = next.len();
        let change = move |connection: &Connection| {
            let kept = kept_schema(connection)?;
            if kept.as_ref() == Some(&next) {
                return Ok(Outcome::Done);
            }
            if kept != expected {
                return Ok(Outcome::Conflict);
            }
            connection.execute(KEEP_SCHEMA, [&next])?;
            Ok(Outcome::Done)
        };
        self.write("keep_schema", size_bytes, change).await
    }
}

/// `None` if nobody has kept a schema yet.
fn kept_schema(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row(KEPT_SCHEMA, [], |row| row.get(0)).optional()
}

/// An entry of the history as the columns have it: kind, id, version and side.
type HistoryPlace = (i64, Vec<u8>, i64, i64);

/// No kind has this number.
const BEFORE_ALL: HistoryPlace = (-1, Vec::new(), 0, 0);

fn encode_place((kind, id, version, side): &HistoryPlace) -> ScanPlace {
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    ScanPlace(format!("{kind} {id} {version} {side}"))
}

fn decode_place(place: &ScanPlace) -> Option<HistoryPlace> {
    let mut parts = place.0.split(' ');
    let (kind, id) = (parts.next()?.parse().ok()?, parts.next()?);
    let byte = |at: usize| u8::from_str_radix(id.get(at..at + 2)?, 16).ok();
    let id = (0..id.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    Some((kind, id, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Returns a next place if the page was full. A row whose key cannot be read is skipped; the place
/// is that of the last readable one.
fn history_behind(
    connection: &Connection,
    user: &UserId,
    (kind, id, version, side): &HistoryPlace,
    limit: usize,
) -> rusqlite::Result<HistoryPart> {
    let snapshot = connection.unchecked_transaction()?;
    let (mut entries, mut n_read, mut last) = (Vec::new(), 0, None);
    if let Some(user) = queries::user_number(&snapshot, user)? {
        let at_most = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = snapshot.prepare_cached(USER_HISTORY)?;
        let mut rows = statement.query(params![user, kind, id, version, side, at_most])?;
        while let Some(row) = rows.next()? {
            n_read += 1;
            // A row whose key cannot be read cannot be a place to continue from.
            let place = || Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            let place: rusqlite::Result<HistoryPlace> = place();
            last = place.ok().or(last);
            entries.extend(rows::history_entry(row));
        }
    }
    let next = last.filter(|_| n_read == limit).map(|place| encode_place(&place));
    Ok(HistoryPart { entries, next })
}

fn behind(user: i64) -> SweepPlace {
    SweepPlace(user.to_string())
}

/// The answer may be out of date when the deletion runs. That is harmless, because the deletion
/// goes by time, not by this list.
fn look_at(
    connection: &Connection,
    from: i64,
    before: UnixMillis,
) -> rusqlite::Result<Vec<(i64, bool)>> {
    let mut statement = connection.prepare_cached(SWEEP)?;
    let users = statement
        .query_map(params![from, before.0, SWEEP_USERS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    users.collect()
}
