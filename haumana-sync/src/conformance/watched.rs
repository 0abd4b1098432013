//! The law of readers on threads of their own, beside a writer.

use super::sample::{KINDS, answered, entry, next_batch, next_place, piece, pieces, record, user};
use super::threads::{Job, commit, job, on_threads};
use crate::Store;
use crate::id::{Key, UserId};
use crate::store::{After, Batch, Head, Place, Revision, Version};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::task::yield_now;

/// The least and the greatest number of commits.
const COMMITS: std::ops::Range<u64> = 40..200;
/// How often each reader looks meanwhile, unless the greatest number of commits is reached before.
const LOOKS: u32 = 30;
/// The records that each commit rewrites.
const SHARED: std::ops::Range<u128> = 0..8;

/// What readers and the writer share.
#[derive(Default)]
struct Watch {
    is_over: AtomicBool,
    looks: [AtomicU32; 4],
}

/// The writer has ended: it is done, or it has panicked.
struct Over(Arc<Watch>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

/// A reader has ended: the writer does not wait for it any more.
struct Looked(Arc<Watch>, usize);

impl Drop for Looked {
    fn drop(&mut self) {
        self.0.looks[self.1].store(LOOKS, Ordering::SeqCst);
    }
}

/// Heads, records, pages, the index and history are read, each on its own thread.
pub async fn readers_on_threads_see_all_of_a_commit_or_nothing(store: Arc<dyn Store>) {
    let kai = user("kai");
    let first = batch(None);
    let is_in = commit(&*store, &kai, None, &first).await;
    assert!(is_in, "a first commit is taken");
    let watch = Arc::new(Watch::default());

    let writer: Job<()> = {
        let (store, kai, watch) = (Arc::clone(&store), kai.clone(), Arc::clone(&watch));
        job(async move { write(&*store, &kai, first.head, Over(watch)).await })
    };
    let readers = (0..4).map(|number| {
        let (store, kai, watch) = (Arc::clone(&store), kai.clone(), Arc::clone(&watch));
        job(async move { read(&*store, &kai, Looked(watch, number)).await })
    });
    on_threads(std::iter::once(writer).chain(readers).collect()).await;
}

async fn write(store: &dyn Store, user: &UserId, mut head: Head, over: Over) {
    let is_seen = || over.0.looks.iter().all(|looks| LOOKS <= looks.load(Ordering::SeqCst));
    for number in 1..COMMITS.end {
        if COMMITS.start <= number && is_seen() {
            break;
        }
        let next = batch(Some(&head));
        let is_in = commit(store, user, Some(&head), &next).await;
        assert!(is_in, "the only writer of an account meets no conflict");
        head = next.head;
    }
}

/// Looks until the writer is done, and then once more.
async fn read(store: &dyn Store, user: &UserId, looked: Looked) {
    let Looked(watch, number) = &looked;
    let mut follower = Follower::default();
    let mut last = Revision(1);
    loop {
        let is_over = watch.is_over.load(Ordering::SeqCst);
        let before = revision(store, user).await;
        assert!(last <= before, "heads never go back, and are never gone");
        last = before;
        match number {
            0 => read_records(store, user, before).await,
            1 => follower.read_pages(store, user, before).await,
            2 => read_index(store, user, before).await,
            _ => read_history(store, user, before).await,
        }
        watch.looks[*number].fetch_add(1, Ordering::SeqCst);
        if is_over {
            return;
        }
        yield_now().await;
    }
}

async fn revision(store: &dyn Store, user: &UserId) -> Revision {
    let head = answered("a head", store.head(user).await);
    assert!(head.is_some(), "a head that was there is never gone");
    head.map_or(Revision(0), |head| head.revision)
}

async fn read_records(store: &dyn Store, user: &UserId, before: Revision) {
    let found = answered("a read of records", store.read(user, &pieces(SHARED)).await);
    let after = revision(store, user).await;
    assert_eq!(pieces(SHARED).len(), found.len(), "each key has an answer");
    for found in found {
        let seen = found.as_ref().map_or(Revision(0), |record| record.revision);
        assert!(before <= seen, "a head is not seen before its records, and none is ever gone");
        assert!(seen <= after, "records are not seen before their head");
        let whole = shared(found.as_ref().map_or(piece(0), |record| record.key), seen);
        let found = found.map(|found| (found.version, found.content, found.meta));
        let whole = Some((whole.version, whole.content, whole.meta));
        assert_eq!(whole, found, "a record is read whole, as one commit wrote it");
    }
}

/// A reader that reads pages from head to head, as the engine does.
struct Follower {
    place: Place,
    own: BTreeSet<Key>,
}

impl Default for Follower {
    fn default() -> Self {
        Self { place: Place { revision: Revision(0), within: None }, own: BTreeSet::new() }
    }
}

impl Follower {
    async fn read_pages(&mut self, store: &dyn Store, user: &UserId, before: Revision) {
        loop {
            let page = answered("a page", store.changes(user, After::Place(self.place), 5).await);
            let head = page.head.as_ref().map_or(Revision(0), |head| head.revision);
            assert!(before <= head, "a page's head is never older than one that was read before");
            let beyond = page.records.iter().filter(|record| head < record.revision).count();
            assert_eq!(0, beyond, "a page holds nothing beyond its head");
            let own = page.records.iter().map(|record| record.key);
            self.own.extend(own.filter(|key| piece(SHARED.end) <= *key));
            self.place = next_place(&page).unwrap_or(self.place);
            if !page.more {
                let due: BTreeSet<Key> = (1..=head.0).map(own_key).collect();
                assert!(due.is_subset(&self.own), "who pages on to a head has all up to it");
                return;
            }
        }
    }
}

async fn read_index(store: &dyn Store, user: &UserId, before: Revision) {
    let found = answered("an index", store.index(user, KINDS[0]).await);
    let ids: Vec<_> = found.iter().map(|entry| entry.id).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "the index lists each record once, by id");
    let due = pieces(SHARED).into_iter().chain((1..=before.0).map(own_key));
    for key in due {
        let at = ids.binary_search(&key.id);
        assert!(at.is_ok(), "the index lists each record of a commit whose head was read before");
        let is_shared = key < piece(SHARED.end);
        let is_new = at.is_ok_and(|at| version(before) <= found[at].version);
        assert!(is_new || !is_shared, "the index is not older than a head that was read before");
    }
}

async fn read_history(store: &dyn Store, user: &UserId, before: Revision) {
    let due = entry(piece(1), version(before), 0, 5);
    let found = answered("history", store.history(user, &[due.key]).await);
    assert_eq!(vec![Some(due)], found, "a head is not seen before the history of its commit");
    let found = answered("history", store.history_of(user, &piece(1), None, 1).await);
    let newest = found.first().map_or(0, |entry| entry.key.version);
    assert!(version(before) <= newest, "history is not older than a head that was read before");
}

fn version(revision: Revision) -> Version {
    u32::try_from(revision.0).unwrap_or(Version::MAX)
}

fn own_key(revision: u64) -> Key {
    piece(100 + u128::from(revision))
}

fn shared(key: Key, revision: Revision) -> crate::store::Envelope {
    record(key, version(revision), &format!("revision {}", revision.0))
}

/// Rewrites the records that all commits share, adds one, and adds history.
fn batch(head: Option<&Head>) -> Batch {
    let revision = Revision(1 + head.map_or(0, |head| head.revision.0));
    let mut records = vec![record(own_key(revision.0), 1, "own")];
    records.extend(pieces(SHARED).into_iter().map(|key| shared(key, revision)));
    next_batch(head, records, vec![entry(piece(1), version(revision), 0, 5)])
}
