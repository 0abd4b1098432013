//! Laws for callers on several threads. They meet inside calls that never yield, such as those of a
//! store on files.

use super::cases::case;
use super::races::batch_by;
use super::sample::{Author, Task, answered, everything, piece, record, user};
use crate::Store;
use crate::id::{Key, UserId};
use crate::store::{Batch, ErrorKind, Head};
use crate::time::UnixMillis;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use tokio::runtime::Handle;
use tokio::task::{spawn_blocking, yield_now};

/// How many threads race.
pub(super) const THREADS: u128 = 4;
/// How many times all of them commit on one head.
const RACES: u128 = 24;
/// How many commits each thread makes.
const ROUNDS: u128 = 25;
/// LIMIT: how often history is deleted beside one writer.
const DELETIONS: u32 = 12;

/// What one thread does. The future is made and polled there, so it need not be `Send`.
pub(super) type Job<T> = Box<dyn FnOnce() -> Task<'static, T> + Send>;

/// Makes a job of a future.
pub(super) fn job<T>(future: impl Future<Output = T> + Send + 'static) -> Job<T> {
    Box::new(|| Box::pin(future))
}

/// Runs each of the futures on its own thread, all at once. Returns their results in order.
///
/// Their spawned tasks, sockets and timers belong to the runtime that awaits this. So a connection
/// that one thread has opened also serves the others, and stays after the thread has ended.
///
/// # Panics
///
/// If one of them panics, with its message, after all have ended; and outside a tokio runtime.
#[doc(hidden)]
pub async fn on_threads<T, F>(makes: Vec<impl FnOnce() -> F + Send + 'static>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let start = Arc::new(Barrier::new(makes.len()));
    let threads: Vec<_> = makes
        .into_iter()
        .map(|make| {
            let (start, runtime) = (Arc::clone(&start), Handle::current());
            spawn_blocking(move || {
                start.wait();
                runtime.block_on(make())
            })
        })
        .collect();
    let mut results = Vec::new();
    let mut panic = None;
    for thread in threads {
        match thread.await {
            Ok(result) => results.push(result),
            Err(error) => panic = panic.or_else(|| error.try_into_panic().ok()),
        }
    }
    if let Some(panic) = panic {
        std::panic::resume_unwind(panic);
    }
    results
}

/// The head is compared where it is written, even if no call yields in between.
pub async fn of_commits_on_threads_on_one_head_exactly_one_succeeds(store: Arc<dyn Store>) {
    race_on_one_head(&[store]).await;
}

/// All that was acknowledged on any thread is there in the end.
pub async fn writers_on_threads_lose_nothing(store: Arc<dyn Store>) {
    race_freely(&[store]).await;
}

/// Two handles compare the head in the storage, even if no call yields in between.
pub async fn of_commits_on_threads_of_two_handles_on_one_head_exactly_one_succeeds(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    race_on_one_head(&[one, other]).await;
}

/// All that was acknowledged on any thread of either handle is there in the end.
pub async fn writers_on_threads_of_two_handles_lose_nothing(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    race_freely(&[one, other]).await;
}

/// Handles that were opened on several threads at the same time work together, on threads, too.
pub async fn handles_that_open_empty_storage_on_threads_at_once_work_together(
    stores: Vec<Arc<dyn Store>>,
) {
    let borrowed: Vec<&dyn Store> = stores.iter().map(|store| &**store).collect();
    super::handles_that_open_empty_storage_at_once_work_together(&borrowed).await;
    race_on_one_head(&stores).await;
}

/// Each account works as if it were alone, also while others are erased.
pub async fn accounts_on_threads_do_not_disturb_each_other(store: Arc<dyn Store>) {
    let jobs = (0..THREADS).map(|thread| {
        let store = Arc::clone(&store);
        job(async move {
            let noe = user(&format!("noe {thread}"));
            let (mut head, mut written) = (None, BTreeMap::new());
            for round in 0..ROUNDS {
                let batch = batch_by(head.as_ref(), 100 * thread, round);
                let is_in = commit(&*store, &noe, head.as_ref(), &batch).await;
                assert!(is_in, "the only writer of an account meets no conflict");
                written.extend(batch.records.into_iter().map(|record| (record.key, record)));
                head = Some(batch.head);
                let found = answered("a head", store.head(&noe).await);
                assert_eq!(head, found, "an account has the head that its only writer wrote");
                if thread == 0 && round % 4 == 0 {
                    let gone = user(&format!("gone {round}"));
                    assert!(commit(&*store, &gone, None, &batch_by(None, 900, round)).await);
                    answered("an erasure", store.erase(&gone).await);
                }
            }
            (head, written)
        })
    });
    let written = on_threads(jobs.collect()).await;

    for (thread, (head, records)) in written.into_iter().enumerate() {
        case(format_args!("the account of thread {thread}"));
        let seen = everything(&*store, &user(&format!("noe {thread}")), &[]).await;
        assert_eq!(head, seen.head, "the head is the last that this account's writer wrote");
        let found: BTreeMap<_, _> =
            seen.stream.into_iter().map(|record| (record.key, record)).collect();
        assert_eq!(records, found, "the records are those that this account's writer wrote");
    }
}

/// The writer has ended: it is done, or it has panicked.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A purge beside a writer undoes no commit.
pub async fn a_purge_beside_commits_on_threads_moves_no_head(store: Arc<dyn Store>) {
    for round in 0..8_u128 {
        let name = format!("kai {round}");
        case(format_args!("a purge beside a writer"));
        let kai = user(&name);
        let mut author = Author::new(&*store, &name);
        author.put(vec![record(piece(999), 1, "before")]).await;
        let first = author.head;

        let (owned, of_writer) = (kai.clone(), Arc::clone(&store));
        let begun = first.clone();
        let over = Over(Arc::default());
        let seen_over = Arc::clone(&over.0);
        let writer = job(async move {
            let _over = over;
            let mut head = begun;
            for number in 0..12 {
                let batch = batch_by(head.as_ref(), 0, number);
                let is_in = commit(&*of_writer, &owned, head.as_ref(), &batch).await;
                assert!(
                    is_in,
                    "what only deletes moves no head, so its only writer never conflicts"
                );
                head = Some(batch.head);
            }
            head
        });
        let (owned, of_other) = (kai.clone(), Arc::clone(&store));
        let deleting = job(async move {
            // Beside each of the commits. A store that deletes slowly does so at least once.
            for _ in 0..DELETIONS {
                purge(&*of_other, &owned).await;
                if seen_over.load(Ordering::SeqCst) {
                    break;
                }
                yield_now().await;
            }
            None
        });
        let head = on_threads(vec![writer, deleting]).await.swap_remove(0);

        let seen = everything(&*store, &kai, &[]).await;
        assert_eq!(head, seen.head, "the head is that of the last commit");
        assert_eq!(14, seen.stream.len(), "a purge leaves each commit's records");
    }
}

async fn purge(store: &dyn Store, user: &UserId) {
    loop {
        match store.purge(user, UnixMillis(i64::MAX)).await {
            Err(error) if may_be_repeated(error.kind()) => yield_now().await,
            done => return answered("a purge", done),
        }
    }
}

/// All threads commit on one head that all of them saw: first on no head, then on an existing one.
async fn race_on_one_head(stores: &[Arc<dyn Store>]) {
    for race in 0..RACES {
        let kai = user(&format!("kai {}", race / 2));
        let head = answered("a head", stores[0].head(&kai).await);
        let is_first = race % 2 == 0;
        let on = if is_first { "no head, as the first" } else { "one head" };
        case(format_args!("{THREADS} threads commit on {on}"));
        assert_eq!(is_first, head.is_none(), "what was acknowledged is in the head");
        let jobs = (0..THREADS).map(|thread| {
            let (store, kai, head) = (of(stores, thread), kai.clone(), head.clone());
            job(async move {
                let batch = batch_by(head.as_ref(), 100 * thread, race % 2);
                commit(&*store, &kai, head.as_ref(), &batch).await.then_some(batch)
            })
        });
        let won: Vec<Batch> = on_threads(jobs.collect()).await.into_iter().flatten().collect();

        assert_eq!(
            1,
            won.len(),
            "of {THREADS} commits on one head exactly one is acknowledged: the store compares the \
             head and writes the next one with nothing in between"
        );
        for store in stores {
            let found = answered("a head", store.head(&kai).await);
            assert_eq!(Some(&won[0].head), found.as_ref(), "the head is the winner's");
            let seen = everything(&**store, &kai, &[]).await;
            let of_race = seen.stream.iter().filter(|one| one.revision == won[0].head.revision);
            let of_race: Vec<Key> = of_race.map(|record| record.key).collect();
            let due: Vec<Key> = won[0].records.iter().map(|record| record.key).collect();
            assert_eq!(sorted(due), sorted(of_race), "its records are there, and no loser's");
        }
    }
}

/// Threads read the head, commit on it, and try again if another was first.
async fn race_freely(stores: &[Arc<dyn Store>]) {
    let kai = user("kai");
    let jobs = (0..THREADS).map(|thread| {
        let (store, kai) = (of(stores, thread), kai.clone());
        job(async move {
            let mut acknowledged = Vec::new();
            for round in 0..ROUNDS {
                loop {
                    let head = answered("a head", store.head(&kai).await);
                    let batch = batch_by(head.as_ref(), 100 * thread, round);
                    if commit(&*store, &kai, head.as_ref(), &batch).await {
                        acknowledged.push((head.map(|head| head.commit.0), batch));
                        break;
                    }
                    yield_now().await;
                }
            }
            acknowledged
        })
    });
    let acknowledged: Vec<_> = on_threads(jobs.collect()).await.into_iter().flatten().collect();

    let mut bases: Vec<Option<u128>> = acknowledged.iter().map(|(base, _)| *base).collect();
    bases.sort_unstable();
    bases.dedup();
    assert_eq!(acknowledged.len(), bases.len(), "on each head one commit at most is acknowledged");
    for store in stores {
        let head = answered("a head", store.head(&kai).await);
        let last = acknowledged.iter().map(|(_, batch)| &batch.head).max_by_key(|one| one.revision);
        assert_eq!(
            last,
            head.as_ref(),
            "the head is that of the last commit that was acknowledged"
        );
        let stream = everything(&**store, &kai, &[]).await.stream;
        let found: BTreeMap<_, _> = stream.iter().map(|record| (record.key, record)).collect();
        let lost = acknowledged.iter().filter(|(_, batch)| {
            let own = &batch.records[0];
            found.get(&own.key) != Some(&own)
        });
        let n_lost = lost.count();
        let n_all = acknowledged.len();
        assert_eq!(0, n_lost, "of {n_all} commits that were acknowledged none is lost");
        assert_eq!(n_all + 1, stream.len(), "each record is in the feed once, and nothing else");
    }
}

fn of(stores: &[Arc<dyn Store>], thread: u128) -> Arc<dyn Store> {
    Arc::clone(&stores[thread as usize % stores.len()])
}

fn sorted(mut keys: Vec<Key>) -> Vec<Key> {
    keys.sort_unstable();
    keys
}

/// Whether the commit was done. No other commit writes its first record.
pub(super) async fn commit(
    store: &dyn Store,
    user: &UserId,
    expected: Option<&Head>,
    batch: &Batch,
) -> bool {
    let mut is_open = false;
    loop {
        match store.commit(user, expected, batch).await {
            Ok(()) => return true,
            Err(error) if error.kind() == ErrorKind::Conflict && is_open => {
                // It may have been done before another commit followed.
                let own = &batch.records[0];
                let found = answered("a record", store.read(user, &[own.key]).await);
                return found[0].as_ref() == Some(own);
            }
            Err(error) if error.kind() == ErrorKind::Conflict => return false,
            Err(error) if may_be_repeated(error.kind()) => {
                is_open |= error.kind() == ErrorKind::Unknown;
                yield_now().await;
            }
            Err(error) => panic!("a commit beside others is in or conflicts, but {error}"),
        }
    }
}

fn may_be_repeated(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Throttled | ErrorKind::Unknown)
}
