//! The tables, and the migration from any earlier version of them.
//!
//! All steps, the new version, the life and the journal are one transaction under an advisory lock.
//! So if a start is interrupted, the tables are as before. Servers that start together take turns.
//!
//! A running server notices a migration at its next commit: each commit compares the version in the
//! table `haumana` with the version that its program knows.

use crate::error::{OpenError, OpenErrorKind};
use crate::journal::SUFFIX;
use crate::rows::Bad;
use tokio_postgres::{Client, GenericClient};

/// The steps from an empty schema to today's tables, one per version. `{schema}` is its name.
///
/// INVARIANT: a step that was released is never edited; changes are new steps at the end.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2];

/// POSTGRES: the oldest version on which the statements and defaults are tested.
const OLDEST_SERVER: i32 = 130_000;

/// - `haumana` describes the store, in one row.
/// - `heads` gives each user a small number, which the other tables use. No column of it but the
///   key is indexed, so that a new head goes to the same page as the old one and no index changes.
/// - `stream` is the order of changes. `stamps` finds where in it a stamp ends: within a user both
///   grow together.
/// - Users' texts are bytes, so that they come back unchanged whatever the database's encoding.
/// - `kind` is in the order of the stream, and an id's bytes are in the order of ids.
///
/// `fillfactor = 50` leaves half of each page of `heads` free. Changed columns have no index, so a
/// new head goes to the page of the old one, and the old one needs no vacuum.
const VERSION_1: &str = "
    CREATE TABLE {schema}.haumana (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        place TEXT,
        asked BIGINT NOT NULL,
        generation BIGINT NOT NULL
    );
    INSERT INTO {schema}.haumana VALUES (1, 0, NULL, 0, 0);

    CREATE TABLE {schema}.heads (
        subject TEXT COLLATE \"C\" PRIMARY KEY,
        account BIGINT GENERATED ALWAYS AS IDENTITY,
        epoch BIGINT NOT NULL,
        revision BIGINT NOT NULL,
        commit_id UUID NOT NULL,
        stamp BIGINT NOT NULL,
        generation BIGINT NOT NULL,
        versions UUID NOT NULL,
        content UUID NOT NULL,
        records BIGINT NOT NULL,
        bytes BIGINT NOT NULL,
        max_version BIGINT NOT NULL,
        state SMALLINT NOT NULL,
        erased_at BIGINT,
        purged_at BIGINT NOT NULL,
        notes BYTEA NOT NULL
    ) WITH (fillfactor = 50);

    CREATE TABLE {schema}.records (
        account BIGINT NOT NULL,
        kind SMALLINT NOT NULL,
        id UUID NOT NULL,
        version BIGINT NOT NULL,
        revision BIGINT NOT NULL,
        stamp BIGINT NOT NULL,
        modified_at BIGINT NOT NULL,
        deleted BOOLEAN NOT NULL,
        hash UUID NOT NULL,
        format INTEGER NOT NULL,
        size_bytes BIGINT NOT NULL,
        content BYTEA NOT NULL,
        meta BYTEA NOT NULL,
        PRIMARY KEY (account, kind, id)
    );
    CREATE INDEX stream ON {schema}.records (account, revision, kind, id);
    CREATE INDEX stamps ON {schema}.records (account, stamp, revision);

    CREATE TABLE {schema}.history (
        account BIGINT NOT NULL,
        kind SMALLINT NOT NULL,
        id UUID NOT NULL,
        version BIGINT NOT NULL,
        side BIGINT NOT NULL,
        at BIGINT NOT NULL,
        content BYTEA NOT NULL,
        meta BYTEA NOT NULL,
        PRIMARY KEY (account, kind, id, version, side)
    );
    CREATE INDEX history_times ON {schema}.history (account, at);
";

/// `served` is the text of the schema that the records were last served with, if it is known.
const VERSION_2: &str = "ALTER TABLE {schema}.haumana ADD COLUMN served BYTEA";

/// The tables have values that this program did not write.
pub(crate) fn unreadable(bad: Bad) -> OpenError {
    OpenError::with_source(OpenErrorKind::Server, bad)
}

/// Returns the version of the tables that this program knows.
pub(crate) fn known_version() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Whether a schema's name needs no quotes, and the journal's neither.
pub(crate) fn is_name(schema: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c == '_';
    // POSTGRES: a name has 63 bytes.
    schema.len() + SUFFIX.len() <= 63
        && schema.starts_with(is_letter)
        && schema.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

/// Brings the tables up to date, and runs `finish` in the same transaction. Several servers that
/// start together do so one after the other.
///
/// `finish` sees the new tables. If it fails, the migration fails.
pub(crate) async fn migrate<T>(
    client: &mut Client,
    schema: &str,
    finish: impl AsyncFnOnce(&tokio_postgres::Transaction<'_>) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    migrate_by(client, schema, MIGRATIONS, finish).await
}

async fn migrate_by<T>(
    client: &mut Client,
    schema: &str,
    steps: &[&str],
    finish: impl AsyncFnOnce(&tokio_postgres::Transaction<'_>) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    check_server(client).await?;
    let transaction = client.transaction().await?;
    // POSTGRES: released at the end of the transaction, however it ends. Without it, two servers
    // that make one schema at once would violate unique keys of the catalogue.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('haumana ' || $1, 0))";
    transaction.execute(lock, &[&schema]).await?;
    let version = version_of(&transaction, schema).await?;
    let known = i32::try_from(steps.len()).unwrap_or(i32::MAX);
    let version = match version {
        Some(found) if known < found => {
            return Err(OpenError::new(OpenErrorKind::Newer { found, known }));
        }
        version => usize::try_from(version.unwrap_or(0)).unwrap_or(0),
    };
    for step in steps.iter().skip(version) {
        transaction.batch_execute(&step.replace("{schema}", schema)).await?;
    }
    if version < steps.len() {
        let update = format!("UPDATE {schema}.haumana SET version = $1");
        transaction.execute(&update, &[&known]).await?;
    }
    let finished = finish(&transaction).await?;
    transaction.commit().await?;
    Ok(finished)
}

/// A standby answers reads and refuses writes. So it is refused here, and not at the first commit.
async fn check_server(client: &Client) -> Result<(), OpenError> {
    let look = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery()";
    let row = client.query_one(look, &[]).await?;
    let (version, is_standby): (i32, bool) = (row.try_get(0)?, row.try_get(1)?);
    if is_standby {
        return Err(OpenError::new(OpenErrorKind::ReadOnly));
    }
    if version < OLDEST_SERVER {
        return Err(OpenError::new(OpenErrorKind::TooOld(version / 10_000)));
    }
    Ok(())
}

/// Returns the version of the tables. `None`: the schema is empty; if it was missing, it is made.
///
/// A schema with tables of another program is refused before anything is made.
async fn version_of(client: &impl GenericClient, schema: &str) -> Result<Option<i32>, OpenError> {
    let look = "SELECT to_regnamespace($1) IS NOT NULL,
                       (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($1))";
    let row = client.query_one(look, &[&schema]).await?;
    let (exists, n_objects): (bool, i64) = (row.try_get(0)?, row.try_get(1)?);
    if is_ours(client, schema).await? {
        let row = client.query_one(&format!("SELECT version FROM {schema}.haumana"), &[]).await?;
        return Ok(Some(row.try_get(0)?));
    }
    if n_objects != 0 {
        return Err(OpenError::new(OpenErrorKind::NotOurs));
    }
    if !exists {
        // Only if it is missing: a user without the right to make schemas may use an existing one.
        client.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
    }
    Ok(None)
}

/// Whether the schema has the row that describes a store. Another program may have a table with
/// that name, so its columns are checked too.
pub(crate) async fn is_ours(client: &impl GenericClient, schema: &str) -> Result<bool, OpenError> {
    let look = "SELECT count(*) = 4 FROM pg_attribute
                WHERE attrelid = to_regclass($1 || '.haumana') AND NOT attisdropped
                  AND attname IN ('one', 'version', 'asked', 'generation')";
    Ok(client.query_one(look, &[&schema]).await?.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_have_to_be_quoted_is_refused() {
        let longest = "a".repeat(56);
        for name in ["haumana", "_a1", "a", longest.as_str()] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(57);
        for name in ["", "1a", "Haumana", "a b", "a;b", "a\"", "ā", long.as_str()] {
            assert!(!is_name(name), "{name}");
        }
    }
}
