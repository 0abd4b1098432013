//! Laws of [`Store::commit`].

use super::sample::{
    Author, Everything, answered, entry, everything, head_of, next_batch, piece, pieces, record,
    tombstone, user,
};
use crate::Store;
use crate::digest::Digest;
use crate::store::{Batch, CommitId, Envelope, Epoch, ErrorKind, Head, Revision};

/// The first commit expects `None`, no head.
pub async fn the_first_commit_expects_no_head(store: &dyn Store) {
    let kai = user("kai");
    let batch = next_batch(None, vec![record(piece(1), 1, "Hula")], Vec::new());

    answered("a first commit", store.commit(&kai, None, &batch).await);

    let seen = everything(store, &kai, &[]).await;
    assert_eq!(Some(&batch.head), seen.head.as_ref(), "the head is that of the first commit");
    assert_eq!(batch.records, seen.stream, "the feed has the records of the first commit");
}

/// A commit that expects an older head, another epoch or another commit is refused as a whole.
pub async fn a_commit_on_another_head_conflicts_and_changes_nothing(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    author.put(vec![record(piece(1), 1, "one")]).await;
    let old = author.head.clone().unwrap();
    author.put(vec![record(piece(1), 2, "two"), record(piece(2), 1, "one")]).await;
    let head = author.head.clone().unwrap();
    let others = [
        old,
        Head { epoch: Epoch(head.epoch.0 + 1), ..head.clone() },
        Head { commit: CommitId(head.commit.0 + 1), ..head.clone() },
        Head { revision: Revision(head.revision.0 + 1), ..head.clone() },
    ];

    for other in others {
        refuse(store, Some(&other), ErrorKind::Conflict, refused(Some(&other))).await;
    }
}

/// A commit that expects no head has not seen the first commit of somebody else.
pub async fn a_first_commit_after_another_conflicts_and_changes_nothing(store: &dyn Store) {
    Author::new(store, "kai").put(vec![record(piece(1), 1, "one")]).await;

    refuse(store, None, ErrorKind::Conflict, refused(None)).await;
}

/// A commit that expects a head where there is none comes from another life of the data.
pub async fn a_commit_on_a_head_that_never_was_conflicts_and_changes_nothing(store: &dyn Store) {
    let never = next_batch(None, Vec::new(), Vec::new()).head;

    refuse(store, Some(&never), ErrorKind::Conflict, refused(Some(&never))).await;
}

/// Only epoch, revision and commit id decide whether a head is the expected one.
pub async fn heads_are_compared_by_epoch_revision_and_commit(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    author.put(vec![record(piece(1), 1, "one")]).await;
    let head = author.head.clone().unwrap();
    let same = Head {
        versions: Digest::from_bits(99),
        content: Digest::from_bits(98),
        records: 97,
        ..head
    };
    let batch = next_batch(Some(&same), vec![record(piece(1), 2, "two")], Vec::new());

    answered(
        "a commit on the head that is there",
        store.commit(&user("kai"), Some(&same), &batch).await,
    );

    assert_eq!(Some(batch.head), answered("a head", store.head(&user("kai")).await));
}

/// After a lost answer, the same call finds out what happened.
pub async fn the_identical_commit_again_is_ok_and_changes_nothing(store: &dyn Store) {
    let kai = user("kai");
    let first = next_batch(None, vec![record(piece(1), 1, "one")], Vec::new());
    let records = vec![record(piece(1), 2, "two"), tombstone(piece(2), 1)];
    let second = next_batch(Some(&first.head), records, vec![entry(piece(1), 1, 0, 5)]);

    for (expected, batch) in [(None, &first), (Some(&first.head), &second)] {
        answered("a commit on the head that is there", store.commit(&kai, expected, batch).await);
        let before = everything(store, &kai, &[piece(1)]).await;

        for _ in 0..3 {
            answered(
                "a commit on the head that is there",
                store.commit(&kai, expected, batch).await,
            );
        }

        assert_eq!(before, everything(store, &kai, &[piece(1)]).await, "a repeat changes nothing");
    }
}

/// A repeat that comes after another commit must not undo that commit.
pub async fn an_identical_commit_after_another_conflicts_and_changes_nothing(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    author.put(vec![record(piece(1), 1, "one")]).await;
    let first = author.head.clone().unwrap();
    let second = next_batch(Some(&first), vec![record(piece(1), 2, "two")], Vec::new());
    author.commit(second.clone()).await;
    author.put(vec![record(piece(1), 3, "three")]).await;

    refuse(store, Some(&first), ErrorKind::Conflict, second).await;
}

/// With one item above the limit, the whole batch is refused.
pub async fn a_commit_with_too_many_items_is_too_large_and_changes_nothing(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    author.put(vec![record(piece(1), 1, "one")]).await;
    let most = store.batch_limits().items;
    let mut batch = batch_of(author.head.as_ref(), most - 1);
    batch.history = vec![entry(piece(1), 1, 0, 5), entry(piece(1), 1, 1, 5)];

    refuse(store, author.head.as_ref(), ErrorKind::TooLarge, batch).await;
}

/// With one byte above the limit, the whole batch is refused.
pub async fn a_commit_with_too_many_bytes_is_too_large_and_changes_nothing(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    author.put(vec![record(piece(1), 1, "one")]).await;
    let mut batch = batch_of(author.head.as_ref(), 2);
    let missing = store.batch_limits().bytes + 1 - batch.size_bytes() - r#"{"x":""}"#.len();
    let filled = format!(r#"{{"x":"{}"}}"#, "x".repeat(missing + batch.records[1].content.len()));
    batch.records[1].content = filled;
    assert_eq!(store.batch_limits().bytes + 1, batch.size_bytes(), "one byte is too many");

    refuse(store, author.head.as_ref(), ErrorKind::TooLarge, batch).await;
}

/// A commit of exactly the limit is accepted.
pub async fn a_commit_of_exactly_the_limit_is_written(store: &dyn Store) {
    let kai = user("kai");
    let most = store.batch_limits().items;
    let batch = batch_of(None, most);

    answered("a first commit", store.commit(&kai, None, &batch).await);

    assert_eq!(batch.records, everything(store, &kai, &[]).await.stream);
}

/// A commit may write only a head; an erasure does so.
pub async fn a_commit_without_records_moves_the_head_alone(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    author.put(vec![record(piece(1), 1, "one")]).await;
    let before = everything(store, &user("kai"), &[piece(1)]).await;

    author.put(Vec::new()).await;

    let after = everything(store, &user("kai"), &[piece(1)]).await;
    assert_eq!(Everything { head: author.head, ..before }, after);
}

/// No part of the previous envelope is left, whether or not it was a tombstone.
pub async fn a_commit_replaces_records_whole(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let long = record(piece(1), 1, &"long ".repeat(5_000));
    let states = [long.clone(), tombstone(piece(1), 2), Envelope { version: 3, ..long }];

    for state in states {
        let stored = author.put(vec![state]).await;

        let seen = everything(store, &user("kai"), &[]).await;
        assert_eq!(stored, seen.stream);
        assert_eq!(stored[0].content.len(), seen.index[0][0].size_bytes as usize);
    }
}

/// The change feed continues in a new epoch. A commit that expects the old epoch conflicts.
pub async fn a_new_epoch_continues_the_stream(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    author.put(vec![record(piece(1), 1, "one")]).await;
    let old = author.head.clone().unwrap();
    let mut batch = next_batch(Some(&old), vec![record(piece(2), 1, "two")], Vec::new());
    batch.head.epoch = Epoch(8);
    author.commit(batch).await;
    author.put(vec![record(piece(3), 1, "three")]).await;

    refuse(store, Some(&old), ErrorKind::Conflict, refused(Some(&old))).await;
    let head = head_of(store, &user("kai")).await;
    assert_eq!((Epoch(8), Revision(3)), (head.epoch, head.revision));
}

/// A batch that would change everything that a store could mix up.
fn refused(expected: Option<&Head>) -> Batch {
    let records = vec![record(piece(1), 50, "lost"), record(piece(3), 1, "lost")];
    let mut batch = next_batch(expected, records, vec![entry(piece(1), 1, 4, 5)]);
    batch.head.commit = CommitId(4_711);
    batch
}

/// Commits for kai, who has written records with these keys, and checks that nothing changed.
async fn refuse(store: &dyn Store, expected: Option<&Head>, kind: ErrorKind, batch: Batch) {
    let kai = user("kai");
    let keys = pieces(1..5);
    let before = everything(store, &kai, &keys).await;

    let answer = store.commit(&kai, expected, &batch).await;

    assert_eq!(Err(kind), answer.map_err(|error| error.kind()));
    assert_eq!(before, everything(store, &kai, &keys).await, "what is refused changes nothing");
}

/// A batch of `n_records` new pieces.
fn batch_of(expected: Option<&Head>, n_records: usize) -> Batch {
    let keys = pieces(100..100 + n_records as u128);
    next_batch(expected, keys.iter().map(|key| record(*key, 1, "one")).collect(), Vec::new())
}
