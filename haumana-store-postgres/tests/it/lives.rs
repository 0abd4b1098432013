//! Backups that are put back begin a new life.

use crate::support::{connect, open};
use haumana_store_postgres::{Life, NewLife, PostgresOptions, PostgresStore};
use haumana_sync::Store;
use haumana_sync::conformance::sample::{Author, everything, next_batch, piece, record, user};
use haumana_sync::store::{ErrorKind, Generation};

#[tokio::test]
async fn a_life_goes_on_from_opening_to_opening() {
    let options = server_or_skip!().empty();

    for _ in 0..3 {
        let life = open(&options).await.life();
        assert_eq!(Life { generation: Generation(0), begun: None }, life);
    }
}

#[tokio::test]
async fn a_higher_generation_begins_a_life_once() {
    let options = server_or_skip!().empty();
    drop(open(&options).await);
    let asking = PostgresOptions { generation: Generation(7), ..options.clone() };

    let asked = open(&asking).await.life();
    let again = open(&asking).await.life();
    let without = open(&options).await.life();

    assert_eq!(Some(NewLife::Asked), asked.begun);
    assert!(Generation(7) < asked.generation, "above what was asked for");
    assert_eq!(Life { begun: None, ..asked }, again);
    assert_eq!(again, without, "the generation stays without being asked for");
}

#[tokio::test]
async fn a_handle_of_an_earlier_life_or_program_commits_no_more() {
    let server = server_or_skip!();
    let (options, client) = (server.empty(), connect(server).await);
    let old = open(&options).await;
    let mut author = Author::new(&old, "kai");
    author.put(vec![record(piece(1), 1, "Hula")]).await;
    let before = everything(&old, &user("kai"), &[]).await;
    let next = next_batch(author.head.as_ref(), vec![record(piece(1), 2, "Oli")], Vec::new());
    let first = next_batch(None, Vec::new(), Vec::new());
    let refused = async |store: &PostgresStore| {
        for (name, expected, batch) in [("kai", author.head.as_ref(), &next), ("noe", None, &first)]
        {
            let refused = store.commit(&user(name), expected, batch).await.unwrap_err();
            assert_eq!(ErrorKind::Corrupt, refused.kind(), "{name}");
        }
    };

    let new = open(&PostgresOptions { generation: Generation(7), ..options.clone() }).await;
    refused(&old).await;

    assert_eq!(before, everything(&new, &user("kai"), &[]).await, "nothing was written");
    let newer = format!("UPDATE {}.haumana SET version = version + 1", options.schema);
    client.batch_execute(&newer).await.unwrap();
    refused(&new).await;
    let back = format!("UPDATE {}.haumana SET version = version - 1", options.schema);
    client.batch_execute(&back).await.unwrap();
    new.commit(&user("kai"), author.head.as_ref(), &next).await.unwrap();
}

#[tokio::test]
async fn tables_in_another_database_are_a_restored_backup() {
    let server = server_or_skip!();
    let options = server.empty();
    let store = open(&options).await;
    Author::new(&store, "kai").put(vec![record(piece(1), 1, "Hula")]).await;
    let before = everything(&store, &user("kai"), &[piece(1)]).await;
    drop(store);
    let (client, copy) = (connect(server).await, format!("copy_{}", options.schema));
    // A copy of all files, as a backup of the cluster is; nobody else may be connected to it, so
    // the copy is of a database of its own.
    client.batch_execute(&format!("CREATE DATABASE {copy}")).await.unwrap();
    let url = server
        .url()
        .replace("/postgres", &format!("/{copy}"))
        .replace(&format!("{copy}://"), "postgres://");
    let there = PostgresOptions { url: url.clone(), ..options.clone() };
    drop(open(&there).await);
    let (theirs, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // What pg_dump and psql do, for the one row that knows where the tables were.
    let place = format!("SELECT place FROM {}.haumana", options.schema);
    let place: String = client.query_one(&place, &[]).await.unwrap().get(0);
    let restore = format!("UPDATE {}.haumana SET place = $1, generation = 4", options.schema);
    theirs.execute(&restore, &[&place]).await.unwrap();

    let first = open(&there).await.life();
    let second = open(&there).await.life();

    assert_eq!(Some(NewLife::Restored), first.begun);
    assert!(Generation(4) < first.generation, "above all before");
    assert_eq!(Life { begun: None, ..first }, second);
    let store = open(&options).await;
    assert_eq!(None, store.life().begun, "where the tables were, the life goes on");
    assert_eq!(before, everything(&store, &user("kai"), &[piece(1)]).await);
}
