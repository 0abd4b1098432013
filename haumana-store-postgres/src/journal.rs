//! The journal of erasures, which a restore replays.
//!
//! It is in a schema of its own beside the tables', so that reading a dump of the one back leaves the
//! other as it is.
//!
//! A row is a hash of user and epoch under a key of 32 random bytes, with the time of the note.
//! Rows are never deleted. Who has the key and a user's id can tell whether that user was erased; a
//! hash alone tells nothing.
//!
//! The note is in the transaction that deletes the rows, so a crash leaves both or neither.
//!
//! The same key names the topics of pokes. It is drawn where the journal is made, so all servers of
//! one database agree on it.

use crate::error::OpenError;
use crate::options::PostgresOptions;
use crate::pool;
use crate::rows::Bad;
use haumana_sync::digest::Digest;
use haumana_sync::id::UserId;
use haumana_sync::live::Topic;
use haumana_sync::store::{Epoch, ErasedLives, erased_life};
use std::fmt;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

/// What the name of the journal's schema has more than that of the tables.
pub(crate) const SUFFIX: &str = "_erased";

/// POSTGRES: `gen_random_uuid` draws 122 bits from the strong source of the server.
const MAKE: &str = "
    CREATE TABLE {journal}.key (one INTEGER PRIMARY KEY CHECK (one = 1), key BYTEA NOT NULL);
    INSERT INTO {journal}.key
    VALUES (1, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    CREATE TABLE {journal}.lives (
        life UUID PRIMARY KEY,
        at TIMESTAMPTZ NOT NULL DEFAULT now()
    );
";

/// Which lives of accounts were erased, as hashes that tell nobody whose they were.
///
/// It is a snapshot. It knows lives and no users: whether an account was erased can be asked only
/// by somebody who has the account.
pub struct Journal {
    lives: ErasedLives,
}

/// The key of the hashes.
#[derive(Clone, Copy)]
pub(crate) struct JournalKey([u8; 32]);

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("lives", &self.lives.count()).finish_non_exhaustive()
    }
}

impl fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalKey(..)")
    }
}

impl Journal {
    /// Reads the journal of tables that are, or were, elsewhere: those that were in use until a
    /// backup was put back. Changes nothing there, and asks for no more than to read.
    ///
    /// Then call [`PostgresStore::replay_erasures_of`](crate::PostgresStore::replay_erasures_of) on
    /// the store that the backup was put into, before it serves anybody.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`](crate::PostgresStore::open).
    pub async fn read(options: &PostgresOptions) -> Result<Self, OpenError> {
        let client = pool::connect(options)?.get().await?;
        let journal = name_of(&options.schema);
        let key = key_of(&***client, &journal).await?;
        let rows = client.query(&lives_of(&journal), &[]).await?;
        Self::of(key, &rows).map_err(crate::schema::unreadable)
    }

    /// The rows have one column, the hash.
    pub(crate) fn of(key: JournalKey, rows: &[Row]) -> Result<Self, Bad> {
        let life =
            |row: &Row| Ok::<_, Bad>(Digest::from_bits(row.try_get::<_, Uuid>(0)?.as_u128()));
        let lives = rows.iter().map(life).collect::<Result<_, Bad>>()?;
        Ok(Self { lives: ErasedLives::new(key.0, lives) })
    }

    /// Whether this life of an account was erased.
    pub(crate) fn has(&self, user: &UserId, epoch: Epoch) -> bool {
        self.lives.has(user, epoch)
    }
}

impl JournalKey {
    /// What the journal keeps of a life.
    pub(crate) fn life(&self, user: &UserId, epoch: Epoch) -> Uuid {
        Uuid::from_u128(erased_life(&self.0, user, epoch).bits())
    }

    /// The name under which pokes of an account travel. Only who can read the key can tell whose it is.
    pub(crate) fn topic(&self, user: &UserId) -> Topic {
        Topic::of(&self.0, user)
    }
}

/// The name of the schema that holds the journal of the tables in `schema`.
pub(crate) fn name_of(schema: &str) -> String {
    format!("{schema}{SUFFIX}")
}

/// The statement that reads all lives.
pub(crate) fn lives_of(journal: &str) -> String {
    format!("SELECT life FROM {journal}.lives")
}

/// Makes the journal if it is missing, as after a dump of the tables alone was read into a new
/// database; returns its key.
///
/// Runs in the transaction of the migration, so servers that start together make one journal.
pub(crate) async fn open(
    client: &impl GenericClient,
    schema: &str,
) -> Result<JournalKey, OpenError> {
    let journal = name_of(schema);
    let look = "SELECT to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.lives') IS NOT NULL";
    let row = client.query_one(look, &[&journal]).await?;
    let (has_schema, is_made): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if !has_schema {
        client.batch_execute(&format!("CREATE SCHEMA {journal}")).await?;
    }
    if !is_made {
        client.batch_execute(&MAKE.replace("{journal}", &journal)).await?;
    }
    key_of(client, &journal).await
}

async fn key_of(client: &impl GenericClient, journal: &str) -> Result<JournalKey, OpenError> {
    let row = client.query_one(&format!("SELECT key FROM {journal}.key"), &[]).await?;
    let key: Vec<u8> = row.try_get(0)?;
    let key = <[u8; 32]>::try_from(key.as_slice());
    key.map(JournalKey).map_err(|error| crate::schema::unreadable(error.into()))
}
