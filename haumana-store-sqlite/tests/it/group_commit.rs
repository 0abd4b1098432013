//! Commits that wait together share a transaction.

use crate::support::{Opened, batch, stream, together, user};
use haumana_sync::Store;
use haumana_sync::store::{Batch, ErrorKind};
use rusqlite::Connection;
use std::future::Future;
use std::pin::Pin;

/// Runs the calls while another connection holds the write lock until all of them wait.
async fn while_locked<T>(opened: &Opened, calls: Vec<impl Future<Output = T>>) -> Vec<T> {
    let blocker = Connection::open(opened.path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut tasks: Vec<Pin<Box<dyn Future<Output = Option<T>> + '_>>> = Vec::new();
    for call in calls {
        tasks.push(Box::pin(async { Some(call.await) }));
    }
    // Polled last of all, so when everything waits.
    tasks.push(Box::pin(async {
        blocker.execute_batch("COMMIT").unwrap();
        None
    }));
    together(tasks).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn commits_that_wait_together_share_a_transaction() {
    let opened = Opened::new();
    let users: Vec<_> = (0..60).map(|number| user(&format!("user {number}"))).collect();
    let first = batch(None, 0..3, "all at once");

    let commits = users.iter().map(|user| opened.commit(user, None, &first));
    let answers = while_locked(&opened, commits.collect()).await;

    assert!(answers.iter().all(Result::is_ok), "each commit is in");
    assert_eq!(1, opened.transactions(), "60 commits share one transaction");
    for user in &users {
        assert_eq!(3, stream(&opened, user).await.len());
    }
}

#[tokio::test]
async fn groups_are_bounded() {
    let opened = Opened::new();
    let users: Vec<_> = (0..200).map(|number| user(&format!("user {number}"))).collect();
    let first = batch(None, 0..1, "all at once");

    let commits = users.iter().map(|user| opened.commit(user, None, &first));
    let answers = while_locked(&opened, commits.collect()).await;

    assert!(answers.iter().all(Result::is_ok), "each commit is in");
    assert_eq!(4, opened.transactions(), "200 commits are four groups of at most 64");
}

#[tokio::test]
async fn a_conflict_in_a_group_hurts_no_other() {
    let opened = Opened::new();
    let (kai, noe) = (user("kai"), user("noe"));
    let old = batch(None, 0..1, "old");
    opened.commit(&kai, None, &old).await.unwrap();
    let stale = Batch { head: other_commit(&old, 77), ..old.clone() };
    let next = batch(Some(&old.head), 1..2, "next");
    let raced = Batch { head: other_commit(&next, 78), ..next.clone() };

    let calls = vec![
        opened.commit(&kai, None, &stale),
        opened.commit(&noe, None, &old),
        opened.commit(&kai, Some(&old.head), &next),
        opened.commit(&kai, Some(&old.head), &raced),
    ];
    let answers = while_locked(&opened, calls).await;

    let kinds: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|e| e.kind())).collect();
    let conflict = Err(ErrorKind::Conflict);
    assert_eq!(vec![conflict, Ok(()), Ok(()), conflict], kinds);
    assert_eq!(2, opened.transactions(), "one before, one for the group");
    assert_eq!(Some(next.head), opened.head(&kai).await.unwrap());
    assert_eq!(1, stream(&opened, &noe).await.len());
}

#[tokio::test]
async fn more_waiting_calls_than_the_queue_holds_are_told_to_wait() {
    let opened = Opened::new();
    let users: Vec<_> = (0..1_500).map(|number| user(&format!("user {number}"))).collect();
    let first = batch(None, 0..1, "all at once");

    let commits = users.iter().map(|user| opened.commit(user, None, &first));
    let answers = while_locked(&opened, commits.collect()).await;

    let throttled = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(throttled.clone().all(|error| error.kind() == ErrorKind::Throttled));
    assert!(1_500 - 1_024 - 64 <= throttled.count(), "what does not fit is refused at once");
    for (user, answer) in users.iter().zip(&answers) {
        let is_there = opened.head(user).await.unwrap().is_some();
        assert_eq!(answer.is_ok(), is_there, "what was answered is what is there");
    }
}

fn other_commit(batch: &Batch, id: u128) -> haumana_sync::store::Head {
    let commit = haumana_sync::store::CommitId(id);
    haumana_sync::store::Head { commit, ..batch.head.clone() }
}
