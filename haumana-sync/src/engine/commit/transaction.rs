//! A read of an account, edits that are decided on it, and one commit: the seam on which dialects stand.

use crate::engine::Refusal;
use crate::engine::commit::draft::inbox_entries;
use crate::engine::commit::notes::Notes;
use crate::engine::commit::staging::Staging;
use crate::engine::commit::{Committed, Draft, Stopped};
use crate::engine::edit::apply::parts::apply_within;
use crate::engine::edit::record::Record;
use crate::engine::edit::slot::Slot;
use crate::engine::edit::{Applied, Bases, Edit, MergeContext};
use crate::engine::{Engine, Error, ErrorKind, Quota, Result, check_state};
use crate::id::{Key, UserId};
use crate::limits;
use crate::schema::Kind;
use crate::store::{Envelope, Head, HistoryKey, Stamp};
use crate::time::UnixMillis;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// Tries of one call. Whoever loses the race for the head starts over; who loses too often gives up.
///
/// One value is one call of a dialect. [`Attempts::next`] gives up with [`ErrorKind::Unavailable`]
/// after [`limits::COMMIT_TRIES`] lost races. Each race that is lost is a commit of somebody else
/// that got through.
#[derive(Debug)]
pub struct Attempts<'e> {
    engine: &'e Engine,
    user: UserId,
    races: usize,
}

impl Engine {
    /// Begins a call that reads an account, decides what becomes of it, and commits that.
    pub fn attempts(&self, user: &UserId) -> Attempts<'_> {
        Attempts { engine: self, user: user.clone(), races: 0 }
    }
}

impl<'e> Attempts<'e> {
    /// Reads the head and begins a transaction on it.
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if the store cannot answer, or if too many races were lost;
    /// [`crate::engine::ErrorKind::Importing`] and [`crate::engine::ErrorKind::Erasing`] while the account is not whole.
    pub async fn next(&mut self) -> Result<Transaction<'e>> {
        let head = self.head().await?;
        Transaction::begin(self.engine, &self.user, head)
    }

    /// Reads the head, of an account in any state, unless too many races were lost.
    pub(crate) async fn head(&self) -> Result<Option<Head>> {
        if limits::COMMIT_TRIES <= self.races {
            return Err(Error::contended());
        }
        self.engine.head(&self.user).await
    }

    /// Notes that the last transaction lost the race for the head.
    ///
    /// A dialect that finds out itself that its view is old says so with this.
    pub fn raced(&mut self) {
        self.races += 1;
    }

    /// Makes ready to start over behind a commit that was stopped.
    ///
    /// # Errors
    ///
    /// What the store failed with, if it was no race.
    pub fn start_over(&mut self, stopped: Stopped) -> Result<()> {
        match stopped {
            Stopped::Raced => self.raced(),
            Stopped::Failed(error) => return Err(error),
        }
        Ok(())
    }
}

/// A head that was read, and what is to be committed on it.
///
/// It holds no lock and no transaction of the store. What it has read may be old by the time of the
/// commit; then the commit does nothing, and the caller starts over. Dropping it leaves nothing
/// behind.
#[derive(Debug)]
pub struct Transaction<'e> {
    engine: &'e Engine,
    user: UserId,
    head: Option<Head>,
    notes: Notes,
    context: OnceLock<MergeContext>,
    quota: Quota,
    staging: Staging,
    has_news: bool,
}

impl<'e> Transaction<'e> {
    /// Begins on a head that was read.
    pub(crate) fn begin(engine: &'e Engine, user: &UserId, head: Option<Head>) -> Result<Self> {
        check_state(head.as_ref())?;
        let notes = Notes::of(head.as_ref())?;
        let quota = Quota::of(head.as_ref(), &notes);
        let (user, staging, context) = (user.clone(), engine.staging(), OnceLock::new());
        Ok(Self { engine, user, head, notes, context, quota, staging, has_news: false })
    }

    /// Returns the head; `None` if the account has nothing yet.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Gives the head back, to commit on it otherwise.
    pub(crate) fn into_head(self) -> Option<Head> {
        self.head
    }

    /// Returns what edits are decided in.
    pub fn context(&self) -> MergeContext {
        let begin = || self.engine.context_of(self.engine.clock.now(), &self.notes);
        *self.context.get_or_init(begin)
    }

    /// Returns what the head notes of the account.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Returns the stamp of the last commit that wrote a record and left its version as it was, if any
    /// did. Such a record is due again for whoever goes by stamps, and the head's sums do not show it.
    pub fn restamped(&self) -> Option<Stamp> {
        self.notes.restamped
    }

    /// Returns when the account was imported, if it was. What a dialect kept beside its records came
    /// along, what it kept beside the account did not.
    pub fn imported_at(&self) -> Option<UnixMillis> {
        self.notes.imported_at
    }

    /// Returns what the dialect keeps beside the account.
    pub fn slot(&self) -> &Slot {
        &self.notes.slot
    }

    /// Puts what the dialect keeps beside the account; it is written with the commit.
    ///
    /// It has at most some kB: it is in the head, which every call reads.
    pub fn set_slot(&mut self, slot: Slot) {
        self.notes.slot = slot;
        self.has_news = true;
    }

    /// Reads and opens one record as it stands.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Unreadable`] if it cannot be opened, and
    /// those of [`Transaction::read`].
    pub(crate) async fn open_one(&self, key: Key) -> Result<(Envelope, Record)> {
        let found = self.read(&[key]).await?.into_iter().flatten().next();
        let envelope =
            found.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such record"))?;
        let record = self.open(&envelope)?;
        Ok((envelope, record))
    }

    /// Reads records, in the order of `keys`; those of which edits are staged as these leave them.
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if the store cannot answer.
    pub async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Envelope>>> {
        if self.staging.is_empty() {
            return Ok(self.engine.store.read(&self.user, keys).await?);
        }
        let is_stored = |key: &&Key| self.staging.record(key).is_none();
        let stored: Vec<Key> = keys.iter().filter(is_stored).copied().collect();
        let mut found = match stored.is_empty() {
            true => Vec::new(),
            false => self.engine.store.read(&self.user, &stored).await?,
        }
        .into_iter();
        let read = |key: &Key| match self.staging.record(key) {
            Some(staged) => Some(staged.clone()),
            None => found.next().flatten(),
        };
        Ok(keys.iter().map(read).collect())
    }

    /// Opens a record under its kind.
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Internal`] if it cannot be read.
    pub fn open(&self, envelope: &Envelope) -> Result<Record> {
        self.engine.open(envelope)
    }

    /// Opens a record under its kind; `None` if it cannot be read. That is told, and whatever is to
    /// become of the record is refused as [`Refusal::Unreadable`].
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if a newer program wrote it.
    pub fn open_readable(&self, envelope: &Envelope) -> Result<Option<Record>> {
        self.engine.open_readable(&self.user, envelope)
    }

    /// Reads the content that edits need of their bases; see [`needed`](crate::engine::edit::bases::needed).
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if the store cannot answer.
    ///
    /// What is past its retention is not in the answer; such an edit is decided without its base.
    pub async fn read_bases(&self, keys: BTreeSet<HistoryKey>) -> Result<Bases> {
        let (oldest, staging) = (self.context().oldest, Some(&self.staging));
        self.engine.read_staged_bases(&self.user, keys, oldest, staging).await
    }

    /// Decides what becomes of an edit of the record as it stands in `old`, in parts where one commit
    /// cannot hold all that loses by it. Nothing is staged.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the edit cannot be taken.
    pub fn apply(
        &self,
        kind: &Arc<Kind>,
        key: Key,
        old: Option<(&Envelope, &Record)>,
        edit: &Edit,
        bases: &Bases,
    ) -> Result<Applied, Refusal> {
        let limits = self.engine.store.batch_limits();
        apply_within((kind, key.id), old, edit, bases, (self.context(), limits))
    }

    /// Stages what an edit has come to. Returns whether anything is to be written. Several edits of
    /// one record are written as one: the history keeps what the first of them found.
    ///
    /// # Errors
    ///
    /// [`Refusal::QuotaExceeded`] if the account has no room for it; [`Refusal::TooLarge`] if the
    /// record would become longer than a store can hold.
    pub fn stage(&mut self, applied: Applied, old: Option<&Envelope>) -> Result<bool, Refusal> {
        let drafts = Draft::all_of(applied, old, self.context().now)?;
        let Some(last) = drafts.last() else { return Ok(false) };
        let conflicts = inbox_entries(&drafts);
        if !self.quota.take(old.map(|old| old.content.len()), last.new.content.len(), conflicts) {
            return Err(Refusal::QuotaExceeded);
        }
        self.staging.add(drafts);
        Ok(true)
    }

    /// Commits what was staged, in that order, with the slot of the account if it was set.
    ///
    /// A slot without anything else is written at most once: if that fails, it is lost, and whoever
    /// has news notes it again.
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if the store cannot answer before anything is written.
    pub async fn commit(mut self) -> Result<Committed> {
        self.engine.drop_known_conflicts(&self.user, self.staging.drafts_mut()).await?;
        let notes = self.has_news.then_some(self.notes);
        if let (true, Some(head), Some(notes)) = (self.staging.is_empty(), &self.head, &notes) {
            self.engine.commit_notes(&self.user, Some(head), notes).await;
            return Ok(Committed::nothing(self.head));
        }
        Ok(self.engine.commit_with(&self.user, self.head, self.staging, notes).await)
    }
}
