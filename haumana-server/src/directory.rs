//! The user directory of the local server: one table in a file of its own.
//!
//! The repertoires' file belongs to the store, which knows nothing of names and addresses.

use crate::problem::Problem;
use haumana_api::directory::{DirectoryError, DirectoryErrorKind, Profile, UserDirectory};
use rusqlite::{Connection, ErrorCode};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long another server may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Stands in the header of every file of this kind: "haud" in ASCII.
const APPLICATION_ID: i64 = 0x6861_7564;

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS users (
        username TEXT PRIMARY KEY NOT NULL,
        email TEXT NOT NULL,
        name TEXT,
        picture TEXT
    ) STRICT, WITHOUT ROWID;
";

/// One statement, so that of two first sign-ins one inserts and the other updates.
const PUT: &str = "
    INSERT INTO users (username, email, name, picture) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (username) DO UPDATE SET
        email = excluded.email,
        name = coalesce(excluded.name, name),
        picture = coalesce(excluded.picture, picture)
";

const REMOVE: &str = "DELETE FROM users WHERE username = ?1";

/// A user directory in a SQLite file. Several processes may use the same one.
#[derive(Clone, Debug)]
pub(crate) struct SqliteDirectory {
    connection: Arc<Mutex<Connection>>,
}

/// The directory's file that stands beside a database.
pub(crate) fn beside(db: &Path) -> PathBuf {
    let mut name = db.as_os_str().to_owned();
    name.push(".users.db");
    name.into()
}

impl SqliteDirectory {
    /// Opens the file, or makes it; its owner alone can read it.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        make(path).map_err(|error| Problem::Directory(path.into(), error.to_string()))?;
        let opened = Self::connect(path);
        opened.map_err(|error| Problem::Directory(path.into(), error.to_string()))
    }

    fn connect(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch(TABLE)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs one statement where it holds up nobody else.
    async fn run(
        &self,
        op: &'static str,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<(), DirectoryError> {
        let connection = Arc::clone(&self.connection);
        let run = move || {
            // Each statement is a transaction, so a panic leaves nothing half done.
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            statement(&connection)
        };
        let done = tokio::task::spawn_blocking(run).await;
        let unavailable = |_| DirectoryError::new(op, DirectoryErrorKind::Unavailable);
        done.map_err(unavailable)?.map(drop).map_err(|error| failure(op, error))
    }
}

#[async_trait::async_trait]
impl UserDirectory for SqliteDirectory {
    async fn put(&self, username: &str, profile: &Profile) -> Result<(), DirectoryError> {
        let (username, profile) = (username.to_owned(), profile.clone());
        let put = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(PUT)?;
            statement.execute((username, profile.email, profile.name, profile.picture))
        };
        self.run("put", put).await
    }

    async fn remove(&self, username: &str) -> Result<(), DirectoryError> {
        let username = username.to_owned();
        self.run("remove", move |connection| connection.execute(REMOVE, [username])).await
    }
}

fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// SQLITE: messages name tables and columns, never values.
fn failure(op: &'static str, error: rusqlite::Error) -> DirectoryError {
    let kind = match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure,
        ) => DirectoryErrorKind::Unavailable,
        _ => DirectoryErrorKind::Refused,
    };
    DirectoryError::new(op, kind).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_api::directory::conformance::Inspect;
    use rusqlite::OptionalExtension;
    use std::ops::Deref;
    use tempfile::TempDir;

    #[async_trait::async_trait]
    impl Inspect for SqliteDirectory {
        async fn entry(&self, username: &str) -> Option<Profile> {
            let sql = "SELECT email, name, picture FROM users WHERE username = ?1";
            let profile = |row: &rusqlite::Row<'_>| {
                Ok(Profile { email: row.get(0)?, name: row.get(1)?, picture: row.get(2)? })
            };
            let connection = self.connection.lock().unwrap();
            connection.query_row(sql, [username], profile).optional().unwrap()
        }
    }

    struct InFolder(SqliteDirectory, TempDir);

    impl Deref for InFolder {
        type Target = SqliteDirectory;

        fn deref(&self) -> &SqliteDirectory {
            &self.0
        }
    }

    fn in_folder() -> InFolder {
        let folder = tempfile::tempdir().unwrap();
        InFolder(SqliteDirectory::open(&folder.path().join("x.users.db")).unwrap(), folder)
    }

    haumana_api::directory_tests!(in_folder());

    fn kai() -> Profile {
        Profile { email: "kai@example.org".into(), name: None, picture: None }
    }

    #[tokio::test]
    async fn two_servers_on_one_file_see_the_same_entries() {
        let first = in_folder();
        let second = SqliteDirectory::open(&first.1.path().join("x.users.db")).unwrap();
        let profile = kai();

        let (left, right) =
            tokio::join!(first.put("google_1", &profile), second.put("google_1", &profile));

        assert!(left.is_ok() && right.is_ok());
        assert!(second.entry("google_1").await == Some(kai()));
    }

    #[tokio::test]
    async fn a_removed_address_is_not_in_the_file_any_more() {
        let directory = in_folder();
        directory.put("google_1", &kai()).await.unwrap();

        directory.remove("google_1").await.unwrap();

        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        directory.connection.lock().unwrap().query_row(checkpoint, [], |_| Ok(())).unwrap();
        let bytes = std::fs::read(directory.1.path().join("x.users.db")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("kai@example.org"));
    }
}
