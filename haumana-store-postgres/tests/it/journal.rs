//! A backup that is put back brings nobody back who was erased since.

use crate::support::{connect, open};
use haumana_store_postgres::{Journal, NewLife, OpenErrorKind, PostgresOptions};
use haumana_sync::Store;
use haumana_sync::conformance::sample::{Author, entry, everything, piece, record, user};
use haumana_sync::store::{Generation, HeadState, Operate};
use tokio_postgres::Client;

const TABLES: [&str; 3] = ["heads", "records", "history"];

/// Keeps a copy of the tables, as a dump of the schema does; the journal is in another schema.
async fn back_up(client: &Client, schema: &str) {
    for table in TABLES {
        let copy = format!("CREATE TABLE {schema}.old_{table} AS TABLE {schema}.{table}");
        client.batch_execute(&copy).await.unwrap();
    }
}

/// Puts the copy that is in `from` in place of what is in `to`.
async fn put_back(client: &Client, from: &str, to: &str) {
    for table in TABLES {
        let overriding = if table == "heads" { "OVERRIDING SYSTEM VALUE" } else { "" };
        let restore = format!(
            "TRUNCATE {to}.{table};
             INSERT INTO {to}.{table} {overriding} SELECT * FROM {from}.old_{table}"
        );
        client.batch_execute(&restore).await.unwrap();
    }
}

/// Its head says that the largest version is 3.
async fn write(store: &dyn Store, name: &str) {
    let mut author = Author::new(store, name);
    author.put_with_history(vec![record(piece(1), 2, name)], vec![entry(piece(1), 1, 0, 5)]).await;
}

#[tokio::test]
async fn tables_that_are_put_back_are_emptied_of_who_was_erased_since_when_they_are_opened() {
    let server = server_or_skip!();
    let (options, client) = (server.empty(), connect(server).await);
    let store = open(&options).await;
    for name in ["kai", "noe"] {
        write(&store, name).await;
    }
    back_up(&client, &options.schema).await;
    let noe = everything(&store, &user("noe"), &[piece(1)]).await;
    store.erase(&user("kai")).await.unwrap();

    put_back(&client, &options.schema, &options.schema).await;
    let asking = PostgresOptions { generation: Generation(3), ..options };
    let restored = open(&asking).await;

    assert_eq!(Some(NewLife::Asked), restored.life().begun);
    let kai = everything(&restored, &user("kai"), &[piece(1)]).await;
    assert!(kai.stream.is_empty() && kai.history.is_empty(), "nothing of it is in an answer");
    assert_eq!(HeadState::Erasing, kai.head.unwrap().state);
    assert_eq!(vec![user("kai")], restored.erasing(10).await.unwrap());
    assert_eq!(noe, everything(&restored, &user("noe"), &[piece(1)]).await);
}

#[tokio::test]
async fn the_journal_of_another_database_is_replayed_when_it_is_named() {
    let server = server_or_skip!();
    let (before, after, client) = (server.empty(), server.empty(), connect(server).await);
    let (store, other) = (open(&before).await, open(&after).await);
    for name in ["kai", "noe"] {
        write(&store, name).await;
    }
    back_up(&client, &before.schema).await;
    store.erase(&user("kai")).await.unwrap();
    put_back(&client, &before.schema, &after.schema).await;
    assert_eq!(0, other.replay_erasures().await.unwrap(), "its own journal knows nothing");

    let journal = Journal::read(&before).await.unwrap();
    let replayed = other.replay_erasures_of(&journal).await.unwrap();

    assert_eq!(1, replayed);
    assert_eq!(Some(3), other.erased_floor(&user("kai")).await.unwrap());
    assert!(everything(&other, &user("kai"), &[piece(1)]).await.stream.is_empty());
    assert_eq!(1, everything(&other, &user("noe"), &[piece(1)]).await.stream.len());
    let shown = format!("{journal:?}");
    assert_eq!("Journal { lives: 1, .. }", shown, "it shows neither its key nor its hashes");
}

/// The number is under the key of the journal that it came from, and is carried on from there too.
#[tokio::test]
async fn a_user_whom_the_backup_lacks_is_known_by_the_journal_of_another_database() {
    let server = server_or_skip!();
    let (before, after, last) = (server.empty(), server.empty(), server.empty());
    let (store, other, third) = (open(&before).await, open(&after).await, open(&last).await);
    write(&store, "kai").await;
    store.erase(&user("kai")).await.unwrap();

    for _ in 0..2 {
        let journal = Journal::read(&before).await.unwrap();
        assert_eq!(0, other.replay_erasures_of(&journal).await.unwrap());
    }
    let journal = Journal::read(&after).await.unwrap();
    third.replay_erasures_of(&journal).await.unwrap();

    for store in [&store, &other, &third] {
        assert_eq!(Some(3), store.erased_floor(&user("kai")).await.unwrap());
        assert_eq!(None, store.erased_floor(&user("noe")).await.unwrap());
    }
}

/// A journal of an earlier program says nothing of versions, so every version counts as erased.
#[tokio::test]
async fn a_journal_without_numbers_is_replayed_with_a_large_one() {
    let server = server_or_skip!();
    let (options, client) = (server.empty(), connect(server).await);
    let store = open(&options).await;
    write(&store, "kai").await;
    back_up(&client, &options.schema).await;
    store.erase(&user("kai")).await.unwrap();
    let journal = format!("{}_erased", options.schema);
    let drop = format!("DROP TABLE {journal}.floors; DROP TABLE {journal}.carried");
    client.batch_execute(&drop).await.unwrap();
    put_back(&client, &options.schema, &options.schema).await;

    let read = Journal::read(&options).await.unwrap();
    // Each start replays, whoever has begun the life that the tables are in.
    let store = open(&options).await;
    assert_eq!(0, store.replay_erasures_of(&read).await.unwrap());

    let head = store.head(&user("kai")).await.unwrap().unwrap();
    assert_eq!((HeadState::Erasing, 1 << 16), (head.state, head.max_version));
}

#[tokio::test]
async fn the_journal_holds_no_name_and_outlives_its_tables() {
    let server = server_or_skip!();
    let (options, client) = (server.empty(), connect(server).await);
    let store = open(&options).await;
    write(&store, "kaulana").await;
    store.erase(&user("kaulana")).await.unwrap();

    let dropped = format!("DROP SCHEMA {} CASCADE", options.schema);
    client.batch_execute(&dropped).await.unwrap();
    drop(store);
    open(&options).await;

    let all = format!("SELECT l::text FROM {}_erased.lives l", options.schema);
    let rows = client.query(&all, &[]).await.unwrap();
    let texts: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(1, texts.len(), "what is made anew keeps the journal");
    assert!(!texts[0].contains("kaulana"), "{texts:?}");
}

#[tokio::test]
async fn a_journal_is_not_read_from_a_schema_whose_name_would_have_to_be_quoted() {
    let server = server_or_skip!();
    let options = server.empty();
    for name in ["", "Haumana", "a b", "haumana; DROP TABLE x; --"] {
        let options = PostgresOptions { schema: name.to_owned(), ..options.clone() };

        let refused = Journal::read(&options).await.unwrap_err();

        assert!(matches!(refused.kind(), OpenErrorKind::SchemaName), "{name}");
    }
}
