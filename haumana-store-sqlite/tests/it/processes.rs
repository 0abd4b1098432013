//! Several handles on one file, on real threads.

use crate::support::{Opened, batch, options, stream, user};
use haumana_store_sqlite::SqliteStore;
use haumana_sync::Store;
use haumana_sync::store::{CommitId, ErrorKind};
use std::sync::Arc;

/// How many tasks write.
const WRITERS: u32 = 8;
/// How many commits each of them makes.
const ROUNDS: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_on_several_handles_lose_nothing() {
    let opened = Opened::new();
    let handles: Vec<Arc<SqliteStore>> =
        (0..3).map(|_| Arc::new(SqliteStore::open(&options(&opened.path())).unwrap())).collect();

    let writers = (0..WRITERS).map(|writer| {
        let store = handles[writer as usize % handles.len()].clone();
        tokio::spawn(async move { write(&store, writer).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }

    let head = opened.head(&user("kai")).await.unwrap().unwrap();
    assert_eq!(u64::from(WRITERS * ROUNDS), head.revision.0, "each commit is one revision");
    assert_eq!((WRITERS * ROUNDS) as usize, stream(&opened, &user("kai")).await.len());
}

/// Makes the commits of one writer, each tried again until it is in.
async fn write(store: &SqliteStore, writer: u32) {
    let kai = user("kai");
    for round in 0..ROUNDS {
        let number = u128::from(writer * ROUNDS + round);
        loop {
            let head = store.head(&kai).await.unwrap();
            let mut next = batch(head.as_ref(), number..number + 1, "own");
            next.head.commit = CommitId(number);
            match store.commit(&kai, head.as_ref(), &next).await {
                Ok(()) => break,
                Err(error) => assert_eq!(ErrorKind::Conflict, error.kind()),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handles_that_make_the_file_at_the_same_time_agree() {
    for _ in 0..10 {
        let directory = crate::support::Directory::new();
        let path = directory.file("haumana.db");

        let opening = (0..4).map(|_| {
            let options = options(&path);
            tokio::task::spawn_blocking(move || SqliteStore::open(&options))
        });
        for opened in opening.collect::<Vec<_>>() {
            opened.await.unwrap().unwrap();
        }
    }
}
