//! A read of an account, edits that are decided on it, and one commit. Dialects build on it.

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

/// The tries of one call of a dialect. A call that loses the race for the head starts over.
///
/// [`Attempts::next`] gives up with [`ErrorKind::Unavailable`] after [`limits::COMMIT_TRIES`] lost
/// races. Each lost race means that another commit succeeded.
#[derive(Debug)]
pub struct Attempts<'e> {
    engine: &'e Engine,
    user: UserId,
    races: usize,
}

impl Engine {
    /// Begins a call that reads an account, decides edits, and commits them.
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

    /// Reads the head of an account in any state, unless too many races were lost.
    pub(crate) async fn head(&self) -> Result<Option<Head>> {
        if limits::COMMIT_TRIES <= self.races {
            return Err(Error::contended());
        }
        self.engine.head(&self.user).await
    }

    /// Notes that the last transaction lost the race for the head.
    ///
    /// A dialect calls this if it finds out itself that its view is old.
    pub fn raced(&mut self) {
        self.races += 1;
    }

    /// Prepares to start over after a commit that was stopped.
    ///
    /// # Errors
    ///
    /// The error of the store, if the commit was not stopped by a race.
    pub fn start_over(&mut self, stopped: Stopped) -> Result<()> {
        match stopped {
            Stopped::Raced => self.raced(),
            Stopped::Failed(error) => return Err(error),
        }
        Ok(())
    }
}

/// A head that was read, and what will be committed on it.
///
/// It holds no lock and no transaction of the store. If what it has read is old by the time of the
/// commit, the commit does nothing, and the caller starts over. Dropping it has no effect.
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

    /// Returns the head, for another commit on it.
    pub(crate) fn into_head(self) -> Option<Head> {
        self.head
    }

    /// Returns the context in which edits are applied.
    pub fn context(&self) -> MergeContext {
        let begin = || self.engine.context_of(self.engine.clock.now(), &self.notes);
        *self.context.get_or_init(begin)
    }

    /// Returns the engine's notes about the account.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Returns the stamp of the last commit that wrote a record without raising its version, if
    /// there was one. Clients of stamps must read such a record again, and the head's sums do not
    /// show it.
    pub fn restamped(&self) -> Option<Stamp> {
        self.notes.restamped
    }

    /// Returns when the account was imported, if it was. What a dialect keeps beside its records
    /// was imported with them. What it keeps beside the account was not.
    pub fn imported_at(&self) -> Option<UnixMillis> {
        self.notes.imported_at
    }

    /// Returns what the dialect keeps beside the account.
    pub fn slot(&self) -> &Slot {
        &self.notes.slot
    }

    /// Sets what the dialect keeps beside the account. It is written with the commit.
    ///
    /// It has at most some kB, because it is in the head, which every call reads.
    pub fn set_slot(&mut self, slot: Slot) {
        self.notes.slot = slot;
        self.has_news = true;
    }

    /// Reads and opens one current record.
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

    /// Reads records, in the order of `keys`. Staged edits are applied.
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

    /// Opens a record under its kind; `None` if it cannot be read. Then the witness is notified,
    /// and edits of the record are refused as [`Refusal::Unreadable`].
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if a newer program wrote it.
    pub fn open_readable(&self, envelope: &Envelope) -> Result<Option<Record>> {
        self.engine.open_readable(&self.user, envelope)
    }

    /// Reads the content that edits need of their bases; see
    /// [`needed`](crate::engine::edit::bases::needed).
    ///
    /// Content past its retention is not in the answer. Such an edit is decided without its base.
    ///
    /// # Errors
    ///
    /// [`crate::engine::ErrorKind::Unavailable`] if the store cannot answer.
    pub async fn read_bases(&self, keys: BTreeSet<HistoryKey>) -> Result<Bases> {
        let (oldest, staging) = (self.context().oldest, Some(&self.staging));
        self.engine.read_staged_bases(&self.user, keys, oldest, staging).await
    }

    /// Applies an edit to the record `old`. The result has parts if one commit cannot hold all
    /// values that lose. Nothing is staged.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the edit cannot be accepted.
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

    /// Stages the result of an edit. Returns whether there is anything to write. Several edits of
    /// one record are written as one: the history keeps the state before the first.
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
    /// If only the slot changed, it is written at most once. If that fails, the slot is lost, and a
    /// later call must set it again.
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
