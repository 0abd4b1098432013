//! The data that the laws write, and how they look at a store. It is for tests of backends, too.
//!
//! A test of a backend makes users, records and batches with these functions, commits them with an
//! [`Author`], and compares [`everything`] before and after.

use crate::Store;
use crate::digest::Digest;
use crate::id::{Key, KindNumber, RecordId, UserId};
use crate::limits;
use crate::schema::{Field, FieldType, Kind, Merge, Schema};
use crate::store::{
    After, Batch, CommitId, Envelope, Epoch, ErrorKind, Generation, Head, HeadState, HistoryEntry,
    HistoryKey, IndexEntry, Page, Place, Revision, Stamp, Version,
};
use crate::time::UnixMillis;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// Returns a user of that name.
pub fn user(name: &str) -> UserId {
    UserId::verified_by_caller(name).unwrap()
}

/// Returns a schema with one kind, for the pushes of a [`Device`](super::Device).
pub fn schema() -> Schema {
    let text = |number, name| Field::new(number, name, FieldType::text(200)).required("");
    let lines = Field::new(3, "lyrics", FieldType::lines(limits::LONG_TEXT_BYTES)).required("");
    let created_at = Field::new(11, "createdAt", FieldType::Time);
    let piece = Kind::new(KindNumber::PIECE.get(), "piece")
        .field(text(1, "title"))
        .field(text(2, "category"))
        .field(lines)
        .field(text(4, "language"))
        .field(created_at.merge(Merge::Fixed).required_edit_time());
    Schema::new([piece]).unwrap()
}

/// Returns the key of the piece of that number.
pub fn piece(number: u128) -> Key {
    Key::piece(RecordId::from_bits(number))
}

/// Returns the keys of the pieces of those numbers.
pub fn pieces(numbers: std::ops::Range<u128>) -> Vec<Key> {
    numbers.map(piece).collect()
}

/// Returns an envelope; [`next_batch`] gives it the revision and the stamp of its commit.
pub fn record(key: Key, version: Version, title: &str) -> Envelope {
    Envelope {
        key,
        version,
        revision: Revision(0),
        stamp: Stamp(0),
        modified_at: UnixMillis(1_750_000_000_000 + i64::from(version)),
        deleted: false,
        hash: Digest::of([title.as_bytes()]),
        format: 1,
        content: serde_json::json!({ "title": title }).to_string(),
        meta: format!(r#"{{"touched":{version}}}"#),
    }
}

/// Returns the tombstone of a deleted record.
pub fn tombstone(key: Key, version: Version) -> Envelope {
    let live = record(key, version, "");
    Envelope { deleted: true, hash: Digest::from_bits(0), content: "{}".to_owned(), ..live }
}

/// Returns a history entry that was superseded at `at_ms`.
pub fn entry(key: Key, version: Version, side: u32, at_ms: i64) -> HistoryEntry {
    HistoryEntry {
        key: HistoryKey { key, version, side },
        at: UnixMillis(at_ms),
        content: format!(r#"{{"title":"version {version}, side {side}"}}"#),
        meta: format!(r#"{{"at":{at_ms}}}"#),
    }
}

/// Returns the batch that follows `expected`. It has the same stamp, or 1,000 if it is the first.
pub fn next_batch(
    expected: Option<&Head>,
    records: Vec<Envelope>,
    history: Vec<HistoryEntry>,
) -> Batch {
    let stamp = expected.map_or(Stamp(1_000), |head| head.stamp);
    stamped_batch(expected, stamp, records, history)
}

/// Returns the batch that follows `expected`, with the given stamp.
pub fn stamped_batch(
    expected: Option<&Head>,
    stamp: Stamp,
    mut records: Vec<Envelope>,
    history: Vec<HistoryEntry>,
) -> Batch {
    let revision = Revision(expected.map_or(0, |head| head.revision.0) + 1);
    for record in &mut records {
        record.revision = revision;
        record.stamp = stamp;
    }
    let head = Head {
        epoch: expected.map_or(Epoch(7), |head| head.epoch),
        revision,
        stamp,
        generation: Generation(1),
        versions: Digest::from_bits(u128::from(revision.0)),
        content: Digest::from_bits(u128::from(revision.0) << 64),
        records: records.len() as u64,
        bytes: 17,
        max_version: 3,
        commit: CommitId(u128::from(revision.0) << 32),
        state: HeadState::Active,
        erased_at: None,
        purged_at: UnixMillis(0),
        notes: format!("notes of revision {}", revision.0),
    };
    Batch { head, records, history }
}

/// One device that writes alone and remembers the head.
///
/// ```
/// use haumana_sync::conformance::sample::{Author, piece, record};
/// use haumana_sync::store::MemoryStore;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let mut kai = Author::new(&store, "kai");
/// let stored = kai.put(vec![record(piece(1), 1, "Hula")]).await;
///
/// assert_eq!(1, stored[0].revision.0);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Author<'a> {
    store: &'a dyn Store,
    user: UserId,
    /// The head that the last commit wrote.
    pub head: Option<Head>,
}

impl<'a> Author<'a> {
    /// Begins the change feed of a user with that name.
    pub fn new(store: &'a dyn Store, name: &str) -> Self {
        Self { store, user: user(name), head: None }
    }

    /// Returns the store that it writes to.
    pub fn store(&self) -> &'a dyn Store {
        self.store
    }

    /// Returns the user whose change feed it writes.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Commits records and returns them as they are stored.
    pub async fn put(&mut self, records: Vec<Envelope>) -> Vec<Envelope> {
        self.put_with_history(records, Vec::new()).await
    }

    /// Commits records with the given stamp.
    pub async fn put_stamped(&mut self, stamp: i64, records: Vec<Envelope>) -> Vec<Envelope> {
        let batch = stamped_batch(self.head.as_ref(), Stamp(stamp), records, Vec::new());
        self.commit(batch).await
    }

    /// Commits records and history.
    pub async fn put_with_history(
        &mut self,
        records: Vec<Envelope>,
        history: Vec<HistoryEntry>,
    ) -> Vec<Envelope> {
        let batch = next_batch(self.head.as_ref(), records, history);
        self.commit(batch).await
    }

    /// Commits one batch.
    pub async fn commit(&mut self, batch: Batch) -> Vec<Envelope> {
        answered(
            "a commit on the head that is there",
            self.store.commit(&self.user, self.head.as_ref(), &batch).await,
        );
        self.head = Some(batch.head);
        batch.records
    }

    /// Commits all the given records, in as few commits as the store allows.
    pub async fn put_many(&mut self, records: Vec<Envelope>) {
        let most = self.store.batch_limits().items;
        for chunk in records.chunks(most) {
            self.put(chunk.to_vec()).await;
        }
    }
}

/// All that a store returns about one user.
///
/// If two values are equal, no call of a store distinguishes the two states, as far as those keys
/// go.
#[derive(Clone, Debug, PartialEq)]
pub struct Everything {
    /// The head.
    pub head: Option<Head>,
    /// The change feed from its start.
    pub stream: Vec<Envelope>,
    /// The index of each of [`KINDS`].
    pub index: Vec<Vec<IndexEntry>>,
    /// The history of the keys that were asked for.
    pub history: Vec<HistoryEntry>,
}

/// Kinds of record that laws write: those of the library, and the first and last number for apps.
pub const KINDS: [KindNumber; 5] = [
    KindNumber::PIECE,
    KindNumber::SESSION,
    KindNumber::CONFLICT,
    KindNumber::new(3),
    KindNumber::new(KindNumber::LAST),
];

/// Looks at a user's head, stream and index, and at the history of `keys`.
pub async fn everything(store: &dyn Store, user: &UserId, keys: &[Key]) -> Everything {
    let mut index = Vec::new();
    for kind in KINDS {
        index.push(answered("an index", store.index(user, kind).await));
    }
    let mut history = Vec::new();
    for key in keys {
        history.extend(answered(
            "the history of a record",
            store.history_of(user, key, None, 1_000).await,
        ));
    }
    let head = answered("a head", store.head(user).await);
    let stream = follow(store, user, After::Start, 1_000).await;
    Everything { head, stream, index, history }
}

/// Pages through all that follows `after`, and checks that each page makes progress.
pub async fn follow(
    store: &dyn Store,
    user: &UserId,
    mut after: After,
    limit: usize,
) -> Vec<Envelope> {
    let mut found = Vec::new();
    loop {
        let page = answered("a page of changes", store.changes(user, after, limit).await);
        assert!(page.records.len() <= limit, "a page holds at most its limit");
        let Some(place) = end_of(&page) else {
            assert!(!page.more, "a page is empty only if nothing follows");
            return found;
        };
        if let (After::Place(asked), Some(first)) = (after, page.records.first()) {
            // Without this check, a store that repeats a page would be followed for ever.
            let at = (first.revision, Some(first.key));
            assert!((asked.revision, asked.within) < at, "a page begins behind its place");
        }
        let more = page.more;
        found.extend(page.records);
        if !more {
            return found;
        }
        after = After::Place(place);
    }
}

/// Returns where the engine continues behind a page: behind its last record if more follow,
/// otherwise behind the whole revision of its head. `None` if the user has no head.
pub fn next_place(page: &Page) -> Option<Place> {
    if page.more {
        return end_of(page);
    }
    page.head.as_ref().map(|head| Place { revision: head.revision, within: None })
}

/// Returns the place behind the last record of a page; `None` if it is empty.
pub fn end_of(page: &Page) -> Option<Place> {
    let last = page.records.last()?;
    Some(Place { revision: last.revision, within: Some(last.key) })
}

/// Commits the batch that `make` makes from the head and the number of the try, until it succeeds.
///
/// On errors it does what the docs of [`ErrorKind`] say. Use it for a writer that races with
/// others.
pub async fn commit_until_in(
    store: &dyn Store,
    user: &UserId,
    mut make: impl FnMut(Option<&Head>) -> Batch,
) {
    for _ in 0..10_000 {
        let head = answered("a head", store.head(user).await);
        // Lets the others run between the read and the write, where races are lost.
        tokio::task::yield_now().await;
        let batch = make(head.as_ref());
        loop {
            match store.commit(user, head.as_ref(), &batch).await.map_err(|error| error.kind()) {
                Ok(()) => return,
                Err(ErrorKind::Conflict) => break,
                Err(ErrorKind::Throttled | ErrorKind::Unknown) => tokio::task::yield_now().await,
                Err(kind) => panic!("a commit that fits is taken or lost in a race, not {kind:?}"),
            }
        }
    }
    panic!("a commit must get in when all others have finished");
}

/// Returns the answer of a call. If the call failed, the law ends with what was expected and the
/// error.
#[track_caller]
pub(super) fn answered<T>(what: &str, answer: crate::store::Result<T>) -> T {
    answer.unwrap_or_else(|error| panic!("{what} was wanted, and the store failed: {error:?}"))
}

/// Reads the head of a user who has one.
pub(super) async fn head_of(store: &dyn Store, user: &UserId) -> Head {
    let head = answered("a head", store.head(user).await);
    head.unwrap_or_else(|| panic!("a head was wanted that was written before, and there is none"))
}

/// One of several futures that [`together`] runs.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Makes a task of a future.
pub fn task<'a, T>(future: impl Future<Output = T> + 'a) -> Task<'a, T> {
    Box::pin(future)
}

/// Polls a future at most `polls` times, each time after it wakes up, then drops it. Returns `None`
/// if it was not done by then.
pub async fn poll_times<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// How long a call that is not polled may hold up another one before both go on.
const PAUSE: Duration = Duration::from_secs(1);

/// Polls a future `polls` times, then pauses it until `meanwhile` is done, then finishes it.
///
/// Returns its result, and whether it was done before `meanwhile` began. If the paused call holds up
/// `meanwhile`, as in a store with one connection behind a lock, both go on side by side.
pub async fn interrupted<T>(
    future: impl Future<Output = T>,
    polls: usize,
    meanwhile: impl Future<Output = ()>,
) -> (T, bool) {
    let mut future = std::pin::pin!(future);
    let mut meanwhile = std::pin::pin!(meanwhile);
    let Some(early) = poll_times(future.as_mut(), polls).await else {
        return match tokio::time::timeout(PAUSE, meanwhile.as_mut()).await {
            Ok(()) => (future.await, false),
            Err(_) => (tokio::join!(future, meanwhile).0, false),
        };
    };
    meanwhile.await;
    (early, true)
}

/// Runs futures side by side and returns their results in order.
///
/// The laws that use it borrow the store, so they cannot spawn. Stores that work on threads or over
/// sockets run there at the same time. Stores that never yield are tested by the laws on threads.
pub async fn together<T>(mut tasks: Vec<Task<'_, T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = tasks.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut is_pending = false;
        for (task, result) in tasks.iter_mut().zip(&mut results) {
            if result.is_none() {
                match task.as_mut().poll(context) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => is_pending = true,
                }
            }
        }
        if is_pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    results.into_iter().flatten().collect()
}
