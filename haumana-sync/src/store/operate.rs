//! The operator's calls on a store, for all users together.
//!
//! Call [`Operate::sweep`] every few hours, and [`Operate::erasing`] after each start. After a
//! restored backup, call [`Operate::replay_erasures`] before anything is served. The other calls
//! are for tools.

use super::{CommitId, Epoch, Head, HeadState, HistoryEntry, Result};
use crate::digest::Digest;
use crate::id::{UserId, Version};
use crate::time::UnixMillis;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The calls that see all users: retention, the journal of erasures, and the schema of the data.
///
/// A host gives it to a task of its own, or to a command that an operator starts. Engines and
/// requests never hold one. Each call does a bounded piece of work; repeat the call to do all of
/// it.
#[async_trait::async_trait]
pub trait Operate: std::fmt::Debug + Send + Sync + 'static {
    /// Deletes history of all users that was superseded before `before`: at most `limit` entries,
    /// from `place` on.
    ///
    /// [`Store::purge`](super::Store::purge) does the same for one user when that user commits.
    /// This call is also for users who never commit again.
    ///
    /// `before` is the current time minus the retention of the engine's
    /// [`EngineConfig`](crate::engine::EngineConfig). With a small `limit`, requests get their turn
    /// between two calls.
    ///
    /// ```
    /// use haumana_sync::conformance::sample::{entry, next_batch, piece, user};
    /// use haumana_sync::store::{MemoryStore, Operate};
    /// use haumana_sync::{Store, time::UnixMillis};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let store = MemoryStore::new();
    /// let history = vec![entry(piece(1), 1, 0, 1_000), entry(piece(1), 2, 0, 9_000)];
    /// store.commit(&user("kai"), None, &next_batch(None, Vec::new(), history)).await?;
    ///
    /// let (mut place, mut deleted) = (None, 0);
    /// loop {
    ///     let swept = store.sweep(UnixMillis(5_000), place.as_ref(), 100).await?;
    ///     deleted += swept.deleted;
    ///     place = swept.next;
    ///     if place.is_none() {
    ///         break;
    ///     }
    /// }
    ///
    /// assert_eq!(1, deleted, "what is younger stays");
    /// # Ok::<(), haumana_sync::store::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Guarantees
    ///
    /// - Exact: deletes only history from before `before`.
    /// - Complete: call it with `None`, then with each next place until there is none. Then all
    ///   that was there at the beginning is deleted, even if others commit meanwhile.
    /// - Bounded: one call deletes at most `limit` entries; `limit` is at least 1.
    ///
    /// # Errors
    ///
    /// As [`Store::purge`](super::Store::purge). Repeat the same call to go on. A place that this
    /// store never gave counts as the end or as the beginning.
    async fn sweep(
        &self,
        before: UnixMillis,
        place: Option<&SweepPlace>,
        limit: usize,
    ) -> Result<Swept>;

    /// Erases accounts again that a restored backup brought back. Returns how many there were.
    ///
    /// It looks for accounts that the journal of erasures lists and that are in the data again. It
    /// deletes all their records and history, and sets their heads to
    /// [`Erasing`](super::HeadState::Erasing).
    ///
    /// The journal is not part of the data: restoring the data does not change the journal.
    /// [`Store::erase`](super::Store::erase) writes to the journal before it deletes anything. The
    /// journal holds keyed hashes of a user and a life of the account, times, and the largest
    /// version of what was erased; nothing else.
    ///
    /// Without the journal, a restored backup would bring back accounts that their users have
    /// erased. Devices may still hold the erased records. So the head of an erased account keeps at
    /// least the largest version that the journal knows. If the backup has no head of a user,
    /// [`Store::erased_floor`](super::Store::erased_floor) returns that version.
    ///
    /// # Guarantees
    ///
    /// - Complete: afterwards no answer contains content of an account that was erased.
    /// - Exact: an account that was begun anew after its erasure is another life, and stays.
    /// - As strong as the erasure: the head has at least the largest version of what was erased,
    ///   even if the backup has smaller versions.
    /// - Repeatable: a second call finds nothing.
    async fn replay_erasures(&self) -> Result<usize>;

    /// Returns at most `limit` users whose erasure was begun and is not finished. To finish it,
    /// erase them again through an engine.
    ///
    /// # Guarantees
    ///
    /// - Complete: each user whose head says [`Erasing`](super::HeadState::Erasing) is returned by
    ///   this call, or by a later call after those erasures are finished.
    async fn erasing(&self, limit: usize) -> Result<Vec<UserId>>;

    /// Lists users who have a head, erased ones too, from `place` on. It returns at least one user,
    /// if one is left, and at most `limit`, which is at least 1. The order is the store's own.
    ///
    /// It is for tools that look at every account, such as `haumana-admin`. Serving requests does
    /// not need it.
    ///
    /// # Guarantees
    ///
    /// - Complete: call it with `None`, then with each next place until there is none. Then
    ///   everybody who had a head at the beginning was listed, each once.
    ///
    /// # Errors
    ///
    /// A place that this store never gave counts as the end or as the beginning.
    async fn users(&self, place: Option<&ScanPlace>, limit: usize) -> Result<UserPage>;

    /// Lists the whole history of one user from `place` on, also of records that are gone: at most
    /// `limit` entries, which is at least 1. The order is the store's own.
    ///
    /// # Guarantees
    ///
    /// - Complete: call it with `None`, then with each next place until there is none. Then each
    ///   entry that was there at the beginning and at the end was listed once. An entry that cannot
    ///   be read is listed as [`HistoryEntry::unreadable`]; if not even its key can be read, it is
    ///   left out.
    /// - Exact, as [`Store::history`](super::Store::history), and only of this user.
    async fn user_history(
        &self,
        user: &UserId,
        place: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<HistoryPart>;

    /// Returns the text that [`Operate::keep_schema`] has kept; `None` if none was ever kept.
    ///
    /// It describes the schema with which the records were last served. The store does not look
    /// into it: [`succession`](crate::succession) writes and reads it. It is part of the data, so
    /// backups contain it.
    ///
    /// # Guarantees
    ///
    /// - Fresh: what was kept before this call started is in the answer.
    /// - Exact: the text comes back byte for byte, up to [`SCHEMA_BYTES`].
    async fn kept_schema(&self) -> Result<Option<String>>;

    /// Replaces the kept text with `next`, if the kept text is still `expected`.
    ///
    /// # Guarantees
    ///
    /// - Serial: if two calls expect the same text and keep different ones, at most one succeeds.
    /// - Repeatable: the identical call, repeated, returns `Ok` and changes nothing.
    /// - Apart: it changes nothing of any user, and no call for a user changes the text.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Conflict`](super::ErrorKind::Conflict) if another text is kept; nothing was
    ///   written.
    /// - [`ErrorKind::Unknown`](super::ErrorKind::Unknown) if it may have happened; repeat the call.
    async fn keep_schema(&self, expected: Option<&str>, next: &str) -> Result<()>;
}

/// LIMIT: the longest text that [`Operate::keep_schema`] keeps.
pub const SCHEMA_BYTES: usize = 8_000_000;

/// Where the next [`Operate::sweep`] continues. Only the store that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepPlace(pub String);

/// Where the next [`Operate::users`] or [`Operate::user_history`] continues. Only the store that
/// made it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPlace(pub String);

/// Some of the users of a store.
///
/// It may hold fewer users than `limit` although more follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The users.
    pub users: Vec<UserId>,
    /// Where to continue; `None` if these were the last.
    pub next: Option<ScanPlace>,
}

/// A part of the history of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPart {
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// Where to continue; `None` if these were the last.
    pub next: Option<ScanPlace>,
}

/// What one [`Operate::sweep`] did.
///
/// A sweep that deleted nothing may still have a next place, because it looked at rows that stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many entries it deleted.
    pub deleted: usize,
    /// Where to continue; `None` if the sweep is at its end.
    pub next: Option<SweepPlace>,
}

/// Returns the hash by which the journal of erasures knows one life of an account. Without the key,
/// the hash does not reveal the user.
///
/// Each life has a random epoch. So an account that its user begins anew has another hash.
///
/// The key is the journal's own and is made with it. A journal that leaks without its key reveals
/// nobody.
pub fn erased_life(key: &[u8; 32], user: &UserId, epoch: Epoch) -> Digest {
    // Only half of the hash is kept. So nobody can extend a hash to that of a longer name.
    let epoch = epoch.0.to_be_bytes();
    Digest::of([b"erased life\0".as_slice(), key, user.as_str().as_bytes(), b"\0", &epoch])
}

/// Returns the hash by which the journal of erasures knows a user, for all lives of the account. It
/// is keyed as [`erased_life`] is. The journal keeps it with the largest version of what was
/// erased.
///
/// With that version, an erasure that is repeated on a backup is as strong as the first one. A user
/// of whom the backup has nothing is known, too.
pub fn erased_user(key: &[u8; 32], user: &UserId) -> Digest {
    Digest::of([b"erased user\0".as_slice(), key, user.as_str().as_bytes()])
}

/// The largest version of an account that was erased before journals kept that version. It is far
/// above any real record's version, and far below the limit.
pub(crate) const UNKNOWN_FLOOR: Version = 1 << 16;

/// The contents of a journal of erasures: which lives of accounts were erased, as keyed hashes.
pub struct ErasedLives {
    key: [u8; 32],
    lives: HashSet<Digest>,
    floors: HashMap<Digest, Version>,
}

impl ErasedLives {
    /// Makes it from what was read: the journal's key, and each [`erased_life`] in the journal.
    pub fn new(key: [u8; 32], lives: HashSet<Digest>) -> Self {
        Self { key, lives, floors: HashMap::new() }
    }

    /// Adds, for each [`erased_user`], the largest version of what was erased.
    #[must_use]
    pub fn with_floors(self, floors: HashMap<Digest, Version>) -> Self {
        Self { floors, ..self }
    }

    /// Whether this life of an account was erased.
    pub fn has(&self, user: &UserId, epoch: Epoch) -> bool {
        self.lives.contains(&erased_life(&self.key, user, epoch))
    }

    /// Returns the head of an account that is to be erased again; `None` if there is nothing to do.
    ///
    /// If the account's erasure is already under way, only the largest version may have to change.
    pub fn head_to_erase(&self, user: &UserId, head: &Head) -> Option<Head> {
        if !self.has(user, head.epoch) {
            return None;
        }
        let known = self.floors.get(&erased_user(&self.key, user)).copied();
        match head.state {
            HeadState::Erasing if known.is_none_or(|floor| floor <= head.max_version) => None,
            _ => Some(head_to_erase(head, known.unwrap_or(UNKNOWN_FLOOR))),
        }
    }

    /// For each erased user, the largest version of what was erased.
    pub fn floors(&self) -> &HashMap<Digest, Version> {
        &self.floors
    }

    /// How many lives there are.
    pub fn count(&self) -> usize {
        self.lives.len()
    }
}

impl fmt::Debug for ErasedLives {
    /// Shows neither the key nor the hashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErasedLives").field("lives", &self.count()).finish_non_exhaustive()
    }
}

/// Returns the head of an account that [`Operate::replay_erasures`] has emptied.
///
/// It has the next revision, so that no commit on the previous head succeeds. It has the largest
/// version that was ever erased of the user, because the backup may have smaller versions.
pub fn head_to_erase(head: &Head, floor: Version) -> Head {
    let mut next = head.clone();
    next.max_version = next.max_version.max(floor);
    next.revision.0 += 1;
    let commit = Digest::of([b"erase again\0".as_slice(), &head.commit.0.to_be_bytes()]);
    next.commit = CommitId(commit.bits());
    next.state = HeadState::Erasing;
    next
}

/// Operating a shared store operates the store inside.
#[async_trait::async_trait]
impl<S: Operate + ?Sized> Operate for std::sync::Arc<S> {
    async fn sweep(
        &self,
        before: UnixMillis,
        place: Option<&SweepPlace>,
        limit: usize,
    ) -> Result<Swept> {
        (**self).sweep(before, place, limit).await
    }

    async fn replay_erasures(&self) -> Result<usize> {
        (**self).replay_erasures().await
    }

    async fn erasing(&self, limit: usize) -> Result<Vec<UserId>> {
        (**self).erasing(limit).await
    }

    async fn users(&self, place: Option<&ScanPlace>, limit: usize) -> Result<UserPage> {
        (**self).users(place, limit).await
    }

    async fn user_history(
        &self,
        user: &UserId,
        place: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<HistoryPart> {
        (**self).user_history(user, place, limit).await
    }

    async fn kept_schema(&self) -> Result<Option<String>> {
        (**self).kept_schema().await
    }

    async fn keep_schema(&self, expected: Option<&str>, next: &str) -> Result<()> {
        (**self).keep_schema(expected, next).await
    }
}
