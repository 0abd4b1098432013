//! Which records changed: a feed that never waits for its readers.

use haumana_sync::id::Key;
use std::sync::Arc;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// LIMIT: how many changes a reader may be behind. Then it is told that it has missed some.
const BEHIND: usize = 256;

/// Why records changed.
///
/// A screen whose user is typing treats the two differently: an edit is its own, a sync is somebody
/// else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Somebody edited or deleted them on this device.
    Edit,
    /// A sync brought them, or the server's answer to what was pushed.
    Sync,
    /// Another account is signed in, or nobody, or the account's records were forgotten. Everything
    /// may be another.
    Account,
}

/// Records that changed together.
///
/// One sync tells one change for each of its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Which records. What they are now, the replica says.
    pub keys: Arc<[Key]>,
    /// Why.
    pub cause: Cause,
}

/// Where changes are told.
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

    /// Tells everybody who reads the feed.
    pub(crate) fn tell(&self, keys: Vec<Key>, cause: Cause) {
        // Without a reader nobody is told.
        let _ = self.0.send(Change { keys: keys.into(), cause });
    }
}
