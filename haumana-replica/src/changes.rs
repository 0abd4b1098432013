//! Reads the feed of changes: of all records, of a kind, or of one record.
//!
//! The feed says which records changed, never how. A screen reads them again. So a slow reader
//! loses only time.

use crate::feed::{Cause, Change};
use crate::replica::Replica;
use haumana_sync::id::{Key, KindNumber};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// The next event of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// These records changed.
    Changed(Change),
    /// The reader was too slow and missed changes. It must read everything that it shows again.
    ///
    /// It is also safe to treat every event in this way.
    Missed,
}

/// A reader of the feed. It gets the changes that happen after it was made.
///
/// Make it before the screen reads its data; then no change is missed in between.
#[derive(Debug)]
pub struct Changes {
    receiver: Receiver<Change>,
    about: About,
}

/// What a reader is interested in.
#[derive(Clone, Copy, Debug)]
enum About {
    Everything,
    Kind(KindNumber),
    Record(Key),
}

impl About {
    fn wants(self, key: &Key) -> bool {
        match self {
            Self::Everything => true,
            Self::Kind(kind) => key.kind == kind,
            Self::Record(record) => *key == record,
        }
    }
}

impl Changes {
    /// Waits for the next event; `None` once the replica is gone. It is safe to drop the future and
    /// to call again.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let change = match self.receiver.recv().await {
                Ok(change) => change,
                Err(RecvError::Lagged(_)) => return Some(Event::Missed),
                Err(RecvError::Closed) => return None,
            };
            if change.cause == Cause::Account {
                return Some(Event::Changed(change));
            }
            let (about, keys) = (self.about, change.keys.iter());
            let wanted: Vec<Key> = keys.filter(|key| about.wants(key)).copied().collect();
            if !wanted.is_empty() {
                return Some(Event::Changed(Change { keys: wanted.into(), ..change }));
            }
        }
    }
}

impl Replica {
    /// Returns a feed of the records that change from now on, by edits here and by syncs.
    ///
    /// A change by a sync is sent while the sync still runs, before [`Status`](crate::Status) says
    /// that it has ended.
    ///
    /// The replica does not wait for readers. A reader that is 256 changes behind gets
    /// [`Event::Missed`] instead of them.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// use haumana_replica::Event;
    ///
    /// let mut changes = replica.changes();
    /// let id = replica.add(&Song::default()).await?;
    ///
    /// let Some(Event::Changed(change)) = changes.next().await else { panic!("one change") };
    /// assert_eq!(&[Song::key(id)], &change.keys[..]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn changes(&self) -> Changes {
        self.feed(About::Everything)
    }

    /// As [`Replica::changes`], for one kind.
    ///
    /// A change of account is sent to every reader.
    pub fn changes_of_kind(&self, kind: KindNumber) -> Changes {
        self.feed(About::Kind(kind))
    }

    /// As [`Replica::changes`], for one record.
    pub fn changes_of(&self, key: Key) -> Changes {
        self.feed(About::Record(key))
    }

    fn feed(&self, about: About) -> Changes {
        Changes { receiver: self.feed.subscribe(), about }
    }
}
