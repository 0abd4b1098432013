//! Erasing an account.
//!
//! An erasure has three steps. A commit marks the head, so that nothing else is accepted. Then the
//! store deletes records and history. A second commit leaves the marker of an erased account, in a
//! new epoch. A program that ends in between leaves an account that is still marked; the next call
//! goes on from there.

use crate::digest::Digest;
use crate::engine::commit::notes::Notes;
use crate::engine::{self, Engine, Result};
use crate::id::UserId;
use crate::store::{
    After, Batch, Epoch, ErrorKind, Generation, Head, HeadState, Place, Revision, Stamp, StoreExt,
    Wiped,
};
use crate::time::UnixMillis;

/// What a request to erase came to.
///
/// A host that promises its users a time can tell them this one. Backups that were taken before are
/// its own matter: [`Operate::replay_erasures`](crate::store::Operate::replay_erasures) erases
/// again what a restored backup brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// The account is erased.
    Done,
    /// The account is erased. Somebody holds on to the store's files, so the last bytes leave them
    /// later, by themselves.
    DoneBy(UnixMillis),
    /// The request was seen before, and the user has begun anew since; nothing was erased.
    ///
    /// A retried request must not delete what its user wrote after the first one had done its work.
    Repeated,
}

impl Engine {
    /// Erases everything of the user. What remains is a marker without content, by which a device
    /// that still holds the old data is told, and a new epoch.
    ///
    /// While it runs nothing is accepted for the user. If it fails half-way, calling it again
    /// finishes it; an account that was erased already stays as it is.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, store, kai, .. } = example();
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    ///
    /// engine.erase(&kai).await?;
    ///
    /// assert!(engine.summary(&*store, &kai).await?.kinds.is_empty());
    /// # Ok(())
    /// # }
    /// ```
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
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, kai, .. } = example();
    /// use haumana_sync::engine::Erasure;
    ///
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    /// assert_eq!(Erasure::Done, engine.erase_as(&kai, Some("button-7f3c")).await?);
    /// engine.push(&kai, "phone", &[push(None, "a new beginning")]).await?;
    ///
    /// // The first request, sent twice by a bad network, arrives late.
    /// assert_eq!(Erasure::Repeated, engine.erase_as(&kai, Some("button-7f3c")).await?);
    /// assert_eq!(1, engine.pull(&kai, None, 10, 1 << 20).await?.changes.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Engine::erase`].
    ///
    /// Give each request of a person a random name of its own, and keep it over retries. The head
    /// of the account remembers the last of these names as hashes, also behind an erasure.
    pub async fn erase_as(&self, user: &UserId, request_id: Option<&str>) -> Result<Erasure> {
        let name = request_id.map(|id| Digest::of([b"erase\0", id.as_bytes()]).short());
        let (mut attempts, mut erased) = (self.attempts(user), Erasure::Done);
        loop {
            let head = match attempts.head().await {
                Err(error) if error.kind() == engine::ErrorKind::Spent => {
                    self.spent_head(user).await?
                }
                head => head?,
            };
            let notes = Notes::of(head.as_ref())?;
            let news = name.filter(|name| !notes.erasures.contains(name));
            let (next, is_last) = match (&head, head.as_ref().map(|head| head.state)) {
                (Some(head), Some(HeadState::Active | HeadState::Importing)) => {
                    if name.is_some() && news.is_none() {
                        return Ok(Erasure::Repeated);
                    }
                    // Noted now: somebody else may finish what this request begins.
                    let notes = news.map(|name| notes.with_erasure(name).to_text());
                    let begun = self.erasing(head);
                    (Head { notes: notes.unwrap_or(begun.notes), ..begun }, false)
                }
                (Some(head), Some(HeadState::Erasing)) => {
                    if let Wiped::Within { ms } = self.store.erase(user).await? {
                        erased = Erasure::DoneBy(self.clock.now().plus_ms(ms));
                    }
                    (self.erased(head, notes, news), true)
                }
                // Nothing is there; what is left to do is to remember the request.
                (head, _) => {
                    let Some(news) = news else { return Ok(erased) };
                    let notes = notes.with_erasure(news);
                    (self.noted(head.as_ref(), &notes), true)
                }
            };
            let batch = Batch { head: next, records: Vec::new(), history: Vec::new() };
            match self.store.commit_settled(user, head.as_ref(), &batch).await {
                Ok(()) if is_last => return Ok(erased),
                Ok(()) => {}
                Err(error) => attempts.start_over(error.into())?,
            }
        }
    }

    /// Reads the head of an account that has used up its allowance: an erasure does not wait for it.
    ///
    /// A page says the head too, and no store bounds what pages cost; behind all revisions it is
    /// nothing but the head.
    async fn spent_head(&self, user: &UserId) -> Result<Option<Head>> {
        let behind_all = After::Place(Place { revision: Revision(u64::MAX), within: None });
        Ok(self.store.changes(user, behind_all, 1).await?.head)
    }

    /// The head of an account that takes nothing more until it is erased.
    ///
    /// Its largest version is that of all lives until now: the store notes it in its journal.
    pub(crate) fn erasing(&self, old: &Head) -> Head {
        let floor = Notes::of(Some(old)).map_or(0, |notes| notes.floor);
        let max_version = old.max_version.max(floor);
        Head { state: HeadState::Erasing, max_version, ..self.following(old) }
    }

    /// Reads the head of a user. One who was erased, and of whom a restored backup has nothing, has
    /// the marker of an erased account again.
    ///
    /// Devices still hold what was erased, and the marker is what they are measured against. The
    /// journal knows no users, so the marker is made when one of them comes.
    pub(crate) async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        let head = self.store.head(user).await?;
        // Data that was never put back to an earlier time has lost no head.
        if head.is_some() || self.config.generation == Generation(0) {
            return Ok(head);
        }
        let Some(floor) = self.store.erased_floor(user).await? else { return Ok(None) };
        crate::mark::hit!(user_whom_a_backup_lacks_is_erased_still);
        let before = Head { max_version: floor, ..self.first_head(self.clock.now()) };
        let head = self.erased(&before, Notes::default(), None);
        let batch = Batch { head, records: Vec::new(), history: Vec::new() };
        match self.store.commit_settled(user, None, &batch).await {
            Ok(()) => Ok(Some(batch.head)),
            // Somebody was faster, with the same.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(self.store.head(user).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// The marker that is left of an account, and that begins its next life.
    fn erased(&self, old: &Head, notes: Notes, news: Option<u64>) -> Head {
        let (now, next) = (self.clock.now(), self.erasing(old));
        // Numbers that devices still hold are below those of the new life.
        let floor = notes.floor.max(old.max_version);
        let (erasures, open) = (notes.erasures, Some(0));
        let notes = Notes { floor, erasures, open, ..Notes::default() };
        let notes = news.map_or(notes.clone(), |name| notes.with_erasure(name));
        Head {
            epoch: Epoch(self.random.next_u64()),
            stamp: old.stamp.max(Stamp(now.secs())),
            versions: Digest::default(),
            content: Digest::default(),
            records: 0,
            bytes: 0,
            max_version: 0,
            state: HeadState::Erased,
            erased_at: Some(now),
            notes: notes.to_text(),
            ..next
        }
    }
}
