//! The journal of erasures, which a restore replays.
//!
//! It is in a schema of its own beside the tables'. So if a dump of one schema is loaded, the other
//! schema stays as it is.
//!
//! A row of `lives` is a hash of user and epoch under a key of 32 random bytes, with the time of
//! the note. A row of `floors` is a hash of the user, with the largest version that was ever
//! erased. Devices still hold these versions, so new versions must be above that number. Earlier
//! programs wrote no `floors`. `carried` has the keys of other journals whose `floors` were copied
//! to this one.
//!
//! Rows are never deleted. Somebody who has the key and a user's id can tell whether that user was
//! erased; a hash alone tells nothing.
//!
//! The note is in the transaction that deletes the rows, so a crash leaves both or neither.
//!
//! The same key names the topics of pokes. It is drawn when the journal is made, so all servers of
//! one database use the same key.

use crate::error::{OpenError, OpenErrorKind};
use crate::options::PostgresOptions;
use crate::pool;
use crate::rows::Bad;
use haumana_sync::digest::Digest;
use haumana_sync::id::UserId;
use haumana_sync::live::Topic;
use haumana_sync::store::{Epoch, ErasedLives, Version, erased_life, erased_user};
use std::fmt;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

/// The suffix of the journal's schema, after the name of the tables' schema.
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

/// Earlier programs did not make this table.
const MAKE_FLOORS: &str = "
    CREATE TABLE {journal}.floors (account UUID PRIMARY KEY, floor BIGINT NOT NULL);
    CREATE TABLE {journal}.carried (key BYTEA PRIMARY KEY);
";

/// The erased lives of accounts, as hashes that tell nobody whose they were.
///
/// It is a snapshot. It knows lives and not users: only somebody who has an account can ask whether
/// it was erased.
pub struct Journal {
    pub(crate) lives: ErasedLives,
    /// Its own key, and the keys of the journals that were copied to it.
    pub(crate) keys: Vec<JournalKey>,
}

/// The key of the hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// Reads the journal of other tables: those that were in use before a backup was restored. It
    /// changes nothing there, and needs only the right to read.
    ///
    /// Then call [`PostgresStore::replay_erasures_of`](crate::PostgresStore::replay_erasures_of) on
    /// the store with the restored tables, before it serves anybody.
    ///
    /// # Errors
    ///
    /// Those of [`PostgresStore::open`](crate::PostgresStore::open).
    pub async fn read(options: &PostgresOptions) -> Result<Self, OpenError> {
        if !crate::schema::is_name(&options.schema) {
            return Err(OpenError::new(OpenErrorKind::SchemaName));
        }
        let client = pool::connect(options)?.get().await?;
        let journal = name_of(&options.schema);
        let key = key_of(&***client, &journal).await?;
        let lives = client.query(&lives_of(&journal), &[]).await?;
        let look = "SELECT to_regclass($1 || '.floors') IS NOT NULL";
        let (mut floors, mut carried) = (Vec::new(), Vec::new());
        if client.query_one(look, &[&journal]).await?.try_get(0)? {
            floors = client.query(&floors_of(&journal), &[]).await?;
            carried = client.query(&carried_of(&journal), &[]).await?;
        }
        Self::of(key, &lives, &floors, &carried).map_err(crate::schema::unreadable)
    }

    /// Combines the rows of `lives`, of `floors` and of `carried`.
    pub(crate) fn of(
        key: JournalKey,
        lives: &[Row],
        floors: &[Row],
        carried: &[Row],
    ) -> Result<Self, Bad> {
        let hash =
            |row: &Row| Ok::<_, Bad>(Digest::from_bits(row.try_get::<_, Uuid>(0)?.as_u128()));
        let floor = |row: &Row| Ok::<_, Bad>((hash(row)?, version(row, 1)?));
        let lives = lives.iter().map(hash).collect::<Result<_, Bad>>()?;
        let floors = floors.iter().map(floor).collect::<Result<_, Bad>>()?;
        let mut keys = vec![key];
        for row in carried {
            keys.push(JournalKey::of(row)?);
        }
        Ok(Self { lives: ErasedLives::new(key.0, lives).with_floors(floors), keys })
    }

    /// The hashes of users with their largest versions, as the columns have them.
    pub(crate) fn floors(&self) -> (Vec<Uuid>, Vec<i64>) {
        let floors = self.lives.floors().iter();
        floors.map(|(user, floor)| (Uuid::from_u128(user.bits()), i64::from(*floor))).unzip()
    }
}

/// Reads the largest erased version.
pub(crate) fn version(row: &Row, column: usize) -> Result<Version, Bad> {
    Ok(Version::try_from(row.try_get::<_, i64>(column)?)?)
}

impl JournalKey {
    /// The hash of a life in the journal.
    pub(crate) fn life(&self, user: &UserId, epoch: Epoch) -> Uuid {
        Uuid::from_u128(erased_life(&self.0, user, epoch).bits())
    }

    /// The hash of a user in the journal.
    pub(crate) fn account(&self, user: &UserId) -> Uuid {
        Uuid::from_u128(erased_user(&self.0, user).bits())
    }

    /// Reads the key from the first column.
    pub(crate) fn of(row: &Row) -> Result<Self, Bad> {
        let key: Vec<u8> = row.try_get(0)?;
        Ok(Self(<[u8; 32]>::try_from(key.as_slice())?))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name under which pokes of an account are sent. Only somebody who can read the key can
    /// tell whose it is.
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

/// The statement that reads the largest erased version of each user.
pub(crate) fn floors_of(journal: &str) -> String {
    format!("SELECT account, floor FROM {journal}.floors")
}

/// The statement that reads the keys of the copied journals.
pub(crate) fn carried_of(journal: &str) -> String {
    format!("SELECT key FROM {journal}.carried")
}

/// Makes the journal if it is missing, and returns its key. It is missing, for example, when a dump
/// of the tables alone was loaded into a new database.
///
/// It runs in the transaction of the migration, so servers that start together make one journal.
pub(crate) async fn open(
    client: &impl GenericClient,
    schema: &str,
) -> Result<JournalKey, OpenError> {
    let journal = name_of(schema);
    let look = "SELECT to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.lives') IS NOT NULL,
                       to_regclass($1 || '.floors') IS NOT NULL";
    let row = client.query_one(look, &[&journal]).await?;
    let (has_schema, is_made): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let has_floors: bool = row.try_get(2)?;
    if !has_schema {
        client.batch_execute(&format!("CREATE SCHEMA {journal}")).await?;
    }
    if !is_made {
        client.batch_execute(&MAKE.replace("{journal}", &journal)).await?;
    }
    if !has_floors {
        client.batch_execute(&MAKE_FLOORS.replace("{journal}", &journal)).await?;
    }
    key_of(client, &journal).await
}

async fn key_of(client: &impl GenericClient, journal: &str) -> Result<JournalKey, OpenError> {
    let row = client.query_one(&format!("SELECT key FROM {journal}.key"), &[]).await?;
    JournalKey::of(&row).map_err(crate::schema::unreadable)
}
