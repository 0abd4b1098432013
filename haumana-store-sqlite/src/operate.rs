//! What an operator asks for, of all users together.

use crate::erased::replay;
use crate::statements::{self, Outcome};
use crate::store::SqliteStore;
use haumana_sync::id::UserId;
use haumana_sync::store::{Error, ErrorKind, HeadState, Operate, Result, SweepPlace, Swept};
use haumana_sync::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::{Arc, Mutex, PoisonError};

/// LIMIT: how many users one call of a sweep looks at.
const SWEEP_USERS: i64 = 2_000;

/// The users behind a place, and whether each has anything that is due.
const SWEEP: &str = "
    SELECT user, EXISTS (SELECT * FROM history WHERE history.user = some.user AND at < ?2)
    FROM (SELECT user FROM heads WHERE ?1 < user ORDER BY user LIMIT ?3) AS some
    ORDER BY user";

const KEPT_SCHEMA: &str = "SELECT schema FROM served";
const KEEP_SCHEMA: &str = "
    INSERT INTO served VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET schema = excluded.schema";

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
            // What is stored was verified before it was.
            Ok(subjects.into_iter().filter_map(UserId::verified_by_caller).collect())
        })
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

fn kept_schema(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row(KEPT_SCHEMA, [], |row| row.get(0)).optional()
}

fn behind(user: i64) -> SweepPlace {
    SweepPlace(user.to_string())
}

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
