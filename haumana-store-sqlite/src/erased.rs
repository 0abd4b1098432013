//! The accounts that the journal of erasures is about.
//!
//! Erasing an account notes its life in the journal *before* the first row is deleted. After a
//! crash in between, a noted life still has data. The engine keeps the head in the state `Erasing`,
//! and the erasure is finished later. In the other order an account could be deleted without a
//! note, and a backup would bring it back for good.
//!
//! A life is a user and an epoch. If somebody comes back after an erasure, another epoch begins,
//! and replaying the journal does not touch it.

use crate::error::before_commit;
use crate::journal::Journal;
use crate::{queries, statements};
use haumana_sync::id::UserId;
use haumana_sync::store::{Epoch, ErasedLives, Error, ErrorKind, HeadState, Result};
use rusqlite::Connection;

/// Empties each account whose present life was erased. Returns how many.
///
/// Accounts that are `Erasing` already are not counted: their erasure goes on by itself. The others
/// get the head of an account whose erasure has begun. So devices learn of it, and the background
/// work completes it. Each head gets the largest version that was ever erased of its user.
///
/// It begins no transaction of its own. A start and the writer call it inside one. In a restore
/// there is none: if anything fails, the copy is thrown away.
pub(crate) fn replay(connection: &Connection, erased: &ErasedLives) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare("SELECT subject, epoch FROM heads")?;
    let heads = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
    })?;
    let mut due = Vec::new();
    for head in heads {
        let (subject, epoch) = head?;
        let user = UserId::verified_by_caller(subject);
        due.extend(user.filter(|user| erased.has(user, Epoch(epoch))));
    }
    let mut found = 0;
    for user in &due {
        let Some(head) = queries::head(connection, user)? else { continue };
        let Some(next) = erased.head_to_erase(user, &head) else { continue };
        while statements::erase_some(connection, user)?.more {}
        statements::put_head_again(connection, user, &next)?;
        found += usize::from(head.state != HeadState::Erasing);
    }
    Ok(found)
}

/// Notes in the journal that the present life of an account is erased.
///
/// Runs on the writer's thread, outside any transaction. If an account has no head, it has no life
/// to erase, so nothing is noted.
pub(crate) fn note(connection: &Connection, journal: &Journal, user: &UserId) -> Result<()> {
    let sqlite = |error| before_commit("erase", error);
    let Some(head) = queries::head(connection, user).map_err(sqlite)? else { return Ok(()) };
    let failed = |error| Error::with_source("erase", ErrorKind::Unavailable, error);
    journal.note(user, &head).map_err(failed)
}
