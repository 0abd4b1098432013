//! Storage in one SQLite file.
//!
//! The file has a table of records, one of pending edits, and one of index entries. Content is
//! JSON. The format is private to this crate. A later version may change it, and reads the files of
//! earlier versions.

use super::index::{find_sql, write_index};
use super::place::Place;
use super::private::{keep_private, make_private};
use super::rows::{local, pending_of, read_kind, signed, state};
use super::schema::{kind_number, set_up};
use super::writes::{has_pending, write_records, write_state};
use super::{Batch, Declared, IndexRange, OpenCount, Outlives, State, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Local;
use async_trait::async_trait;
use haumana_sync::id::{Key, KindNumber, RecordId};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::path::Path;

/// One row for each known record: agreed, pending or both.
const SELECT: &str = "
    SELECT k.kind, k.id, r.version, r.modified_at, r.value, r.mark, p.json FROM
        (SELECT account, kind, id FROM records WHERE account = ?1 AND kind = ?2
         UNION SELECT account, kind, id FROM pending WHERE account = ?1 AND kind = ?2) k
    LEFT JOIN records r USING (account, kind, id) LEFT JOIN pending p USING (account, kind, id)
    ORDER BY k.kind, k.id";
const SELECT_AGREED: &str = "
    SELECT kind, id, version, modified_at, value, mark, NULL FROM records
    WHERE account = ?1 AND kind = ?2 AND id = ?3";
const SELECT_PENDING: &str =
    "SELECT json FROM pending WHERE account = ?1 AND kind = ?2 AND id = ?3";
const SELECT_DUE: &str = "
    SELECT p.kind, p.id, r.version, r.modified_at, r.value, r.mark, p.json
    FROM pending p LEFT JOIN records r USING (account, kind, id)
    WHERE p.account = ?1 AND p.due ORDER BY p.kind, p.id LIMIT ?2";
const SELECT_REFUSED: &str = "
    SELECT p.kind, p.id, r.version, r.modified_at, r.value, r.mark, p.json
    FROM pending p LEFT JOIN records r USING (account, kind, id)
    WHERE p.account = ?1 AND p.open AND p.refused AND (p.kind, p.id) > (?2, ?3)
    ORDER BY p.kind, p.id LIMIT ?4";
const SELECT_UNMARKED: &str = "
    SELECT r.kind, r.id, r.version, r.modified_at, r.value, r.mark, p.json
    FROM records r NOT INDEXED LEFT JOIN pending p USING (account, kind, id)
    WHERE r.account = ?1 AND r.mark < ?2
    UNION ALL
    SELECT p.kind, p.id, NULL, NULL, NULL, NULL, p.json FROM pending p
    WHERE p.account = ?1 AND NOT EXISTS (
        SELECT 1 FROM records r WHERE (r.account, r.kind, r.id) = (p.account, p.kind, p.id))
    ORDER BY 1, 2";

/// Keeps records in one SQLite file. No other process may open the file meanwhile.
///
/// Put it where your platform keeps an app's data. It may be in backups: when a file was copied or
/// restored, opening it detects that, and it becomes another device with the same pending edits. On
/// Unix only its owner can read it. It is not encrypted.
///
/// ```
/// use haumana_replica::{Replica, storage::SqliteStorage};
/// use haumana_sync::schema::{Field, FieldType, Kind, Schema};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let song = Kind::new(3, "song").field(Field::new(1, "title", FieldType::text(200)));
/// let schema = Schema::new([song])?;
///
/// let storage = SqliteStorage::open(&folder.join("records.sqlite"))?;
/// let replica = Replica::builder(storage, schema.clone()).open().await?;
/// let device = replica.device().await;
/// drop(replica);
///
/// // The next start of the app finds the same device.
/// let storage = SqliteStorage::open(&folder.join("records.sqlite"))?;
/// assert_eq!(device, Replica::builder(storage, schema).open().await?.device().await);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SqliteStorage {
    connection: Connection,
    /// The place of the file.
    place: Option<Place>,
    /// What a commit survives now.
    outlives: Outlives,
    /// The account that was named last, and its number.
    account: Option<(String, i64)>,
}

impl SqliteStorage {
    /// Opens the file, making it if there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InUse`] if another process, or another storage of this process, has the file
    /// open. The call waits up to 5 seconds for it, and blocks its thread meanwhile.
    ///
    /// [`ErrorKind::Storage`] if the file cannot be used, is no replica, or belongs to a newer
    /// program. The source says which.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |error| Error::new("open", ErrorKind::Storage).caused_by(error);
        make_private(path).map_err(io)?;
        let connection = Connection::open(path).map_err(|error| failed("open", error))?;
        let connection = set_up(connection).map_err(|error| failed("open", error))?;
        let other = |why| Error::new("open", ErrorKind::Storage).caused_by(why);
        let connection = connection.map_err(other)?;
        keep_private(path).map_err(io)?;
        let (place, outlives) = (Place::of(path), Outlives::PowerLoss);
        Ok(Self { connection, place, outlives, account: None })
    }

    /// Returns the id in the file, unless the file is a copy. Files of earlier versions do not
    /// contain their place; they keep their id.
    fn own_device(&self) -> rusqlite::Result<Option<String>> {
        let found = self
            .connection
            .query_row("SELECT id, place FROM device", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
            })
            .optional()?;
        let Some((id, place)) = found else { return Ok(None) };
        let place: Option<Place> = place.and_then(|place| serde_json::from_str(&place).ok());
        let is_copy = match (&place, &self.place) {
            (Some(before), Some(now)) => !before.is_same_file(now),
            _ => false,
        };
        if !is_copy && self.place.is_some() && place != self.place {
            self.keep_device(&id)?;
        }
        Ok((!is_copy).then_some(id))
    }

    /// Stores the id of the installation, and the place of the file.
    fn keep_device(&self, id: &str) -> rusqlite::Result<()> {
        let place = self.place.as_ref().and_then(|place| serde_json::to_string(place).ok());
        let changed =
            self.connection.execute("UPDATE device SET id = ?1, place = ?2", params![id, place])?;
        if changed == 0 {
            self.connection.execute("INSERT INTO device VALUES (?1, ?2)", params![id, place])?;
        }
        Ok(())
    }

    fn account(&mut self, name: &str) -> rusqlite::Result<Option<i64>> {
        if let Some((_, number)) = self.account.as_ref().filter(|(known, _)| known == name) {
            return Ok(Some(*number));
        }
        let mut find =
            self.connection.prepare_cached("SELECT account FROM accounts WHERE name = ?1")?;
        let found = find.query_row([name], |row| row.get(0)).optional()?;
        self.account = found.map(|number| (name.to_owned(), number));
        Ok(found)
    }

    /// Sets whether commits survive a loss of power.
    ///
    /// SQLITE: in WAL mode, FULL waits for the disk at each commit, including all earlier commits.
    /// NORMAL waits only at checkpoints: a loss of power undoes the last commits, and no others:
    /// <https://www.sqlite.org/pragma.html#pragma_synchronous>.
    fn outlive(&mut self, outlives: Outlives) -> rusqlite::Result<()> {
        if self.outlives != outlives {
            let level = match outlives {
                Outlives::PowerLoss => "FULL",
                Outlives::Process => "NORMAL",
            };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.outlives = outlives;
        }
        Ok(())
    }

    fn read_declared(&self) -> rusqlite::Result<Declared> {
        let schema = self.connection.query_row("SELECT schema FROM declared", [], |row| row.get(0));
        let mut strays = self.connection.prepare("SELECT kind, name FROM strays")?;
        let strays = strays.query_map([], |row| Ok((read_kind(row, 0)?, row.get(1)?)))?;
        Ok(Declared {
            schema: schema.optional()?,
            strays: strays.collect::<rusqlite::Result<_>>()?,
        })
    }

    fn find_all(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> rusqlite::Result<Vec<RecordId>> {
        let Some(account) = self.account(account)? else { return Ok(Vec::new()) };
        let (sql, bounds) = find_sql(range);
        let mut find = self.connection.prepare_cached(&sql)?;
        let mut place: Vec<rusqlite::types::Value> =
            vec![account.into(), kind_number(kind).into(), i64::from(field).into()];
        place.extend(bounds);
        let ids = find.query_map(rusqlite::params_from_iter(place), |row| {
            Ok(RecordId::from_bits(u128::from_be_bytes(row.get(0)?)))
        })?;
        ids.collect()
    }

    fn query(&mut self, account: &str, sql: &str, parameter: i64) -> rusqlite::Result<Vec<Local>> {
        let Some(account) = self.account(account)? else { return Ok(Vec::new()) };
        let mut select = self.connection.prepare_cached(sql)?;
        select.query_map([account, parameter], local)?.collect()
    }

    fn read_all(&mut self, account: &str, keys: &[Key]) -> rusqlite::Result<Vec<Option<Local>>> {
        let Some(account) = self.account(account)? else { return Ok(vec![None; keys.len()]) };
        let has_pending = has_pending(&self.connection, account)?;
        let mut agreed = self.connection.prepare_cached(SELECT_AGREED)?;
        let mut pending = self.connection.prepare_cached(SELECT_PENDING)?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let place = params![account, kind_number(key.kind), key.id.bits().to_be_bytes()];
            let agreed = agreed.query_row(place, local).optional()?;
            let pending = match has_pending {
                true => pending.query_row(place, pending_of).optional()?,
                false => None,
            };
            found.push(match (agreed, pending) {
                (None, None) => None,
                (agreed, pending) => Some(Local {
                    pending: pending.unwrap_or_default(),
                    ..agreed.unwrap_or_else(|| Local::new(*key))
                }),
            });
        }
        Ok(found)
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Storage for SqliteStorage {
    async fn device(&mut self, fresh: &str) -> Result<String> {
        match self.own_device().map_err(|error| failed("read", error))? {
            Some(id) => Ok(id),
            None => {
                self.set_device(fresh).await?;
                Ok(fresh.to_owned())
            }
        }
    }

    async fn set_device(&mut self, id: &str) -> Result<()> {
        self.outlive(Outlives::PowerLoss)
            .and_then(|()| self.keep_device(id))
            .map_err(|error| failed("write", error))
    }

    async fn declared(&mut self) -> Result<Declared> {
        self.read_declared().map_err(|error| failed("open", error))
    }

    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()> {
        let mut write = || -> rusqlite::Result<()> {
            self.outlive(Outlives::PowerLoss)?;
            let write = self.connection.transaction()?;
            for (from, to) in moves {
                for table in ["records", "pending"] {
                    let sql = format!("UPDATE {table} SET kind = ?2 WHERE kind = ?1");
                    write.execute(&sql, [kind_number(*from), kind_number(*to)])?;
                }
            }
            write.execute("DELETE FROM declared", [])?;
            write.execute("DELETE FROM strays", [])?;
            if let Some(schema) = &declared.schema {
                write.execute("INSERT INTO declared VALUES (?1)", [schema])?;
            }
            for (kind, name) in &declared.strays {
                let stray = params![kind_number(*kind), name];
                write.execute("INSERT INTO strays VALUES (?1, ?2)", stray)?;
            }
            write.commit()
        };
        write().map_err(|error| failed("open", error))
    }

    async fn accounts(&mut self) -> Result<Vec<String>> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut names = self.connection.prepare("SELECT name FROM accounts")?;
            names.query_map([], |row| row.get(0))?.collect()
        };
        read().map_err(|error| failed("open", error))
    }

    async fn find(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> Result<Vec<RecordId>> {
        self.find_all(account, kind, field, range).map_err(|error| failed("find", error))
    }

    async fn state(&mut self, account: &str) -> Result<State> {
        let read = || -> rusqlite::Result<Option<State>> {
            let mut select = self.connection.prepare_cached(
                "SELECT cursor, mark, listing, digest, erased, probe, other_life, unanswered,
                 open_conflicts FROM accounts WHERE name = ?1",
            )?;
            select.query_row([account], state).optional()
        };
        Ok(read().map_err(|error| failed("read", error))?.unwrap_or_default())
    }

    async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>> {
        self.read_all(account, keys).map_err(|error| failed("read", error))
    }

    async fn list(&mut self, account: &str, kind: KindNumber) -> Result<Vec<Local>> {
        self.query(account, SELECT, kind_number(kind)).map_err(|error| failed("list", error))
    }

    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.query(account, SELECT_DUE, limit).map_err(|error| failed("list", error))
    }

    async fn refused(
        &mut self,
        account: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Local>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut read = || -> rusqlite::Result<Vec<Local>> {
            let Some(account) = self.account(account)? else { return Ok(Vec::new()) };
            let (kind, id) = after.map_or((-1, [0; 16]), |after| {
                (kind_number(after.kind), after.id.bits().to_be_bytes())
            });
            let mut select = self.connection.prepare_cached(SELECT_REFUSED)?;
            select.query_map(params![account, kind, id, limit], local)?.collect()
        };
        read().map_err(|error| failed("list", error))
    }

    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>> {
        self.query(account, SELECT_UNMARKED, signed(mark)).map_err(|error| failed("list", error))
    }

    async fn count_open(&mut self, account: &str) -> Result<OpenCount> {
        let mut count = || -> rusqlite::Result<OpenCount> {
            let Some(account) = self.account(account)? else { return Ok(OpenCount::default()) };
            let mut count = self.connection.prepare_cached(
                "SELECT count(*), ifnull(sum(refused), 0) FROM pending WHERE account = ?1 AND open",
            )?;
            count.query_row([account], |row| {
                let n = |n: i64| usize::try_from(n).unwrap_or(0);
                Ok(OpenCount { pending: n(row.get(0)?), refused: n(row.get(1)?) })
            })
        };
        count().map_err(|error| failed("count", error))
    }

    async fn write(&mut self, account: &str, batch: Batch) -> Result<()> {
        let mut write = || -> rusqlite::Result<()> {
            self.outlive(batch.outlives)?;
            let write = self.connection.transaction()?;
            let account = write_state(&write, account, batch.state.as_ref())?;
            write_records(&write, account, &batch.records)?;
            write_index(&write, account, &batch.indexed)?;
            write.commit()
        };
        write().map_err(|error| failed("write", error))
    }

    async fn forget(&mut self, account: &str) -> Result<()> {
        let forget = |connection: &mut Connection, account: i64| -> rusqlite::Result<()> {
            let write = connection.transaction()?;
            for table in ["records", "pending", "indexed", "accounts"] {
                write.execute(&format!("DELETE FROM {table} WHERE account = ?1"), [account])?;
            }
            write.commit()
        };
        let found = self.account(account).map_err(|error| failed("forget", error))?;
        self.account = None;
        self.outlive(Outlives::PowerLoss).map_err(|error| failed("forget", error))?;
        match found {
            Some(account) => {
                forget(&mut self.connection, account).map_err(|error| failed("forget", error))
            }
            None => Ok(()),
        }
    }
}

fn failed(op: &'static str, error: rusqlite::Error) -> Error {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ErrorKind::NoSpace,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let why = "another process, or another storage of this one, holds the file";
            return Error::new(op, ErrorKind::InUse).caused_by(why);
        }
        _ => ErrorKind::Storage,
    };
    Error::new(op, kind).caused_by(error)
}
