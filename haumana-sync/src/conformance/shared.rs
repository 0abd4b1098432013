//! Laws for two handles on one storage, such as two processes have.

use super::races::{batch_by, check_nothing_is_lost, commit_once, write};
use super::sample::{Author, Task, answered, everything, piece, record, together, user};
use crate::Store;
use crate::store::After;

/// How many races are run.
const RACES: u128 = 20;

/// The other handle delivers all that one handle has acknowledged.
pub async fn what_one_handle_commits_the_other_reads(one: &dyn Store, other: &dyn Store) {
    let kai = user("kai");
    let mut author = Author::new(one, "kai");

    for version in 1..=20 {
        let stored = author.put(vec![record(piece(1), version, "Hula")]).await;

        assert_eq!(author.head, answered("a head", other.head(&kai).await));
        assert_eq!(
            stored,
            answered("a page of changes", other.changes(&kai, After::Start, 10).await).records
        );
    }
    let seen = everything(one, &kai, &[piece(1)]).await;
    assert_eq!(seen, everything(other, &kai, &[piece(1)]).await);
}

/// The head is compared in the storage, not in the handle.
pub async fn of_two_handles_on_one_head_at_most_one_commits(one: &dyn Store, other: &dyn Store) {
    let kai = user("kai");

    for round in 0..RACES {
        let head = answered("a head", one.head(&kai).await);
        let commits = [one, other].into_iter().zip(0..).map(|(store, writer)| {
            let batch = batch_by(head.as_ref(), 1_000 * (writer + 1), round);
            let (kai, head) = (&kai, head.as_ref());
            let task = async move { commit_once(store, kai, head, &batch).await };
            Box::pin(task) as Task<'_, bool>
        });
        let won = together(commits.collect()).await;

        assert_eq!(1, won.iter().filter(|won| **won).count(), "exactly one handle wins");
    }
    assert_eq!(
        answered("a head", one.head(&kai).await),
        answered("a head", other.head(&kai).await)
    );
}

/// Writers on both handles all succeed.
pub async fn writers_on_two_handles_lose_nothing(one: &dyn Store, other: &dyn Store) {
    let kai = user("kai");
    let writers = (0..8).map(|writer| {
        let store = if writer % 2 == 0 { one } else { other };
        write(store, &kai, writer)
    });

    together(writers.collect()).await;

    check_nothing_is_lost(one, &kai, 8).await;
    check_nothing_is_lost(other, &kai, 8).await;
}

/// What is erased through one handle is gone for the other.
pub async fn what_one_handle_erases_is_gone_for_the_other(one: &dyn Store, other: &dyn Store) {
    let kai = user("kai");
    let mut author = Author::new(one, "kai");
    author.put(vec![record(piece(1), 1, "Hula")]).await;
    assert_eq!(1, everything(other, &kai, &[]).await.stream.len());

    answered("an erasure", one.erase(&kai).await);

    let seen = everything(other, &kai, &[piece(1)]).await;
    assert_eq!(author.head, seen.head);
    assert!(seen.stream.is_empty(), "an erased record is gone for all");
}
