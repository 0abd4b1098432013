//! Erasing an account.

use crate::digest::Digest;
use crate::engine::commit::notes::Notes;
use crate::engine::{Engine, Result};
use crate::id::UserId;
use crate::store::{Batch, CommitId, Epoch, ErrorKind, Head, HeadState, Stamp, Wiped};
use crate::time::UnixMillis;

/// What a request to erase came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// The account is erased.
    Done,
    /// The account is erased. Somebody holds on to the store's files, so the last bytes leave them
    /// later, by themselves.
    DoneBy(UnixMillis),
    /// The request was seen before, and the user has begun anew since; nothing was erased.
    Repeated,
}

impl Engine {
    /// Erases everything of the user. What remains is a marker without content, by which a device
    /// that still holds the old data is told, and a new epoch.
    ///
    /// While it runs nothing is accepted for the user. If it fails half-way, calling it again
    /// finishes it; an account that was erased already stays as it is.
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if the store cannot answer.
    pub async fn erase(&self, user: &UserId) -> Result<()> {
        self.erase_as(user, None).await.map(|_| ())
    }

    /// As [`Engine::erase`], by a request that has a name: the same again after a new beginning erases
    /// nothing. Returns whether the account is erased now.
    ///
    /// # Errors
    ///
    /// As [`Engine::erase`].
    pub async fn erase_as(&self, user: &UserId, request_id: Option<&str>) -> Result<Erasure> {
        let name = request_id.map(|id| Digest::of([b"erase\0", id.as_bytes()]).short());
        let (mut attempts, mut erased) = (self.attempts(user), Erasure::Done);
        loop {
            let head = attempts.head().await?;
            let notes = Notes::of(head.as_ref())?;
            let is_known = name.is_none_or(|name| notes.erasures.contains(&name));
            let Some(head) = head else {
                if let Some(name) = name {
                    self.begin_erased(user, name).await?;
                }
                return Ok(Erasure::Done);
            };
            match head.state {
                HeadState::Erased => {
                    if let Some(name) = name.filter(|_| !is_known) {
                        self.commit_notes(user, &head, &notes.with_erasure(name)).await;
                        // If that failed, somebody was faster, or the store is busy.
                        attempts.raced();
                        continue;
                    }
                    return Ok(erased);
                }
                HeadState::Active | HeadState::Importing if name.is_some() && is_known => {
                    return Ok(Erasure::Repeated);
                }
                HeadState::Active | HeadState::Importing => {
                    self.replace_head(user, &head, HeadState::Erasing, None).await?;
                }
                HeadState::Erasing => {
                    if let Wiped::Within { ms } = self.store.erase(user).await? {
                        erased = Erasure::DoneBy(self.clock.now().plus_ms(ms));
                    }
                    self.replace_head(user, &head, HeadState::Erased, name).await?;
                }
            }
        }
    }

    /// Remembers the erasure of an account that never had anything.
    async fn begin_erased(&self, user: &UserId, name: u64) -> Result<()> {
        let mut head = self.next_head(None, HeadState::Active, self.clock.now());
        head.notes = Notes::default().with_erasure(name).to_text();
        let batch = Batch { head, records: Vec::new(), history: Vec::new() };
        match self.store.commit(user, None, &batch).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            other => Ok(other?),
        }
    }

    /// Commits nothing but a head; losing the race is no error, the caller looks again.
    async fn replace_head(
        &self,
        user: &UserId,
        old: &Head,
        state: HeadState,
        erasure: Option<u64>,
    ) -> Result<()> {
        let now = self.clock.now();
        let mut head = old.clone();
        head.revision.0 += 1;
        head.commit = CommitId(self.random_u128());
        head.state = state;
        if state == HeadState::Erased {
            head.epoch = Epoch(self.random.next_u64());
            head.erased_at = Some(now);
            // Numbers that devices still hold are below those of the new life.
            let notes = Notes::of(Some(old))?;
            let floor = notes.floor.max(old.max_version);
            let (erasures, open) = (notes.erasures, Some(0));
            let notes = Notes { floor, erasures, open, ..Notes::default() };
            head.notes = erasure.map_or(notes.clone(), |name| notes.with_erasure(name)).to_text();
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
