//! Temporary directories, and what the tests write.

use haumana_store_sqlite::{OpenError, SqliteOptions, SqliteStore};
use haumana_sync::Store;
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, UserId};
use haumana_sync::store::{
    After, Batch, CommitId, Envelope, Epoch, Generation, Head, HeadState, HistoryEntry, HistoryKey,
    Revision, Stamp,
};
use haumana_sync::time::UnixMillis;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::future::poll_fn;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

/// A directory that is deleted when it is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("haumana-sqlite-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Opens the `haumana.db` in it.
    pub(crate) fn open(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(&options(&self.file("haumana.db")))
    }

    /// Puts one file in place of another, as `cp` does.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        std::fs::copy(self.file(from), self.file(to)).unwrap();
    }

    /// Returns the names of everything in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A store on a file in a directory of its own.
pub(crate) struct Opened {
    // Declared first, so closed before its directory goes.
    pub store: SqliteStore,
    pub directory: Directory,
}

impl Opened {
    pub(crate) fn new() -> Self {
        let directory = Directory::new();
        // That of the heads that the tests write.
        let generation = Generation(1);
        let options = options(&directory.file("haumana.db"));
        Self { store: SqliteStore::open_asking(&options, generation).unwrap(), directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.file("haumana.db")
    }

    /// While this lives, the log is not emptied, as long as the store is idle.
    pub(crate) fn keep_log(&self) -> Connection {
        let reader = Connection::open(self.path()).unwrap();
        reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM heads").unwrap();
        reader
    }

    /// Returns what a power cut would leave now: the files as they are. The store must not be used
    /// after this, since reading its file takes away its locks.
    pub(crate) fn crash(&self) -> Directory {
        let left = Directory::new();
        for name in ["haumana.db", "haumana.db-wal", "haumana.db.seen"] {
            std::fs::copy(self.directory.file(name), left.file(name)).unwrap();
        }
        left
    }
}

impl Deref for Opened {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}

pub(crate) fn options(path: &Path) -> SqliteOptions {
    SqliteOptions {
        path: path.to_owned(),
        readers: 2,
        busy_timeout: Duration::from_secs(30),
        max_bytes: None,
    }
}

/// Returns a user of that name.
pub(crate) fn user(name: &str) -> UserId {
    UserId::verified_by_caller(name).unwrap()
}

/// Returns the batch that follows `before` and writes the pieces of these numbers, each with
/// `text` in its content.
pub(crate) fn batch(before: Option<&Head>, numbers: Range<u128>, text: &str) -> Batch {
    let revision = Revision(before.map_or(0, |head| head.revision.0) + 1);
    let head = Head {
        epoch: Epoch(1),
        revision,
        stamp: Stamp(1_000),
        generation: Generation(1),
        versions: Digest::from_bits(0),
        content: Digest::from_bits(0),
        records: 0,
        bytes: 0,
        max_version: 1,
        commit: CommitId(u128::from(revision.0)),
        state: HeadState::Active,
        erased_at: None,
        purged_at: UnixMillis(0),
        notes: String::new(),
    };
    let records = numbers.map(|number| record(number, revision, text)).collect();
    Batch { head, records, history: Vec::new() }
}

fn record(number: u128, revision: Revision, text: &str) -> Envelope {
    Envelope {
        // Spread over the tables, as real ids are.
        key: Key::piece(Digest::of([number.to_be_bytes().as_slice()]).into_id()),
        version: 1,
        revision,
        stamp: Stamp(1_000),
        modified_at: UnixMillis(1_750_000_000_000),
        deleted: false,
        hash: Digest::from_bits(number),
        format: 1,
        content: format!(r#"{{"lyrics":"{text} {number}"}}"#),
        meta: format!(r#"{{"note":"{text}"}}"#),
    }
}

/// Commits 20 pieces with this text.
pub(crate) async fn write(store: &SqliteStore, name: &str, text: &str) -> Batch {
    let head = store.head(&user(name)).await.unwrap();
    let next = batch(head.as_ref(), 0..20, text);
    store.commit(&user(name), head.as_ref(), &next).await.unwrap();
    next
}

/// Whether the pieces are those that were written last.
pub(crate) async fn has(store: &SqliteStore, name: &str, written: &Batch) -> bool {
    let head = store.head(&user(name)).await.unwrap();
    let mut expected = written.records.clone();
    expected.sort_by_key(|record| record.key);
    head.as_ref() == Some(&written.head) && stream(store, &user(name)).await == expected
}

/// Returns the history that records leave when they are replaced.
pub(crate) fn history(records: &[Envelope], version: u32) -> Vec<HistoryEntry> {
    let entry = |record: &Envelope| HistoryEntry {
        key: HistoryKey { key: record.key, version, side: 0 },
        at: record.modified_at,
        content: record.content.clone(),
        meta: record.meta.clone(),
    };
    records.iter().map(entry).collect()
}

/// Returns all that a user has.
pub(crate) async fn stream(store: &SqliteStore, user: &UserId) -> Vec<Envelope> {
    let page = store.changes(user, After::Start, usize::MAX).await.unwrap();
    assert!(!page.more, "all of it fits one page");
    page.records
}

/// Runs several calls on one task, so that all are asked for before any is answered.
pub(crate) async fn together<T>(calls: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut calls: Vec<_> = calls.into_iter().map(|call| (Box::pin(call), None)).collect();
    poll_fn(|context| {
        for (call, answer) in &mut calls {
            if answer.is_none()
                && let Poll::Ready(value) = call.as_mut().poll(context)
            {
                *answer = Some(value);
            }
        }
        if calls.iter().all(|(_, answer)| answer.is_some()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    calls.into_iter().filter_map(|(_, answer)| answer).collect()
}
