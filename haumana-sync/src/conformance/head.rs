//! Laws of [`Store::head`].

use super::sample::{Author, answered, next_batch, piece, record, user};
use crate::Store;
use crate::digest::Digest;
use crate::store::{Batch, CommitId, Epoch, Generation, Head, HeadState, Revision, Stamp};
use crate::time::UnixMillis;

/// There is no head before the first commit.
pub async fn a_user_without_commits_has_no_head(store: &dyn Store) {
    let kai = user("kai");

    let head = answered("a head", store.head(&kai).await);

    assert_eq!(None, head, "nothing was committed, so there is no head");
}

/// Every part of the head comes back, whatever its value.
pub async fn the_head_is_exactly_what_the_last_commit_wrote(store: &dyn Store) {
    let kai = user("kai");
    let small = Head {
        epoch: Epoch(0),
        stamp: Stamp(i64::MIN),
        generation: Generation(0),
        commit: CommitId(0),
        purged_at: UnixMillis(-1),
        notes: String::new(),
        ..next_batch(None, Vec::new(), Vec::new()).head
    };
    let large = |revision: Revision| Head {
        epoch: Epoch(u64::MAX),
        revision,
        stamp: Stamp(i64::MAX),
        generation: Generation(u32::MAX),
        versions: Digest::from_bits(u128::MAX),
        content: Digest::from_bits(1),
        records: u64::MAX,
        bytes: u64::MAX,
        max_version: u32::MAX,
        commit: CommitId(u128::MAX - u128::from(revision.0)),
        state: HeadState::Erasing,
        erased_at: Some(UnixMillis(i64::MIN)),
        purged_at: UnixMillis(i64::MAX),
        notes: "\u{0}\"ʻokina\"\n".repeat(500),
    };
    let mut before = None;

    let states = [HeadState::Active, HeadState::Erasing, HeadState::Importing, HeadState::Erased];
    for state in states {
        let next = next_batch(before.as_ref(), Vec::new(), Vec::new()).head;
        let head = match before {
            None => small.clone(),
            Some(_) => Head { state, ..large(next.revision) },
        };
        let batch = Batch { head, records: Vec::new(), history: Vec::new() };
        answered(
            "a commit on the head that is there",
            store.commit(&kai, before.as_ref(), &batch).await,
        );

        let found = answered("a head", store.head(&kai).await);
        assert_eq!(Some(&batch.head), found.as_ref(), "the head is what the last commit wrote");
        before = Some(batch.head);
    }
}

/// A head that is read after a commit was acknowledged is the head of that commit.
pub async fn the_head_is_fresh(store: &dyn Store) {
    let mut author = Author::new(store, "kai");

    for version in 1..=50 {
        author.put(vec![record(piece(1), version, "Kalākaua")]).await;

        let head = answered("a head", store.head(&user("kai")).await);
        assert_eq!(author.head, head, "an acknowledged commit is in the head");
    }
}
