//! Running out of space.

use crate::support::{Directory, batch, history, options, stream, user};
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::Store;
use haumana_sync::store::{Batch, ErrorKind};
use haumana_sync::time::UnixMillis;

fn open_small(directory: &Directory) -> SqliteStore {
    let small = options(&directory.file("haumana.db"));
    SqliteStore::open(&SqliteOptions { max_bytes: Some(1_000_000), ..small }).unwrap()
}

fn long() -> String {
    "mele ".repeat(2_000)
}

#[tokio::test]
async fn a_commit_without_space_changes_nothing_and_smaller_ones_go_on() {
    let directory = Directory::new();
    let store = open_small(&directory);
    let kai = user("kai");
    let first = batch(None, 0..1, "small");
    store.commit(&kai, None, &first).await.unwrap();

    for _ in 0..3 {
        let too_much = batch(Some(&first.head), 0..200, &long());
        let error = store.commit(&kai, Some(&first.head), &too_much).await.unwrap_err();

        assert_eq!(ErrorKind::Unavailable, error.kind());
        assert_eq!(Some(&first.head), store.head(&kai).await.unwrap().as_ref());
        assert_eq!(first.records, stream(&store, &kai).await);
    }
    let next = batch(Some(&first.head), 1..2, "small");
    store.commit(&kai, Some(&first.head), &next).await.unwrap();
}

#[tokio::test]
async fn a_commit_goes_in_when_there_is_space_again() {
    let directory = Directory::new();
    let store = open_small(&directory);
    let kai = user("kai");
    let replaced = batch(None, 0..40, &long());
    let first = Batch { records: vec![], history: history(&replaced.records, 1), ..replaced };
    store.commit(&kai, None, &first).await.unwrap();
    let second = batch(Some(&first.head), 0..40, &long());
    store.commit(&kai, Some(&first.head), &second).await.unwrap_err();

    store.purge(&kai, UnixMillis(i64::MAX)).await.unwrap();

    store.commit(&kai, Some(&first.head), &second).await.unwrap();
    assert_eq!(40, stream(&store, &kai).await.len());
}

#[tokio::test]
async fn a_commit_without_space_does_not_take_others_of_its_group_with_it() {
    let directory = Directory::new();
    let store = open_small(&directory);
    let users: Vec<_> = (0..20).map(|number| user(&format!("user {number}"))).collect();
    let batches: Vec<Batch> = (0..20)
        .map(|number| match number {
            7 => batch(None, 0..200, &long()),
            _ => batch(None, 0..2, "small"),
        })
        .collect();

    let commits = users.iter().zip(&batches).map(|(user, batch)| store.commit(user, None, batch));
    let answers = crate::support::together(commits.collect()).await;

    for (number, answer) in answers.iter().enumerate() {
        let kind = answer.as_ref().map_err(|error| error.kind());
        let due = if number == 7 { Err(ErrorKind::Unavailable) } else { Ok(&()) };
        assert_eq!(due, kind, "commit {number}");
        let is_there = store.head(&users[number]).await.unwrap().is_some();
        assert_eq!(number != 7, is_there, "what was answered is what is there");
    }
}
