//! The tables, and the migration from any earlier version of them.
//!
//! SQLite has two numbers in the header of a file for its user. `application_id` says that the file
//! is ours, `user_version` how many of the [`MIGRATIONS`] were run. Both are read before anything
//! is changed. So a file of another program, or of a newer version of this one, is refused without
//! a change.
//!
//! All missing steps run in one transaction, together with the new `user_version`. A crash in
//! between leaves the old tables. Two processes that open an old file together take turns: the
//! second finds nothing left to do.
//!
//! A program that is older than the file's tables stops writing at once, because the writer checks
//! `user_version` in each transaction.

use crate::chain;
use crate::error::{OpenError, OpenErrorKind};
use rusqlite::Connection;
use std::path::Path;

/// In the header of every file of ours: "haum" in ASCII.
pub(crate) const APPLICATION_ID: i64 = 0x6861_756d;

/// The steps from an empty file to today's tables, one per schema version.
///
/// INVARIANT: a step that was released is never edited; changes are new steps at the end.
///
/// `fixtures` has files that released versions have written, and its tests open them.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5];

/// The first schema version with the table `life`.
pub(crate) const FIRST_WITH_LIFE: u32 = 3;

/// - `heads` gives each user a small number, which the other tables use.
/// - `records` is narrow, so that the index of a repertoire is read without its content.
/// - `bodies` holds the content; a record keeps its body's number for life.
/// - `stream` is the order of changes. `stamps` finds where in it a stamp ends: within a user both
///   grow together.
/// - `kind` is 0 for pieces, 1 for sessions, 2 for conflicts, which is their order in the stream.
const VERSION_1: &str = "
    CREATE TABLE heads (
        user INTEGER PRIMARY KEY,
        subject TEXT NOT NULL UNIQUE,
        epoch INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        stamp INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        versions BLOB NOT NULL,
        content BLOB NOT NULL,
        records INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        max_version INTEGER NOT NULL,
        commit_id BLOB NOT NULL,
        state INTEGER NOT NULL,
        erased_at INTEGER,
        purged_at INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE bodies (
        body INTEGER PRIMARY KEY,
        content TEXT NOT NULL,
        meta TEXT NOT NULL
    ) STRICT;

    CREATE TABLE records (
        user INTEGER NOT NULL REFERENCES heads,
        kind INTEGER NOT NULL,
        id BLOB NOT NULL,
        version INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        stamp INTEGER NOT NULL,
        modified_at INTEGER NOT NULL,
        deleted INTEGER NOT NULL,
        hash BLOB NOT NULL,
        format INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        body INTEGER NOT NULL,
        PRIMARY KEY (user, kind, id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX stream ON records (user, revision, kind, id);
    CREATE INDEX stamps ON records (user, stamp, revision);

    CREATE TABLE history (
        user INTEGER NOT NULL REFERENCES heads,
        kind INTEGER NOT NULL,
        id BLOB NOT NULL,
        version INTEGER NOT NULL,
        side INTEGER NOT NULL,
        at INTEGER NOT NULL,
        content TEXT NOT NULL,
        meta TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX history_keys ON history (user, kind, id, version DESC, side);
    CREATE INDEX history_times ON history (user, at);
";

/// `notes` has the engine's notes about a whole account.
const VERSION_2: &str = "ALTER TABLE heads ADD COLUMN notes TEXT NOT NULL DEFAULT ''";

/// The description of the file, in one row.
///
/// - `file` is drawn once, `tag` for each life.
/// - `generation` is the present one, `asked` the highest that an operator has asked for.
/// - `backup_at` is set in a backup until it is opened: when it was taken, in ms.
/// - `chain` is [`Chain`](crate::chain::Chain): magic, 0 commits, base 0, and a link.
const VERSION_3: &str = "
    CREATE TABLE life (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        file BLOB NOT NULL,
        tag INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        asked INTEGER NOT NULL,
        discard_later INTEGER NOT NULL,
        backup_at INTEGER,
        chain BLOB NOT NULL
    ) STRICT;
    INSERT INTO life
    SELECT 1, randomblob(16), random(), coalesce(max(generation), 0), coalesce(max(generation), 0),
           0, NULL, CAST(
               x'6861756d616e61ff636861696efffe01' || zeroblob(16) || randomblob(8)
           AS BLOB)
    FROM heads;
";

/// `clean` says that no page holds deleted data; see [`gaps`](crate::gaps).
const VERSION_4: &str = "ALTER TABLE life ADD COLUMN clean INTEGER NOT NULL DEFAULT 0";

/// `served` has the text of the schema that the records were last served with, if it is known.
const VERSION_5: &str = "
    CREATE TABLE served (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        schema TEXT NOT NULL
    ) STRICT;
";

/// Whether no page of the file holds deleted data.
pub(crate) fn is_clean(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT clean FROM life", [], |row| row.get(0))
}

/// Sets whether no page of the file holds deleted data, or any page may.
pub(crate) fn set_clean(connection: &Connection, is_clean: bool) -> rusqlite::Result<()> {
    connection.execute("UPDATE life SET clean = ?1", [is_clean]).map(|_| ())
}

/// Checks that the file is ours or empty, without changing it, and returns its schema version.
///
/// 0: the file is empty, and may become ours.
pub(crate) fn check_ours(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    version_in_snapshot(connection, path, MIGRATIONS)
}

/// Brings the tables up to date.
///
/// If the tables are up to date, it does nothing, and takes no lock for writing.
pub(crate) fn migrate(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    run(connection, path, MIGRATIONS)
}

/// Whether the file still has the tables that this program knows.
///
/// A newer program may have migrated the file while this one was running.
pub(crate) fn is_current(connection: &Connection) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("PRAGMA user_version")?;
    let version: i64 = statement.query_row([], |row| row.get(0))?;
    Ok(version == newest(MIGRATIONS))
}

fn run(connection: &Connection, path: &Path, steps: &[&str]) -> Result<(), OpenError> {
    if version_in_snapshot(connection, path, steps)? == steps.len() {
        return Ok(());
    }
    let sqlite = |error| OpenError::from_sqlite(path, error);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite)?;
    let outcome = run_in_transaction(connection, path, steps);
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.execute_batch(end).map_err(sqlite);
    // If both failed, the first failure is the reason.
    outcome.and(ended)
}

/// The chain gets a link, as in any other transaction. If the file had no chain before, the step
/// that makes the table gives it its first link.
fn run_in_transaction(
    connection: &Connection,
    path: &Path,
    steps: &[&str],
) -> Result<(), OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    // Read again under the lock: another process may have been first.
    let version = version_of(connection, path, steps)?;
    for step in steps.iter().skip(version) {
        connection.execute_batch(step).map_err(sqlite)?;
    }
    if FIRST_WITH_LIFE as usize <= version {
        chain::extend(connection).map_err(sqlite)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(sqlite)?;
    connection.pragma_update(None, "user_version", newest(steps)).map_err(sqlite)
}

/// Returns how many of the steps were run on the file, outside of a transaction.
fn version_in_snapshot(
    connection: &Connection,
    path: &Path,
    steps: &[&str],
) -> Result<usize, OpenError> {
    // Without a snapshot it could see tables that another process is just making, but not their
    // application id.
    let snapshot = connection.unchecked_transaction();
    let snapshot = snapshot.map_err(|error| OpenError::from_sqlite(path, error))?;
    version_of(&snapshot, path, steps)
}

/// Returns how many of the steps were run on the file.
///
/// A file counts as empty only if both numbers are 0 and it has no tables. So a database of another
/// program that never set an `application_id` does not count as empty.
fn version_of(connection: &Connection, path: &Path, steps: &[&str]) -> Result<usize, OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id").map_err(sqlite)?;
    let found = number("PRAGMA user_version").map_err(sqlite)?;
    let objects = number("SELECT count(*) FROM sqlite_schema").map_err(sqlite)?;
    let is_empty = application == 0 && found == 0 && objects == 0;
    if !is_empty && application != APPLICATION_ID {
        return Err(OpenError::new(path, OpenErrorKind::NotOurs));
    }
    match usize::try_from(found) {
        Ok(version) if version <= steps.len() => Ok(version),
        _ => Err(OpenError::new(path, OpenErrorKind::Newer { found, known: newest(steps) })),
    }
}

/// Returns the schema version after the last step.
fn newest(steps: &[&str]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> (Connection, &'static Path) {
        (Connection::open_in_memory().unwrap(), Path::new(":memory:"))
    }

    fn users(connection: &Connection) -> Vec<i64> {
        let mut statement = connection.prepare("SELECT user FROM heads ORDER BY user").unwrap();
        let users = statement.query_map([], |row| row.get(0)).unwrap();
        users.map(Result::unwrap).collect()
    }

    const ONE_HEAD: &str = "INSERT INTO heads
        (user, subject, epoch, revision, stamp, generation, versions, content, records, bytes,
         max_version, commit_id, state, erased_at, purged_at)
        VALUES
        (1, 'kai', 1, 1, 1, 1, x'00', x'00', 0, 0, 0, x'00', 0, NULL, 0)";

    #[test]
    fn a_file_of_an_older_version_is_brought_up_to_date_and_keeps_its_data() {
        let (connection, path) = memory();
        run(&connection, path, &MIGRATIONS[..1]).unwrap();
        connection.execute_batch(ONE_HEAD).unwrap();
        let mut newer = MIGRATIONS.to_vec();
        newer.push("ALTER TABLE heads ADD COLUMN island TEXT");
        newer.push("CREATE TABLE islands (name TEXT) STRICT");

        run(&connection, path, &newer).unwrap();

        assert_eq!(vec![1], users(&connection));
        assert_eq!(newer.len(), version_of(&connection, path, &newer).unwrap());
        connection.execute_batch("SELECT island FROM heads; SELECT * FROM islands").unwrap();
    }

    #[test]
    fn a_migration_adds_a_link_to_the_chain() {
        let (connection, path) = memory();
        migrate(&connection, path).unwrap();
        let read = || {
            let query = "SELECT chain FROM life";
            let chain: Vec<u8> = connection.query_row(query, [], |row| row.get(0)).unwrap();
            chain::Chain::decode(&chain).unwrap()
        };
        let before = read();
        let newer = [MIGRATIONS, &["CREATE TABLE islands (name TEXT) STRICT"]].concat();

        run(&connection, path, &newer).unwrap();

        assert_eq!((0, 0), (before.base, before.commits), "the first link has none before it");
        assert_eq!((before.link, 1), (read().base, read().commits));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let (connection, path) = memory();
        migrate(&connection, path).unwrap();
        connection.execute_batch(ONE_HEAD).unwrap();
        let mut newer = MIGRATIONS.to_vec();
        newer.push("DROP TABLE history; DELETE FROM heads");
        newer.push("THIS IS NOT SQL");

        run(&connection, path, &newer).unwrap_err();

        assert_eq!(MIGRATIONS.len(), version_of(&connection, path, MIGRATIONS).unwrap());
        assert_eq!(vec![1], users(&connection));
        connection.execute_batch("SELECT * FROM history").unwrap();
    }

    #[test]
    fn migrating_again_changes_nothing() {
        let (connection, path) = memory();

        for _ in 0..3 {
            migrate(&connection, path).unwrap();
        }

        assert!(is_current(&connection).unwrap());
    }

    #[test]
    fn the_stream_is_entered_where_it_continues() {
        let (connection, path) = memory();
        migrate(&connection, path).unwrap();
        let queries = [
            (crate::queries::CHANGES, "stream (user=? AND (revision,kind,id)>(?,?,?))"),
            (crate::queries::FIRST_AFTER_STAMP, "stamps (user=? AND stamp>?)"),
        ];

        for (query, entered) in queries {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
            let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
            let plan = statement
                .query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3))
                .unwrap();
            let plan: Vec<String> = plan.map(Result::unwrap).collect();

            assert!(plan[0].contains(entered), "{plan:?}");
            assert!(plan.iter().all(|line| !line.contains("TEMP")), "nothing is sorted: {plan:?}");
        }
    }
}
