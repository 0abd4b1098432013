//! The user directory of the local server: one table in a file of its own.
//!
//! The repertoires' file belongs to the store, which knows nothing of names and addresses.
//!
//! Personal data has a file of its own for two reasons. An operator can delete it without touching
//! anybody's records. And a backup of the records has no names in it.
//!
//! After an account is erased, neither name nor address may be in the bytes of the file. SQLite
//! alone does not promise that: deleted rows stay in free pages and in the log. So `secure_delete`
//! is on, the log is moved into the file after each change, and a removal returns only when the log
//! is empty.

use crate::private;
use crate::problem::Problem;
use haumana_api::directory::{DirectoryError, DirectoryErrorKind, Profile, UserDirectory};
use haumana_store_sqlite::{LogState, Mover};
use haumana_sync::time::UnixMillis;
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long another server may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// In the header of every file of this kind: "haud" in ASCII.
const APPLICATION_ID: i64 = 0x6861_7564;

/// `STRICT`, so that each column holds its type only; `WITHOUT ROWID`, so that a row is in one tree
/// only.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS users (
        username TEXT PRIMARY KEY NOT NULL,
        email TEXT NOT NULL,
        name TEXT,
        picture TEXT
    ) STRICT, WITHOUT ROWID;
";

/// When each user signed in last, in ms since 1970. Earlier programs made no such column.
const SEEN: &str = "ALTER TABLE users ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0";
const HAS_SEEN: &str = "SELECT count(*) FROM pragma_table_info('users') WHERE name = 'seen_at'";

/// One statement, so that of two first sign-ins at once one inserts and the other updates.
const PUT: &str = "
    INSERT INTO users (username, email, name, picture, seen_at)
    VALUES (?1, ?2, ?3, ?4, CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ON CONFLICT (username) DO UPDATE SET
        seen_at = excluded.seen_at,
        email = excluded.email,
        name = coalesce(excluded.name, name),
        picture = coalesce(excluded.picture, picture)
";

/// It may find nothing: removing again is no error.
const REMOVE: &str = "DELETE FROM users WHERE username = ?1";
const REMOVE_SEEN: &str = "DELETE FROM users WHERE username = ?1 AND seen_at < ?2";

/// How often and for how long a removal waits for other servers that read the file.
///
/// With the pauses it is about a second. After that the caller has to try again.
const WIPE_TRIES: u32 = 200;
const WIPE_PAUSE: Duration = Duration::from_millis(5);

/// A user directory in a SQLite file. Several processes may use the same one.
///
/// One connection serves all requests, one after the other: sign-ins are rare.
#[derive(Clone, Debug)]
pub(crate) struct SqliteDirectory {
    file: Arc<Mutex<OpenFile>>,
}

#[derive(Debug)]
struct OpenFile {
    // Declared first, so closed first.
    connection: Connection,
    mover: Mover,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.mover.close(&self.connection);
    }
}

/// The path of the user directory of a database.
pub(crate) fn beside(db: &Path) -> PathBuf {
    private::beside(db, ".users.db")
}

impl SqliteDirectory {
    /// Opens the file, or makes it. Only its owner can read it.
    ///
    /// It also clears what an earlier process has left in the log.
    ///
    /// # Errors
    ///
    /// [`Problem::Directory`] with SQLite's message.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        private::make(path).map_err(|error| Problem::Directory(path.into(), error.to_string()))?;
        let opened = Self::connect(path);
        opened.map_err(|error| Problem::Directory(path.into(), error.to_string()))
    }

    /// The settings: a write-ahead log, so that several servers may use the file. `synchronous` is
    /// `FULL`, so that an acknowledged entry survives a loss of power. SQLite never moves the log
    /// by itself; `Mover` does.
    fn connect(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.execute_batch(TABLE)?;
        if connection.query_row(HAS_SEEN, [], |row| row.get::<_, i64>(0))? == 0 {
            connection.execute_batch(SEEN)?;
        }
        connection.execute_batch("COMMIT")?;
        let mover = Mover::open(path)?;
        // An earlier version, or a crash, may have left data in the log or in pages. The file is
        // small: a few hundred bytes for each person.
        mover.suspect_all();
        mover.move_log(&connection);
        Ok(Self { file: Arc::new(Mutex::new(OpenFile { connection, mover })) })
    }

    /// Returns whether nobody is in it.
    pub(crate) async fn is_empty(&self) -> Result<bool, DirectoryError> {
        self.run("is_empty", |OpenFile { connection, .. }| {
            let sql = "SELECT NOT EXISTS (SELECT 1 FROM users)";
            connection.query_row(sql, [], |row| row.get(0)).map(Some)
        })
        .await
    }

    /// Removes the entries of users, each with a time, who have not signed in at that time or later.
    /// Once this returns, neither address nor name is in any of the file's bytes.
    pub(crate) async fn remove_not_seen_since(
        &self,
        users: Vec<(String, UnixMillis)>,
    ) -> Result<(), DirectoryError> {
        self.run("remove_not_seen_since", move |file| {
            let mut removed = 0;
            for (username, at) in users {
                removed += file.connection.execute(REMOVE_SEEN, (username, at.0))?;
            }
            if removed == 0 { Ok(Some(())) } else { file.wipe() }
        })
        .await
    }

    /// Works on the file on a thread where blocking delays nobody else.
    ///
    /// SQLite blocks its thread, so a thread for blocking work does it. If the caller is dropped,
    /// the statement still runs to its end.
    ///
    /// # Errors
    ///
    /// `work` returns `Ok(None)` for "not finished in time". That, and a panic, is `Unavailable`.
    async fn run<T: Send + 'static>(
        &self,
        op: &'static str,
        work: impl FnOnce(&OpenFile) -> rusqlite::Result<Option<T>> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let file = Arc::clone(&self.file);
        let run = move || {
            // Each statement is a transaction, so a panic leaves nothing half done.
            work(&file.lock().unwrap_or_else(PoisonError::into_inner))
        };
        let unavailable = || DirectoryError::new(op, DirectoryErrorKind::Unavailable);
        let done = tokio::task::spawn_blocking(run).await.map_err(|_| unavailable())?;
        match done {
            Ok(Some(done)) => Ok(done),
            Ok(None) => Err(unavailable()),
            Err(error) => Err(failure(op, error)),
        }
    }
}

#[async_trait::async_trait]
impl UserDirectory for SqliteDirectory {
    async fn put(&self, username: &str, profile: &Profile) -> Result<(), DirectoryError> {
        let (username, profile) = (username.to_owned(), profile.clone());
        self.run("put", move |OpenFile { connection, mover }| {
            let mut statement = connection.prepare_cached(PUT)?;
            statement.execute((username, profile.email, profile.name, profile.picture))?;
            // If the log is not moved now, it is moved with the next entry.
            mover.move_log(connection);
            Ok(Some(()))
        })
        .await
    }

    /// Once this returns, neither address nor name is in any of the file's bytes, its log included.
    async fn remove(&self, username: &str) -> Result<(), DirectoryError> {
        let username = username.to_owned();
        self.run("remove", move |file| {
            file.connection.execute(REMOVE, [username])?;
            file.wipe()
        })
        .await
    }
}

impl OpenFile {
    /// Removes deleted data from the file and the log. `None` if another server reads the file for
    /// too long; then the same call again continues.
    fn wipe(&self) -> rusqlite::Result<Option<()>> {
        for _ in 0..WIPE_TRIES {
            if self.mover.wipe(&self.connection) == LogState::Empty {
                // So that other servers notice that their cached pages are old.
                let count = |row: &rusqlite::Row<'_>| row.get::<_, i32>(0);
                let wipes = self.connection.pragma_query_value(None, "user_version", count)?;
                let next = wipes.wrapping_add(1);
                self.connection.pragma_update(None, "user_version", next)?;
                return Ok(Some(()));
            }
            std::thread::sleep(WIPE_PAUSE);
        }
        Ok(None)
    }
}

/// SQLITE: messages name tables and columns, never values.
///
/// An error that time or an operator can cure is `Unavailable`: a busy file, a full disk, a failed
/// read or write. All else is `Refused`, because repeating it would not help.
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
            let connection = &self.file.lock().unwrap().connection;
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

    /// Whether any file beside the directory, or the directory itself, has the text.
    fn is_anywhere(directory: &InFolder, text: &str) -> bool {
        let files = std::fs::read_dir(directory.1.path()).unwrap();
        let contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        let text = text.as_bytes();
        contents.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text))
    }

    #[tokio::test]
    async fn a_removed_address_and_name_are_in_no_file_any_more() {
        let directory = in_folder();
        // Enough people that pages split while kai is among them.
        for number in 0..200 {
            let email = format!("{number}@example.org");
            let others = Profile { email, name: Some("Lani".repeat(number % 9)), picture: None };
            directory.put(&format!("google_{number}"), &others).await.unwrap();
            if number == 90 {
                let name = Some("Kaleohano Nui".into());
                directory.put("google_1", &Profile { name, ..kai() }).await.unwrap();
            }
        }
        assert!(is_anywhere(&directory, "kai@example.org"));
        assert!(is_anywhere(&directory, "Kaleohano Nui"));

        directory.remove("google_1").await.unwrap();

        assert!(!is_anywhere(&directory, "kai@example.org"), "nobody made a checkpoint");
        assert!(!is_anywhere(&directory, "Kaleohano Nui"));
        assert!(directory.entry("google_2").await.is_some(), "others stay");
    }

    #[tokio::test]
    async fn what_another_server_remembers_brings_no_address_back() {
        let first = in_folder();
        let second = SqliteDirectory::open(&first.1.path().join("x.users.db")).unwrap();
        first.put("google_1", &kai()).await.unwrap();
        assert!(second.entry("google_1").await.is_some());

        first.remove("google_1").await.unwrap();

        let noe = Profile { email: "noe@example.org".into(), name: None, picture: None };
        second.put("google_2", &noe).await.unwrap();
        assert!(!is_anywhere(&first, "kai@example.org"));
        drop(second);
        assert!(!is_anywhere(&first, "kai@example.org"));
    }

    #[tokio::test]
    async fn who_has_signed_in_since_stays() {
        let directory = in_folder();
        assert!(directory.is_empty().await.unwrap());
        directory.put("google_1", &kai()).await.unwrap();
        let (before, after) = (UnixMillis(1_000), UnixMillis(i64::MAX));

        let of = |at| vec![("google_1".to_owned(), at), ("google_2".to_owned(), at)];
        directory.remove_not_seen_since(of(before)).await.unwrap();
        assert!(directory.entry("google_1").await.is_some());
        directory.remove_not_seen_since(of(after)).await.unwrap();

        assert!(directory.is_empty().await.unwrap());
        assert!(!is_anywhere(&directory, "kai@example.org"));
    }

    #[tokio::test]
    async fn a_file_of_an_earlier_program_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.users.db");
        let earlier = Connection::open(&path).unwrap();
        earlier.execute_batch(TABLE).unwrap();
        let sql = "INSERT INTO users VALUES ('google_1', 'kai@example.org', NULL, NULL)";
        earlier.execute(sql, []).unwrap();
        drop(earlier);

        let directory = SqliteDirectory::open(&path).unwrap();

        assert!(directory.entry("google_1").await == Some(kai()));
        let old = vec![("google_1".to_owned(), UnixMillis(1))];
        directory.remove_not_seen_since(old).await.unwrap();
        assert!(directory.is_empty().await.unwrap(), "it has not signed in since 1970");
    }
}
