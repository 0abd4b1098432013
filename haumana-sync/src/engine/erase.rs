//! Erasing an account.

use crate::digest::Digest;
use crate::engine::commit::notes::Notes;
use crate::engine::{Engine, Result};
use crate::id::UserId;
use crate::store::{Batch, Epoch, Head, HeadState, Stamp, StoreExt, Wiped};
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
    /// ```
    /// # use haumana_sync::conformance::{SeededRandom, SetClock};
    /// # use haumana_sync::Engine;
    /// # use haumana_sync::engine::{EditTimes, EngineConfig, Push, PushOp};
    /// # use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
    /// # use haumana_sync::record::Value;
    /// # use haumana_sync::schema::{Field, FieldType, Kind, Schema};
    /// # use haumana_sync::store::{Generation, MemoryStore};
    /// # use haumana_sync::time::UnixMillis;
    /// # use std::collections::BTreeMap;
    /// # use std::sync::Arc;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let schema = Schema::new([Kind::new(3, "song").field(Field::new(1, "title", FieldType::text(100)))])?;
    /// # let clock = Arc::new(SetClock::at(UnixMillis(1_795_392_000_000)));
    /// # let (store, config) = (Arc::new(MemoryStore::new()), EngineConfig::new(Generation(0)));
    /// # let engine = Engine::of(schema, store.clone(), clock.clone(), Arc::new(SeededRandom::new(1)), config);
    /// # let kai = UserId::verified_by_caller("kai").ok_or("not a user id")?;
    /// # let song = Key { kind: KindNumber::new(3), id: RecordId::from_bits(1) };
    /// # let push = |base, title: &str| {
    /// #     let title = Value::Text(title.to_owned());
    /// #     let op = PushOp::Set(BTreeMap::from([("title".to_owned(), title)]));
    /// #     Push { key: song, base, edited_at: EditTimes::Unknown, op }
    /// # };
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
    /// # Errors
    ///
    /// As [`Engine::erase`].
    pub async fn erase_as(&self, user: &UserId, request_id: Option<&str>) -> Result<Erasure> {
        let name = request_id.map(|id| Digest::of([b"erase\0", id.as_bytes()]).short());
        let (mut attempts, mut erased) = (self.attempts(user), Erasure::Done);
        loop {
            let head = attempts.head().await?;
            let notes = Notes::of(head.as_ref())?;
            let news = name.filter(|name| !notes.erasures.contains(name));
            let (next, is_last) = match (&head, head.as_ref().map(|head| head.state)) {
                (Some(head), Some(HeadState::Active | HeadState::Importing)) => {
                    if name.is_some() && news.is_none() {
                        return Ok(Erasure::Repeated);
                    }
                    (self.erasing(head), false)
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

    /// The head of an account that takes nothing more until it is erased.
    pub(crate) fn erasing(&self, old: &Head) -> Head {
        Head { state: HeadState::Erasing, ..self.following(old) }
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
