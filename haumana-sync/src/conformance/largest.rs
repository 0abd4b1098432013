//! Laws of the largest batch that a store accepts.

use super::races::{follow_until, read_until};
use super::sample::{Author, Task, entry, follow, next_batch, piece, record, together, user};
use crate::Store;
use crate::id::Key;
use crate::store::{After, Batch, Head, Revision};

/// A commit of as many items as the store accepts is seen as a whole or not at all.
pub async fn the_largest_commit_is_atomic_for_readers(store: &dyn Store) {
    let kai = user("kai");
    let most = store.batch_limits().items;
    let shared = most / 2;
    let keys: Vec<Key> = (0..9).map(|eighth| piece(((shared - 1) * eighth / 8) as u128)).collect();
    let writer: Task<'_, ()> = Box::pin(async {
        let mut author = Author::new(store, "kai");
        for version in 1..=2 {
            let batch = largest(author.head.as_ref(), most, version);
            author.commit(batch).await;
        }
    });
    let follower: Task<'_, ()> = Box::pin(async {
        let mut seen = follow_until(store, &kai, most / 3, Revision(2)).await;
        seen.sort_unstable();
        seen.dedup();
        let stored = follow(store, &kai, After::Start, 1_000).await;
        assert_eq!(
            2 * (most - 1) - shared,
            stored.len(),
            "all of {most} items a commit are stored"
        );
        assert_eq!(stored.len(), seen.len(), "a follower sees all records of both commits");
    });
    let readers = (0..3).map(|_| read_until(store, &kai, &keys, Revision(2)));
    let readers = readers.map(|reader| Box::pin(reader) as Task<'_, ()>);

    together([writer, follower].into_iter().chain(readers).collect()).await;
}

/// As many items as allowed. Half of them are the same in each commit, and one is history.
fn largest(head: Option<&Head>, most: usize, version: u32) -> Batch {
    let shared = (most / 2) as u128;
    let own = u128::from(version) << 64;
    let numbers = (0..most as u128 - 1).map(|n| if n < shared { n } else { own + n });
    let records = numbers.map(|number| record(piece(number), version, "")).collect();
    next_batch(head, records, vec![entry(piece(1), version, 0, 5)])
}
