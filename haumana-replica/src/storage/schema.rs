//! The tables of a SQLite file, and the migrations of earlier files.

use haumana_sync::id::KindNumber;
use rusqlite::Connection;

/// Marks a file as a replica's, in SQLite's header: "hmnr".
const APPLICATION_ID: i64 = 0x686D_6E72;
/// The schema that this program writes.
const SCHEMA_VERSION: i64 = 5;

const SCHEMA: &str = "
    CREATE TABLE device (id TEXT NOT NULL, place TEXT);
    CREATE TABLE accounts (
        account INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cursor TEXT, mark INTEGER NOT NULL,
        listing INTEGER NOT NULL, other_life INTEGER NOT NULL, digest BLOB NOT NULL, erased INTEGER NOT NULL, probe TEXT,
        unanswered TEXT, open_conflicts INTEGER);
    CREATE TABLE pending (
        account INTEGER NOT NULL, kind INTEGER NOT NULL, id BLOB NOT NULL, open INTEGER NOT NULL,
        due INTEGER NOT NULL, refused INTEGER NOT NULL, json TEXT NOT NULL,
        PRIMARY KEY (account, kind, id)) WITHOUT ROWID;
";
// SQLITE: WITHOUT ROWID keeps at most a quarter of a page of each row in its tree. The rest of a
// row of 1 kB gets a page of its own:
// <https://www.sqlite.org/fileformat2.html#cell_payload_overflow>.
const RECORDS: &str = "
    CREATE TABLE records (
        account INTEGER NOT NULL, kind INTEGER NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
        modified_at INTEGER NOT NULL, mark INTEGER NOT NULL, value TEXT,
        UNIQUE (account, kind, id));
";
/// What the fourth version added: the kinds, and indexes of fields.
pub(super) const KINDS: &str = "
    CREATE TABLE IF NOT EXISTS declared (schema TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS strays (kind INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS indexed (
        account INTEGER NOT NULL, kind INTEGER NOT NULL, id BLOB NOT NULL, field INTEGER NOT NULL,
        value, PRIMARY KEY (account, kind, id, field)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS indexed_by_value
        ON indexed (account, kind, field, value, id);
";
/// From the first version, whose records had no row numbers.
const MIGRATE_FROM_1: &str = "ALTER TABLE records RENAME TO records_1";
const COPY_FROM_1: &str = "
    INSERT INTO records (account, kind, id, version, modified_at, mark, value)
    SELECT account, kind, id, version, modified_at, mark, value FROM records_1;
    DROP TABLE records_1;
";
/// From the second version, which stored neither the place of the file nor unanswered calls.
const MIGRATE_FROM_2: &str = "
    ALTER TABLE device RENAME COLUMN name TO id;
    ALTER TABLE device ADD COLUMN place TEXT;
    ALTER TABLE accounts ADD COLUMN unanswered TEXT;
";

/// From the fourth version, which did not store how many conflicts are open.
const MIGRATE_FROM_4: &str = "ALTER TABLE accounts ADD COLUMN open_conflicts INTEGER";

/// Prepares a file: its settings, and the tables of this version. It fails if the file is no
/// replica, or belongs to a newer program.
pub(super) fn set_up(
    mut connection: Connection,
) -> rusqlite::Result<Result<Connection, &'static str>> {
    connection.set_prepared_statement_cache_capacity(32);
    let number = |connection: &Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
    };
    let (version, id) =
        (number(&connection, "user_version")?, number(&connection, "application_id")?);
    let is_new = version == 0
        && connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?
            == 0;
    if !is_new && (id != APPLICATION_ID || version < 1) {
        return Ok(Err("the file is another program's, not a replica's"));
    }
    if SCHEMA_VERSION < version {
        return Ok(Err("the file is of a newer version of this program"));
    }
    // SQLITE: the lock is exclusive from the first write on. So a second process is refused instead
    // of working beside this one: <https://www.sqlite.org/pragma.html#pragma_locking_mode>.
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = 16000;
         PRAGMA cache_size = -32000;
         BEGIN EXCLUSIVE; COMMIT;",
    )?;
    if is_new || version < SCHEMA_VERSION {
        let write = connection.transaction()?;
        if is_new {
            write.execute_batch(SCHEMA)?;
            write.execute_batch(RECORDS)?;
            write.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        if version == 1 {
            write.execute_batch(MIGRATE_FROM_1)?;
            write.execute_batch(RECORDS)?;
            write.execute_batch(COPY_FROM_1)?;
        }
        if !is_new && version < 3 {
            write.execute_batch(MIGRATE_FROM_2)?;
        }
        if !is_new {
            write.execute_batch(MIGRATE_FROM_4)?;
        }
        write.execute_batch(KINDS)?;
        write.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        write.commit()?;
    }
    Ok(Ok(connection))
}

/// A kind's number in the tables.
pub(super) fn kind_number(kind: KindNumber) -> i64 {
    i64::from(kind.get())
}
