//! Erasing an account.
//!
//! An erasure has three steps. A commit marks the head, so that nothing else is accepted. Then the
//! store deletes records and history. A second commit leaves the marker of an erased account, in a
//! new epoch. If a program ends in between, the account stays marked, and the next call continues
//! from there.

use crate::digest::Digest;
use crate::engine::commit::notes::Notes;
use crate::engine::{self, Engine, Result};
use crate::id::UserId;
use crate::store::{
    After, Batch, Epoch, ErrorKind, Generation, Head, HeadState, Place, Revision, Stamp, StoreExt,
    Wiped,
};
use crate::time::UnixMillis;

/// The outcome of an erasure.
///
/// A host that promises its users a time can show them this one. It does not cover backups that
/// were taken before; [`Operate::replay_erasures`](crate::store::Operate::replay_erasures) erases
/// again what a restored backup brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// The account is erased.
    Done,
    /// The account is erased. The last bytes leave the store's files by this time, without another
    /// call.
    DoneBy(UnixMillis),
    /// An earlier request with this name was done, and the user has begun anew since. Nothing was
    /// erased.
    ///
    /// Otherwise a retried request would delete what its user wrote after the first one.
    Repeated,
}

impl Engine {
    /// Erases everything of the user. What remains is a new epoch, and a marker without content.
    /// The marker tells devices that still hold the old data.
    ///
    /// Meanwhile nothing is accepted for the user. If it fails half-way, calling it again finishes
    /// it. An account that was erased already stays as it is.
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

    /// As [`Engine::erase`], for a request that has a name. If the user has begun anew since,
    /// repeating the request erases nothing. Returns whether the account is erased now.
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
    /// Give each request of a person its own random name, and use the same name for retries. The
    /// head of the account keeps hashes of the latest names, also after an erasure.
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
                // Nothing is there. It remains to remember the request.
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

    /// Reads the head of an account that has used up its allowance, since an erasure does not wait
    /// for it.
    ///
    /// A page also contains the head, and no store limits the cost of pages. Behind all revisions a
    /// page contains only the head.
    async fn spent_head(&self, user: &UserId) -> Result<Option<Head>> {
        let behind_all = After::Place(Place { revision: Revision(u64::MAX), within: None });
        Ok(self.store.changes(user, behind_all, 1).await?.head)
    }

    /// The head of an account that accepts nothing until it is erased.
    ///
    /// Its largest version covers all earlier epochs, too. The store notes that version in its
    /// journal.
    pub(crate) fn erasing(&self, old: &Head) -> Head {
        let floor = Notes::of(Some(old)).map_or(0, |notes| notes.floor);
        let max_version = old.max_version.max(floor);
        Head { state: HeadState::Erasing, max_version, ..self.following(old) }
    }

    /// Reads the head of a user. If the user was erased and a restored backup has no head, this
    /// makes the marker of an erased account again.
    ///
    /// Devices may still hold what was erased, and they are compared with the marker. The journal
    /// does not contain user ids, so the marker is made when the user comes.
    pub(crate) async fn head(&self, user: &UserId) -> Result<Option<Head>> {
        let head = self.store.head(user).await?;
        // Data that was never restored has lost no head.
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
            // Somebody else was faster, and wrote the same.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(self.store.head(user).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// The marker of an erased account, which begins its next epoch.
    fn erased(&self, old: &Head, notes: Notes, news: Option<u64>) -> Head {
        let (now, next) = (self.clock.now(), self.erasing(old));
        // Version numbers that devices still hold are below those of the new epoch.
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
