//! Laws of [`Store::erase`].
//!
//! If a backend has files, its own tests check that nothing is left in them.

use super::sample::{
    Author, Everything, KINDS, answered, entry, everything, piece, record, tombstone, user,
};
use crate::Store;
use crate::id::{Key, RecordId};
use crate::store::{Epoch, Head};

/// Records, tombstones, index and history are gone. The head is unchanged.
pub async fn erasing_leaves_the_head_and_nothing_else(store: &dyn Store) {
    let head = write(store, "kai").await;

    answered("an erasure", store.erase(&user("kai")).await);

    assert_eq!(only(Some(head)), everything(store, &user("kai"), &keys()).await);
    let read = answered("a read of records", store.read(&user("kai"), &keys()).await);
    assert!(read.iter().all(Option::is_none), "no record is left");
    let old = entry(piece(1), 1, 0, 5).key;
    assert_eq!(
        vec![None],
        answered("history by its keys", store.history(&user("kai"), &[old]).await)
    );
}

/// Another user with the same keys keeps everything.
pub async fn erasing_touches_only_its_user(store: &dyn Store) {
    write(store, "kai").await;
    write(store, "noe").await;
    let before = everything(store, &user("noe"), &keys()).await;

    answered("an erasure", store.erase(&user("kai")).await);

    assert_eq!(before, everything(store, &user("noe"), &keys()).await);
}

/// If the outcome of an erasure is unknown, it is repeated.
pub async fn erasing_again_changes_nothing(store: &dyn Store) {
    let head = write(store, "kai").await;

    for _ in 0..3 {
        answered("an erasure", store.erase(&user("kai")).await);

        assert_eq!(only(Some(head.clone())), everything(store, &user("kai"), &keys()).await);
    }
}

/// Erasing a user without data is no error, and makes no head.
pub async fn erasing_a_user_without_commits_does_nothing(store: &dyn Store) {
    answered("an erasure", store.erase(&user("kai")).await);

    assert_eq!(only(None), everything(store, &user("kai"), &keys()).await);
}

/// The change feed continues after the head that stayed, and nothing old comes back.
pub async fn an_erased_user_starts_again(store: &dyn Store) {
    let head = write(store, "kai").await;
    answered("an erasure", store.erase(&user("kai")).await);

    let mut author = Author::new(store, "kai");
    author.head = Some(Head { epoch: Epoch(7), ..head });
    let stored = author.put(vec![record(piece(1), 1, "a new beginning")]).await;

    let after = everything(store, &user("kai"), &keys()).await;
    assert_eq!(stored, after.stream);
    assert_eq!(1, after.index[0].len());
    assert!(after.history.is_empty(), "erased history does not come back");
}

fn keys() -> [Key; 3] {
    [piece(1), piece(2), Key::session(RecordId::from_bits(1))]
}

/// Writes live records, a tombstone and history; returns the head.
async fn write(store: &dyn Store, name: &str) -> Head {
    let mut author = Author::new(store, name);
    let [one, two, session] = keys();
    author.put(vec![record(one, 1, "one"), record(session, 1, "session")]).await;
    let changed = vec![record(one, 2, "two"), tombstone(two, 1)];
    author.put_with_history(changed, vec![entry(one, 1, 0, 5), entry(two, 1, 1, 6)]).await;
    author.head.unwrap()
}

/// Only a head.
fn only(head: Option<Head>) -> Everything {
    Everything { head, stream: vec![], index: vec![vec![]; KINDS.len()], history: vec![] }
}
