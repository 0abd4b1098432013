//! Reading: threads, each with a connection and a snapshot of its own. Short reads run on the
//! caller's thread, because handing a question to a thread and the answer back costs more than the
//! read.
//!
//! In WAL mode readers and the writer never wait for each other: each read sees the file as it was
//! when the read began. But a reader keeps SQLite from starting the log over, as long as its old
//! snapshot is needed. So reads are short, and a backup has a connection of its own.

use crate::connection;
use crate::error::OpenError;
use crate::options::SqliteOptions;
use crate::writer::{Look, send};
use haumana_sync::store::Result;
use rusqlite::{Connection, ErrorCode};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// LIMIT: how many calls may wait for a reader. More are refused.
const WAITING: usize = 4096;

/// The handle on the readers. Dropping it waits until all queued calls are done.
///
/// All threads take from one queue, so a long read delays only the thread that does it.
#[derive(Debug)]
pub(crate) struct Readers {
    looks: Option<SyncSender<Look>>,
    threads: Vec<JoinHandle<()>>,
    /// Connections for callers that read themselves. A connection in use is not in it.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Starts the threads.
    ///
    /// It opens two connections for each of `options.readers`: one for the thread, one for callers.
    /// If any of them cannot be opened, it fails, and the threads that run already end.
    pub(crate) fn start(options: &SqliteOptions) -> Result<Self, OpenError> {
        let (looks, waiting) = sync_channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let idle = Mutex::default();
        let mut readers = Self { looks: Some(looks), threads: Vec::new(), idle };
        for _ in 0..options.readers.max(1) {
            let connection = connection::open_reader(&options.path, options.busy_timeout)?;
            let waiting = waiting.clone();
            let thread = std::thread::Builder::new().name("sqlite-reader".to_owned());
            let thread = thread.spawn(move || serve(&connection, &waiting));
            readers.threads.push(thread.map_err(|e| OpenError::from_io(&options.path, e))?);
            // It never waits for a lock, because its caller has other work to do.
            readers.idle().push(connection::open_reader(&options.path, Duration::ZERO)?);
        }
        Ok(readers)
    }

    /// Answers a short question on the caller's own thread.
    ///
    /// `None` if no connection is idle or the file is locked, so that a thread must wait for it.
    ///
    /// It takes an idle connection and puts it back. If `query` panics, that connection is closed
    /// and not replaced. Without idle connections, reads go to the threads.
    pub(crate) fn here<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<rusqlite::Result<T>> {
        let connection = self.idle().pop()?;
        let result = query(&connection);
        self.idle().push(connection);
        let code = result.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
        let is_locked = matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        (!is_locked).then_some(result)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call to the queue.
    pub(crate) fn send(&self, op: &'static str, look: Look) -> Result<()> {
        send(op, self.looks.as_ref(), look)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.looks = None;
        for thread in self.threads.drain(..) {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Ends when the queue is closed and empty.
fn serve(connection: &Connection, waiting: &Mutex<Receiver<Look>>) {
    loop {
        // The lock is held while waiting, and released before the work begins.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(look) => look(connection),
            Err(_) => return,
        }
    }
}
