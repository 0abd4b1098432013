//! The threads that read, each with a connection and a snapshot of its own.

use crate::connection;
use crate::error::OpenError;
use crate::options::SqliteOptions;
use crate::writer::{Look, send};
use haumana_sync::store::Result;
use rusqlite::Connection;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// LIMIT: how many calls may wait for a reader; more are told to wait outside.
const WAITING: usize = 4096;

/// The handle on the readers; dropping it waits until all that was asked for is done.
#[derive(Debug)]
pub(crate) struct Readers {
    looks: Option<SyncSender<Look>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts the threads.
    pub(crate) fn start(options: &SqliteOptions) -> Result<Self, OpenError> {
        let (looks, waiting) = sync_channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut readers = Self { looks: Some(looks), threads: Vec::new() };
        for _ in 0..options.readers.max(1) {
            let connection = connection::open_reader(&options.path, options.busy_timeout)?;
            let waiting = waiting.clone();
            let thread = std::thread::Builder::new().name("sqlite-reader".to_owned());
            let thread = thread.spawn(move || serve(&connection, &waiting));
            readers.threads.push(thread.map_err(|e| OpenError::from_io(&options.path, e))?);
        }
        Ok(readers)
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
