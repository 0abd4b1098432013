//! Laws of [`Store::purge`].

use super::sample::{
    Author, Everything, KINDS, answered, entry, everything, piece, record, tombstone, user,
};
use crate::Store;
use crate::time::UnixMillis;

/// What was superseded at the given time stays. Records, change feed and head are unchanged.
pub async fn purging_deletes_older_history_and_nothing_else(store: &dyn Store) {
    let kai = user("kai");
    let keys = write(store, "kai").await;
    let before = everything(store, &kai, &keys).await;

    for (at_ms, left) in [(-50, 5), (9, 4), (10, 3), (11, 2), (20, 2), (i64::MAX, 0)] {
        answered("a purge", store.purge(&kai, UnixMillis(at_ms)).await);

        let due = before.history.iter().filter(|entry| UnixMillis(at_ms) <= entry.at);
        let history: Vec<_> = due.cloned().collect();
        let after = everything(store, &kai, &keys).await;
        assert_eq!(left, history.len());
        assert_eq!(before.head, after.head, "the head stays");
        assert_eq!(before.stream, after.stream, "records stay");
        assert_eq!(before.index, after.index, "records stay in the index");
        assert_eq!(history, after.history, "history before {at_ms} goes, and no other");
    }
}

/// Another user's history of the same keys stays.
pub async fn purging_touches_only_its_user(store: &dyn Store) {
    let keys = write(store, "kai").await;
    write(store, "noe").await;
    let before = everything(store, &user("noe"), &keys).await;

    answered("a purge", store.purge(&user("kai"), UnixMillis(i64::MAX)).await);

    assert_eq!(before, everything(store, &user("noe"), &keys).await);
}

/// Purging a user without data is no error, and makes nothing.
pub async fn purging_a_user_without_commits_does_nothing(store: &dyn Store) {
    answered("a purge", store.purge(&user("kai"), UnixMillis(i64::MAX)).await);

    let nothing = Everything {
        head: None,
        stream: vec![],
        index: vec![vec![]; KINDS.len()],
        history: vec![],
    };
    assert_eq!(nothing, everything(store, &user("kai"), &[piece(1)]).await);
}

/// Writes records, with history of five different times. Returns their keys.
async fn write(store: &dyn Store, name: &str) -> [crate::id::Key; 2] {
    let (one, two) = (piece(1), piece(2));
    let records = vec![record(one, 4, "now"), tombstone(two, 3)];
    let mut author = Author::new(store, name);
    author.put_with_history(records, vec![entry(one, 1, 0, 10), entry(two, 1, 0, -50)]).await;
    let later = vec![entry(one, 2, 0, 20), entry(one, 2, 1, 30), entry(two, 2, 0, 9)];
    author.put_with_history(Vec::new(), later).await;
    [one, two]
}
