//! An operator's calls, for all users together.
//!
//! Users are listed in the order of their names, as bytes (`COLLATE "C"`). The primary key of
//! `heads` has that order, so each page continues where the last one ended, without a snapshot in
//! between. A user who is added behind the present place is listed; one who is added before it is
//! not.
//!
//! No call holds a transaction over several users, so an operator's walk does not keep old rows
//! alive.

use crate::error::{self, Nature};
use crate::journal::{Journal, JournalKey};
use crate::live;
use crate::rows::{self, Bad};
use crate::store::{PostgresStore, corrupt, settled};
use deadpool_postgres::Object;
use haumana_sync::id::UserId;
use haumana_sync::store::{
    Epoch, ErasedLives, Error, ErrorKind, HeadState, HistoryPart, Operate, Result, ScanPlace,
    SweepPlace, Swept, UserPage,
};
use haumana_sync::time::UnixMillis;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// LIMIT: how many users one call of a sweep looks at.
///
/// For each user there is one look into an index, so this bounds the time of the statement.
const SWEEP_USERS: i64 = 100;
/// LIMIT: how many heads one statement reads.
///
/// It bounds the memory of a replay, not its extent: all heads are read, page by page.
const HEADS: i64 = 1_000;
/// LIMIT: how many users of another journal one statement notes.
const FLOORS: usize = 10_000;

#[async_trait::async_trait]
impl Operate for PostgresStore {
    async fn sweep(
        &self,
        before: UnixMillis,
        place: Option<&SweepPlace>,
        limit: usize,
    ) -> Result<Swept> {
        // Users come in the order of their names. The empty name is before all of them.
        let mut behind = place.map_or_else(String::new, |place| place.0.clone());
        let statement = &self.statements.due_users;
        let rows = self.look("sweep", statement, &[&behind, &before.0, &SWEEP_USERS]).await?;
        let users = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let users = users.collect::<std::result::Result<Vec<(String, bool)>, Bad>>();
        let (mut deleted, limit) = (0, limit.max(1));
        for (user, is_due) in users.map_err(corrupt("sweep"))? {
            if is_due {
                if limit <= deleted {
                    return Ok(Swept { deleted, next: Some(SweepPlace(behind)) });
                }
                let left = limit - deleted;
                let purged = self.purge_some(&user, before, left).await?;
                deleted += purged;
                if purged == left {
                    // There may be more of this user.
                    return Ok(Swept { deleted, next: Some(SweepPlace(behind)) });
                }
            }
            behind = user;
        }
        let next = (!rows.is_empty()).then_some(SweepPlace(behind));
        Ok(Swept { deleted, next })
    }

    async fn replay_erasures(&self) -> Result<usize> {
        let lives = self.look("replay", &self.statements.lives, &[]).await?;
        if lives.is_empty() {
            return Ok(0);
        }
        let floors = self.look("replay", &self.statements.floors, &[]).await?;
        let journal = Journal::of(self.journal_key, &lives, &floors, &[]);
        self.replay(&journal.map_err(corrupt("replay"))?).await
    }

    async fn erasing(&self, limit: usize) -> Result<Vec<UserId>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let state = i16::from(HeadState::Erasing.number());
        let rows = self.look("erasing", &self.statements.erasing, &[&state, &limit]).await?;
        let subjects = rows.iter().map(|row| Ok(row.try_get(0)?));
        let subjects = subjects.collect::<std::result::Result<Vec<String>, Bad>>();
        // Every stored id was verified before it was stored.
        let users = subjects.map_err(corrupt("erasing"))?.into_iter();
        Ok(users.filter_map(UserId::verified_by_caller).collect())
    }

    async fn users(&self, place: Option<&ScanPlace>, limit: usize) -> Result<UserPage> {
        let behind = place.map_or("", |place| place.0.as_str());
        let at_most = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        let rows = self.look("users", &self.statements.users, &[&behind, &at_most]).await?;
        let subjects = rows.iter().map(|row| Ok(row.try_get(0)?));
        let subjects = subjects.collect::<std::result::Result<Vec<String>, Bad>>();
        let subjects = subjects.map_err(corrupt("users"))?;
        let next = subjects.last().cloned().map(ScanPlace);
        let users = subjects.into_iter().filter_map(UserId::verified_by_caller).collect();
        Ok(UserPage { users, next })
    }

    async fn user_history(
        &self,
        user: &UserId,
        place: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<HistoryPart> {
        let from = place.map_or(Some(BEFORE_ALL), decode_place);
        // This store never returned such a place.
        let Some((kind, id, version, side)) = from else {
            return Ok(HistoryPart { entries: Vec::new(), next: None });
        };
        let (subject, limit) = (user.as_str(), limit.max(1));
        let at_most = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters: [&(dyn ToSql + Sync); 6] =
            [&subject, &kind, &id, &version, &side, &at_most];
        let rows = self.look("user_history", &self.statements.user_history, &parameters).await?;
        let entries = rows.iter().filter_map(|row| rows::history_entry(row, 0)).collect();
        let last = rows.last().filter(|_| rows.len() == limit).map(encode_place).transpose();
        Ok(HistoryPart { entries, next: last.map_err(corrupt("user_history"))? })
    }

    async fn kept_schema(&self) -> Result<Option<String>> {
        let rows = self.look("kept_schema", &self.statements.kept_schema, &[]).await?;
        let text = || -> std::result::Result<Option<String>, Bad> {
            let Some(row) = rows.first() else { return Ok(None) };
            let bytes: Option<Vec<u8>> = row.try_get(0)?;
            Ok(bytes.map(String::from_utf8).transpose()?)
        };
        text().map_err(corrupt("kept_schema"))
    }

    async fn keep_schema(&self, expected: Option<&str>, next: &str) -> Result<()> {
        let (op, statement) = ("keep_schema", &self.statements.keep_schema);
        let (expected, next) = (expected.map(str::as_bytes), next.as_bytes());
        match self.ask(op, Nature::Write, statement, &[&expected, &next]).await?.is_empty() {
            false => Ok(()),
            true => Err(Error::new(op, ErrorKind::Conflict)),
        }
    }
}

/// An entry of the history as the columns have it: kind, id, version and side.
type HistoryPlace = (i16, Uuid, i64, i64);

/// No kind has this number.
const BEFORE_ALL: HistoryPlace = (-1, Uuid::nil(), 0, 0);

fn encode_place(row: &Row) -> std::result::Result<ScanPlace, Bad> {
    let (kind, id): (i16, Uuid) = (row.try_get(0)?, row.try_get(1)?);
    let (version, side): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
    Ok(ScanPlace(format!("{kind} {id} {version} {side}")))
}

/// `None` for a text that this store never gave.
fn decode_place(place: &ScanPlace) -> Option<HistoryPlace> {
    let mut parts = place.0.split(' ');
    let (kind, id) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((kind, id, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl PostgresStore {
    /// Does what [`Operate::replay_erasures`] does, with the journal of other tables: those that
    /// were in use before a backup was restored here. Accounts that are erased again are noted in
    /// this journal as well. So is the largest erased version of each user, also of users who are
    /// not in these tables.
    ///
    /// An account that was begun anew since its erasure is another life, and stays.
    ///
    /// # Errors
    ///
    /// Those of [`Store::erase`](haumana_sync::Store::erase). The same call again continues.
    pub async fn replay_erasures_of(&self, journal: &Journal) -> Result<usize> {
        let op = "replay";
        let foreign = journal.keys.iter().filter(|key| **key != self.journal_key);
        let foreign: Vec<&[u8]> = foreign.map(JournalKey::bytes).collect();
        self.ask(op, Nature::Write, &self.statements.carry_keys, &[&foreign]).await?;
        let (accounts, floors) = journal.floors();
        let statement = &self.statements.carry_floors;
        for (accounts, floors) in accounts.chunks(FLOORS).zip(floors.chunks(FLOORS)) {
            self.ask(op, Nature::Write, statement, &[&accounts, &floors]).await?;
        }
        self.replay(journal).await
    }

    async fn replay(&self, journal: &Journal) -> Result<usize> {
        let (mut behind, mut replayed) = (String::new(), 0);
        loop {
            let statement = &self.statements.heads;
            let rows = self.look("replay", statement, &[&behind, &HEADS]).await?;
            let heads = rows.iter().map(head).collect::<std::result::Result<Vec<_>, Bad>>();
            for (subject, epoch) in heads.map_err(corrupt("replay"))? {
                behind.clone_from(&subject);
                let Some(user) = UserId::verified_by_caller(&subject) else { continue };
                if journal.lives.has(&user, epoch) {
                    replayed += usize::from(self.erase_again(&user, &journal.lives).await?);
                }
            }
            if rows.is_empty() {
                return Ok(replayed);
            }
        }
    }

    /// Empties an account if it is still in an erased life.
    async fn erase_again(&self, user: &UserId, erased: &ErasedLives) -> Result<bool> {
        let pool = |error| error::of_pool("replay", error);
        let mut client = self.connections.get().await.map_err(pool)?;
        let done = self.erase_again_over(&mut client, user, erased);
        let done = tokio::time::timeout(self.connections.patience(), done).await;
        settled("replay", Nature::Write, client, done)?.map_err(corrupt("replay"))
    }

    /// All of it is one transaction: the head is locked and compared, the new head is written, rows
    /// are deleted, the life is noted, and listeners are notified. The outer error is the
    /// connection's. The inner error is a head that cannot be read.
    async fn erase_again_over(
        &self,
        client: &mut Object,
        user: &UserId,
        erased: &ErasedLives,
    ) -> std::result::Result<std::result::Result<bool, Bad>, tokio_postgres::Error> {
        let transaction = client.transaction().await?;
        let lock = transaction.prepare_cached(&self.statements.lock_life).await?;
        let Some(row) = transaction.query_opt(&lock, &[&user.as_str()]).await? else {
            return Ok(Ok(false));
        };
        let head = match rows::head(&row) {
            Ok(head) => head,
            Err(bad) => return Ok(Err(bad)),
        };
        let Some(next) = erased.head_to_erase(user, &head) else { return Ok(Ok(false)) };
        let empty = transaction.prepare_cached(&self.statements.empty_head).await?;
        let state = i16::from(next.state.number());
        let (revision, commit) = (next.revision.0.cast_signed(), Uuid::from_u128(next.commit.0));
        let told = live::payload(self.journal_key.topic(user), next.revision);
        let floor = i64::from(next.max_version);
        let parameters: [&(dyn ToSql + Sync); 6] =
            [&user.as_str(), &revision, &commit, &state, &told, &floor];
        let account = transaction.query_one(&empty, &parameters).await?.try_get(0)?;
        self.delete_all(&transaction, user, (next.epoch, floor), account).await?;
        transaction.commit().await?;
        Ok(Ok(head.state != HeadState::Erasing))
    }

    /// Returns how many entries were deleted. The oldest go first, so an interrupted sweep has done
    /// the most urgent part.
    async fn purge_some(&self, user: &str, before: UnixMillis, limit: usize) -> Result<usize> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let statement = &self.statements.purge_some;
        let rows = self.ask("sweep", Nature::Write, statement, &[&user, &before.0, &limit]).await?;
        Ok(rows.len())
    }
}

fn head(row: &Row) -> std::result::Result<(String, Epoch), Bad> {
    Ok((row.try_get(0)?, Epoch(row.try_get::<_, i64>(1)?.cast_unsigned())))
}
