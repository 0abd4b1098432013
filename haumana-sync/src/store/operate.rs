//! What the operator of a store asks for, of all users together.
//!
//! Call [`Operate::sweep`] every some hours and [`Operate::erasing`] after each start; after a
//! restored backup call [`Operate::replay_erasures`] before anything is served. The other calls are
//! for tools.

use super::{CommitId, Epoch, Head, HeadState, HistoryEntry, Result};
use crate::digest::Digest;
use crate::id::{UserId, Version};
use crate::time::UnixMillis;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The calls that see all users: retention, the journal of erasures, and the schema of the data.
///
/// A host gives it to a task of its own, or to a command that an operator starts. No engine and no
/// request ever holds one. Each call does a bounded piece of work; whoever wants all of it calls
/// again.
#[async_trait::async_trait]
pub trait Operate: std::fmt::Debug + Send + Sync + 'static {
    /// Deletes history that was superseded before `before`, of whichever users, at most `limit`
    /// entries, from `place` on. It is what [`Store::purge`](super::Store::purge) does for users
    /// who commit; this reaches those who never come again.
    ///
    /// `before` is now less the retention of the engine's
    /// [`EngineConfig`](crate::engine::EngineConfig). Small limits let requests have their turn
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
    /// - Exact: touches nothing but history from before the time.
    /// - Complete: followed from `None` until there is no next place, it has deleted all that was
    ///   there when it began, whoever commits meanwhile.
    /// - Bounded: at most `limit` entries are deleted by one call; `limit` is at least 1.
    ///
    /// # Errors
    ///
    /// As [`Store::purge`](super::Store::purge). The same call again goes on. A place that this
    /// store never gave is one from which nothing is left, or the beginning.
    async fn sweep(
        &self,
        before: UnixMillis,
        place: Option<&SweepPlace>,
        limit: usize,
    ) -> Result<Swept>;

    /// Looks for accounts that the journal says were erased and that are here again, because the
    /// data was put back to an earlier time. All their records and history are deleted, and their
    /// heads say [`Erasing`](super::HeadState::Erasing). Returns how many there were.
    ///
    /// The journal is no part of the data: what restores the one leaves the other as it is.
    /// [`Store::erase`](super::Store::erase) writes it before it deletes anything. It holds keyed
    /// hashes of a user and a life of the account, times, and the largest version of what was
    /// erased; nothing else.
    ///
    /// Without it, a restored backup would bring back accounts whose users have had them erased.
    /// Devices still hold what was erased. So the head that is left has at least the largest
    /// version that the journal knows, and [`Store::erased_floor`](super::Store::erased_floor)
    /// tells about users of whom the backup has no head.
    ///
    /// # Guarantees
    ///
    /// - Complete: afterwards no content of an account that was erased is in any answer.
    /// - Exact: an account that was begun anew since is another life, and stays.
    /// - As strong as the erasure: the head that is left has the largest version of what was
    ///   erased, also if the backup is of a time with smaller ones.
    /// - Repeatable: again finds nothing.
    async fn replay_erasures(&self) -> Result<usize>;

    /// Returns users whose erasure was begun and is not finished, at most `limit`. Erasing them
    /// again through an engine finishes it.
    ///
    /// # Guarantees
    ///
    /// - Complete: whose head says [`Erasing`](super::HeadState::Erasing) is returned, in this
    ///   call or in one after the erasures of this one are finished.
    async fn erasing(&self, limit: usize) -> Result<Vec<UserId>>;

    /// Lists users who have a head, erased ones too, from `place` on: at least one, if there is one
    /// left, and at most `limit`, which is at least 1. The order is the store's own.
    ///
    /// It is for tools that look at every account, such as `haumana-admin`. Nothing that serves
    /// requests needs it.
    ///
    /// # Guarantees
    ///
    /// - Complete: followed from `None` until there is no next place, it has listed everybody who had a
    ///   head when it began, each once.
    ///
    /// # Errors
    ///
    /// A place that this store never gave is one from which nothing is left, or the beginning.
    async fn users(&self, place: Option<&ScanPlace>, limit: usize) -> Result<UserPage>;

    /// Lists the whole history of one user, of records that are not there too, from `place` on: at
    /// most `limit` entries, which is at least 1. The order is the store's own.
    ///
    /// # Guarantees
    ///
    /// - Complete: followed from `None` until there is no next place, it has listed each entry that
    ///   was there when it began and is there at its end, once. An entry that cannot be read is
    ///   listed as [`HistoryEntry::unreadable`], unless not even its key can be read.
    /// - Exact, as [`Store::history`](super::Store::history), and only the one user's.
    async fn user_history(
        &self,
        user: &UserId,
        place: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<HistoryPart>;

    /// Returns the text that [`Operate::keep_schema`] has kept; `None` if none was ever kept.
    ///
    /// It says which schema the records were last served with. The store does not look into it:
    /// [`succession`](crate::succession) writes and reads it. It is a part of the data, so a backup
    /// has it.
    ///
    /// # Guarantees
    ///
    /// - Fresh: what was kept before this call started is in the answer.
    /// - Exact: the text comes back byte for byte, up to [`SCHEMA_BYTES`].
    async fn kept_schema(&self) -> Result<Option<String>>;

    /// Keeps `next` in place of the text that is kept, if that is still `expected`.
    ///
    /// # Guarantees
    ///
    /// - Serial: of two calls that expect the same text and keep different ones at most one succeeds.
    /// - Repeatable: the identical call again returns `Ok` and changes nothing.
    /// - Apart: it changes nothing of any user, and nothing that is done to users changes it.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Conflict`](super::ErrorKind::Conflict) if another text is kept; nothing was
    ///   written.
    /// - [`ErrorKind::Unknown`](super::ErrorKind::Unknown) if it may have happened; repeat the call.
    async fn keep_schema(&self, expected: Option<&str>, next: &str) -> Result<()>;
}

/// LIMIT: how long a text [`Operate::keep_schema`] keeps.
pub const SCHEMA_BYTES: usize = 8_000_000;

/// Where the next [`Operate::sweep`] goes on; opaque to all but the store that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepPlace(pub String);

/// Where the next [`Operate::users`] or [`Operate::user_history`] goes on; opaque to all but the store
/// that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPlace(pub String);

/// Some of the users of a store.
///
/// It may hold fewer users than were asked for although more follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The users.
    pub users: Vec<UserId>,
    /// Where to go on; `None`: these were the last.
    pub next: Option<ScanPlace>,
}

/// A part of the history of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPart {
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// Where to go on; `None`: these were the last.
    pub next: Option<ScanPlace>,
}

/// What one [`Operate::sweep`] did.
///
/// A sweep that deleted nothing may still have a next place: it has looked at others' rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many entries it deleted.
    pub deleted: usize,
    /// Where to go on; `None`: the sweep is at its end.
    pub next: Option<SweepPlace>,
}

/// Returns what the journal of erasures keeps of an account's life: a hash that tells nobody
/// without the key who it was.
///
/// A life has its epoch by chance, so what a user begins anew has another hash.
///
/// The key is the journal's own and is made with it. A journal that leaks without its key names
/// nobody.
pub fn erased_life(key: &[u8; 32], user: &UserId, epoch: Epoch) -> Digest {
    // Half of the hash is kept, so nobody who has one can make that of a longer name.
    let epoch = epoch.0.to_be_bytes();
    Digest::of([b"erased life\0".as_slice(), key, user.as_str().as_bytes(), b"\0", &epoch])
}

/// Returns what the journal of erasures keeps of a user, whichever life it was: a hash as
/// [`erased_life`] is one. Beside it stands the largest version of what was erased.
///
/// With the version an erasure that is repeated on a backup is as strong as the first one was, and
/// a user of whom the backup has nothing is known too.
pub fn erased_user(key: &[u8; 32], user: &UserId) -> Digest {
    Digest::of([b"erased user\0".as_slice(), key, user.as_str().as_bytes()])
}

/// The largest version of an account that was erased before anybody noted how far its versions
/// went. Far above what anybody's record has, and far below the largest version.
pub(crate) const UNKNOWN_FLOOR: Version = 1 << 16;

/// What a journal of erasures says: which lives of accounts were erased, as hashes under its key.
pub struct ErasedLives {
    key: [u8; 32],
    lives: HashSet<Digest>,
    floors: HashMap<Digest, Version>,
}

impl ErasedLives {
    /// Puts together what was read: the journal's key, and each [`erased_life`] that it holds.
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
    /// An account whose erasure goes on already is told only how far the versions went.
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

    /// For each user who was erased, the largest version of what was.
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

/// Returns the head of an account that [`Operate::replay_erasures`] has emptied: the next revision,
/// so that no commit on the head before succeeds, and the largest version that was ever erased of
/// the user: the backup may be of a time when the records had smaller ones.
pub fn head_to_erase(head: &Head, floor: Version) -> Head {
    let mut next = head.clone();
    next.max_version = next.max_version.max(floor);
    next.revision.0 += 1;
    let commit = Digest::of([b"erase again\0".as_slice(), &head.commit.0.to_be_bytes()]);
    next.commit = CommitId(commit.bits());
    next.state = HeadState::Erasing;
    next
}

/// A shared store is operated as it is.
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
