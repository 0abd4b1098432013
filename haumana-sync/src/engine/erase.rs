//! Erasing an account.

use super::notes::Notes;
use super::{Engine, Result};
use crate::digest::Digest;
use crate::id::UserId;
use crate::store::{Batch, CommitId, Epoch, ErrorKind, Head, HeadState, Stamp};

impl Engine {
    /// Erases everything of the user. What remains is a marker without content, by which a device
    /// that still holds the old data is told, and a new epoch.
    ///
    /// While it runs nothing is accepted for the user. If it fails half-way, calling it again
    /// finishes it; an account that was erased already stays as it is.
    ///
    /// # Errors
    ///
    /// [`super::ErrorKind::Unavailable`] if the store cannot answer.
    pub async fn erase(&self, user: &UserId) -> Result<()> {
        loop {
            let Some(head) = self.store.head(user).await? else {
                return Ok(());
            };
            match head.state {
                HeadState::Erased => return Ok(()),
                HeadState::Active | HeadState::Importing => {
                    self.replace_head(user, &head, HeadState::Erasing).await?;
                }
                HeadState::Erasing => {
                    self.store.erase(user).await?;
                    self.replace_head(user, &head, HeadState::Erased).await?;
                }
            }
        }
    }

    /// Commits nothing but a head; losing the race is no error, the caller looks again.
    async fn replace_head(&self, user: &UserId, old: &Head, state: HeadState) -> Result<()> {
        let now = self.clock.now();
        let mut head = old.clone();
        head.revision.0 += 1;
        head.commit = CommitId(self.random_u128());
        head.state = state;
        if state == HeadState::Erased {
            head.epoch = Epoch(self.random.next_u64());
            head.erased_at = Some(now);
            // Numbers that devices still hold are below those of the new life.
            let floor = Notes::of(Some(old))?.floor.max(old.max_version);
            head.notes = Notes { floor, ..Notes::default() }.to_text();
            head.versions = Digest::default();
            head.content = Digest::default();
            head.records = 0;
            head.bytes = 0;
            head.max_version = 0;
            head.stamp = head.stamp.max(Stamp(now.secs()));
        }
        let batch = Batch { head, records: Vec::new(), history: Vec::new() };
        match self.store.commit(user, Some(old), &batch).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            other => Ok(other?),
        }
    }
}
