//! Laws for several callers at the same time.

use super::sample::{
    Author, Task, answered, commit_until_in, follow, head_of, next_batch, next_place, piece,
    pieces, record, together, user,
};
use crate::Store;
use crate::id::{Key, UserId};
use crate::store::{After, Batch, CommitId, ErrorKind, Head, Place, Revision};

/// How many writers race.
const WRITERS: u128 = 16;
/// How many commits each writer makes.
const ROUNDS: u128 = 4;

/// Of all commits on one head, one succeeds and the others conflict.
pub async fn of_many_commits_on_one_head_exactly_one_succeeds(store: &dyn Store) {
    let kai = user("kai");
    let mut head: Option<Head> = None;

    for round in 0..ROUNDS {
        let commits = (0..WRITERS).map(|writer| {
            let batch = batch_by(head.as_ref(), writer, round);
            let (kai, head) = (&kai, head.as_ref());
            let task = async move { commit_once(store, kai, head, &batch).await };
            Box::pin(task) as Task<'_, bool>
        });
        let won = together(commits.collect()).await;

        assert_eq!(1, won.iter().filter(|won| **won).count(), "exactly one commit succeeds");
        let winner = won.iter().position(|won| *won).unwrap() as u128;
        head = answered("a head", store.head(&kai).await);
        assert_eq!(batch_id(writer_key(winner, round)), head.as_ref().unwrap().commit);
    }
    let stream = follow(store, &kai, After::Start, 100).await;
    assert_eq!(ROUNDS + 1, stream.len() as u128, "the losers' records are nowhere");
}

/// Writers that read again and try again all succeed, and no commit is overwritten.
pub async fn many_writers_lose_nothing(store: &dyn Store) {
    let kai = user("kai");

    together((0..WRITERS).map(|writer| write(store, &kai, writer)).collect()).await;

    check_nothing_is_lost(store, &kai, WRITERS).await;
}

/// Followers with pages of any size meet every record while records are being written.
pub async fn a_follower_skips_nothing_while_writers_commit(store: &dyn Store) {
    let kai = user("kai");
    let mut tasks: Vec<Task<'_, ()>> = Vec::new();
    for limit in [1, 2, 3, 7] {
        let kai = &kai;
        tasks.push(Box::pin(async move {
            let seen = follow_until(store, kai, limit, Revision((WRITERS * ROUNDS) as u64)).await;
            let mut keys: Vec<Key> = seen;
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(all_keys(WRITERS), keys, "a follower with pages of {limit} skips nothing");
        }));
    }
    tasks.extend((0..WRITERS).map(|writer| write(store, &kai, writer)));

    together(tasks).await;
}

/// A reader never sees a head without its records, nor records without their head.
pub async fn readers_see_all_of_a_commit_or_nothing(store: &dyn Store) {
    let kai = user("kai");
    let keys = pieces(0..8);
    let last = Revision(40);
    let writer: Task<'_, ()> = Box::pin(async {
        let mut author = Author::new(store, "kai");
        for version in 1..=40 {
            let records = keys.iter().map(|key| record(*key, version, "all at once"));
            author.put(records.collect()).await;
            tokio::task::yield_now().await;
        }
    });
    let mut tasks = vec![writer];
    for _ in 0..3 {
        tasks.push(Box::pin(read_until(store, &kai, &keys, last)));
    }

    together(tasks).await;
}

/// Reads heads and records in turn until the revision is reached.
pub(super) async fn read_until(store: &dyn Store, user: &UserId, keys: &[Key], last: Revision) {
    let mut revision = Revision(0);
    while revision < last {
        let before =
            answered("a head", store.head(user).await).map_or(revision, |head| head.revision);
        let found = answered("a read of records", store.read(user, keys).await);
        let after =
            answered("a head", store.head(user).await).map_or(revision, |head| head.revision);

        assert!(revision <= before && before <= after, "heads never go back");
        for record in &found {
            let seen = record.as_ref().map_or(Revision(0), |record| record.revision);
            assert!(before <= seen, "a head is not seen before its records");
            assert!(seen <= after, "records are not seen before their head");
        }
        revision = after;
        tokio::task::yield_now().await;
    }
}

/// Reads pages from place to place until the revision is reached. Returns what it met.
pub(super) async fn follow_until(
    store: &dyn Store,
    user: &UserId,
    limit: usize,
    last: Revision,
) -> Vec<Key> {
    let mut seen = Vec::new();
    let mut place = Place { revision: Revision(0), within: None };
    loop {
        let page =
            answered("a page of changes", store.changes(user, After::Place(place), limit).await);
        let head = page.head.as_ref().map_or(Revision(0), |head| head.revision);
        for record in &page.records {
            let at = (record.revision, Some(record.key));
            // A place without a record is behind all records of its revision.
            let is_behind = match place.within {
                Some(_) => (place.revision, place.within) < at,
                None => place.revision < record.revision,
            };
            assert!(is_behind, "a follower never goes back");
            assert!(record.revision <= head, "nothing beyond the page's head is delivered");
        }
        seen.extend(page.records.iter().map(|record| record.key));
        // This continues as the engine does. So a record that is missing below the head is missed
        // for ever.
        place = next_place(&page).unwrap_or(place);
        if !page.more && last <= head {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

/// Makes the commits of one writer: each adds a record and rewrites one that all share.
pub(super) fn write<'a>(store: &'a dyn Store, user: &'a UserId, writer: u128) -> Task<'a, ()> {
    Box::pin(async move {
        for round in 0..ROUNDS {
            commit_until_in(store, user, |head| batch_by(head, writer, round)).await;
        }
    })
}

/// Checks that the commits of all writers are there.
pub(super) async fn check_nothing_is_lost(store: &dyn Store, user: &UserId, writers: u128) {
    let head = head_of(store, user).await;
    assert_eq!(writers * ROUNDS, u128::from(head.revision.0), "each commit is one revision");
    let stream = follow(store, user, After::Start, 100).await;
    let mut keys: Vec<Key> = stream.iter().map(|record| record.key).collect();
    keys.sort_unstable();
    assert_eq!(all_keys(writers), keys, "each writer's records are there");
    let shared = answered("a read of records", store.read(user, &[piece(0)]).await);
    let revision = shared[0].as_ref().map(|record| record.revision);
    assert_eq!(Some(head.revision), revision, "the shared record is the last commit's");
}

/// Commits once. Returns whether it was done; `false` means that another commit was first.
pub(super) async fn commit_once(
    store: &dyn Store,
    user: &UserId,
    expected: Option<&Head>,
    batch: &Batch,
) -> bool {
    loop {
        match store.commit(user, expected, batch).await.map_err(|error| error.kind()) {
            Ok(()) => return true,
            Err(ErrorKind::Conflict) => return false,
            Err(ErrorKind::Throttled | ErrorKind::Unknown) => tokio::task::yield_now().await,
            Err(kind) => panic!("a race is won or lost, not {kind:?}"),
        }
    }
}

/// Returns what a writer commits in a round, with a commit id of its own.
pub(super) fn batch_by(head: Option<&Head>, writer: u128, round: u128) -> Batch {
    let own = writer_key(writer, round);
    let records = vec![record(own, 1, "own"), record(piece(0), 1, "shared")];
    let mut batch = next_batch(head, records, Vec::new());
    batch.head.commit = batch_id(own);
    batch
}

fn writer_key(writer: u128, round: u128) -> Key {
    piece(1 + writer * ROUNDS + round)
}

fn batch_id(key: Key) -> CommitId {
    CommitId(key.id.bits())
}

fn all_keys(writers: u128) -> Vec<Key> {
    pieces(0..1 + writers * ROUNDS)
}
