//! The feed of changed records. It never waits for its readers.

use haumana_sync::id::Key;
use std::sync::Arc;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// LIMIT: how many changes a reader may be behind. Then it gets a message that it has missed some.
const BEHIND: usize = 256;

/// Why records changed.
///
/// A screen on which a person types treats the two differently: an edit is the person's own, a sync
/// brings the edits of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Somebody edited or deleted them on this device.
    Edit,
    /// A sync brought them, or the server's answer to what was pushed.
    Sync,
    /// Another account or none is signed in, or the account's records were forgotten. All records
    /// may have changed.
    Account,
}

/// Records that changed together.
///
/// One sync sends one change for each of its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The keys of the records. Read their current state from the replica.
    pub keys: Arc<[Key]>,
    /// Why.
    pub cause: Cause,
}

/// The sender of changes.
#[derive(Debug)]
pub(crate) struct Feed(Sender<Change>);

impl Feed {
    pub(crate) fn new() -> Self {
        let (sender, _) = broadcast::channel(BEHIND);
        Self(sender)
    }

    pub(crate) fn subscribe(&self) -> Receiver<Change> {
        self.0.subscribe()
    }

    /// Sends a change to all readers.
    pub(crate) fn tell(&self, keys: Vec<Key>, cause: Cause) {
        // Without a reader nothing is sent.
        let _ = self.0.send(Change { keys: keys.into(), cause });
    }
}
