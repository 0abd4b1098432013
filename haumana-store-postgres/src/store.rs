//! The store: each call takes a connection, sends one statement, and reads its answer. A commit
//! sends a second statement behind it, which notifies other servers.
//!
//! # The steps of a commit
//!
//! 1. The batch is checked, and taken apart into arrays, one per column.
//! 2. One statement compares the head, replaces it, and writes records and history. It is a
//!    transaction of its own, under `READ COMMITTED`.
//! 3. If two commits expect the same head, the second waits for the lock of the row. PostgreSQL
//!    then checks the condition again, with the new row: the head is another one, and nothing is
//!    written.
//! 4. If no row comes back, a second call reads the head. It finds one of three cases: the
//!    identical batch is stored already, or somebody else was faster, or this handle is out of
//!    date.
//!
//! # Snapshots
//!
//! Each read is one statement, and a statement sees one snapshot. So a page and its head, or the
//! records of one read, are of the same moment. Only an erasure is a transaction of several
//! statements.
//!
//! # Dropped calls
//!
//! The statement of a dropped call was sent completely, or not at all. No transaction is left open
//! that somebody would have to end, so the connection can be given to the next call. An erasure
//! does open a transaction. Its guard sends `ROLLBACK` before the connection takes another
//! statement.

use crate::commit::Parameters;
use crate::error::{self, Nature, OpenError, OpenErrorKind};
use crate::journal::{self, JournalKey};
use crate::life::{self, Life};
use crate::live::{self, Listening};
use crate::options::PostgresOptions;
use crate::pool::{self, Connections, Lease};
use crate::rows::{self, Bad, N_HEAD};
use crate::schema;
use crate::statements::Statements;
use deadpool_postgres::{Object, Transaction};
use futures_util::future::join;
use haumana_sync::Store;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::live::{Hearer, Pokes, Topic};
use haumana_sync::store::backend::{Decision, check_batch, cut_between_versions, decide};
use haumana_sync::store::{
    After, Batch, BatchLimits, Envelope, Epoch, Error, ErrorKind, Head, HistoryEntry, HistoryKey,
    IndexEntry, Operate, Page, Result, Version, Wiped,
};
use haumana_sync::time::UnixMillis;
use scopeguard::ScopeGuard;
use std::sync::Arc;
use tokio::time::error::Elapsed;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// LIMIT: records plus history entries of one commit.
const ITEMS: usize = 10_000;
/// LIMIT: bytes of one commit. POSTGRES: a message may have a gigabyte.
const BYTES: usize = 64 << 20;

/// Keeps everything in one schema of a PostgreSQL database.
///
/// It runs on tokio. Several handles, in one process or in many, may use one schema. A handle has a
/// pool of connections of its own; share one as an `Arc`.
///
/// | a call that | is answered |
/// |---|---|
/// | reads, over a connection that was closed meanwhile | after one more attempt |
/// | gets no connection in time, or was undone by the server | `Throttled` |
/// | finds no server, or one that accepts no writes | `Unavailable` |
/// | commits, and loses the connection | `Unknown` |
/// | was opened before a restore, or before a newer program changed the tables | `Corrupt`, restart it |
#[derive(Debug)]
pub struct PostgresStore {
    pub(crate) connections: Connections,
    pub(crate) statements: Statements,
    life: Life,
    /// Read once, when the store is opened. It hashes the lives of erased accounts and the topics
    /// of pokes.
    pub(crate) journal_key: JournalKey,
    listening: Listening,
}

impl PostgresStore {
    /// Connects, makes the schema if it does not exist, and brings its tables up to date.
    ///
    /// Several programs may do so at the same time on an empty database. The user needs the right
    /// to make schemas, or two existing schemas: `NAME` and `NAME_erased`. If a new life begins,
    /// accounts that the journal names are erased again before this returns.
    ///
    /// # Errors
    ///
    /// See [`OpenErrorKind`]. If it fails, the tables are as before.
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        if !schema::is_name(&options.schema) {
            return Err(OpenError::new(OpenErrorKind::SchemaName));
        }
        let connections = pool::connect(options)?;
        let mut client = connections.get().await?;
        // A schema of gigabytes may take longer than any request.
        client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
        let asked = options.generation;
        let name = options.schema.as_str();
        let opened = schema::migrate(&mut client, name, async |transaction| {
            let life = life::begin(transaction, name, asked).await?;
            Ok((life, journal::open(transaction, name).await?))
        });
        let (life, journal_key) = opened.await?;
        // This connection has the settings of the migration, so no call may get it.
        drop(Object::take(ScopeGuard::into_inner(client)));
        let statements = Statements::of(name);
        let listening = Listening::to(options)?;
        let store = Self { connections, statements, life, journal_key, listening };
        // At each start, not only at the first one after a restore: the program that began the new
        // life may have ended before this was done, or may still be at it.
        let replayed = store.replay_erasures().await;
        replayed.map_err(|error| OpenError::with_source(OpenErrorKind::Server, error))?;
        Ok(store)
    }

    /// Returns the life that the data is in. Give its generation to the engine.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Sends one statement and reads its rows.
    ///
    /// The statement is prepared once per connection. If no answer comes in time, the connection is
    /// closed and leaves the pool, since a late answer could reach the next caller.
    pub(crate) async fn ask(
        &self,
        op: &'static str,
        nature: Nature,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        let client = self.connections.get().await.map_err(|error| error::of_pool(op, error))?;
        let rows = async {
            let statement = client.prepare_cached(statement).await?;
            client.query(&statement, parameters).await
        };
        let rows = tokio::time::timeout(self.connections.patience(), rows).await;
        settled(op, nature, client, rows)
    }

    /// Sends a statement that only reads. If the connection was closed while it was idle, for
    /// example by a restart of the server, that shows only now. Then the statement is sent once
    /// more over a new one.
    ///
    /// Only reads are repeated this way. A write whose answer was lost may have happened; the
    /// engine repeats it, with the identical batch.
    pub(crate) async fn look(
        &self,
        op: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        match self.ask(op, Nature::Read, statement, parameters).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                self.ask(op, Nature::Read, statement, parameters).await
            }
            answer => answer,
        }
    }

    /// Places are revision, kind and id, in the order of the index `stream`. It asks for one record
    /// more than `limit`, which tells whether more follow.
    async fn page(&self, user: &UserId, after: After, limit: usize) -> Result<Vec<Row>> {
        // No kind has this number: it makes a place before all records, or behind all of a
        // revision.
        const BEFORE_ALL: i16 = -1;
        const BEHIND_ALL: i16 = 256;
        let subject = user.as_str();
        let one_more = i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1));
        let (revision, kind, id) = match after {
            After::Stamp(stamp) => {
                let statement = &self.statements.changes_after_stamp;
                return self.look("changes", statement, &[&subject, &one_more, &stamp.0]).await;
            }
            After::Start => (0, BEFORE_ALL, Uuid::nil()),
            After::Place(place) => {
                // No revision is larger, so nothing follows.
                let revision = i64::try_from(place.revision.0).unwrap_or(i64::MAX);
                match place.within {
                    Some(key) => (revision, rows::kind_number(key.kind), rows::uuid(key.id)),
                    None => (revision, BEHIND_ALL, Uuid::nil()),
                }
            }
        };
        let parameters: [&(dyn ToSql + Sync); 5] = [&subject, &one_more, &revision, &kind, &id];
        self.look("changes", &self.statements.changes_after_place, &parameters).await
    }

    /// Sends a commit, and directly behind it the statement that notifies the servers that listen.
    ///
    /// POSTGRES: a transaction that notifies holds a lock of the whole cluster until the disk has
    /// confirmed it, so the commit itself does not notify. The second statement writes nothing, and
    /// waits for no disk. If the commit was refused, the head is not its own, and nothing is sent.
    async fn write_and_tell(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
        user: &UserId,
        head: &Head,
    ) -> Result<Vec<Row>> {
        let op = "commit";
        let client = self.connections.get().await.map_err(|error| error::of_pool(op, error))?;
        let (subject, commit) = (user.as_str(), Uuid::from_u128(head.commit.0));
        let told = live::payload(self.journal_key.topic(user), head.revision);
        let about: [&(dyn ToSql + Sync); 3] = [&subject, &commit, &told];
        let sent = async {
            let write = client.prepare_cached(statement).await?;
            let tell = client.prepare_cached(&self.statements.tell).await?;
            // Both are sent in this order, each completely, before any answer is awaited. So if the
            // call is dropped, the second one still follows.
            let (rows, told) =
                join(client.query(&write, parameters), client.execute(&tell, &about)).await;
            Ok((rows?, told.is_ok()))
        };
        let sent = tokio::time::timeout(self.connections.patience(), sent).await;
        let (rows, is_told) = settled(op, Nature::Write, client, sent)?;
        if !is_told {
            // The connection was lost between the two. If this fails too, no poke is sent, which
            // costs only time.
            self.ask("tell", Nature::Write, &self.statements.tell, &about).await.ok();
        }
        Ok(rows)
    }

    /// Whether the batch is stored already, although its head did not match.
    ///
    /// The head may have moved on between the two statements. Then the answer is `Conflict`, which
    /// is right in both cases: the engine reads and merges again, and finds its own edit if it is
    /// stored.
    async fn was_it_done(
        &self,
        user: &UserId,
        expected: Option<&Head>,
        batch: &Batch,
    ) -> Result<()> {
        let head = self.head(user).await?;
        match decide(head.as_ref(), expected, batch) {
            Decision::Done => Ok(()),
            Decision::Conflict => Err(Error::new("commit", ErrorKind::Conflict)),
            // The head is the expected one, but nothing was written.
            Decision::Write => {
                let why = "a newer program has changed the tables, or a new life of the data has \
                           begun; restart this program";
                Err(Error::with_source("commit", ErrorKind::Corrupt, why))
            }
        }
    }
}

impl Pokes for PostgresStore {
    fn topic(&self, user: &UserId) -> Topic {
        self.journal_key.topic(user)
    }

    /// Listens over a connection of its own, until the store is dropped. Call it on tokio.
    fn tell(&self, hearer: Arc<dyn Hearer>) {
        self.listening.begin(hearer);
    }
}

#[async_trait::async_trait]
impl Store for PostgresStore {
    fn batch_limits(&self) -> BatchLimits {
        BatchLimits { items: ITEMS, bytes: BYTES }
    }

    async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        let rows = self.look("head", &self.statements.head, &[&user.as_str()]).await?;
        rows.first().map(rows::head).transpose().map_err(corrupt("head"))
    }

    async fn read(&self, user: &UserId, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        let kinds: Vec<i16> = keys.iter().map(|key| rows::kind_number(key.kind)).collect();
        let ids: Vec<Uuid> = keys.iter().map(|key| rows::uuid(key.id)).collect();
        let parameters: [&(dyn ToSql + Sync); 3] = [&user.as_str(), &kinds, &ids];
        let rows = self.look("read", &self.statements.read, &parameters).await?;
        in_order(&rows, keys.len(), |row| rows::envelope(row, 1)).map_err(corrupt("read"))
    }

    async fn index(&self, user: &UserId, kind: KindNumber) -> Result<Vec<IndexEntry>> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&user.as_str(), &rows::kind_number(kind)];
        let rows = self.look("index", &self.statements.index, &parameters).await?;
        // An entry that cannot be read is left out.
        Ok(rows.iter().filter_map(|row| rows::index_entry(row).ok()).collect())
    }

    async fn changes(&self, user: &UserId, after: After, limit: usize) -> Result<Page> {
        let rows = self.page(user, after, limit).await?;
        page_of(&rows, limit).map_err(corrupt("changes"))
    }

    async fn history(
        &self,
        user: &UserId,
        keys: &[HistoryKey],
    ) -> Result<Vec<Option<HistoryEntry>>> {
        let kinds: Vec<i16> = keys.iter().map(|at| rows::kind_number(at.key.kind)).collect();
        let ids: Vec<Uuid> = keys.iter().map(|at| rows::uuid(at.key.id)).collect();
        let versions: Vec<i64> = keys.iter().map(|at| i64::from(at.version)).collect();
        let sides: Vec<i64> = keys.iter().map(|at| i64::from(at.side)).collect();
        let subject = user.as_str();
        let parameters: [&(dyn ToSql + Sync); 5] = [&subject, &kinds, &ids, &versions, &sides];
        let rows = self.look("history", &self.statements.history, &parameters).await?;
        in_order(&rows, keys.len(), |row| rows::history_entry(row, 1)).map_err(corrupt("history"))
    }

    async fn history_of(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let (kind, id) = (rows::kind_number(key.kind), rows::uuid(key.id));
        let bound = before.map_or(i64::MAX, i64::from);
        // One more row than asked for tells whether the last version is complete.
        let one_more = i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1));
        let subject = user.as_str();
        let parameters: [&(dyn ToSql + Sync); 5] = [&subject, &kind, &id, &bound, &one_more];
        let rows = self.look("history_of", &self.statements.history_of, &parameters).await?;
        let entries = rows.iter().filter_map(|row| rows::history_entry(row, 0));
        let mut entries: Vec<HistoryEntry> = entries.collect();
        cut_between_versions(&mut entries, limit);
        Ok(entries)
    }

    async fn commit(&self, user: &UserId, expected: Option<&Head>, batch: &Batch) -> Result<()> {
        check_batch(self.batch_limits(), user, expected, batch)?;
        let parameters = Parameters::of(user, expected, batch, self.life);
        let statement = match expected {
            None => &self.statements.first_commit,
            Some(_) => &self.statements.next_commit,
        };
        let rows = self.write_and_tell(statement, &parameters.as_refs(), user, &batch.head).await?;
        match rows.is_empty() {
            false => Ok(()),
            true => self.was_it_done(user, expected, batch).await,
        }
    }

    async fn purge(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&user.as_str(), &before.0];
        self.ask("purge", Nature::Write, &self.statements.purge, &parameters).await.map(drop)
    }

    async fn erase(&self, user: &UserId) -> Result<Wiped> {
        let pool = |error| error::of_pool("erase", error);
        let mut client = self.connections.get().await.map_err(pool)?;
        let erased = self.erase_over(&mut client, user);
        let erased = tokio::time::timeout(self.connections.patience(), erased).await;
        settled("erase", Nature::Write, client, erased).map(|()| Wiped::Now)
    }

    async fn erased_floor(&self, user: &UserId) -> Result<Option<Version>> {
        let op = "erased_floor";
        let carried = self.look(op, &self.statements.carried, &[]).await?;
        let mut accounts = vec![self.journal_key.account(user)];
        for row in &carried {
            accounts.push(JournalKey::of(row).map_err(corrupt(op))?.account(user));
        }
        let rows = self.look(op, &self.statements.erased_floor, &[&accounts]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        // Without a row the largest is NULL.
        let is_there =
            row.try_get::<_, Option<i64>>(0).map_err(|error| corrupt(op)(error.into()))?;
        is_there.map(|_| journal::version(row, 0).map_err(corrupt(op))).transpose()
    }
}

impl PostgresStore {
    /// The head's lock keeps commits out until the end, so that everything they inserted before is
    /// deleted as well.
    ///
    /// POSTGRES: a statement does not see rows that were inserted after it began, so the deletion
    /// must begin after the lock was taken. If the call is dropped, the transaction is rolled back
    /// before its connection takes another statement.
    ///
    /// The head's row stays, and so does its lock until the end. A commit that waits for it finds
    /// the head unchanged, and its records are written after the erasure, not lost between two
    /// statements.
    async fn erase_over(
        &self,
        client: &mut Object,
        user: &UserId,
    ) -> std::result::Result<(), tokio_postgres::Error> {
        let transaction = client.transaction().await?;
        let lock = transaction.prepare_cached(&self.statements.lock_head).await?;
        let head = transaction.query_opt(&lock, &[&user.as_str()]).await?;
        if let Some(head) = head {
            let epoch = Epoch(head.try_get::<_, i64>(1)?.cast_unsigned());
            let life = (epoch, head.try_get(2)?);
            self.delete_all(&transaction, user, life, head.try_get(0)?).await?;
        }
        transaction.commit().await
    }

    /// Deletes all of an account whose head is locked, and notes its life in the journal: the
    /// epoch, and the largest version.
    ///
    /// The note and the deletion are in one transaction, so neither exists without the other.
    pub(crate) async fn delete_all(
        &self,
        transaction: &Transaction<'_>,
        user: &UserId,
        (epoch, floor): (Epoch, i64),
        account: i64,
    ) -> std::result::Result<(), tokio_postgres::Error> {
        let note = transaction.prepare_cached(&self.statements.note_erasure).await?;
        let (life, owner) = (self.journal_key.life(user, epoch), self.journal_key.account(user));
        transaction.execute(&note, &[&life, &owner, &floor]).await?;
        for statement in &self.statements.erase {
            let delete = transaction.prepare_cached(statement).await?;
            transaction.execute(&delete, &[&account]).await?;
        }
        Ok(())
    }
}

/// The result of statements over a connection. If no answer came, the connection leaves the pool,
/// so that no other call waits behind them.
///
/// `answer` has two failures: the outer one is silence, the inner one is the server's error.
pub(crate) fn settled<T>(
    op: &'static str,
    nature: Nature,
    client: Lease,
    answer: std::result::Result<std::result::Result<T, tokio_postgres::Error>, Elapsed>,
) -> Result<T> {
    let client = ScopeGuard::into_inner(client);
    match answer {
        Ok(answer) => answer.map_err(|error| error::of_statement(op, nature, error)),
        Err(_) => {
            drop(Object::take(client));
            Err(error::of_silence(op, nature))
        }
    }
}

/// Puts rows, which begin with a place counted from 1, into the order of the keys.
///
/// Keys that were not found stay `None`. A key that was asked for twice has two rows.
fn in_order<T: Clone>(
    rows: &[Row],
    n_keys: usize,
    read: impl Fn(&Row) -> Option<T>,
) -> Result<Vec<Option<T>>, Bad> {
    let mut found = vec![None; n_keys];
    for row in rows {
        let place = usize::try_from(row.try_get::<_, i64>(0)?)?.checked_sub(1);
        let slot = place.and_then(|place| found.get_mut(place)).ok_or("a place counts from 1")?;
        *slot = read(row);
    }
    Ok(found)
}

/// Reads a page from rows that each hold the head and a record, or the head alone.
///
/// No row: there is no head. One row without a record: nothing follows. `more` is true if there was
/// one record more than `limit`, or if the page was cut because of its size.
fn page_of(rows: &[Row], limit: usize) -> Result<Page, Bad> {
    let Some(first) = rows.first() else {
        return Ok(Page { head: None, records: Vec::new(), more: false });
    };
    let head = Some(rows::head(first)?);
    // The columns of a record are null where none follows.
    let is_record = |row: &Row| Ok::<_, Bad>(row.try_get::<_, Option<i16>>(N_HEAD + 1)?.is_some());
    if !is_record(first)? {
        return Ok(Page { head, records: Vec::new(), more: false });
    }
    let read = |row| rows::envelope(row, N_HEAD + 1);
    let records = rows.iter().take(limit).filter_map(read).collect();
    let is_cut: bool = first.try_get(N_HEAD)?;
    Ok(Page { head, more: is_cut || limit < rows.len(), records })
}

/// The error for values that this program did not write. The source contains no data of users.
pub(crate) fn corrupt(op: &'static str) -> impl FnOnce(Bad) -> Error {
    move |error| Error::with_source(op, ErrorKind::Corrupt, error)
}
