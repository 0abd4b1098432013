//! Who reads: threads, each with a connection and a snapshot of its own, and for what is short the
//! caller itself, since handing a question to a thread and the answer back costs more than finding it.
//!
//! In WAL mode a reader never waits for the writer, and the writer never waits for a reader: each
//! read sees the file as it was when it began. What readers do hold up is the log, which cannot be
//! started over while an old snapshot needs it. So reads are short, and a backup has a connection
//! of its own.

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

/// LIMIT: how many calls may wait for a reader; more are told to wait outside.
const WAITING: usize = 4096;

/// The handle on the readers; dropping it waits until all that was asked for is done.
///
/// All threads take from one queue, so a long read delays only the thread that does it.
#[derive(Debug)]
pub(crate) struct Readers {
    looks: Option<SyncSender<Look>>,
    threads: Vec<JoinHandle<()>>,
    /// Connections for callers that read by themselves; one that is at work is not here.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Starts the threads.
    ///
    /// Opens two connections for each of `options.readers`: one for the thread, one for callers. It
    /// fails if any of them cannot be opened; the threads that run already are then ended.
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
            // It never waits for a lock: its caller has other work to do.
            readers.idle().push(connection::open_reader(&options.path, Duration::ZERO)?);
        }
        Ok(readers)
    }

    /// Answers a short question on the caller's own thread.
    ///
    /// `None` if no connection is idle or the file is locked, so that a thread must wait for it.
    ///
    /// Takes a connection from the idle ones and puts it back. If `query` panics, that connection
    /// is closed and not replaced; later reads go to the threads.
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

    /// Puts a call behind those that wait.
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
        // The lock is held while waiting, and let go before the work begins.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(look) => look(connection),
            Err(_) => return,
        }
    }
}
